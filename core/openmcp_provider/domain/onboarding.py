"""The provider's own access to the onboarding cluster, as decisions.

A process asks once: a ClusterRequest and an AccessRequest in the provider's own namespace. Nobody deletes them; the
names are those of the older program, so that its grant is found and used.
"""

from dataclasses import dataclass
from enum import Enum, auto

from openmcp_provider.domain.compare import same
from openmcp_provider.domain.desired import ACCESS_API
from openmcp_provider.domain.names import MANAGED_BY, request_name, shorten
from openmcp_provider.domain.objects import Json, deleting, dig, generation, labels, uid
from openmcp_provider.provider import Edition

__all__ = [
    "INIT",
    "RUN",
    "Onboarding",
    "Progress",
    "Standing",
    "init_rules",
    "onboarding_access",
    "progress_of",
    "regrant",
    "run_rules",
]

INIT, RUN = "onboarding-init", "onboarding-run"
"""The local names of the two accesses."""

PURPOSE = "onboarding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Onboarding:
    """What is asked for: both objects are created by POST, the ClusterRequest first."""

    request: Json
    access: Json


class Progress(Enum):
    """How far the access is."""

    ABSENT = auto()
    WAITING = auto()
    DENIED = auto()
    GRANTED = auto()


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the access is, in words, and the name of its Secret once it is granted."""

    progress: Progress
    message: str
    secret: str = ""


def onboarding_access(edition: Edition, local_name: str, namespace: str, rules: tuple[Json, ...]) -> Onboarding:
    """Return what is asked for.

    Args:
        edition: The wire identity.
        local_name: ``onboarding-init`` or ``onboarding-run``.
        namespace: The provider's own.
        rules: RBAC rules to ask for.
    """
    name = request_name(edition.onboarding_controller, local_name)
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {MANAGED_BY: shorten(edition.onboarding_controller)},
    }
    target = {"name": name, "namespace": namespace}
    token = {"permissions": [{"rules": [dict(rule) for rule in rules]}]}
    return Onboarding(
        request={
            "apiVersion": ACCESS_API,
            "kind": "ClusterRequest",
            "metadata": metadata,
            "spec": {"purpose": PURPOSE},
        },
        access={
            "apiVersion": ACCESS_API,
            "kind": "AccessRequest",
            "metadata": metadata,
            "spec": {"requestRef": target, "token": token},
        },
    )


def init_rules() -> tuple[Json, ...]:
    """Return what `init` may do on the onboarding cluster: look after definitions."""
    verbs = ["get", "create", "patch", "update"]
    return ({"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"], "verbs": verbs},)


def run_rules(edition: Edition) -> tuple[Json, ...]:
    """Return what `run` may do on the onboarding cluster: serve instances, tell of them, and look at one Lease.

    The Lease is the older program's, beside which we do not work.
    """
    group, plural = [edition.group], edition.plural
    return (
        {"apiGroups": group, "resources": [plural], "verbs": ["get", "list", "watch", "patch"]},
        {"apiGroups": group, "resources": [f"{plural}/status"], "verbs": ["patch"]},
        {"apiGroups": group, "resources": [f"{plural}/finalizers"], "verbs": ["update"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [edition.lease],
            "verbs": ["get"],
        },
    )


def regrant(wanted: Onboarding, access: Json) -> Json | None:
    """Return the merge patch that makes an AccessRequest ask for what is wanted; None if it does already."""
    asked, found = (dig(one, "spec", "token", "permissions") for one in (wanted.access, access))
    if same(asked, found):
        return None
    return {
        "metadata": {"uid": uid(access), "resourceVersion": access["metadata"]["resourceVersion"]},
        "spec": {"token": {"permissions": asked}},
    }


def progress_of(wanted: Onboarding, request: Json | None, access: Json | None) -> Standing:
    """Tell how far the access is, from the two objects as they are; None = absent.

    Only an answer to the present generation counts, and a denial is an end of its own, not a grant without a Secret.
    """
    for asked, found in ((wanted.request, request), (wanted.access, access)):
        what = f"{asked['kind']} {asked['metadata']['namespace']}/{asked['metadata']['name']}"
        if found is None:
            return Standing(Progress.ABSENT, f"{what} does not exist yet")
        mark = shorten(labels(found).get(MANAGED_BY, ""))
        if mark != asked["metadata"]["labels"][MANAGED_BY]:
            return Standing(Progress.DENIED, f"{what} belongs to somebody else: its label {MANAGED_BY} is not ours")
        if deleting(found):
            return Standing(Progress.WAITING, f"{what} is being deleted")
        current = dig(found, "status", "observedGeneration") == generation(found)
        phase = (dig(found, "status", "phase") if current else "") or "Pending"
        if phase == "Denied":
            return Standing(Progress.DENIED, f"{what} was denied; ask the platform operator")
        if phase != "Granted":
            return Standing(Progress.WAITING, f"{what} is {phase}")
    secret = dig(access, "status", "secretRef", "name")
    if not secret:
        return Standing(Progress.WAITING, "the AccessRequest is granted but names no Secret yet")
    return Standing(Progress.GRANTED, "access to the onboarding cluster is granted", secret)
