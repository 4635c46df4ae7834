"""A cluster whose client can be exchanged while it is in use, because its credentials were."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

from openmcp_provider.ports import Clock, Cluster, Unauthorized, WatchEvent
from openmcp_provider.runtime.around import Around, Call

__all__ = ["Renewing"]

T = TypeVar("T")

RETIREMENT = 420.0
"""Seconds that a client outlives its exchange: longer than a watch lasts, so that none breaks."""


class Renewing(Around):
    """Passes calls on to the client of the day; what is refused for its credentials is tried once with newer ones.

    Args:
        cluster: The first client.
        renew: Asked for newer credentials after a refusal; returns whether `exchange` was called.
        clock: The time.
    """

    def __init__(self, cluster: Cluster, renew: Callable[[], Awaitable[bool]], clock: Clock) -> None:
        super().__init__(cluster)
        self._renew = renew
        self._clock = clock
        self._retiring: dict[asyncio.Task[None], Cluster] = {}
        self.refused_since: float | None = None
        """Since when, by the monotonic clock, every call is refused for its credentials; None = they are accepted."""

    def exchange(self, cluster: Cluster) -> None:
        """Use another client from now on; the one before is closed once what it has begun must have ended."""
        before, self.cluster = self.cluster, cluster
        task = asyncio.get_running_loop().create_task(self._retire(before))
        self._retiring[task] = before
        task.add_done_callback(lambda done: self._retiring.pop(done, None))

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[T]]) -> T:
        """Carry a call out, again with newer credentials where it was refused."""
        used = self.cluster
        try:
            answer = await carry_out(used)
        except Unauthorized:
            if not await self._renewed(used):
                raise
            answer = await carry_out(self.cluster)
        self.refused_since = None
        return answer

    async def around_watch(
        self, call: Call, begin: Callable[[Cluster], AsyncGenerator[WatchEvent, None]]
    ) -> AsyncGenerator[WatchEvent, None]:
        """Begin a watch; one that is refused ends, and finds newer credentials when it is begun again."""
        used = self.cluster
        try:
            async with aclosing(begin(used)) as events:
                async for event in events:
                    self.refused_since = None
                    yield event
        except Unauthorized:
            await self._renewed(used)
            raise

    async def close(self) -> None:
        """Close every client."""
        leaving = dict(self._retiring)
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        for cluster in (*leaving.values(), self.cluster):
            await cluster.close()

    async def _renewed(self, used: Cluster) -> bool:
        """Tell whether there is another client than the one that was refused."""
        if self.refused_since is None:
            self.refused_since = self._clock.monotonic()
        return self.cluster is not used or await self._renew()

    async def _retire(self, cluster: Cluster) -> None:
        await self._clock.sleep(RETIREMENT)
        await cluster.close()
