"""Objects that stay although they are being deleted: which finalizers hold them, since when, and who removes these."""

from collections.abc import Iterable
from datetime import UTC, timedelta

from openmcp_provider.domain.conditions import TRUE, Condition, Finding
from openmcp_provider.domain.draft import Draft
from openmcp_provider.domain.kinds import rule_for
from openmcp_provider.domain.objects import PLATFORM, Json, Ref, dig, timestamp

__all__ = ["ALARM", "BLOCKED", "PATIENCE", "find_held"]

BLOCKED = "DeletionBlocked"

PATIENCE = timedelta(seconds=10)
"""How long an object may take to go before it is named."""

ALARM = timedelta(minutes=1)
"""How long it may take before an event warns of it."""

_OPENMCP = (".openmcp.cloud", ".open-control-plane.io")
_NAMES = 5


def find_held(
    draft: Draft,
    ref: Ref,
    obj: Json,
    *,
    then: str,
    ours: str = "",
    patience: timedelta = PATIENCE,
    going: bool = True,
    keeps_ready: bool = False,
) -> bool:
    """Note that finalizers hold an object, once that has lasted; tell whether it was noted.

    Args:
        draft: Takes the finding, or the time to look again.
        ref: The object.
        obj: As it is; without a deletionTimestamp nothing is noted.
        then: What follows once it is gone, in words.
        ours: The finalizer that the next step removes.
        patience: How long the object may take.
        going: Whether the instance itself is being deleted, so that this blocks its deletion.
        keeps_ready: What runs is not touched by it.
    """
    since = timestamp(dig(obj, "metadata", "deletionTimestamp"))
    left = sorted(name for name in dig(obj, "metadata", "finalizers") or () if name != ours)
    if since is None or not left:
        return False
    if draft.now < since + patience:
        draft.look_at(since + patience)
        return False
    alarm = draft.now >= since + max(patience, ALARM)
    if not alarm:
        draft.look_at(since + ALARM)
    moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    named = f"{ref}{'' if ref.cluster == PLATFORM else ' on the control plane'}"
    quoted = _listed(f'"{name}"' for name in left)
    finalizers = f"finalizers {quoted} are" if len(left) > 1 else f"finalizer {quoted} is"
    if alarm:
        blocked = "deletion blocked: " if going else ""
        what = f"{blocked}{named} was deleted at {moment} but does not go: {finalizers} left."
    else:
        what = f"Waiting for {named} to go: it was deleted at {moment}, and {finalizers} left."
    message = f"{what} {_actors(ref, left)} {then}"
    draft.find(
        Finding(
            condition=Condition(BLOCKED, TRUE, "HeldByFinalizer", message),
            message=message,
            error=alarm,
            event=BLOCKED if going else "",
            silent=not alarm,
            reworded=True,
            keeps_ready=keeps_ready,
        )
    )
    return True


def _actors(ref: Ref, left: Iterable[str]) -> str:
    """Return who removes the finalizers, a sentence for each of those."""
    rule = rule_for(ref.api_version, ref.kind)
    said = []
    for name in left:
        if rule and name == rule.finalizer:
            said.append(
                f"{rule.controller} removes {name}: the platform operator must check that {rule.controller} runs, and "
                f"what it says about this object [{ref}]."
            )
        elif name.partition("/")[0].endswith(_OPENMCP):
            said.append(f"The platform removes {name}: ask the platform operator [{ref}].")
        else:
            said.append(f"Whoever set {name} must remove it [{ref}].")
    return " ".join(said[:_NAMES])


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    more = f" and {len(found) - _NAMES} more" if len(found) > _NAMES else ""
    return ", ".join(found[:_NAMES]) + more
