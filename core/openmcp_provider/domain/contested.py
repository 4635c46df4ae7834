"""Writes that do not last: somebody changes what was written each time.

Writing it again is no progress, so the same write to the same object is held back like a failure, from one second to
five minutes, and the instance says which field it is. What the server itself stores otherwise than sent is no such
change; its answer tells.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from openmcp_provider.domain.backoff import doubled
from openmcp_provider.domain.compare import departure, difference, patched
from openmcp_provider.domain.conditions import FALSE, Condition, Finding
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, Ref, deleting, generation, uid
from openmcp_provider.domain.ownership import Live
from openmcp_provider.domain.plan import Apply, Create, Patch, Plan, Step, TakeOver, Writes
from openmcp_provider.domain.snapshot import Sent, Snapshot

__all__ = ["CONDITION", "Repeatable", "held_back", "kind_of", "recent", "sent", "settled"]

CONDITION = "Stable"

FIRST, LONGEST = 1.0, 300.0
"""Seconds for which the same write is held back at first, and at most."""

MEMORY = timedelta(minutes=10)
"""After that long the same write counts as a new one."""

_TOLD = 2
"""Somebody may undo one write without it being a habit."""

Repeatable = Create | Apply | Patch | TakeOver
"""The writes that are made again when what they wrote is not there."""

_REPEATABLE = (Create, Apply, Patch, TakeOver)


def kind_of(step: Repeatable) -> str:
    """Return what tells apart the writes to one object."""
    return f"{step.kind} patch" if isinstance(step, Patch) else type(step).__name__


def sent(before: Sent | None, step: Repeatable, answer: Live, now: datetime, *, ready: int) -> Sent:
    """Return what to remember of a write that was carried out.

    Args:
        before: What was remembered of the one before it.
        step: The write.
        answer: The object as the server answered.
        now: The present.
        ready: The generation at which the instance says that it is Ready, 0 if it does not.
    """
    digest = _digest(step)
    kept = answer.object if _otherwise(step, answer) else None
    missing = isinstance(step, Create) or (isinstance(step, Apply) and not step.uid)
    again = before is not None and before.digest == digest and now - before.at < MEMORY
    if before is not None and again and (missing or before.uid == answer.uid):
        times, ready = before.times + 1, before.ready if before.times else ready
    else:
        times = 0 if kept is None else 1
    return Sent(digest=digest, uid=answer.uid, at=now, times=times, field=_field(step), kept=kept, ready=ready)


def settled(snapshot: Snapshot[Any, Any], step: Apply | Patch, wanted: Json, live: Json) -> bool:
    """Tell whether an object is as the server stores this very write; `wanted` are the fields that matter."""
    found = snapshot.sent.get((step.ref, kind_of(step)))
    if found is None or found.kept is None or found.uid != uid(live) or found.digest != _digest(step):
        return False
    return not departure(wanted, live, found.kept)


def recent(memory: Mapping[tuple[Ref, str], Sent], now: datetime) -> dict[tuple[Ref, str], Sent]:
    """Return what is still to be remembered."""
    return {key: found for key, found in memory.items() if found.kept is not None or _is_recent(found, now)}


def held_back(plan: Plan, snapshot: Snapshot[Any, Any], now: datetime) -> Plan:
    """Return the plan without the writes that are to wait, with what is to be told of them."""
    if not snapshot.sent or plan.releases:
        return plan
    contested: dict[Ref, str] = {}
    looks = [] if plan.look is None else [plan.look]
    waiting = set()
    for step in plan.steps:
        if not isinstance(step, _REPEATABLE) or (found := _repeated(snapshot, step, now)) is None:
            continue
        if found.kept is not None or found.times >= _TOLD:
            contested.setdefault(step.ref, _field(step))
        wait = found.at + timedelta(seconds=doubled(FIRST, LONGEST, found.times - 1)) - now
        if wait > timedelta(0):
            waiting.add(step.ref)
            looks.append(wait)
    for (ref, _), found in snapshot.sent.items():
        if found.times >= _TOLD and _is_recent(found, now) and not deleting(snapshot.instance):
            contested.setdefault(ref, found.field)
            looks.append(found.at + MEMORY - now)
    findings = (*plan.findings, _finding(contested)) if contested else plan.findings
    return replace(
        plan,
        steps=_without(plan.steps, waiting),
        findings=findings,
        look=min(looks, default=None),
        contested=frozenset(contested),
        was_ready=bool(contested) and _was_ready(snapshot, contested),
    )


def _was_ready(snapshot: Snapshot[Any, Any], contested: Mapping[Ref, str]) -> bool:
    """Tell whether the instance was Ready, at its present generation, before the contested writes began."""
    began = [found.ready for (ref, _), found in snapshot.sent.items() if ref in contested]
    return all(at == generation(snapshot.instance) for at in began)


def _without(steps: tuple[Step, ...], waiting: set[Ref]) -> tuple[Step, ...]:
    """Leave out every write to what waits; nothing at all may overtake a write to the instance."""
    kept: list[Step] = []
    for step in steps:
        if isinstance(step, Writes) and step.ref in waiting:
            if step.ref.cluster == ONBOARDING:
                break
        else:
            kept.append(step)
    return tuple(kept)


def _repeated(snapshot: Snapshot[Any, Any], step: Repeatable, now: datetime) -> Sent | None:
    """Return the write that a step would repeat, None if it is a new one."""
    found = snapshot.sent.get((step.ref, kind_of(step)))
    if found is None or not found.times or not _is_recent(found, now) or found.digest != _digest(step):
        return None
    known = "" if isinstance(step, Create) else step.uid
    return found if known in {"", found.uid} else None


def _is_recent(found: Sent, now: datetime) -> bool:
    return timedelta(0) <= now - found.at < MEMORY


def _otherwise(step: Repeatable, answer: Live) -> bool:
    """Tell whether a server answered something else than was sent."""
    match step:
        case Apply():
            stale = step.sealed is not None and step.sealed.digest != answer.digest
            return stale or bool(difference(step.manifest, answer.object))
        case Patch(kind="merge"):
            return not patched(step.body, answer.object)
        case _:
            return False


def _digest(step: Repeatable) -> str:
    """Return what tells one write from another; the tests of a JSON patch name a state that never comes again."""
    what: object = ""
    if isinstance(step, Apply):
        what = [step.manifest, step.sealed.digest if step.sealed else ""]
    elif isinstance(step, Create):
        what = step.manifest
    elif isinstance(step, Patch):
        what = step.body
        if not isinstance(step.body, Mapping):
            what = [operation for operation in step.body if operation["op"] != "test"]
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=dict).encode()).hexdigest()[:32]


def _field(step: Repeatable) -> str:
    if isinstance(step, Create):
        return ""
    return "metadata.managedFields" if isinstance(step, TakeOver) else step.field


def _finding(contested: Mapping[Ref, str]) -> Finding:
    (ref, field), *others = contested.items()
    where = {PLATFORM: "the platform", ONBOARDING: "the onboarding cluster"}.get(ref.cluster, "the control plane")
    what = f"changes {field} of {ref}" if field else f"deletes {ref}"
    also = f", and likewise {len(others)} more {'object' if len(others) == 1 else 'objects'}" if others else ""
    asked = "Find out" if where == "the control plane" else "Ask the platform operator"
    message = (
        f"Somebody on {where} {what} each time it is written{also}. It is written again every 5 minutes at most. "
        f"{asked} which policy or program does that."
    )
    return Finding(
        condition=Condition(CONDITION, FALSE, "FieldContested", message),
        message=message,
        keeps_ready=True,
        blocks=False,
    )
