"""Own writes that their caches have not shown yet: until they do, their tenant is not decided about again.

A decision on a cache that is behind one's own write would be made twice.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from openmcp_provider.ports import Clock
from openmcp_provider.runtime.cache import Cache, Key

__all__ = ["Holds"]

K = TypeVar("K", bound=Hashable)

LONGEST = 30.0
"""Seconds after which a write counts as seen: a cache that lags for longer has troubles of its own."""


@dataclass(frozen=True, slots=True)
class _Hold:
    cache: Cache[Any]
    key: Key
    version: str
    until: float

    @property
    def arrived(self) -> bool:
        return self.cache.has_seen(self.version) if self.version else self.cache.get(self.key) is None


class Holds(Generic[K]):
    """Keeps back whoever wrote what no cache has shown yet.

    Args:
        clock: The time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._holds: dict[K, list[_Hold]] = {}

    def add(self, owner: K, cache: Cache[Any], key: Key, version: str) -> None:
        """Hold an owner until a cache has seen a version of an object; no version = until the object is gone."""
        self._holds.setdefault(owner, []).append(_Hold(cache, key, version, self._clock.monotonic() + LONGEST))

    def holds(self, owner: K) -> bool:
        """Tell whether an owner is held."""
        now = self._clock.monotonic()
        left = [hold for hold in self._holds.get(owner, ()) if not hold.arrived and hold.until > now]
        if left:
            self._holds[owner] = left
        else:
            self._holds.pop(owner, None)
        return bool(left)

    def drop(self, owner: K) -> None:
        """Forget an owner that is gone."""
        self._holds.pop(owner, None)
