"""The machine's time and chance."""

import asyncio
import random
import time
from datetime import UTC, datetime

from openmcp_provider.ports import Clock, Randomness

__all__ = ["SystemClock", "SystemRandomness"]


class SystemClock(Clock):
    """The machine's time."""

    def now(self) -> datetime:
        """Return the present in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""
        await asyncio.sleep(seconds)


class SystemRandomness(Randomness):
    """The machine's chance."""

    def __init__(self) -> None:
        self._source = random.SystemRandom()

    def random(self) -> float:
        """Return a number in [0, 1)."""
        return self._source.random()
