"""What may be done now about the items of one tenant: written in order, taken over, poked, pruned."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar

from openmcp_provider.domain import access, standing
from openmcp_provider.domain.compare import difference
from openmcp_provider.domain.conditions import FALSE, UNKNOWN, Condition, Finding
from openmcp_provider.domain.contested import settled
from openmcp_provider.domain.copies import Sealed, Source, apart, unusable
from openmcp_provider.domain.desired import Desired, Wanted
from openmcp_provider.domain.draft import Draft
from openmcp_provider.domain.held import find_held
from openmcp_provider.domain.kinds import rule_for
from openmcp_provider.domain.objects import PLATFORM, Json, Ref, annotations, deleting, dig
from openmcp_provider.domain.ownership import INPUTS, ON_DELETE, Live, Owner, Path, owns_beyond, without_emptied
from openmcp_provider.domain.plan import Apply, Create, Delete, ReadCluster, TakeOver
from openmcp_provider.domain.rules import KindRule
from openmcp_provider.domain.snapshot import Content, NotRead, Refused, Snapshot, Unreachable

__all__ = ["COPY_CONDITIONS", "settle"]

S = TypeVar("S")
C = TypeVar("C")

COPY_CONDITIONS: Mapping[str, tuple[str, str, str]] = {
    "Secret": ("PullSecretsReady", "PullSecret", "Pull secret"),
    "ConfigMap": ("ConfigMapsReady", "ConfigMap", "ConfigMap"),
}
"""By the kind of a copy: the condition, how its reasons begin, and what people call it."""


_SOON = timedelta(seconds=1)
"""How long a server may take to serve a kind that was defined just now."""


def settle(owner: Owner, snapshot: Snapshot[S, C], wanted: Desired, poll: timedelta, draft: Draft) -> None:
    """Add the steps that bring the items to what is wanted, then those that prune.

    Args:
        owner: The instance as owner of objects.
        snapshot: What is known.
        wanted: What should be there; every access is granted.
        poll: How often tenant clusters are read; zero or less = never again once read.
        draft: Takes the steps.
    """
    _look_around(owner, snapshot, wanted, poll, draft)
    namespaces = {(item.ref.cluster, item.ref.name): item for item in wanted.items if item.shared}
    objects = snapshot.objects()
    writer = _Writer(owner, snapshot, objects, wanted, namespaces, draft)
    for item in wanted.items:
        if draft.blocked:
            return
        if not item.shared:
            writer.write(item)
    if not draft.blocked:
        _prune(owner, objects, wanted, draft)


def _look_around(owner: Owner, snapshot: Snapshot[S, C], wanted: Desired, poll: timedelta, draft: Draft) -> None:
    """Read what must be read: tenant clusters where something lives, and what an older program may have left."""
    legacy = any(item.ref in snapshot.live and snapshot.live[item.ref].legacy for item in wanted.items)
    sweeps = {ref.cluster for ref, _ in owner.unmarked if not ref.name} if legacy else set()
    if PLATFORM in sweeps and not _swept(snapshot, PLATFORM):
        draft.read_first(ReadCluster(cluster=PLATFORM, sweep=True, why="an older program may have left copies"))
    for cluster in dict.fromkeys(item.ref.cluster for item in wanted.items if item.ref.cluster != PLATFORM):
        read = snapshot.read(cluster)
        sweep = cluster in sweeps
        if isinstance(read, NotRead) or (isinstance(read, Content) and sweep and not read.swept):
            draft.steps.append(ReadCluster(cluster=cluster, sweep=sweep, why="nobody looked yet"))
            draft.known = False
        elif isinstance(read, (Unreachable, Refused)):
            due = access.retry_at(snapshot, cluster, read)
            draft.do_at(due, ReadCluster(cluster=cluster, why="it could not be read the last time"))
        elif waits := [item for item in wanted.items if item.ref.cluster == cluster and _unserved(item, read)]:
            due = read.at + _patience(snapshot, wanted, waits[0], read)
            draft.do_at(due, ReadCluster(cluster=cluster, why=f"it did not serve {waits[0].ref.kind}"))
        elif poll > timedelta(0):
            draft.do_at(read.at + poll, ReadCluster(cluster=cluster, why="it was last read a poll interval ago"))


def _swept(snapshot: Snapshot[Any, Any], cluster: str) -> bool:
    read = snapshot.read(cluster)
    return isinstance(read, Content) and read.swept


def _unserved(item: Wanted, read: Content) -> bool:
    return (item.ref.api_version, item.ref.kind) in read.unserved


def _definition(item: Wanted, wanted: Desired) -> Wanted | None:
    """Return the CustomResourceDefinition of an item's kind, if that is an item too."""
    group = item.ref.api_version.rpartition("/")[0]
    return next(
        (
            other
            for other in wanted.items
            if other.ref.cluster == item.ref.cluster
            and other.ref.kind == "CustomResourceDefinition"
            and (dig(other.manifest, "spec", "group"), dig(other.manifest, "spec", "names", "kind"))
            == (group, item.ref.kind)
        ),
        None,
    )


def _patience(snapshot: Snapshot[Any, Any], wanted: Desired, item: Wanted, read: Content) -> timedelta:
    """Return how long after a read to look again whether a kind is served: soon after its definition was written."""
    definition = _definition(item, wanted)
    live = snapshot.objects().get(definition.ref) if definition else None
    if live is None or live.applied is None:
        return access.RETRY
    return min(max(read.at - live.applied, _SOON), access.RETRY)


class _Writer:
    """Writes items, one after the other."""

    def __init__(
        self,
        owner: Owner,
        snapshot: Snapshot[Any, Any],
        objects: Mapping[Ref, Live],
        wanted: Desired,
        namespaces: Mapping[tuple[str, str], Wanted],
        draft: Draft,
    ) -> None:
        self.owner = owner
        self.snapshot = snapshot
        self.objects = objects
        self.manifests = {ref: live.object for ref, live in objects.items()}
        self.wanted = wanted
        self.namespaces = namespaces
        self.draft = draft

    def write(self, item: Wanted) -> None:
        read = self.snapshot.read(item.ref.cluster) if item.ref.cluster != PLATFORM else None
        if isinstance(read, NotRead):
            self.draft.blocked = True
            return
        trouble = self._trouble(item, read) if read else None
        if trouble:
            self.draft.find(trouble)
            return
        live = self.objects.get(item.ref)
        if live is not None and not self.owner.may_write(item.ref, live):
            self.draft.find(_taken(item))
        elif live is not None and deleting(live.object):
            then = "It is created again once it is gone."
            held = find_held(self.draft, item.ref, live.object, then=then, going=False)
            self.draft.find(_going(item, held=held))
        elif item.source:
            self._copy(item, live)
        else:
            self._item(item, live)

    def _trouble(self, item: Wanted, read: Unreachable | Refused | Content) -> Finding | None:
        """Return why a tenant cluster cannot take an item now."""
        asked = next(asked for asked in self.wanted.access if asked.cluster.id == item.ref.cluster)
        if isinstance(read, (Refused, Unreachable)):
            return standing.unread(self.snapshot, asked, read, _told_by(item))
        if _unserved(item, read):
            return _not_served(item, asked.cluster.title, comes=_definition(item, self.wanted) is not None)
        return None

    def _copy(self, item: Wanted, live: Live | None) -> None:
        source = self.snapshot.sources.get((item.ref.kind, item.source))
        flaw = unusable(source, item.source_type) if source else ""
        if source is None or flaw:
            self.draft.find(_sourceless(self.snapshot, item, flaw, blocks=live is None))
            return
        manifest = {**item.manifest, "type": source.type} if source.type else item.manifest
        if live is not None and (_fixed(source, live)):
            why = "the type of a Secret cannot be changed, nor what is immutable"
            self.draft.steps.append(Delete(ref=item.ref, uid=live.uid, why=why, changes=False))
            again = "it is created again"
            self.draft.steps.append(
                Apply(ref=item.ref, manifest=manifest, sealed=source.sealed, why=again, changes=False)
            )
        else:
            stale = "data" if live is not None and live.digest != source.sealed.digest else ""
            self._apply(item, manifest, live, source.sealed, stale)

    def _item(self, item: Wanted, live: Live | None) -> None:
        rule = rule_for(item.ref.api_version, item.ref.kind)
        token = self._inputs(item) if rule else ""
        if token is None:
            self.draft.blocked = True  # what it reads is written in this pass: its uid shows in the next one
            return
        before = annotations(live.object).get(INPUTS, "") if live else ""
        manifest = _annotated(item.manifest, {INPUTS: before or token}) if token else item.manifest
        bare, sealed = apart(manifest)
        stale = "data" if sealed and live is not None and live.digest != sealed.digest else ""
        self._apply(item, bare, live, sealed, stale)
        if live is not None and live.applied and rule and (due := rule.due(live.object, live.applied)):
            self.draft.look_at(due)
        if live is not None and rule:
            self._poke(item, live, rule, token if before and before != token else "")

    def _poke(self, item: Wanted, live: Live, rule: KindRule, token: str) -> None:
        """Have a controller look again where it does not notice by itself that something changed."""
        if token:
            notes = {INPUTS: token, rule.poke: token} if rule.poke else {INPUTS: token}
            self.draft.annotate(item.ref, live, notes, "what it reads has changed")
        elif overlooked := rule.overlooked(item.ref, live.object, self.manifests):
            self.draft.annotate(item.ref, live, {rule.poke: overlooked}, "what it waits for is there")

    def _apply(self, item: Wanted, manifest: Json, live: Live | None, sealed: Sealed | None, stale: str) -> None:
        if live is None:
            self._namespace(item)
            self.draft.steps.append(Apply(ref=item.ref, manifest=manifest, sealed=sealed, why="it does not exist"))
            return
        body = without_emptied(manifest, live)
        owned = {path for path in live.owns or () if not (sealed and path[0] in {"f:data", "f:binaryData"})}
        changed = stale or difference(manifest, live.object)
        beyond = owns_beyond(owned, manifest)
        if live.legacy:
            why = "an older program wrote it"
            self.draft.steps.append(TakeOver(ref=item.ref, uid=live.uid, why=why))
        elif changed or beyond:
            why = f"{changed} is not as wanted" if changed else f"{beyond} is no longer wanted"
        else:
            return
        changes = bool(stale and not item.source) or _beside_metadata(manifest, live, owned)
        field = changed or beyond
        step = Apply(ref=item.ref, manifest=body, uid=live.uid, sealed=sealed, why=why, changes=changes, field=field)
        if live.legacy or stale or beyond or not settled(self.snapshot, step, manifest, live.object):
            self.draft.steps.append(step)

    def _namespace(self, item: Wanted) -> None:
        """Make the namespace first, once a pass; one that exists is as good."""
        namespace = self.namespaces.get((item.ref.cluster, item.ref.namespace))
        if namespace and not any(isinstance(step, Create) and step.ref == namespace.ref for step in self.draft.steps):
            why = f"{item.ref} needs it"
            self.draft.steps.append(Create(ref=namespace.ref, manifest=namespace.manifest, exists_ok=True, why=why))

    def _inputs(self, item: Wanted) -> str | None:
        """Return the token of what the object reads: empty if it reads nothing of ours, None while not yet known."""
        rule = rule_for(item.ref.api_version, item.ref.kind)
        parts: list[str] = []
        for read in rule.reads(item.manifest) if rule else ():
            identity = self._identity(Ref(item.ref.cluster, "v1", read.kind, read.name, item.ref.namespace))
            if identity is None:
                return None
            parts.append(identity)
        text = "\n".join(part for part in parts if part)
        return hashlib.sha256(text.encode()).hexdigest()[:8] if text else ""

    def _identity(self, ref: Ref) -> str | None:
        """Return uid and digest of what an item reads: empty if it is not ours, None if it is yet to be written."""
        for asked in self.wanted.access:
            kubeconfig = self.snapshot.kubeconfigs.get(asked.cluster.id)
            if kubeconfig and ref.name == kubeconfig.name and ref.namespace == asked.secret.namespace:
                return f"{kubeconfig.uid} {kubeconfig.digest}"
        copy = next((item for item in self.wanted.items if item.ref == ref and item.source), None)
        if copy is None:
            return ""
        live = self.objects.get(ref)
        if live is None or any(isinstance(step, Delete) and step.ref == ref for step in self.draft.steps):
            return None
        source = self.snapshot.sources.get((ref.kind, copy.source))
        usable = source is not None and not unusable(source, copy.source_type)
        return f"{live.uid} {source.sealed.digest if source and usable else live.digest}"


def _beside_metadata(manifest: Json, live: Live, owned: set[Path]) -> bool:
    """Tell whether anything but metadata differs from what is wanted."""
    wanted = {key: value for key, value in manifest.items() if key != "metadata"}
    beyond = owns_beyond((path for path in owned if path[0] != "f:metadata"), manifest)
    return bool(difference(wanted, live.object) or beyond)


def _fixed(source: Source, live: Live) -> bool:
    """Tell whether a live copy can only become what is wanted by being created again."""
    if source.kind == "Secret" and (live.object.get("type") or "Opaque") != source.type:
        return True
    return bool(live.object.get("immutable")) and live.digest != source.sealed.digest


def _annotated(manifest: Json, notes: Mapping[str, str]) -> Json:
    metadata = manifest["metadata"]
    return {**manifest, "metadata": {**metadata, "annotations": {**(metadata.get("annotations") or {}), **notes}}}


def _prune(owner: Owner, objects: Mapping[Ref, Live], wanted: Desired, draft: Draft) -> None:
    """Delete what is ours and no longer wanted, the highest wave first.

    The last thing that is taken over comes after that: what an older program left without a mark is looked for only
    while something else shows that there was one, so a pass that is cut short must leave that to be seen.
    """
    keep = {item.ref for item in wanted.items}
    deletes: list[Delete] = []
    stale = [(ref, live) for ref, live in objects.items() if ref not in keep and owner.may_delete(ref, live)]
    for ref, live in sorted(stale, key=lambda pair: (-owner.wave(*pair), pair[0])):
        rule = rule_for(ref.api_version, ref.kind)
        if deleting(live.object) or annotations(live.object).get(ON_DELETE) == "orphan":
            continue
        if rule and rule.release and rule.release.suspended(live.object):
            draft.find(_held(ref))
            continue
        # A Secret runs nothing; what reads another one instead has another spec, which is a change of its own.
        deletes.append(Delete(ref=ref, uid=live.uid, why="it is no longer wanted", changes=ref.kind != "Secret"))
    last = [at for at, step in enumerate(draft.steps) if isinstance(step, TakeOver)][-1:] or [len(draft.steps)]
    draft.steps[last[0] : last[0]] = deletes


def _told_by(item: Wanted) -> str:
    """Return the type of the condition that tells of an item."""
    return COPY_CONDITIONS[item.ref.kind][0] if item.source else "Installed"


def _taken(item: Wanted) -> Finding:
    """A tenant's own object of that name hurts nobody but the tenant, so it does not stop the rest."""
    theirs = item.ref.cluster != PLATFORM
    where = "the control plane" if theirs else "the platform"
    message = (
        f"{item.ref} on {where} exists already and is not managed by this provider; it is neither changed nor deleted. "
        f"{'Rename or delete it' if theirs else 'Ask the platform operator to remove it'}; "
        "the rest continues automatically."
    )
    return Finding(
        condition=Condition(_told_by(item), FALSE, "NameTaken", message),
        message=message,
        minor=theirs,
        blocks=not theirs,
    )


def _going(item: Wanted, *, held: bool) -> Finding:
    message = f"{item.ref} is being deleted by somebody. It is created again once it is gone."
    message += "" if held else " Nothing to do."
    rule = rule_for(item.ref.api_version, item.ref.kind)
    kind = rule.condition if rule else _told_by(item)
    condition = Condition(kind, UNKNOWN if kind == "Installed" else FALSE, "BeingDeleted", message)
    return Finding(condition=condition, message=message, error=False)


def _not_served(item: Wanted, title: str, *, comes: bool) -> Finding:
    kind = f"{item.ref.kind} ({item.ref.api_version})"
    if comes:
        message = f"Waiting for the {title} to serve {kind}, which was just defined there. Nothing to do."
    else:
        message = (
            f"{item.ref} cannot be written: the {title} does not serve {kind}. This is retried automatically; if it "
            "persists, ask the platform operator."
        )
    condition = Condition(_told_by(item), UNKNOWN, "KindNotServed", message)
    return Finding(condition=condition, message=message, error=not comes, keeps_ready=True)


def _held(ref: Ref) -> Finding:
    message = f"{ref} is no longer wanted but suspended by a person: resume it, and it is removed."
    return Finding(
        condition=Condition("Installed", FALSE, "Suspended", message),
        message=message,
        error=False,
        minor=True,
        blocks=False,
    )


def _sourceless(snapshot: Snapshot[Any, Any], item: Wanted, flaw: str, *, blocks: bool) -> Finding:
    kind, stem, title = COPY_CONDITIONS[item.ref.kind]
    named = f'{title} "{item.source}", named by ProviderConfig "{snapshot.config_name}",'
    where = f"[{item.ref.kind} {snapshot.namespace}/{item.source}]"
    if flaw:
        reason = f"{stem}Invalid"
        what = f"cannot be used: {flaw}. Only the platform operator can fix it"
    else:
        reason = f"{stem}NotFound"
        what = "is missing on the platform. Only the platform operator can add it"
    message = f"{named} {what} {where}; installation then continues automatically."
    return Finding(condition=Condition(kind, FALSE, reason, message), message=message, keeps_ready=True, blocks=blocks)
