"""What the platform operator reads on the ProviderConfig: whether it is valid, if not why, and who follows it."""

from collections.abc import Iterable
from datetime import datetime

from openmcp_provider.domain.compare import same
from openmcp_provider.domain.conditions import FALSE, TRUE, UNKNOWN, Condition
from openmcp_provider.domain.objects import Json, conditions, generation
from openmcp_provider.domain.status import stamped
from openmcp_provider.provider import Problem

__all__ = ["report_config"]


def report_config(
    config: Json,
    problems: Iterable[Problem],
    now: datetime,
    *,
    followers: int | None = None,
    mistake: Condition | None = None,
) -> Json | None:
    """Return the whole status of a ProviderConfig; None = leave it as it is.

    Args:
        config: The ProviderConfig.
        problems: All that is wrong with it.
        now: The present.
        followers: How many tenants follow it; None = say nothing new about that.
        mistake: The mistake of the provider's own that keeps anybody from knowing; None = there is none.
    """
    found = tuple(problems)
    if mistake:
        told = [Condition("Valid", UNKNOWN, mistake.type, mistake.message)]
    elif found:
        message = "; ".join(str(problem) for problem in found) + ". Running tenants stay as they are."
        told = [Condition("Valid", FALSE, "Invalid", message)]
    else:
        told = [Condition("Valid", TRUE, "Valid", "Every field can be used.")]
    if followers:
        tenants = "1 tenant follows" if followers == 1 else f"{followers} tenants follow"
        told.append(Condition("InUse", TRUE, "Followed", f"{tenants} it."))
    elif followers is not None:
        told.append(Condition("InUse", FALSE, "NotFollowed", "No tenant follows it."))
    before = config.get("status") or {}
    live = conditions(config)
    entries = [stamped(one, live.get(one.type), generation(config), now) for one in told]
    mine = {one.type for one in told}
    status = {**before, "conditions": [*entries, *(item for kind, item in live.items() if kind not in mine)]}
    return None if same(conditions({"status": status}), live) else status
