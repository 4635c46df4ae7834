"""Kinds that the platform does not serve, so that nothing can be written, nor seen to be gone."""

from typing import Any

from openmcp_provider.domain.conditions import TRUE, UNKNOWN, Condition, Finding
from openmcp_provider.domain.held import BLOCKED
from openmcp_provider.domain.kinds import rule_for
from openmcp_provider.domain.objects import deleting, dig
from openmcp_provider.domain.snapshot import Snapshot

__all__ = ["unserved"]


def unserved(snapshot: Snapshot[Any, Any]) -> Finding | None:
    """Return what the platform does not serve and who installs it; None where that is nothing, or does not matter.

    It does not matter to the deletion of an instance that never had access to a control plane.
    """
    if not snapshot.unserved:
        return None
    kinds = ", ".join(f"{kind} ({api_version})" for api_version, kind in snapshot.unserved)
    rules = [rule_for(api_version, kind) for api_version, kind in snapshot.unserved]
    missing = dict.fromkeys(rule.controller for rule in rules if rule and rule.finalizer)
    what = (
        f"{' and '.join(missing)} is not installed on the platform, which does not serve {kinds}."
        if missing
        else f"The platform does not serve {kinds}."
    )
    message = f"{what} Only the platform operator can install it; the rest then continues automatically."
    if not deleting(snapshot.instance):
        condition = Condition("Installed", UNKNOWN, "KindsNotServed", message)
        return Finding(condition=condition, message=message, keeps_ready=True)
    if not (snapshot.access or dig(snapshot.instance, "status", "installedVersion")):
        return None
    message = f"deletion blocked: {message}"
    condition = Condition(BLOCKED, TRUE, "KindsNotServed", message)
    return Finding(condition=condition, message=message, event=BLOCKED)
