"""Ends a process that lost touch with the onboarding cluster: nothing else probes it, and a new one may do better."""

from collections.abc import Callable

from openmcp_provider.ports import Clock

__all__ = ["LostTouch", "watch_over"]

LIMIT = 600.0  # seconds
LOOK = 5.0


class LostTouch(Exception):
    """For ten minutes there was no living watch of the instances, or there were no valid credentials."""


async def watch_over(
    clock: Clock,
    *,
    silence: Callable[[], float],
    refused_since: Callable[[], float | None],
    limit: float = LIMIT,
) -> None:
    """Look now and then, until cancelled.

    Args:
        clock: The time.
        silence: Seconds since the onboarding cluster was last heard of.
        refused_since: Since when, by the monotonic clock, credentials are refused; None = they are not.
        limit: Seconds of trouble that end the process.

    Raises:
        LostTouch: it lasts for too long.
    """
    while True:
        since = refused_since()
        if since is not None and clock.monotonic() - since > limit:
            raise LostTouch(f"the onboarding cluster has refused our credentials for {limit / 60:.0f} minutes")
        if silence() > limit:
            raise LostTouch(f"nothing was heard of the onboarding cluster for {limit / 60:.0f} minutes")
        await clock.sleep(LOOK)
