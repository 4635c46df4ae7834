"""Whose take-over begins when. At the switch from the older program there are as many as tenants, all at once.

What waits here is not queued and keeps no worker. Nothing is told of it meanwhile, so its status stays what it was; and
nothing needs to be remembered of it: what is still to be taken over is seen on the objects.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from openmcp_provider.runtime.limits import Bucket

__all__ = ["Turns"]

K = TypeVar("K", bound=Hashable)


class Turns(Generic[K]):
    """Lets one after the other begin, at the pace of a bucket of tokens, in the order in which they came.

    A turn lasts until it is given back, however many passes that takes: whoever has begun is not interrupted.

    Args:
        bucket: A token is a turn.
        called: Called with whose turn it is from now on.
    """

    def __init__(self, bucket: Bucket, called: Callable[[K], None]) -> None:
        self._bucket = bucket
        self._called = called
        self._ahead: dict[K, None] = {}
        self._others: dict[K, None] = {}
        self._having: set[K] = set()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._ahead) + len(self._others)

    def has(self, key: K, *, ahead: bool) -> bool:
        """Tell whether it is a key's turn; if not, it is called when it is.

        Args:
            key: Which.
            ahead: Whether it goes before all those that do not; also where it waited without this so far.
        """
        if key in self._having:
            return True
        if ahead:
            self._others.pop(key, None)
            self._ahead.setdefault(key)
        elif key not in self._ahead:
            self._others.setdefault(key)
        self._filled.set()
        return False

    def give_back(self, key: K) -> None:
        """Say that a key needs no turn, or no longer."""
        self._having.discard(key)
        for line in (self._ahead, self._others):
            line.pop(key, None)

    async def run(self) -> None:
        """Call one after the other until cancelled."""
        while True:
            await self._filled.wait()
            await self._bucket.take()
            line = self._ahead or self._others
            if line:  # else whoever waited has given up meanwhile
                key = next(iter(line))
                del line[key]
                self._having.add(key)
                self._called(key)
            if not self:
                self._filled.clear()
