"""What the platform operator reads on the ProviderConfig: whether it is valid, and if not, every reason."""

from collections.abc import Iterable
from datetime import datetime

from openmcp_provider.domain.conditions import FALSE, TRUE, Condition
from openmcp_provider.domain.objects import Json, conditions, generation
from openmcp_provider.domain.status import stamped
from openmcp_provider.provider import Problem

__all__ = ["report_config"]


def report_config(config: Json, problems: Iterable[Problem], now: datetime) -> Json | None:
    """Return the whole status of a ProviderConfig; None = leave it as it is.

    Args:
        config: The ProviderConfig.
        problems: All that is wrong with it.
        now: The present.
    """
    found = tuple(problems)
    if found:
        message = "; ".join(str(problem) for problem in found) + ". Running tenants stay as they are."
        told = Condition("Valid", FALSE, "Invalid", message)
    else:
        told = Condition("Valid", TRUE, "Valid", "Every field can be used.")
    before = config.get("status") or {}
    entry = stamped(told, conditions(config).get(told.type), generation(config), now)
    others = [item for kind, item in conditions(config).items() if kind != told.type]
    status = {**before, "conditions": [entry, *others]}
    return None if status == before else status
