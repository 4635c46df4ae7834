"""A step that failed, in words."""

from typing import Any

from openmcp_provider.domain import standing
from openmcp_provider.domain.answers import denied_by_rights, explained, quoted
from openmcp_provider.domain.conditions import FALSE, UNKNOWN, Condition, Finding
from openmcp_provider.domain.desired import ACCESS_API, Access, access_of
from openmcp_provider.domain.errors import NotFound, PortError, TooManyRequests, Unauthorized, Unavailable
from openmcp_provider.domain.items import COPY_CONDITIONS
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM
from openmcp_provider.domain.plan import Apply, Create, Done, Failed, ReadCluster, ReadKubeconfig, ReadPlane, Step
from openmcp_provider.domain.snapshot import Snapshot
from openmcp_provider.provider import Provider

__all__ = ["finding_of"]


def finding_of(provider: Provider[Any, Any], snapshot: Snapshot[Any, Any], outcome: Done | Failed) -> Finding | None:
    """Return what a failed step is to the tenant; None where none failed, or where the next pass settles it."""
    if isinstance(outcome, Done):
        return None
    step, error = outcome.step, outcome.error
    if error.retried_silently and not _stands_out(step, error):
        return None
    metadata = snapshot.instance["metadata"]
    home = tenant_namespace(metadata["name"], metadata["namespace"])
    cluster = _cluster(step)
    for asked in access_of(provider, metadata["name"], metadata["namespace"], home):
        if asked.cluster.id == cluster:
            return _abroad(snapshot, asked, step, error)
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
        f"{what} on {where} failed{detail}. This is retried automatically; if it persists, ask the platform operator."
    )
    busy = isinstance(error, TooManyRequests)  # ordinary for a moment, so that no event warns of it
    return Finding(
        condition=_condition(step, error, message), message=message, error=not busy, silent=busy, keeps_ready=True
    )


def _abroad(snapshot: Snapshot[Any, Any], asked: Access, step: Step, error: PortError) -> Finding:
    """Return what a step that failed on a tenant cluster is; only silence means that the cluster cannot be reached."""
    if isinstance(error, (Unauthorized, Unavailable)):
        reason = "CredentialsExpired" if isinstance(error, Unauthorized) else "Unreachable"
        return standing.unreachable(snapshot, asked, reason)
    ref = None if isinstance(step, (ReadCluster, ReadPlane)) else step.ref
    words = quoted(error.reason, error.message, secret=ref is not None and ref.kind == "Secret")
    if denied_by_rights(error):
        message = (
            f"{standing.target_of(snapshot, asked)} denies the provider a right that it needs: {_what(step)} failed "
            f"{words}. Ask the platform operator [AccessRequest {standing.metadata_path(asked.access)}]."
        )
        message = message[0].upper() + message[1:]
        return standing.access_finding("Forbidden", message, keeps_ready=True, event="ControlPlaneForbidden")
    message = f"{_what(step)} on the {asked.cluster.title} failed {words}. {explained(error, asked.cluster.title)}"
    told_by = COPY_CONDITIONS[ref.kind][0] if ref is not None and ref.kind in COPY_CONDITIONS else "Installed"
    condition = Condition(told_by, UNKNOWN, f"Write{error.reason}", message)
    return Finding(condition=condition, message=message, keeps_ready=True)


def _stands_out(step: Step, error: PortError) -> bool:
    """Tell whether what the next pass settles most often is told all the same: the object is not even there.

    What is made new meets no object that went meanwhile: its kind is not served, or its namespace is not there.
    """
    if isinstance(error, TooManyRequests):
        return isinstance(step, Create)
    return isinstance(error, NotFound) and isinstance(step, (Apply, Create))


def _condition(step: Step, error: PortError, message: str) -> Condition:
    """Return the condition of what the step is about: the access, or else what is installed."""
    if not isinstance(step, (ReadCluster, ReadPlane)) and step.ref.api_version == ACCESS_API:
        return Condition(standing.CONDITION, FALSE, f"Write{error.reason}", message)
    return Condition("Installed", UNKNOWN, f"Write{error.reason}", message)


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
