"""The cluster access protocol as decisions: what may be done to get, keep and give up access to a tenant cluster."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from openmcp_provider.domain.compare import difference, same
from openmcp_provider.domain.contested import settled
from openmcp_provider.domain.desired import ACCESS_FINALIZER, Access
from openmcp_provider.domain.draft import Draft
from openmcp_provider.domain.held import find_held
from openmcp_provider.domain.kinds import rule_for
from openmcp_provider.domain.names import name_uuid
from openmcp_provider.domain.objects import PLATFORM, Json, Ref, deleting, dig, ref_of, uid
from openmcp_provider.domain.ownership import Live
from openmcp_provider.domain.plan import Create, Delete, Patch, ReadKubeconfig
from openmcp_provider.domain.rules import ReleaseRule
from openmcp_provider.domain.snapshot import Kubeconfig, Refused, Snapshot, Unreachable
from openmcp_provider.domain.standing import (
    Stage,
    access_finding,
    credentials_expired,
    expired,
    grant_of,
    granted_once,
    kubeconfig_ref,
    metadata_path,
    ours,
    stage_of,
    target_of,
    waiting,
)

__all__ = [
    "RETRY",
    "drop_finalizer",
    "finalizer_off",
    "finalizer_on",
    "let_go",
    "obtain",
    "request_cluster",
    "retry_at",
]

RETRY = timedelta(seconds=30)
"""How long after a failed read of a tenant cluster, or of a missing kubeconfig, the next one is tried."""

_THEN = "The rest continues automatically."

_RENEWAL_FROM = 0.82  # of the token's life; cluster providers renew at 0.8
_RENEWAL_SPREAD = 0.1


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
        draft.find(access_finding("ClusterRequestNotOurs", message, stalled="ClusterRequestNotOurs"))
        return False
    if dig(made, "status", "phase") == "Denied":
        message = f"The platform denied {target}. Ask the platform operator {where}."
        draft.find(access_finding("ClusterDenied", message, stalled="ClusterDenied"))
    return True


def obtain(snapshot: Snapshot[Any, Any], wanted: Access, draft: Draft) -> Stage:
    """Do what may be done to get one tenant cluster's access, and note what it waits for.

    Creates what is missing, lets a terminating AccessRequest go so that a new one can follow, restores our fields,
    reads the kubeconfig once a grant and again before it expires.
    """
    stage = stage_of(wanted, snapshot)
    request = snapshot.access.get(wanted.cluster.id)
    found = waiting(snapshot, wanted, stage)
    if stage is Stage.ABSENT:
        draft.steps.append(_create(wanted.access, f"no access to the {wanted.cluster.title} was asked for yet"))
    elif request is not None and stage is Stage.LEAVING:
        draft.steps.extend(drop_finalizer(request, "it is being deleted; a new one can only follow once it is gone"))
        then = "Access is requested again once it is gone."
        find_held(
            draft,
            ref_of(PLATFORM, request),
            request,
            then=then,
            ours=ACCESS_FINALIZER,
            going=deleting(snapshot.instance),
            keeps_ready=True,
        )
    elif request is not None and stage is Stage.REPLACED:
        draft.steps.extend(_start_anew(snapshot, wanted, request))
    elif request is not None and stage is not Stage.FOREIGN:
        draft.steps.extend(_restore(snapshot, wanted, request))
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


def let_go(wanted: Access, snapshot: Snapshot[Any, Any], draft: Draft) -> bool:
    """Give the access up, AccessRequest first, then a ClusterRequest that was made; tell whether nothing is left."""
    request = snapshot.access.get(wanted.cluster.id)
    if request is not None and ours(wanted, request):
        if deleting(request):
            draft.steps.extend(drop_finalizer(request, "nothing needs the access any more"))
            find_held(draft, ref_of(PLATFORM, request), request, then=_THEN, ours=ACCESS_FINALIZER)
        else:
            draft.steps.append(
                Delete(ref=ref_of(PLATFORM, request), uid=uid(request), why="nothing needs the access any more")
            )
        return False
    made = snapshot.requests.get(wanted.cluster.id) if wanted.request else None
    if made is None or not ours(wanted, made):
        return True
    if deleting(made):
        find_held(draft, ref_of(PLATFORM, made), made, then=_THEN)
    else:
        draft.steps.append(
            Delete(ref=ref_of(PLATFORM, made), uid=uid(made), why=f"the {wanted.cluster.title} is no longer needed")
        )
    return False


def _start_anew(snapshot: Snapshot[Any, Any], wanted: Access, request: Json) -> list[Patch | Delete]:
    """Give up what was installed on a cluster that was replaced, then the access to it.

    A controller must not uninstall: should the former cluster still be there, somebody may need what is on it. In
    deletion a release stays until the new cluster can be reached, since what is on that is not known yet.
    """
    why = "its cluster was deleted and made anew"
    releases = [*_releases(snapshot, kubeconfig_ref(wanted, request).name)]
    if deleting(snapshot.instance) or not releases:
        return [Delete(ref=ref_of(PLATFORM, request), uid=uid(request), why=why)]
    steps: list[Patch | Delete] = []
    for ref, live, release in releases:
        if not release.suspended(live.object):
            body: Json = {"metadata": {"uid": live.uid}, **release.let_go}
            steps.append(Patch(ref=ref, uid=live.uid, kind="merge", body=body, why=why))
        elif not deleting(live.object):
            steps.append(Delete(ref=ref, uid=live.uid, why=why))
    return steps


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
    draft.do_at(due, _read(wanted, request, why))


def _after_refusal(snapshot: Snapshot[Any, Any], wanted: Access, request: Json, draft: Draft) -> None:
    """Read the kubeconfig again where it leads nowhere, for us or for a controller: somebody may have replaced it.

    Paced by the last time that it was read, as long as that goes on.
    """
    read, kubeconfig = snapshot.read(wanted.cluster.id), snapshot.kubeconfigs[wanted.cluster.id]
    refused = isinstance(read, Unreachable) and kubeconfig.read <= read.at
    if refused or _lost_by_controllers(snapshot, kubeconfig):
        draft.do_at(kubeconfig.read + RETRY, _read(wanted, request, "it does not lead to the cluster any more"))


def _lost_by_controllers(snapshot: Snapshot[Any, Any], kubeconfig: Kubeconfig) -> bool:
    """Tell whether a controller that goes through this kubeconfig says that it does not get there."""
    return any(release.access_lost(live.object) for _, live, release in _releases(snapshot, kubeconfig.name))


def _releases(snapshot: Snapshot[Any, Any], secret: str) -> Iterator[tuple[Ref, Live, ReleaseRule]]:
    """Yield what is installed through a kubeconfig Secret."""
    for ref, live in snapshot.live.items():
        rule = rule_for(ref.api_version, ref.kind)
        if rule and rule.release and rule.release.access(live.object) == secret:
            yield ref, live, rule.release


def retry_at(snapshot: Snapshot[Any, Any], cluster: str, read: Unreachable | Refused) -> datetime:
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


def _restore(snapshot: Snapshot[Any, Any], wanted: Access, request: Json) -> list[Patch]:
    """Return the patches that give an AccessRequest our finalizer and token back.

    The finalizer comes first: its patch tests the resourceVersion that was seen, which the other one changes.
    """
    ref, own, why = ref_of(PLATFORM, request), uid(request), "our fields of it were changed"
    patches = []
    if ACCESS_FINALIZER not in (dig(request, "metadata", "finalizers") or ()):
        body = finalizer_on(request, ACCESS_FINALIZER)
        patches.append(Patch(ref=ref, uid=own, kind="json", body=body, why=why, field="metadata.finalizers"))
    token, found = wanted.access["spec"]["token"], dig(request, "spec", "token")
    if not same(found, token) or dig(request, "spec", "oidc") is not None:
        whole = {**dict.fromkeys(found or (), None), **token}  # a merge patch leaves alone what it does not name
        merge: Json = {"metadata": {"uid": own}, "spec": {"token": whole, "oidc": None}}
        step = Patch(ref=ref, uid=own, kind="merge", body=merge, why=why, field=_changed(token, found))
        if not settled(snapshot, step, {"spec": {"token": token, "oidc": None}}, request):
            patches.append(step)
    return patches


def _changed(token: Json, found: object) -> str:
    """Return the field of an AccessRequest that is not as it should be."""
    if same(found, token):
        return "spec.oidc"
    below = difference(token, found)
    return f"spec.token.{below}" if below.strip(".") else "spec.token"


def finalizer_on(obj: Json, finalizer: str) -> tuple[Json, ...]:
    """Return the JSON patch that adds one finalizer and keeps everybody else's."""
    add: Json
    if dig(obj, "metadata", "finalizers"):
        add = {"op": "add", "path": "/metadata/finalizers/-", "value": finalizer}
    else:
        add = {"op": "add", "path": "/metadata/finalizers", "value": [finalizer]}
    version = dig(obj, "metadata", "resourceVersion")
    return ({"op": "test", "path": "/metadata/resourceVersion", "value": version}, add)
