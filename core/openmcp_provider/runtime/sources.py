"""The Secrets and ConfigMaps of the provider's namespace that tenants refer to: each is watched while anybody does."""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

from openmcp_provider.domain.copies import Source
from openmcp_provider.runtime.cache import Cache

__all__ = ["SourceName", "Sources"]

K = TypeVar("K", bound=Hashable)

SourceName = tuple[str, str]
"""Kind and name."""


class Sources(Generic[K]):
    """Watches what is referred to, and nothing else.

    Args:
        caches: Takes the caches, by what they watch.
        make: Makes one.
    """

    def __init__(self, caches: dict[SourceName, Cache[Source]], make: Callable[[SourceName], Cache[Source]]) -> None:
        self._caches = caches
        self._make = make
        self._uses: dict[K, frozenset[SourceName]] = {}
        self._users: Counter[SourceName] = Counter()
        self._running: dict[SourceName, asyncio.Task[None]] = {}

    def follow(self, user: K, wanted: frozenset[SourceName], group: asyncio.TaskGroup | None) -> list[Cache[Source]]:
        """Watch what a user refers to now, and no longer what nobody refers to any more.

        Args:
            user: Who.
            wanted: All that it refers to.
            group: In which watches run; None = none begins any more.

        Returns:
            The caches of `wanted` that have yet to fill.
        """
        before = self._uses.get(user, frozenset())
        self._uses[user] = wanted
        self._users.update(wanted - before)
        self._users.subtract(before - wanted)
        for name in sorted(wanted - self._caches.keys()):
            self._caches[name] = cache = self._make(name)
            if group is not None:
                self._running[name] = group.create_task(cache.run())
        for name in sorted(name for name in before - wanted if not self._users[name]):
            del self._users[name], self._caches[name]
            if name in self._running:
                self._running.pop(name).cancel()
        return [cache for name in sorted(wanted) if not (cache := self._caches[name]).synced.is_set()]

    def users(self, name: SourceName) -> Iterator[K]:
        """Yield who refers to something."""
        for user, used in self._uses.items():
            if name in used:
                yield user

    def forget(self, user: K) -> None:
        """Watch no longer what only this user referred to."""
        self.follow(user, frozenset(), None)
        del self._uses[user]

    def stop(self) -> None:
        """End every watch."""
        for task in self._running.values():
            task.cancel()
