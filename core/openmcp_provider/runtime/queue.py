"""A queue of keys: each at most once, never two workers on one key, fair, with a back-off of its own for each key."""

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from openmcp_provider.ports import Randomness
from openmcp_provider.runtime.backoff import Backoff
from openmcp_provider.runtime.observing import QueueObserver

__all__ = ["Queue"]

K = TypeVar("K", bound=Hashable)

BACKOFF = Backoff(floor=1.0, ceiling=300.0)


class Queue(Generic[K]):
    """First come, first served.

    A key that is added while it is worked on is queued again once that work is done. Times are those of the running
    event
    loop.

    Args:
        randomness: For jitter.
        backoff: Of each key after failures.
        observer: Told what becomes of the keys.
    """

    def __init__(
        self,
        randomness: Randomness,
        *,
        backoff: Backoff = BACKOFF,
        observer: QueueObserver | None = None,
    ) -> None:
        self._randomness = randomness
        self._observer = observer or QueueObserver()
        self._backoff = backoff
        self._waiting: OrderedDict[K, None] = OrderedDict()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is worked on; what is due later does not count."""
        return not self._waiting and not self._working

    def add(self, key: K) -> None:
        """Queue a key now."""
        if key in self._waiting or key in self._again:
            return
        self._observer.added(key)
        if key in self._working:
            self._again.add(key)
            return
        self._waiting[key] = None
        self._filled.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Queue a key later, unless it is queued for an earlier time already."""
        loop = asyncio.get_running_loop()
        due = loop.time() + max(seconds, 0.0)
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def add_failed(self, key: K, error: Exception | None = None) -> float:
        """Queue a key after its next back-off, which the error may lengthen; return the seconds."""
        self._observer.retried(key)
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        wait = self._backoff.wait(failures, self._randomness, error)
        self.add_after(key, wait)
        return wait

    def forget(self, key: K) -> None:
        """Begin the back-off of a key anew."""
        self._failures.pop(key, None)

    def drop(self, key: K) -> None:
        """Forget everything about a key that is no more."""
        self._observer.dropped(key)
        self.forget(key)
        self._waiting.pop(key, None)
        self._again.discard(key)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()

    async def get(self) -> K:
        """Return the next key once there is one; it is worked on until `done`."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        key, _ = self._waiting.popitem(last=False)
        self._observer.taken(key)
        self._working.add(key)
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        return key

    def done(self, key: K) -> None:
        """Say that the work on a key is over."""
        self._observer.done(key)
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self._waiting[key] = None
            self._filled.set()

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)
