"""Virtual time and seeded chance, as ports."""

import asyncio
import random
from datetime import UTC, datetime, timedelta

__all__ = ["START", "SeededRandomness", "VirtualClock"]

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When every virtual clock begins."""


class VirtualClock:
    """The port `Clock` on a virtual loop; by default on the one that runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()

    def now(self) -> datetime:
        """Return the present in UTC."""
        return START + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        """Return the virtual seconds."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Return after so many virtual seconds."""
        await asyncio.sleep(seconds)


class SeededRandomness:
    """The port `Randomness`, the same numbers for the same seed and stream."""

    def __init__(self, seed: int, stream: str = "") -> None:
        self._random = random.Random(f"{seed}/{stream}")  # noqa: S311 - for jitter

    def random(self) -> float:
        """Return a number in [0, 1)."""
        return self._random.random()
