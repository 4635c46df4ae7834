"""The cluster access protocol as decisions: how far a tenant cluster's access is, and what may be done about it.

openMCP answers a ClusterRequest with a Cluster and an AccessRequest with a Secret that holds a kubeconfig. The
Secret's name
is what ``status.secretRef`` says.
"""

from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, TypeVar

from openmcp_provider.domain.conditions import FALSE, TRUE, Condition, Finding
from openmcp_provider.domain.desired import ACCESS_FINALIZER, Access
from openmcp_provider.domain.draft import Draft
from openmcp_provider.domain.names import name_uuid, shorten
from openmcp_provider.domain.objects import PLATFORM, Json, Ref, deleting, dig, generation, labels, ref_of, uid
from openmcp_provider.domain.plan import Create, Delete, Patch, ReadKubeconfig
from openmcp_provider.domain.snapshot import Kubeconfig, Snapshot, Unreachable
from openmcp_provider.provider import Provider

__all__ = [
    "CONDITION",
    "RETRY",
    "Stage",
    "control_plane_finding",
    "credentials_expired",
    "drop_finalizer",
    "expired",
    "finalizer_off",
    "finalizer_on",
    "grant_of",
    "granted",
    "granted_once",
    "kubeconfig_ref",
    "let_go",
    "metadata_path",
    "obtain",
    "ours",
    "request_cluster",
    "request_of",
    "retry_at",
    "stage_of",
    "target_of",
    "unreachable",
]

S = TypeVar("S")
C = TypeVar("C")

CONDITION = "ControlPlaneAccess"
RETRY = timedelta(seconds=30)
"""How long after a failed read of a tenant cluster, or of a missing kubeconfig, the next one is tried."""

_RENEWAL_FROM = 0.82  # of the token's life; cluster providers renew at 0.8
_RENEWAL_SPREAD = 0.1


class Stage(Enum):
    """How far the access to one tenant cluster is."""

    ABSENT = auto()
    FOREIGN = auto()
    LEAVING = auto()
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


def control_plane_finding(provider: Provider[S, C], snapshot: Snapshot[S, C]) -> Finding | None:
    """Return what the control plane's own ClusterRequest has us wait for, None if it is granted."""
    metadata = snapshot.instance["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    request = snapshot.control_plane
    if request is None:
        kind = provider.edition.kind
        article = "An" if kind[0] in "AEIOU" else "A"
        message = (
            f'No control plane "{name}" in namespace "{namespace}". {article} {kind} serves the control plane of the '
            "same name and "
            f"namespace: create it, or re-create this {kind} under its name."
        )
        return _finding("ControlPlaneNotFound", message, error=False, alarm=True)
    phase = "being deleted" if deleting(request) else dig(request, "status", "phase") or "Pending"
    if phase == "Granted":
        return None
    if phase == "Denied":
        where = f"[ClusterRequest {metadata_path(request)}]"
        message = f"The platform denied control plane {namespace}/{name}. Ask the platform operator {where}."
        return _finding("ControlPlaneDenied", message, stalled="ControlPlaneDenied")
    message = (
        f"Waiting for control plane {namespace}/{name} to be provisioned by the platform (ClusterRequest is {phase}). "
        "Nothing to do."
    )
    return _finding("ControlPlaneNotReady", message, error=False, event="WaitingForControlPlane")


def request_cluster(snapshot: Snapshot[Any, Any], wanted: Access, draft: Draft) -> bool:
    """Ask for a tenant cluster that nobody else asks for, if that was not done yet; tell whether access may follow."""
    if wanted.request is None:
        return True
    made = snapshot.requests.get(wanted.cluster.id)
    if made is None:
        draft.steps.append(_create(wanted.request, f"the {wanted.cluster.title} has no ClusterRequest"))
        return True
    target, where = target_of(snapshot, wanted), f"[ClusterRequest {metadata_path(made)}]"
    if not ours(wanted, made):
        message = (
            f"The request for {target} is taken by somebody else: it does not carry our labels. "
            f"Ask the platform operator {where}."
        )
        draft.find(_finding("ClusterRequestNotOurs", message, stalled="ClusterRequestNotOurs"))
        return False
    if dig(made, "status", "phase") == "Denied":
        message = f"The platform denied {target}. Ask the platform operator {where}."
        draft.find(_finding("ClusterDenied", message, stalled="ClusterDenied"))
    return True


def obtain(snapshot: Snapshot[Any, Any], wanted: Access, draft: Draft) -> Stage:
    """Do what may be done to get one tenant cluster's access, and note what it waits for.

    Creates what is missing, lets a terminating AccessRequest go so that a new one can follow, restores our fields,
    reads the
    kubeconfig once a grant and again before it expires.
    """
    stage = stage_of(wanted, snapshot)
    request = snapshot.access.get(wanted.cluster.id)
    found = _waiting(snapshot, wanted, stage)
    if stage is Stage.ABSENT:
        draft.steps.append(_create(wanted.access, f"no access to the {wanted.cluster.title} was asked for yet"))
    elif request is not None and stage is Stage.LEAVING:
        draft.steps.extend(drop_finalizer(request, "it is being deleted; a new one can only follow once it is gone"))
    elif request is not None and stage is not Stage.FOREIGN:
        draft.steps.extend(_restore(wanted, request))
        if stage is Stage.UNREAD:
            draft.read_first(_read(wanted, request, "access was granted"))
        elif granted_once(request):
            _renew(snapshot, wanted, request, stage, draft)
    if request is not None and stage is Stage.GRANTED:
        _after_refusal(snapshot, wanted, request, draft)
    if stage is Stage.GRANTED and expired(snapshot.kubeconfigs.get(wanted.cluster.id), draft.now):
        found = credentials_expired(snapshot, wanted)
    if found:
        draft.find(found)
    return stage


def credentials_expired(snapshot: Snapshot[Any, Any], wanted: Access) -> Finding:
    """Return the finding that the credentials for a tenant cluster are no longer accepted."""
    message = (
        f"The credentials for {target_of(snapshot, wanted)} have expired and the platform has not renewed them. They "
        "are read again by "
        f"themselves; if this stays, ask the platform operator [AccessRequest {metadata_path(wanted.access)}]."
    )
    return _finding("CredentialsExpired", message, keeps_ready=True)


def unreachable(snapshot: Snapshot[Any, Any], wanted: Access, reason: str) -> Finding:
    """Return the finding that a tenant cluster did not answer, or did not let us in; `reason` as in `Unreachable`."""
    if reason == "CredentialsExpired":
        return credentials_expired(snapshot, wanted)
    target = target_of(snapshot, wanted)
    where = f"[AccessRequest {metadata_path(wanted.access)}]"
    if reason == "Forbidden":
        message = f"{target} refuses what the provider must do there. Ask the platform operator {where}."
        return _finding("Forbidden", message[0].upper() + message[1:], keeps_ready=True, event="ControlPlaneForbidden")
    message = (
        f"{target} cannot be reached. It is tried again by itself; if the cluster is meant to be up, "
        f"ask the platform operator {where}."
    )
    return _finding("Unreachable", message[0].upper() + message[1:], keeps_ready=True, event="ControlPlaneUnreachable")


def target_of(snapshot: Snapshot[Any, Any], wanted: Access) -> str:
    """Return what people call a tenant cluster."""
    metadata = snapshot.instance["metadata"]
    return f"{wanted.cluster.title} {metadata['namespace']}/{metadata['name']}"


def let_go(wanted: Access, snapshot: Snapshot[Any, Any], draft: Draft) -> bool:
    """Give the access up, AccessRequest first, then a ClusterRequest that was made; tell whether nothing is left."""
    request = snapshot.access.get(wanted.cluster.id)
    if request is not None and ours(wanted, request):
        if deleting(request):
            draft.steps.extend(drop_finalizer(request, "nothing needs the access any more"))
        else:
            draft.steps.append(
                Delete(ref=ref_of(PLATFORM, request), uid=uid(request), why="nothing needs the access any more")
            )
        return False
    made = snapshot.requests.get(wanted.cluster.id) if wanted.request else None
    if made is None or not ours(wanted, made):
        return True
    if not deleting(made):
        draft.steps.append(
            Delete(ref=ref_of(PLATFORM, made), uid=uid(made), why=f"the {wanted.cluster.title} is no longer needed")
        )
    return False


def drop_finalizer(request: Json, why: str) -> list[Patch]:
    """Return the patch that takes our finalizer off an AccessRequest, none if it is not there."""
    body = finalizer_off(request, ACCESS_FINALIZER)
    return [Patch(ref=ref_of(PLATFORM, request), uid=uid(request), kind="json", body=body, why=why)] if body else []


def finalizer_off(obj: Json, finalizer: str) -> tuple[Json, ...]:
    """Return the JSON patch that removes one finalizer and nobody else's; empty if it is not there."""
    held = list(dig(obj, "metadata", "finalizers") or ())
    if finalizer not in held:
        return ()
    path = f"/metadata/finalizers/{held.index(finalizer)}"
    return (
        {"op": "test", "path": "/metadata/uid", "value": uid(obj)},
        {"op": "test", "path": path, "value": finalizer},
        {"op": "remove", "path": path},
    )


def metadata_path(obj: Json) -> str:
    """Return ``namespace/name``."""
    return f"{obj['metadata']['namespace']}/{obj['metadata']['name']}"


def expired(kubeconfig: Kubeconfig | None, now: datetime) -> bool:
    """Tell whether the token of a kubeconfig has expired."""
    return kubeconfig is not None and kubeconfig.expires is not None and kubeconfig.expires <= now


def _create(manifest: Json, why: str) -> Create:
    return Create(ref=ref_of(PLATFORM, manifest), manifest=manifest, why=why)


def _read(wanted: Access, request: Json, why: str) -> ReadKubeconfig:
    return ReadKubeconfig(
        cluster=wanted.cluster.id, ref=kubeconfig_ref(wanted, request), grant=grant_of(request), why=why
    )


def _renew(snapshot: Snapshot[Any, Any], wanted: Access, request: Json, stage: Stage, draft: Draft) -> None:
    kubeconfig = snapshot.kubeconfigs.get(wanted.cluster.id)
    if kubeconfig is None:
        return
    if stage is Stage.BROKEN:
        due, why = kubeconfig.read + RETRY, "the kubeconfig could not be used"
    else:
        moment = _renewal(kubeconfig, metadata_path(request))
        if moment is None:
            return
        due, why = moment, "its token expires soon"
    if due <= draft.now:
        draft.steps.append(_read(wanted, request, why))
    else:
        draft.look_at(due)


def _after_refusal(snapshot: Snapshot[Any, Any], wanted: Access, request: Json, draft: Draft) -> None:
    """Read the kubeconfig again where the tenant cluster refused its token, paced by the last time it was read."""
    read, kubeconfig = snapshot.read(wanted.cluster.id), snapshot.kubeconfigs[wanted.cluster.id]
    refused = isinstance(read, Unreachable) and read.reason == "CredentialsExpired" and kubeconfig.read <= read.at
    if not refused:
        return
    if kubeconfig.read + RETRY <= draft.now:
        draft.steps.append(_read(wanted, request, "its credentials were refused"))
    else:
        draft.look_at(kubeconfig.read + RETRY)


def retry_at(snapshot: Snapshot[Any, Any], cluster: str, read: Unreachable) -> datetime:
    """Return when a tenant cluster that did not let us in is tried again: at once with a kubeconfig read since."""
    kubeconfig = snapshot.kubeconfigs.get(cluster)
    return read.at if kubeconfig is not None and kubeconfig.read > read.at else read.at + RETRY


def _renewal(kubeconfig: Kubeconfig, salt: str) -> datetime | None:
    """Return when to read the kubeconfig again, spread so that a whole fleet does not ask at once; None = never."""
    if kubeconfig.expires is None:
        return None
    created = kubeconfig.created or kubeconfig.read
    spread = int(name_uuid(salt)[:8], 16) / 2**32
    due = created + (kubeconfig.expires - created) * (_RENEWAL_FROM + _RENEWAL_SPREAD * spread)
    if due > kubeconfig.read:
        return due
    return kubeconfig.read + max((kubeconfig.expires - kubeconfig.read) / 4, RETRY)


def _restore(wanted: Access, request: Json) -> list[Patch]:
    """Return the patches that give an AccessRequest our finalizer and token back.

    The finalizer comes first: its patch tests the resourceVersion that was seen, which the other one changes.
    """
    ref, same, why = ref_of(PLATFORM, request), uid(request), "our fields of it were changed"
    patches = []
    if ACCESS_FINALIZER not in (dig(request, "metadata", "finalizers") or ()):
        body = finalizer_on(request, ACCESS_FINALIZER)
        patches.append(Patch(ref=ref, uid=same, kind="json", body=body, why=why))
    token, found = wanted.access["spec"]["token"], dig(request, "spec", "token")
    if found != token or dig(request, "spec", "oidc") is not None:
        whole = {**dict.fromkeys(found or (), None), **token}  # a merge patch leaves alone what it does not name
        merge: Json = {"metadata": {"uid": same}, "spec": {"token": whole, "oidc": None}}
        patches.append(Patch(ref=ref, uid=same, kind="merge", body=merge, why=why))
    return patches


def finalizer_on(obj: Json, finalizer: str) -> tuple[Json, ...]:
    """Return the JSON patch that adds one finalizer and keeps everybody else's."""
    add: Json
    if dig(obj, "metadata", "finalizers"):
        add = {"op": "add", "path": "/metadata/finalizers/-", "value": finalizer}
    else:
        add = {"op": "add", "path": "/metadata/finalizers", "value": [finalizer]}
    version = dig(obj, "metadata", "resourceVersion")
    return ({"op": "test", "path": "/metadata/resourceVersion", "value": version}, add)


def _waiting(snapshot: Snapshot[Any, Any], wanted: Access, stage: Stage) -> Finding | None:
    target = target_of(snapshot, wanted)
    where = f"[AccessRequest {metadata_path(wanted.access)}]"
    match stage:
        case Stage.DENIED:
            return _finding(
                "AccessDenied",
                f"The platform denied access to {target}. Ask the platform operator {where}.",
                stalled="AccessDenied",
            )
        case Stage.FOREIGN:
            message = (
                f"Access to {target} is taken by somebody else: the request does not carry our labels. "
                f"Ask the platform operator {where}."
            )
            return _finding("AccessRequestNotOurs", message, stalled="AccessRequestNotOurs")
        case Stage.BROKEN:
            return _broken(snapshot, wanted, target, where)
        case Stage.ABSENT | Stage.PENDING | Stage.LEAVING:
            state = "being renewed" if stage is Stage.LEAVING else "Pending"
            message = f"Waiting for the platform to grant access to {target} (AccessRequest is {state}). Nothing to do."
            event = "WaitingForControlPlane"
            return _finding("AccessPending", message, error=False, keeps_ready=True, event=event)
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
    return _finding("KubeconfigMissing", message, keeps_ready=True)


def _finding(reason: str, message: str, **how: Any) -> Finding:  # noqa: ANN401 - the fields of Finding
    return Finding(condition=Condition(CONDITION, FALSE, reason, message), message=message, **how)


def granted(wanted: Access) -> Condition:
    """Return the condition of an access that is granted."""
    return Condition(CONDITION, TRUE, "Granted", f"Access to the {wanted.cluster.title} is granted.")
