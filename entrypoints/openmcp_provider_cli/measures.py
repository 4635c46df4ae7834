"""What can be measured by looking: at instances, watches, credentials and what an older program left.

Nothing here is remembered. It is computed from what the caches hold, so it is right after a restart and forgets what is
gone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from openmcp_provider.domain.conditions import TRUE
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, conditions, deleting, dig, timestamp
from openmcp_provider.runtime.views import Caches

__all__ = [
    "STATES",
    "Census",
    "Credential",
    "State",
    "Watch",
    "census",
    "first_ready",
    "is_ready",
    "never_ready",
    "soonest",
    "takeovers",
    "watches",
]


class State(NamedTuple):
    """Phase, and reason of Ready."""

    phase: str
    reason: str


NEW = State("None", "None")
"""The state of an instance without a status."""

OTHER = "Other"
"""Takes the place of words that are none of ours: a tenant could write a new one each second."""

STATES = (
    NEW,
    State("Progressing", "Reconciling"),
    State("Progressing", "ReconcileError"),
    State("Ready", "ReconcileSuccess"),
    State("Terminating", "Terminating"),
)
"""What we write."""

_PHASES = {state.phase for state in STATES}
_REASONS = {state.reason for state in STATES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """All instances at one moment.

    Attributes:
        states: How many are in each state.
        not_ready: How long the one that is not Ready for longest is not; those that are being deleted do not count.
        deletion: How long the one that is being deleted for longest is, whether it is blocked or not.
    """

    states: Mapping[State, int]
    not_ready: timedelta
    deletion: Mapping[bool, timedelta]


def census(instances: Iterable[Json], now: datetime) -> Census:
    """Count instances."""
    states = Counter(dict.fromkeys(STATES, 0))
    not_ready = now
    deletion = {True: now, False: now}
    for instance in instances:
        found = conditions(instance)
        ready = found.get("Ready") or {}
        states[_state(instance, ready)] += 1
        if deleting(instance):
            blocked = (found.get("DeletionBlocked") or {}).get("status") == TRUE
            began = timestamp(dig(instance, "metadata", "deletionTimestamp"))
            deletion[blocked] = min(deletion[blocked], began or now)
        elif ready.get("status") != TRUE:
            since = timestamp(ready.get("lastTransitionTime")) or _created(instance)
            not_ready = min(not_ready, since or now)
    ages = {blocked: now - began for blocked, began in deletion.items()}
    return Census(states=states, not_ready=now - not_ready, deletion=ages)


def _state(instance: Json, ready: Json) -> State:
    phase, reason = dig(instance, "status", "phase"), ready.get("reason")
    if not phase and not reason:
        return NEW
    return State(phase if phase in _PHASES else OTHER, reason if reason in _REASONS else OTHER)


def is_ready(instance: Json) -> bool:
    """Tell whether an instance says that it is Ready."""
    return (conditions(instance).get("Ready") or {}).get("status") == TRUE


def never_ready(instance: Json) -> bool:
    """Tell whether nothing in an instance says that it ever was Ready."""
    return not is_ready(instance) and not dig(instance, "status", "installedVersion")


def first_ready(instance: Json) -> timedelta | None:
    """Return how long after its creation an instance turned Ready, None if it does not say so."""
    created = _created(instance)
    turned = timestamp((conditions(instance).get("Ready") or {}).get("lastTransitionTime"))
    return max(turned - created, timedelta()) if created and turned and is_ready(instance) else None


def _created(instance: Json) -> datetime | None:
    return timestamp(dig(instance, "metadata", "creationTimestamp"))


class Watch(NamedTuple):
    """The watches of one kind on one cluster.

    Attributes:
        cluster: The cluster's role.
        kind: The kind.
        plural: Its plural.
        silence: Seconds since the server last said anything, on the quietest of them.
        synced: Whether all of them have listed what there is.
        failure: The name of the error that keeps one of them from listing and watching, empty for none.
    """

    cluster: str
    kind: str
    plural: str
    silence: float
    synced: bool
    failure: str = ""


def watches(caches: Caches) -> list[Watch]:
    """Return all watches; those of one kind on one cluster as one, since each source has its own."""
    found: dict[tuple[str, str], Watch] = {}
    for cache in caches.all():
        cluster = ONBOARDING if cache is caches.instances else PLATFORM
        kind, plural = cache.selection.resource.kind, cache.selection.resource.plural
        failure = cache.failure.reason if cache.failure else ""
        seen = found.get((cluster, kind), Watch(cluster, kind, plural, 0.0, synced=True))
        found[cluster, kind] = seen._replace(
            silence=max(seen.silence, cache.age),
            synced=seen.synced and cache.synced.is_set(),
            failure=seen.failure or failure,
        )
    return list(found.values())


class Credential(NamedTuple):
    """What lets us into a cluster, and until when.

    Attributes:
        cluster: The cluster's role: the onboarding cluster, or the id of a tenant cluster.
        expires: When it stops to.
    """

    cluster: str
    expires: datetime


def soonest(credentials: Iterable[Credential]) -> dict[str, datetime]:
    """Return when the first credential of each role expires."""
    found: dict[str, datetime] = {}
    for cluster, expires in credentials:
        found[cluster] = min(expires, found.get(cluster, expires))
    return found


def takeovers(caches: Caches) -> int:
    """Count the objects on the platform that an older program wrote and that are still to be taken over."""
    return sum(live.legacy for cache in caches.owned.values() for live in cache.values.values())
