"""A step that failed, in words."""

from typing import Any

from openmcp_provider.domain import standing
from openmcp_provider.domain.conditions import UNKNOWN, Condition, Finding
from openmcp_provider.domain.desired import access_of
from openmcp_provider.domain.errors import Forbidden, Invalid, Unauthorized
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM
from openmcp_provider.domain.plan import Done, Failed, ReadCluster, ReadKubeconfig, ReadPlane, Step
from openmcp_provider.domain.snapshot import Snapshot
from openmcp_provider.provider import Provider

__all__ = ["finding_of"]


def finding_of(provider: Provider[Any, Any], snapshot: Snapshot[Any, Any], outcome: Done | Failed) -> Finding | None:
    """Return what a failed step is to the tenant; None where none failed, or where the next pass mends it unsaid."""
    if isinstance(outcome, Done) or outcome.error.retried_silently:
        return None
    step, error = outcome.step, outcome.error
    metadata = snapshot.instance["metadata"]
    home = tenant_namespace(metadata["name"], metadata["namespace"])
    cluster = _cluster(step)
    for asked in access_of(provider, metadata["name"], metadata["namespace"], home):
        if asked.cluster.id == cluster and not isinstance(error, Invalid):
            reason = {Unauthorized: "CredentialsExpired", Forbidden: "Forbidden"}.get(type(error), "Unreachable")
            return standing.unreachable(snapshot, asked, reason)
    what = _what(step)
    where = (
        "the onboarding cluster"
        if cluster == ONBOARDING
        else "the platform"
        if cluster == PLATFORM
        else "the control plane"
    )
    detail = f" ({error.reason}{_words(step, error.message)})"
    message = (
        f"{what} on {where} failed{detail}. It is tried again by itself; if this stays, ask the platform operator."
    )
    return Finding(
        condition=Condition("Installed", UNKNOWN, f"Write{error.reason}", message), message=message, keeps_ready=True
    )


def _cluster(step: Step) -> str:
    if isinstance(step, (ReadKubeconfig, ReadPlane)):
        return PLATFORM
    return step.cluster if isinstance(step, ReadCluster) else step.ref.cluster


def _what(step: Step) -> str:
    if isinstance(step, ReadCluster):
        return "Looking for what an older program left"
    if isinstance(step, ReadPlane):
        return "Reading the ClusterRequest"
    return f"{'Reading' if isinstance(step, ReadKubeconfig) else 'Writing'} {step.ref}"


def _words(step: Step, message: str) -> str:
    """Return the server's words, except about Secrets."""
    secret = not isinstance(step, (ReadCluster, ReadPlane)) and step.ref.kind == "Secret"
    return "" if secret or not message else f": {' '.join(message.split())[:200]}"
