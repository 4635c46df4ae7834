"""Deletion: everything that was written goes, in the order in which nothing is orphaned and nothing hangs.

It needs neither a ProviderConfig nor a spec that can be read: waves and policies are kept on the objects. A release, an
object whose controller uninstalls something from a tenant cluster, goes only while that cluster can be reached with a
kubeconfig that is there; access goes last.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TypeVar

from openmcp_provider.domain import access, standing
from openmcp_provider.domain.blocking import (
    abandoned,
    blocked_by_forgotten,
    blocked_by_guards,
    blocked_by_leftovers,
    blocked_by_suspension,
    cleaning,
    still_abandoned,
    uninstalling,
    unlisted,
    waiting_for_access,
)
from openmcp_provider.domain.conditions import Finding
from openmcp_provider.domain.desired import Access, access_of
from openmcp_provider.domain.draft import Draft
from openmcp_provider.domain.held import PATIENCE, find_held
from openmcp_provider.domain.kinds import rule_for
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import (
    ONBOARDING,
    PLATFORM,
    Json,
    Ref,
    annotations,
    deleting,
    dig,
    ref_of,
    timestamp,
    uid,
)
from openmcp_provider.domain.ownership import ON_DELETE, Live, Owner
from openmcp_provider.domain.plan import Delete, Patch, Plan, ReadCluster, ReadKubeconfig, ReadPlane
from openmcp_provider.domain.rules import ReleaseRule
from openmcp_provider.domain.snapshot import Content, Refused, Snapshot, Unreachable
from openmcp_provider.domain.standing import Stage
from openmcp_provider.domain.unserved import unserved
from openmcp_provider.provider import Provider

__all__ = ["CHECK_AGAIN", "FRESH", "teardown"]

S = TypeVar("S")
C = TypeVar("C")

FRESH = timedelta(seconds=30)
"""How old a read may be on which a release is deleted."""

CHECK_AGAIN = timedelta(seconds=10)
"""How often a tenant cluster is read while something there blocks."""

UNINSTALLING = timedelta(minutes=10)
"""How long a controller may take to uninstall before the object is said to be held; Helm itself waits five minutes."""


class _Way(Enum):
    """How far the way to one tenant cluster is."""

    UNNEEDED = auto()
    """Nothing was ever installed there, or nobody can know any more: its objects are left out."""
    OPEN = auto()
    """It was read and can be written."""
    LET_GO = auto()
    """It is gone, or a person gave up what is installed there."""
    SHUT = auto()
    """Something must happen first; a step or a finding says what."""


def teardown(provider: Provider[S, C], owner: Owner, snapshot: Snapshot[S, C], now: datetime) -> Plan:
    """Return what may be done now to take away all that was written for an instance that is being deleted."""
    draft = Draft(now)
    if provider.edition.finalizer not in (dig(snapshot.instance, "metadata", "finalizers") or ()):
        return draft.plan()
    work = _Teardown(provider, owner, snapshot, draft)
    if not work.abandoned and (lacking := unserved(snapshot)):
        draft.find(lacking)
        return draft.plan()
    if not (work.swept() and work.idle_gone() and work.ways_open() and work.waves_gone() and work.access_gone()):
        if not any(not finding.minor for finding in (*draft.findings, *work.given_up)):
            draft.find(cleaning(provider.title))
        for finding in work.given_up:
            draft.find(finding)
        return draft.plan()
    body = access.finalizer_off(snapshot.instance, provider.edition.finalizer)
    why = "nothing is left to take away"
    ref = ref_of(ONBOARDING, snapshot.instance)
    draft.steps.append(Patch(ref=ref, uid=uid(snapshot.instance), kind="json", body=body, why=why))
    return draft.plan(releases=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Release:
    """A release, its rule, and the tenant cluster it installs on; empty = the platform itself."""

    live: Live
    rule: ReleaseRule
    cluster: str

    @property
    def attempted(self) -> bool:
        """Whether anything may be installed."""
        return self.rule.attempted(self.live.object)


class _Teardown:
    """One deletion, looked at once. Each method answers whether its part is over; if not, it has added what is next."""

    def __init__(self, provider: Provider[S, C], owner: Owner, snapshot: Snapshot[S, C], draft: Draft) -> None:
        self.provider = provider
        self.owner = owner
        self.snapshot = snapshot
        self.draft = draft
        home = tenant_namespace(owner.name, owner.namespace)
        self.accesses: Mapping[str, Access] = {
            asked.cluster.id: asked for asked in access_of(provider, owner.name, owner.namespace, home)
        }
        self.abandoned = annotations(snapshot.instance).get(provider.edition.abandon) == "true"
        self.objects = {
            ref: live
            for ref, live in snapshot.objects().items()
            if owner.may_delete(ref, live) and annotations(live.object).get(ON_DELETE) != "orphan"
        }
        self.releases = {ref: release for ref, live in self.objects.items() if (release := self._release(ref, live))}
        self.ways: Mapping[str, _Way] = {}
        self.given_up: tuple[Finding, ...] = still_abandoned(snapshot)

    def _release(self, ref: Ref, live: Live) -> _Release | None:
        kind = rule_for(ref.api_version, ref.kind)
        if kind is None or kind.release is None:
            return None
        secret = kind.release.access(live.object)
        through = [
            cluster
            for cluster, asked in self.accesses.items()
            if standing.kubeconfig_ref(asked, self.snapshot.access.get(cluster)).name == secret
        ]
        cluster = (through or list(self.accesses) or [""])[0] if secret else ""
        return _Release(live=live, rule=kind.release, cluster=cluster)

    def swept(self) -> bool:
        """What an older program left on the platform was looked for since the deletion began."""
        if not self._sweeps(PLATFORM):
            return True
        read = self.snapshot.read(PLATFORM)
        if isinstance(read, Content) and read.swept:
            began = timestamp(dig(self.snapshot.instance, "metadata", "deletionTimestamp"))
            # The server's clock may be ahead of ours, so a fresh look counts whatever the times say.
            if began is None or read.at >= began or self.draft.now - read.at <= FRESH:
                return True
        self.draft.read_first(ReadCluster(cluster=PLATFORM, sweep=True, why="an older program may have left copies"))
        return False

    def idle_gone(self) -> bool:
        """Releases that never tried to install are gone: they need no access."""
        idle = [(ref, release.live) for ref, release in self.releases.items() if not release.attempted]
        for ref, live in idle:
            self._delete(ref, live, "nothing was ever installed through it")
        return not idle

    def ways_open(self) -> bool:
        """Every tenant cluster where something may be installed can be reached, or need not be."""
        self.ways = {cluster: self._way(asked) for cluster, asked in self.accesses.items()}
        gone = [asked for cluster, asked in self.accesses.items() if self.ways[cluster] is _Way.LET_GO]
        if gone:
            stays = [
                release.rule.describe(release.live.object) for release in self.releases.values() if release.cluster
            ]
            stays.extend(str(ref) for ref in self.objects if ref.cluster != PLATFORM and ref not in self._reachable())
            for asked in gone:
                read = self.snapshot.read(asked.cluster.id)
                stays.extend(str(ref) for ref in (read.leftovers if isinstance(read, Content) else None) or ())
            edition = self.provider.edition
            self.given_up = abandoned(edition, self.snapshot, gone[0], stays, by_person=self.abandoned)
        elif self.releases:
            self.given_up = ()
        return _Way.SHUT not in self.ways.values()

    def waves_gone(self) -> bool:
        """Every object is gone, the highest wave first, and what the releases installed with them."""
        if not (self._may_uninstall() if self.releases else self._verified()):
            return False
        left = self._reachable()
        top = max((self.owner.wave(ref, live) for ref, live in left.items()), default=0)
        for ref, live in left.items():
            if self.owner.wave(ref, live) == top:
                self._remove(ref, live)
        return not left

    def access_gone(self) -> bool:
        """No AccessRequest of ours is left."""
        left = [asked for asked in self.accesses.values() if not access.let_go(asked, self.snapshot, self.draft)]
        return not left

    def _way(self, asked: Access) -> _Way:
        """Tell how far the way to one tenant cluster is, and do what may be done to open it."""
        request = self.snapshot.access.get(asked.cluster.id)
        held = any(release.cluster == asked.cluster.id and release.attempted for release in self.releases.values())
        granted = (
            request is not None
            and standing.ours(asked, request)
            and standing.granted_once(request)
            and not deleting(request)
        )
        if not (held or granted):
            return _Way.UNNEEDED
        if self.abandoned or self._gone(asked):
            return _Way.LET_GO
        stage = standing.stage_of(asked, self.snapshot)
        if stage is Stage.ABSENT and standing.request_of(asked, self.snapshot) is None:
            self._ask_after(asked)
            self.draft.find(waiting_for_access(self.snapshot, asked, self.provider.title))
            return _Way.SHUT
        if access.obtain(self.snapshot, asked, self.draft) is not Stage.GRANTED or self.draft.blocked:
            self._ask_after(asked)
            return _Way.SHUT
        return self._look(asked)

    def _gone(self, asked: Access) -> bool:
        """Tell whether live reads found neither ClusterRequest nor Cluster."""
        plane = self.snapshot.planes.get(asked.cluster.id)
        return standing.request_of(asked, self.snapshot) is None and plane is not None and not plane.exists

    def _ask_after(self, asked: Access) -> None:
        """Where no ClusterRequest is known any more, find out whether the tenant cluster still exists."""
        if standing.request_of(asked, self.snapshot) is not None:
            return
        plane = self.snapshot.planes.get(asked.cluster.id)
        self._again(ReadPlane(cluster=asked.cluster.id, why="its ClusterRequest is gone"), plane.at if plane else None)

    def _look(self, asked: Access) -> _Way:
        """Read what must be known of a tenant cluster before anything on it, or through it, goes."""
        cluster = asked.cluster.id
        read = self.snapshot.read(cluster)
        verify = not self.releases
        step = ReadCluster(
            cluster=cluster,
            sweep=self._sweeps(cluster),
            guards=not verify,
            verify=verify,
            why="deletion needs a fresh look",
        )
        if isinstance(read, (Unreachable, Refused)):
            self.draft.find(standing.unread(self.snapshot, asked, read))
            self._again(step, access.retry_at(self.snapshot, cluster, read), timedelta(0))
            self._ask_after(asked)
            return _Way.SHUT
        if isinstance(read, Content) and (read.leftovers if verify else read.guarded) is not None:
            if read.unlisted or read.leftovers or read.guarded:
                self._again(step, read.at)
                return _Way.OPEN
            if verify or not self._deletable() or self.draft.now - read.at <= FRESH:
                return _Way.OPEN
        elif not verify and not self._deletable():
            return _Way.OPEN
        self.draft.read_first(step)
        return _Way.SHUT

    def _deletable(self) -> bool:
        """Tell whether a release is still to be deleted."""
        return any(not deleting(release.live.object) for release in self.releases.values())

    def _may_uninstall(self) -> bool:
        """Tell whether releases may be deleted now: nothing of the tenant's needs them, and the kubeconfig is there."""
        if not self._deletable():
            return True
        for cluster, way in self.ways.items():
            read = self.snapshot.read(cluster)
            if way is not _Way.OPEN or not isinstance(read, Content):
                continue
            if read.unlisted or read.guarded:
                asked = self.accesses[cluster]
                self.draft.find(
                    unlisted(asked, read.unlisted) if read.unlisted else blocked_by_guards(asked, read.guarded or ())
                )
                return False
            kubeconfig = self.snapshot.kubeconfigs[cluster]
            if self.draft.now - kubeconfig.read > FRESH:
                ref = self.accesses[cluster].secret._replace(name=kubeconfig.name)
                why = "without it what is installed would be orphaned"
                self.draft.read_first(ReadKubeconfig(cluster=cluster, ref=ref, grant=kubeconfig.grant, why=why))
                return False
        return True

    def _verified(self) -> bool:
        """Tell whether nothing is left of what the releases installed."""
        for cluster, way in self.ways.items():
            read = self.snapshot.read(cluster)
            if way is _Way.OPEN and isinstance(read, Content) and read.leftovers:
                self.draft.find(blocked_by_leftovers(self.provider, self.accesses[cluster], read.leftovers))
                return False
        return True

    def _reachable(self) -> dict[Ref, Live]:
        """Return the objects that can be deleted: those on the platform, and on tenant clusters that answered."""
        return {
            ref: live for ref, live in self.objects.items() if ref.cluster == PLATFORM or self._answers(ref.cluster)
        }

    def _answers(self, cluster: str) -> bool:
        return self.ways.get(cluster) in {_Way.OPEN, _Way.LET_GO} and isinstance(self.snapshot.read(cluster), Content)

    def _remove(self, ref: Ref, live: Live) -> None:
        release = self.releases.get(ref)
        if release is None:
            self._delete(ref, live, "the instance is being deleted")
            return
        let_go = self.ways.get(release.cluster) is _Way.LET_GO
        if release.rule.suspended(live.object) and not deleting(live.object) and not let_go:
            self.draft.find(blocked_by_suspension(ref))
        elif release.rule.forgotten(live.object) and not deleting(live.object) and not let_go:
            self._remind(ref, live, release.rule)
        elif deleting(live.object) and let_go and not release.rule.suspended(live.object):
            body: Json = {"metadata": {"uid": live.uid}, **release.rule.let_go}
            why = "its cluster is given up, so its controller must let go without uninstalling"
            self.draft.steps.append(Patch(ref=ref, uid=live.uid, kind="merge", body=body, why=why))
        else:
            self._poke(ref, release)
            failure = "" if let_go else release.rule.failure(live.object)
            if failure:
                self.draft.find(uninstalling(self.provider.title, ref, failure))
            self._delete(ref, live, "the instance is being deleted", PATIENCE if let_go else self._patience(ref, live))
            if not (let_go or failure):
                self.draft.find(uninstalling(self.provider.title, ref, ""))

    def _poke(self, ref: Ref, release: _Release) -> None:
        """Have a controller that could not uninstall look again, once for each kubeconfig that was found since."""
        kubeconfig, rule = self.snapshot.kubeconfigs.get(release.cluster), rule_for(ref.api_version, ref.kind)
        if kubeconfig is None or not (kubeconfig.usable and rule and release.rule.access_lost(release.live.object)):
            return
        token = hashlib.sha256(f"{kubeconfig.uid} {kubeconfig.digest}".encode()).hexdigest()[:8]
        if rule.poke:
            self.draft.annotate(
                ref, release.live, {rule.poke: token}, "it may uninstall through another kubeconfig now"
            )

    def _remind(self, ref: Ref, live: Live, rule: ReleaseRule) -> None:
        """Have a controller that lost track of its release look again, once a deletion, instead of deleting it."""
        kind = rule_for(ref.api_version, ref.kind)
        poke, controller = (kind.poke, kind.controller) if kind else ("", "")
        if poke:
            token = f"deletion-{uid(self.snapshot.instance)}"
            self.draft.annotate(ref, live, {poke: token}, "its controller lost track of what it installed")
        self.draft.find(blocked_by_forgotten(ref, controller, rule.describe(live.object)))

    def _delete(self, ref: Ref, live: Live, why: str, patience: timedelta = PATIENCE) -> None:
        if deleting(live.object):
            then = "The rest continues automatically."
            find_held(self.draft, ref, live.object, then=then, patience=patience)
            self._follow(ref)
        else:
            self.draft.steps.append(Delete(ref=ref, uid=live.uid, why=why))

    def _follow(self, ref: Ref) -> None:
        """Look again for an object that is on its way out where no watch tells that it went."""
        read = self.snapshot.read(ref.cluster)
        if ref in self.snapshot.live or not isinstance(read, Content):
            return
        verify = ref.cluster != PLATFORM and not self.releases
        why = f"{ref} is on its way out"
        sweep = self._sweeps(ref.cluster)
        self._again(ReadCluster(cluster=ref.cluster, sweep=sweep, verify=verify, why=why), read.at)

    def _patience(self, ref: Ref, live: Live) -> timedelta:
        """Return how long a release may take to go: its controller uninstalls before it removes its finalizer."""
        rule = rule_for(ref.api_version, ref.kind)
        own = rule is not None and rule.finalizer in (dig(live.object, "metadata", "finalizers") or ())
        return UNINSTALLING if own else PATIENCE

    def _again(self, step: ReadCluster | ReadPlane, last: datetime | None, wait: timedelta = CHECK_AGAIN) -> None:
        """Repeat a read, but not before `wait` is over."""
        self.draft.do_at(self.draft.now if last is None else last + wait, step)

    def _sweeps(self, cluster: str) -> bool:
        return any(ref.cluster == cluster and not ref.name for ref, _ in self.owner.unmarked)
