"""How long to wait before the next try, wherever something is tried again."""

from dataclasses import dataclass

from openmcp_provider.domain.backoff import doubled
from openmcp_provider.ports import Randomness, TooManyRequests

__all__ = ["MOST_ASKED", "Backoff", "asked_for"]

MOST_ASKED = 300.0
"""Seconds that a server's Retry-After can make anybody wait, whatever it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Waits that double from try to try, half of each by chance.

    Attributes:
        floor: Seconds of the first wait, at most.
        ceiling: Seconds of any wait, at most.
    """

    floor: float
    ceiling: float

    def wait(self, failures: int, randomness: Randomness, error: Exception | None = None) -> float:
        """Return seconds to wait: between half and all of what the failures before make of it.

        Args:
            failures: How many tries failed before this one, without a success in between.
            randomness: For jitter.
            error: Why this one failed: a server that asks to wait is given what it asks for, up to `MOST_ASKED`.
        """
        longest = doubled(self.floor, self.ceiling, failures)
        return max(asked_for(error), longest * (0.5 + 0.5 * randomness.random()))


def asked_for(error: Exception | None) -> float:
    """Return the seconds that an error asks to wait, at most `MOST_ASKED`; 0 where it asks for nothing."""
    return min(error.retry_after or 0.0, MOST_ASKED) if isinstance(error, TooManyRequests) else 0.0
