"""How often something may happen: a bucket of tokens that fills at a steady rate, and a client that is so limited."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from openmcp_provider.ports import Clock, Cluster, WatchEvent
from openmcp_provider.runtime.around import Around, Call

__all__ = ["Bucket", "RateLimited"]

T = TypeVar("T")


class Bucket:
    """Gives out tokens, in the order in which they are asked for.

    Args:
        clock: The time.
        rate: Tokens a second, in the long run.
        burst: How many may be taken at once after a silence.
    """

    def __init__(self, clock: Clock, *, rate: float, burst: int = 1) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._free = clock.monotonic() - burst / rate
        """When the last token taken is free, counted as if the bucket were a queue of moments."""

    async def take(self) -> None:
        """Return once there is a token."""
        now = self._clock.monotonic()
        self._free = max(self._free, now - self._burst / self._rate) + 1.0 / self._rate
        if self._free > now:
            await self._clock.sleep(self._free - now)


class RateLimited(Around):
    """Makes calls wait for their turn, in the order in which they come.

    Args:
        cluster: What carries the calls out.
        clock: The time.
        rate: Calls a second, in the long run.
        burst: How many may go at once after a silence.
    """

    def __init__(self, cluster: Cluster, clock: Clock, *, rate: float = 20.0, burst: int = 40) -> None:
        super().__init__(cluster)
        self._bucket = Bucket(clock, rate=rate, burst=burst)

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[T]]) -> T:
        """Carry a call out when it is its turn."""
        await self._bucket.take()
        return await carry_out(self.cluster)

    async def around_watch(
        self, call: Call, begin: Callable[[Cluster], AsyncGenerator[WatchEvent, None]]
    ) -> AsyncGenerator[WatchEvent, None]:
        """Begin a watch when it is its turn."""
        await self._bucket.take()
        async with aclosing(begin(self.cluster)) as events:
            async for event in events:
                yield event
