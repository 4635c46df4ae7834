"""Entries of ``status.conditions``, and the patch from one status to another."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from openmcp_provider.domain.compare import same
from openmcp_provider.domain.conditions import TRUE, Condition
from openmcp_provider.domain.objects import Json, conditions, generation

__all__ = ["says_ready", "stamped", "status_patch"]


def says_ready(instance: Json) -> bool:
    """Tell whether the status of an instance, as it stands, says that its present generation is Ready."""
    ready = conditions(instance).get("Ready") or {}
    return ready.get("status") == TRUE and ready.get("observedGeneration") == generation(instance)


def stamped(condition: Condition, before: Json | None, observed: int, now: datetime) -> Json:
    """Return a condition as it is written: its transition time moves only with its status.

    Args:
        condition: The condition.
        before: The entry of that type so far, None if there is none.
        observed: The generation of the object that was read.
        now: The present.
    """
    stays = before is not None and before.get("status") == condition.status
    moment = before.get("lastTransitionTime") if before is not None and stays else None
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": observed,
        "lastTransitionTime": moment or now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def status_patch(before: Json, after: Json) -> Json:
    """Return the JSON merge patch that turns one status into another; lists are replaced whole."""
    patch: dict[str, Any] = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            if below := status_patch(old, value):
                patch[key] = below
        elif key not in before or not same(old, value):
            patch[key] = value
    return patch
