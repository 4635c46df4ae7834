"""How the written objects do, taken together."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openmcp_provider.domain.author import ProviderMistake, health_of
from openmcp_provider.domain.conditions import FALSE, Condition, Finding
from openmcp_provider.domain.desired import Desired, Wanted
from openmcp_provider.domain.kinds import rule_for
from openmcp_provider.domain.objects import PLATFORM, Json, Ref
from openmcp_provider.domain.ownership import Live, Owner
from openmcp_provider.domain.rules import HealthContext
from openmcp_provider.domain.snapshot import Content, Snapshot
from openmcp_provider.domain.unanswered import mistake_condition
from openmcp_provider.provider import Health

__all__ = ["Assessment", "assess"]


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
        mistake: What was wrong with an author's rule; None = nothing.
    """

    healths: tuple[Health, ...]
    told: tuple[Health, ...]
    complete: bool
    missing: bool
    installed: str
    live: Mapping[Ref, Json]
    mistake: ProviderMistake | None = None

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
    title: str, version: str, owner: Owner, snapshot: Snapshot[Any, Any], wanted: Desired | None, now: datetime
) -> Assessment:
    """Return how the objects do: the wanted ones, or without a desired state whatever is ours and alive.

    Args:
        title: What tenants call the thing.
        version: What was asked for, empty where that is not known.
        owner: The instance as owner of objects.
        snapshot: What is known of it.
        wanted: What should be there, None where that is not known.
        now: The present.
    """
    known = snapshot.objects()
    objects = {ref: live for ref, live in known.items() if owner.may_write(ref, live)}
    live = {ref: found.object for ref, found in objects.items()}
    items: list[Wanted]
    if wanted is None or not wanted.own:  # what is wanted no more runs until it is gone
        items = [Wanted(ref=ref, manifest=found.object, wave=owner.wave(ref, found)) for ref, found in objects.items()]
        items.sort(key=lambda item: (item.wave, item.ref))
    else:
        items = list(wanted.own)
    rules = _Rules(
        title, version, snapshot, objects, live, {item.ref: item.source for item in items if item.source}, now
    )
    found = [(item.ref, rules.health(item)) for item in items]
    healths = tuple(health for _, health in found if health)
    told = tuple(health for ref, health in found if health and ref in objects)
    complete = wanted is not None and all(item.ref in known for item in items)
    seen = {PLATFORM, *(cluster for cluster, read in snapshot.reads.items() if isinstance(read, Content))}
    installed = next((health.installed for health in healths if health.installed), "")
    if wanted is None:  # what is wanted is not known, but what ran must still be there
        missing = bool(snapshot.status.get("installedVersion")) and not installed
    else:
        missing = any(item.ref not in known and item.ref.cluster in seen for item in items)
    return Assessment(
        healths=healths,
        told=told,
        complete=complete,
        missing=missing,
        installed=installed,
        live=live,
        mistake=rules.mistake,
    )


@dataclass(slots=True)
class _Rules:
    """Asks the rule of each object, the author's or the library's, and keeps the first mistake of an author's."""

    title: str
    version: str
    snapshot: Snapshot[Any, Any]
    objects: Mapping[Ref, Live]
    live: Mapping[Ref, Json]
    copies: Mapping[Ref, str]
    now: datetime
    mistake: ProviderMistake | None = None

    def health(self, item: Wanted) -> Health | None:
        """Return how an object does, None where no rule knows."""
        found = self.objects.get(item.ref)
        if item.health is not None:
            return self._authors(item.health, item.ref, found)
        rule = rule_for(item.ref.api_version, item.ref.kind)
        if rule is None:
            return None
        context = HealthContext(
            title=self.title,
            version=self.version,
            config_name=self.snapshot.config_name,
            live=self.live,
            copies=self.copies,
            applied=found.applied if found else None,
            now=self.now,
            recorded=str(self.snapshot.status.get("installedVersion") or ""),
        )
        return rule.health(item.ref, found.object if found else item.manifest, context)

    def _authors(self, rule: Callable[[Json, Mapping[Ref, Json]], Health], ref: Ref, found: Live | None) -> Health:
        if found is None:
            return Health("Progressing", f"{ref} is being made.")
        try:
            return health_of(rule, found.object, self.live)
        except ProviderMistake as mistake:  # nobody knows how the object does, so it does not do well
            self.mistake = self.mistake or mistake
            condition = mistake_condition(self.title, mistake)
            return Health("Failed", condition.message, (condition,))


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
