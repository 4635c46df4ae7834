"""Workers: how many reconciles may talk to the platform and the onboarding cluster at once."""

import asyncio
from collections.abc import Awaitable
from types import TracebackType
from typing import Self

__all__ = ["Worker"]


class Worker:
    """One of a limited number of workers. It knows whether it is held, so it is never given back twice.

    As a context manager it bounds the time of what is done with it, and is given back at the end. The time during which
    no worker is free does not count: who is slow because of others is not late.

    Args:
        slots: One for each worker.
        deadline: Seconds.
    """

    def __init__(self, slots: asyncio.Semaphore, deadline: float) -> None:
        self._slots = slots
        self._deadline = asyncio.timeout(deadline)
        self._held = False

    async def take(self) -> None:
        """Wait until a worker is free and hold it."""
        await self._slots.acquire()
        self._held = True

    def _give_back(self) -> None:
        if self._held:
            self._held = False
            self._slots.release()

    async def __aenter__(self) -> Self:
        await self._deadline.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the worker back.

        Raises:
            TimeoutError: the deadline passed.
        """
        self._give_back()
        await self._deadline.__aexit__(kind, error, trace)

    async def without(self, doing: Awaitable[None]) -> None:
        """Await something slow without holding the worker; hold one again afterwards, unless cancelled meanwhile."""
        self._give_back()
        try:
            await doing
        except Exception:  # not when cancelled: nothing further is done then, so that no worker is needed
            await self._take_again()
            raise
        await self._take_again()

    async def _take_again(self) -> None:
        loop, due = asyncio.get_running_loop(), self._deadline.when()
        if due is None or self._deadline.expired():
            await self.take()
            return
        left = due - loop.time()
        self._deadline.reschedule(None)
        await self.take()
        self._deadline.reschedule(loop.time() + left)
