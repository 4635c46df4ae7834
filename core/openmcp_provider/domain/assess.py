"""How the written objects do, taken together."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from openmcp_provider.domain.conditions import FALSE, Condition, Finding
from openmcp_provider.domain.desired import Desired, Wanted
from openmcp_provider.domain.kinds import rule_for
from openmcp_provider.domain.objects import PLATFORM, Json, Ref
from openmcp_provider.domain.ownership import Live, Owner
from openmcp_provider.domain.rules import HealthContext
from openmcp_provider.domain.snapshot import Content, Snapshot, Valid
from openmcp_provider.provider import Health, Provider

__all__ = ["Assessment", "assess"]

S = TypeVar("S")
C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What the live objects tell.

    Attributes:
        healths: Of every wanted object that has a rule, in the order of writing.
        told: Those of objects that exist.
        complete: Every wanted object exists, or somebody else's stands in its place, which is a finding of its own.
        missing: Some wanted object is not there, as far as its cluster could be read; or what ran is not, where it is
            not known what is wanted.
        installed: The version that runs, empty where none does.
        live: The live objects, for the author's own status.
    """

    healths: tuple[Health, ...]
    told: tuple[Health, ...]
    complete: bool
    missing: bool
    installed: str
    live: Mapping[Ref, Json]

    @property
    def ready(self) -> bool:
        """Whether everything wanted is there and does well."""
        return self.complete and all(health.state == "Ready" for health in self.healths)

    def lead(self) -> Finding | None:
        """Return the most telling health as a finding: what failed first, else what is held, else what comes last."""
        for state in ("Failed", "Suspended"):
            for health in self.healths:
                if health.state == state:
                    return _finding(health)
        return next((_finding(health) for health in reversed(self.healths) if health.state == "Progressing"), None)

    @property
    def message(self) -> str:
        """What the last of those that do well says, empty if none says anything."""
        return next(
            (health.message for health in reversed(self.healths) if health.message and health.state == "Ready"), ""
        )

    @property
    def unchanged(self) -> tuple[str, ...]:
        """The types of conditions whose objects are looked at again, while what runs stays as it is."""
        again = (health for health in self.healths if health.state == "Progressing" and health.keeps_ready)
        return tuple(condition.type for health in again for condition in health.conditions)

    def conditions(self) -> tuple[Condition, ...]:
        """Return the conditions of what exists; of one type that of the most telling health."""
        rank = {"Failed": 0, "Suspended": 1, "Progressing": 2, "Ready": 3}
        found: dict[str, Condition] = {}
        for health in sorted(self.told, key=lambda item: rank[item.state]):
            for condition in health.conditions:
                found.setdefault(condition.type, condition)
        return tuple(found.values())


def assess(
    provider: Provider[S, C], owner: Owner, snapshot: Snapshot[S, C], wanted: Desired | None, now: datetime
) -> Assessment:
    """Return how the objects do: the wanted ones, or without a desired state whatever is ours and alive."""
    known = snapshot.objects()
    objects = {ref: live for ref, live in known.items() if owner.may_write(ref, live)}
    live = {ref: found.object for ref, found in objects.items()}
    items: list[Wanted]
    if wanted is None:
        items = [Wanted(ref=ref, manifest=found.object, wave=owner.wave(ref, found)) for ref, found in objects.items()]
        items.sort(key=lambda item: (item.wave, item.ref))
    else:
        items = [item for item in wanted.items if not item.shared]
    copies = {item.ref: item.source for item in items if item.source}
    found = [(item.ref, _health(provider, snapshot, item, objects, copies, now)) for item in items]
    healths = tuple(health for _, health in found if health)
    told = tuple(health for ref, health in found if health and ref in objects)
    complete = wanted is not None and all(item.ref in known for item in items)
    seen = {PLATFORM, *(cluster for cluster, read in snapshot.reads.items() if isinstance(read, Content))}
    installed = next((health.installed for health in healths if health.installed), "")
    if wanted is None:  # what is wanted is not known, but what ran must still be there
        missing = bool(snapshot.status.get("installedVersion")) and not installed
    else:
        missing = any(item.ref not in known and item.ref.cluster in seen for item in items)
    return Assessment(healths=healths, told=told, complete=complete, missing=missing, installed=installed, live=live)


def _health(
    provider: Provider[S, C],
    snapshot: Snapshot[S, C],
    item: Wanted,
    objects: Mapping[Ref, Live],
    copies: Mapping[Ref, str],
    now: datetime,
) -> Health | None:
    found = objects.get(item.ref)
    live = {ref: other.object for ref, other in objects.items()}
    if item.health is not None:
        health: Health = (
            item.health(found.object, live) if found else Health("Progressing", f"{item.ref} is being made.")
        )
        return health
    rule = rule_for(item.ref.api_version, item.ref.kind)
    if rule is None:
        return None
    context = HealthContext(
        title=provider.title,
        version=provider.version(snapshot.spec.value) if isinstance(snapshot.spec, Valid) else "",
        config_name=snapshot.config_name,
        live=live,
        copies=copies,
        applied=found.applied if found else None,
        now=now,
        recorded=str(snapshot.status.get("installedVersion") or ""),
    )
    return rule.health(item.ref, found.object if found else item.manifest, context)


def _finding(health: Health) -> Finding:
    condition = (
        health.conditions[0] if health.conditions else Condition("Installed", FALSE, "Installing", health.message)
    )
    return Finding(
        condition=condition,
        message=health.message,
        error=health.state == "Failed",
        alarm=health.state == "Suspended",
        keeps_ready=health.keeps_ready,
        stalled=health.stalled,
        event=health.event,
        retried=health.retried,
    )
