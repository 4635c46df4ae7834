"""A cache of one kind on one cluster, kept by list and watch.

It never goes backwards: it resumes after the last version it saw, lists again only when the server has forgotten that
version, and then notices what was deleted meanwhile. It knows how old its last sign of life is.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Generic, NamedTuple, TypeVar

from openmcp_provider.domain.compare import same
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Clock, Cluster, Expired, NotFound, PortError, Randomness, Resource
from openmcp_provider.runtime.backoff import Backoff

__all__ = ["Cache", "Key", "Selection"]

T = TypeVar("T")

BACKOFF = Backoff(floor=0.5, ceiling=30.0)
ABSENT_AFTER = 3  # tries in a row


class Key(NamedTuple):
    """Namespace and name."""

    namespace: str
    name: str


class Selection(NamedTuple):
    """Which objects a cache holds."""

    resource: Resource
    namespace: str = ""
    labels: str = ""
    fields: str = ""


class Cache(Generic[T]):
    """Holds what `keep` makes of each selected object.

    Args:
        cluster: Where.
        selection: What.
        keep: Makes what is held of an object; what it leaves out is never held.
        changed: Called after each change with key, the value before and the value after; None = there is none.
        clock: For signs of life.
        randomness: For jitter.
        failed: Told every error of list and watch, before the next try.
        unserved: For a kind that the server may not serve: called when that begins, and when it ends.

    Attributes:
        selection: What.
        synced: Set once everything was listed, or the kind turned out not to be served.
        served: Whether the server serves the kind, as far as is known; if not, what was held stays.
        lists: How often it was.
        failure: The last error, until the server is heard of again.
    """

    def __init__(
        self,
        cluster: Cluster,
        selection: Selection,
        *,
        keep: Callable[[Json], T],
        changed: Callable[[Key, T | None, T | None], None],
        clock: Clock,
        randomness: Randomness,
        failed: Callable[[PortError], None] = lambda _: None,
        unserved: Callable[[], None] | None = None,
    ) -> None:
        self.selection = selection
        self.synced = asyncio.Event()
        self.served = True
        self.lists = 0
        self.failure: PortError | None = None
        self._cluster = cluster
        self._keep = keep
        self._changed = changed
        self._clock = clock
        self._randomness = randomness
        self._failed = failed
        self._unserved = unserved
        self._absent = 0
        self._values: dict[Key, T] = {}
        self._uids: dict[Key, str] = {}
        self._names: dict[str, set[str]] = {}
        self._version = ""
        self._sign = clock.monotonic()
        self._failures = 0
        self._expired = 0  # times in a row without an event in between

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Key]:
        return iter(tuple(self._values))

    def get(self, key: Key) -> T | None:
        """Return what is held of an object, None if there is none."""
        return self._values.get(key)

    def names(self, namespace: str) -> list[str]:
        """Return the names of what is held in a namespace, in order."""
        return sorted(self._names.get(namespace, ()))

    @property
    def values(self) -> Mapping[Key, T]:
        """Everything held."""
        return self._values

    @property
    def age(self) -> float:
        """Seconds since the server was last heard of."""
        return self._clock.monotonic() - self._sign

    def has_seen(self, version: str) -> bool:
        """Tell whether a write with this resourceVersion has arrived here.

        Versions of one resource on one server grow, and servers write them as decimal numbers; where they are anything
        else, only the very version counts.
        """
        if version.isdecimal() and self._version.isdecimal():
            return int(self._version) >= int(version)
        return self._version == version

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                await self._watch()
            except Expired as error:
                self._version = ""
                # A version that is too old is ordinary, a server that forgets everything is not: listing again and
                # again would be all that both did.
                if self._expired:
                    await self._pause(error, self._expired - 1)
                self._expired += 1
            except PortError as error:
                self._failures += 1
                self._note_absent(error)
                await self._pause(error, self._failures - 1)

    async def _pause(self, error: PortError, failures: int) -> None:
        self.failure = error
        self._failed(error)
        await self._clock.sleep(BACKOFF.wait(failures, self._randomness, error))

    def _note_absent(self, error: PortError) -> None:
        """Count how often in a row the server did not know the kind: one that is starting up says so for a moment."""
        if self._unserved is None:
            return
        self._absent = self._absent + 1 if isinstance(error, NotFound) else 0
        if self._absent:
            self._sign = self._clock.monotonic()
        if self._absent >= ABSENT_AFTER and self.served:
            self.served = False
            self._version = ""
            self.synced.set()
            self._unserved()

    def _alive(self) -> None:
        self._sign = self._clock.monotonic()
        self._failures = 0
        self._absent = 0
        self.failure = None

    async def _list(self) -> None:
        found: dict[Key, Json] = {}
        token, version = "", ""
        while True:
            resource, namespace, labels, fields = self.selection
            page = await self._cluster.list(resource, namespace=namespace, labels=labels, fields=fields, token=token)
            found.update((_key(item), item) for item in page.items)
            version, token = page.resource_version, page.token
            if not token:
                break
        self._alive()
        self.lists += 1
        for key in sorted(self._values.keys() - found.keys()):
            self._drop(key)
        for key, item in found.items():
            self._hold(key, item)
        self._version = version
        self.synced.set()
        if not self.served and self._unserved is not None:
            self.served = True
            self._unserved()

    async def _watch(self) -> None:
        resource, namespace, labels, fields = self.selection
        events = self._cluster.watch(
            resource, resource_version=self._version, namespace=namespace, labels=labels, fields=fields
        )
        began = self._clock.monotonic()
        async with aclosing(events):
            async for event in events:
                self._alive()
                self._expired = 0
                self._version = event.object["metadata"]["resourceVersion"]
                if event.type == "DELETED":
                    self._drop(_key(event.object))
                elif event.type != "BOOKMARK":
                    self._hold(_key(event.object), event.object)
        if self._clock.monotonic() - began < 1.0:
            await self._clock.sleep(BACKOFF.wait(0, self._randomness))

    def _hold(self, key: Key, item: Json) -> None:
        before, after = self._values.get(key), self._keep(item)
        if key in self._values and self._uids[key] != item["metadata"]["uid"]:
            self._drop(key)  # deleted and made anew while nobody watched: two changes, not one
            before = None
        self._values[key] = after
        self._names.setdefault(key.namespace, set()).add(key.name)
        self._uids[key] = item["metadata"]["uid"]
        if before != after or not same(before, after):  # most changes are seen by the first, which is fast
            self._changed(key, before, after)

    def _drop(self, key: Key) -> None:
        if key in self._values:
            before = self._values.pop(key)
            del self._uids[key]
            self._names[key.namespace].discard(key.name)
            if not self._names[key.namespace]:
                del self._names[key.namespace]
            self._changed(key, before, None)


def _key(item: Json) -> Key:
    return Key(item["metadata"].get("namespace", ""), item["metadata"]["name"])
