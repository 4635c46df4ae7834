"""How far the access to a tenant cluster is, and what the tenant reads of it.

openMCP answers a ClusterRequest with a Cluster and an AccessRequest with a Secret that holds a kubeconfig. The Secret's
name is what ``status.secretRef`` says.
"""

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, TypeVar

from openmcp_provider.domain.answers import quoted
from openmcp_provider.domain.conditions import FALSE, TRUE, UNKNOWN, Condition, Finding
from openmcp_provider.domain.desired import Access
from openmcp_provider.domain.names import shorten
from openmcp_provider.domain.objects import Json, Ref, deleting, dig, generation, labels, timestamp, uid
from openmcp_provider.domain.snapshot import Kubeconfig, Refused, Snapshot, Unreachable
from openmcp_provider.provider import Provider

__all__ = [
    "CONDITION",
    "PENDING",
    "Stage",
    "access_finding",
    "control_plane_finding",
    "credentials_expired",
    "expired",
    "grace_ends",
    "grant_of",
    "granted",
    "granted_once",
    "kubeconfig_ref",
    "metadata_path",
    "ours",
    "request_of",
    "stage_of",
    "target_of",
    "unreachable",
    "unread",
    "waiting",
]

S = TypeVar("S")
C = TypeVar("C")

CONDITION = "ControlPlaneAccess"
GRACE = timedelta(seconds=10)
"""How old an instance is before the lack of its control plane is a Warning."""
PENDING = "AccessPending"


class Stage(Enum):
    """How far the access to one tenant cluster is."""

    ABSENT = auto()
    FOREIGN = auto()
    LEAVING = auto()
    REPLACED = auto()
    DENIED = auto()
    PENDING = auto()
    UNREAD = auto()
    BROKEN = auto()
    GRANTED = auto()


def stage_of(wanted: Access, snapshot: Snapshot[Any, Any]) -> Stage:
    """Tell how far the access is, from the AccessRequest and the last read of its Secret."""
    request = snapshot.access.get(wanted.cluster.id)
    if request is None:
        return Stage.ABSENT
    if not ours(wanted, request):
        return Stage.FOREIGN
    if deleting(request):
        return Stage.LEAVING
    if _replaced(wanted, request, snapshot):
        return Stage.REPLACED
    if dig(request, "status", "observedGeneration") != generation(request):
        return Stage.PENDING
    match dig(request, "status", "phase"):
        case "Denied":
            return Stage.DENIED
        case "Granted" if granted_once(request):
            return _secret_stage(wanted, request, snapshot.kubeconfigs.get(wanted.cluster.id))
        case "Granted":
            return Stage.BROKEN
        case _:
            return Stage.PENDING


def _replaced(wanted: Access, request: Json, snapshot: Snapshot[Any, Any]) -> bool:
    """Tell whether access is to a former cluster of the same name, whose ClusterRequest was deleted and made anew.

    What a server dated alone does not tell: older programs may have asked for access first. Nor does what a cluster
    provider dated, whose clock may be behind. Together they do.
    """
    cluster = request_of(wanted, snapshot)
    made, asked = (timestamp(dig(obj, "metadata", "creationTimestamp")) for obj in (cluster, request))
    if made is None or asked is None or asked >= made:
        return False
    target, granted = dig(request, "spec", "clusterRef"), dig(cluster, "status", "cluster")
    if target and granted and target != granted:
        return True
    kubeconfig = snapshot.kubeconfigs.get(wanted.cluster.id)
    known = kubeconfig is not None and kubeconfig.grant == grant_of(request)
    return kubeconfig is not None and known and (kubeconfig.created or asked) < made


def _secret_stage(wanted: Access, request: Json, kubeconfig: Kubeconfig | None) -> Stage:
    if (
        kubeconfig is None
        or kubeconfig.grant != grant_of(request)
        or kubeconfig.name != kubeconfig_ref(wanted, request).name
    ):
        return Stage.UNREAD
    return Stage.GRANTED if kubeconfig.found and kubeconfig.usable else Stage.BROKEN


def ours(wanted: Access, request: Json) -> bool:
    """Tell whether an AccessRequest or ClusterRequest carries our labels, shortened or, as before, whole."""
    found = labels(request)
    return all(shorten(found.get(key, "")) == value for key, value in wanted.access["metadata"]["labels"].items())


def granted_once(request: Json) -> bool:
    """Tell whether an AccessRequest was ever granted: it names a Secret."""
    return bool(dig(request, "status", "secretRef", "name"))


def grant_of(request: Json) -> str:
    """Return what tells one grant from another."""
    return f"{uid(request)}/{dig(request, 'status', 'observedGeneration')}"


def kubeconfig_ref(wanted: Access, request: Json | None) -> Ref:
    """Return where the kubeconfig is: what the AccessRequest says, else the cluster providers' default."""
    name = dig(request, "status", "secretRef", "name")
    return wanted.secret._replace(name=name) if name else wanted.secret


def request_of(wanted: Access, snapshot: Snapshot[Any, Any]) -> Json | None:
    """Return the ClusterRequest behind a tenant cluster: the control plane's own, or the one that was made."""
    return snapshot.requests.get(wanted.cluster.id) if wanted.request else snapshot.control_plane


def expired(kubeconfig: Kubeconfig | None, now: datetime) -> bool:
    """Tell whether the token of a kubeconfig has expired."""
    return kubeconfig is not None and kubeconfig.expires is not None and kubeconfig.expires <= now


def grace_ends(snapshot: Snapshot[Any, Any]) -> datetime | None:
    """Return until when the ClusterRequest may be missing without a Warning; None if the instance's age is not known.

    Who creates a ControlPlane and an instance together has the instance first: openMCP takes a moment.
    """
    created = timestamp(dig(snapshot.instance, "metadata", "creationTimestamp"))
    return created + GRACE if created else None


def control_plane_finding(provider: Provider[S, C], snapshot: Snapshot[S, C], now: datetime) -> Finding | None:
    """Return what the control plane's own ClusterRequest has us wait for, None if it is granted."""
    metadata = snapshot.instance["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    request = snapshot.control_plane
    if request is None and (until := grace_ends(snapshot)) and now < until:
        message = f"Waiting for control plane {namespace}/{name} to be created. Nothing to do."
        return access_finding("ControlPlaneNotReady", message, error=False, event="WaitingForControlPlane")
    if request is None:
        kind = provider.edition.kind
        article = "An" if kind[0] in "AEIOU" else "A"
        message = (
            f'No control plane "{name}" in namespace "{namespace}". {article} {kind} serves the control plane of the '
            "same name and "
            f"namespace: create it, or re-create this {kind} under its name."
        )
        return access_finding("ControlPlaneNotFound", message, error=False, alarm=True)
    phase = "being deleted" if deleting(request) else dig(request, "status", "phase") or "Pending"
    if phase == "Granted":
        return None
    if phase == "Denied":
        where = f"[ClusterRequest {metadata_path(request)}]"
        message = f"The platform denied control plane {namespace}/{name}. Ask the platform operator {where}."
        return access_finding("ControlPlaneDenied", message, stalled="ControlPlaneDenied")
    message = (
        f"Waiting for control plane {namespace}/{name} to be provisioned by the platform (ClusterRequest is {phase}). "
        "Nothing to do."
    )
    return access_finding("ControlPlaneNotReady", message, error=False, event="WaitingForControlPlane")


def waiting(snapshot: Snapshot[Any, Any], wanted: Access, stage: Stage) -> Finding | None:
    """Return what a stage has the tenant wait for, None where there is nothing to wait for."""
    target = target_of(snapshot, wanted)
    where = f"[AccessRequest {metadata_path(wanted.access)}]"
    match stage:
        case Stage.DENIED:
            return access_finding(
                "AccessDenied",
                f"The platform denied access to {target}. Ask the platform operator {where}.",
                stalled="AccessDenied",
            )
        case Stage.FOREIGN:
            message = (
                f"Access to {target} is taken by somebody else: the request does not carry our labels. "
                f"Ask the platform operator {where}."
            )
            return access_finding("AccessRequestNotOurs", message, stalled="AccessRequestNotOurs")
        case Stage.BROKEN:
            return _broken(snapshot, wanted, target, where)
        case Stage.REPLACED:
            message = (
                f"{target[0].upper()}{target[1:]} was deleted and made anew: access is asked for anew, and everything "
                "is installed anew. Nothing to do."
            )
            return access_finding("ClusterReplaced", message, error=False)
        case Stage.ABSENT | Stage.PENDING | Stage.LEAVING:
            leaving = stage is Stage.LEAVING
            state = "being deleted, and requested again" if leaving else "Pending"
            message = f"Waiting for the platform to grant access to {target} (AccessRequest is {state})."
            message += "" if leaving else " Nothing to do."
            event = "WaitingForControlPlane"
            return access_finding(PENDING, message, error=False, keeps_ready=True, event=event)
        case Stage.UNREAD | Stage.GRANTED:
            return None


def _broken(snapshot: Snapshot[Any, Any], wanted: Access, target: str, where: str) -> Finding:
    kubeconfig = snapshot.kubeconfigs.get(wanted.cluster.id)
    request = snapshot.access.get(wanted.cluster.id)
    if not granted_once(request or {}) or kubeconfig is None:
        what = "names no Secret"
    else:
        secret = f"Secret {wanted.secret.namespace}/{kubeconfig.name}"
        what = f"names {secret}, which {'cannot be used: ' + kubeconfig.why if kubeconfig.found else 'does not exist'}"
    message = f"Access to {target} is granted but {what}. Ask the platform operator {where}."
    return access_finding("KubeconfigMissing", message, keeps_ready=True)


def credentials_expired(snapshot: Snapshot[Any, Any], wanted: Access) -> Finding:
    """Return the finding that the credentials for a tenant cluster are no longer accepted."""
    message = (
        f"The credentials for {target_of(snapshot, wanted)} have expired and the platform has not renewed them. They "
        "are read again automatically; if this persists, ask the platform operator "
        f"[AccessRequest {metadata_path(wanted.access)}]."
    )
    return access_finding("CredentialsExpired", message, keeps_ready=True)


def unreachable(snapshot: Snapshot[Any, Any], wanted: Access, reason: str) -> Finding:
    """Return the finding that a tenant cluster did not answer, or did not let us in; `reason` as in `Unreachable`."""
    if reason == "CredentialsExpired":
        return credentials_expired(snapshot, wanted)
    target = target_of(snapshot, wanted)
    where = f"[AccessRequest {metadata_path(wanted.access)}]"
    if reason == "Forbidden":
        message = f"{target} refuses what the provider must do there. Ask the platform operator {where}."
        return access_finding(
            "Forbidden", message[0].upper() + message[1:], keeps_ready=True, event="ControlPlaneForbidden"
        )
    message = (
        f"{target} cannot be reached. This is retried automatically; if the cluster is meant to be up, "
        f"ask the platform operator {where}."
    )
    return access_finding(
        "Unreachable", message[0].upper() + message[1:], keeps_ready=True, event="ControlPlaneUnreachable"
    )


def unread(
    snapshot: Snapshot[Any, Any], wanted: Access, read: Unreachable | Refused, told_by: str = "Installed"
) -> Finding:
    """Return the finding that a tenant cluster could not be read; where it answers with an error, `told_by` tells."""
    if isinstance(read, Unreachable):
        return unreachable(snapshot, wanted, read.reason)
    target = target_of(snapshot, wanted)
    message = (
        f"{target[0].upper()}{target[1:]} answers with an error {quoted(read.reason, read.why, secret=False)}. "
        "This is retried automatically; if it persists, ask the platform operator "
        f"[AccessRequest {metadata_path(wanted.access)}]."
    )
    condition = Condition(told_by, UNKNOWN, f"Read{read.reason}", message)
    return Finding(condition=condition, message=message, keeps_ready=True)


def granted(wanted: Access) -> Condition:
    """Return the condition of an access that is granted."""
    return Condition(CONDITION, TRUE, "Granted", f"Access to the {wanted.cluster.title} is granted.")


def target_of(snapshot: Snapshot[Any, Any], wanted: Access) -> str:
    """Return what people call a tenant cluster."""
    metadata = snapshot.instance["metadata"]
    return f"{wanted.cluster.title} {metadata['namespace']}/{metadata['name']}"


def metadata_path(obj: Json) -> str:
    """Return ``namespace/name``."""
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def access_finding(reason: str, message: str, **how: Any) -> Finding:  # noqa: ANN401 - the fields of Finding
    """Return a finding about the access to a tenant cluster."""
    return Finding(condition=Condition(CONDITION, FALSE, reason, message), message=message, **how)
