"""An actor: a controller of somebody else's, which watches, queues keys, and works on each by itself."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from openmcp_adapters.emulation.world import World
from openmcp_provider.domain.objects import Json, annotations, deleting, dig, generation, labels
from openmcp_provider.ports import Cluster, NotFound, PortError, Resource
from openmcp_provider.runtime.backoff import Backoff
from openmcp_provider.runtime.cache import Cache, Key, Selection
from openmcp_provider.runtime.queue import Queue

__all__ = ["Actor", "Changed", "hold", "release", "seen", "write_status"]

Changed = Callable[[Key, Any, Any], None]
"""Told of a change in a cache: key, value before, value after; None = there is none."""


class Actor:
    """Works on keys that its caches or timers bring up, each key by itself, all keys at once.

    Args:
        world: Where it lives.
        name: Of its client.
        first: Seconds after a key's first failure; later ones double.
        longest: The most seconds.
    """

    def __init__(self, world: World, name: str, *, first: float = 0.005, longest: float = 1000.0) -> None:
        self.world = world
        self.name = name
        self.platform = world.client(name)
        self.running = False
        self._first, self._longest = first, longest
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._runs: Counter[Key] = Counter()
        self._caches: list[Cache[Any]] = []
        self.queue = self._new_queue()

    def watched(self) -> list[Cache[Any]]:
        """Return new caches, whose changes queue keys."""
        raise NotImplementedError

    async def work(self, key: Key) -> float | None:
        """Do what there is to do for a key; return the seconds until the next look, None = until something changes."""
        raise NotImplementedError

    async def start(self) -> None:
        """Begin, with everything that is there; return when that is known."""
        if self.running:
            return
        self.running = True
        self.queue = self._new_queue()
        caches = self._caches = self.watched()
        for cache in caches:
            self._spawn(cache.run(), f"{self.name} {cache.selection.resource.plural}")
        self._spawn(self._dispatch(self.queue), f"{self.name} queue")
        for cache in caches:
            await cache.synced.wait()

    async def stop(self) -> None:
        """Drop everything where it stands, as a crash would."""
        self.running = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            await asyncio.wait([task])
        for key in list(self._runs):
            self.queue.drop(key)

    def look(self, namespace: str) -> None:
        """Work on every object in a namespace that the first cache holds."""
        for key in self._caches[0] if self._caches else ():
            if key.namespace == namespace:
                self.queue.add(key)

    def again(self, seconds: float, key: Key) -> float:
        """Return about so many seconds: up to 5 % less or more, always the same for the same look at the same key."""
        self._runs[key] += 1
        return seconds * (0.95 + 0.1 * self.world.chance(self.name, *key, self._runs[key]))

    def cache(
        self,
        resource: Resource,
        keep: Callable[[Json], Any],
        changed: Changed | None = None,
        *,
        cluster: Cluster | None = None,
    ) -> Cache[Any]:
        """Return a cache; by default every change that is kept queues the object's key."""
        return Cache(
            cluster or self.platform,
            Selection(resource),
            keep=keep,
            changed=changed or self._queue_changed,
            clock=self.world.clock,
            randomness=self.world.randomness(f"{self.name} {resource.plural}"),
        )

    def _queue_changed(self, key: Key, before: object, after: object) -> None:
        if after is not None:
            self.queue.add(key)
        elif before is not None:
            self.queue.drop(key)

    def _new_queue(self) -> Queue[Key]:
        backoff = Backoff(floor=self._first, ceiling=self._longest)
        return Queue(self.world.randomness(f"{self.name} queue"), backoff=backoff)

    async def _dispatch(self, queue: Queue[Key]) -> None:
        while True:
            key = await queue.get()
            self._spawn(self._handle(queue, key), f"{self.name} {'/'.join(key)}")

    async def _handle(self, queue: Queue[Key], key: Key) -> None:
        wait: float | None = None
        try:
            wait = await self.work(key)
        except NotFound:
            queue.forget(key)  # it went while it was worked on
        except PortError:
            queue.add_failed(key)
        else:
            queue.forget(key)
        finally:
            queue.done(key)
        if wait is not None:
            queue.add_after(key, wait)

    def _spawn(self, coroutine: Any, name: str) -> None:  # noqa: ANN401 - any coroutine
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(coroutine, name=name)
        self._tasks[task] = None
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()):
            context = {"message": f"{task.get_name()} failed", "exception": error, "task": task}
            task.get_loop().call_exception_handler(context)


def seen(*names: str) -> Callable[[Json], tuple[Any, ...]]:
    """Return what an actor keeps of an object to notice what concerns it.

    That is uid, generation, deletion and labels, and what is named: ``status``, ``annotations``, ``finalizers``.
    """

    def keep(obj: Json) -> tuple[Any, ...]:
        more: Mapping[str, Any] = {
            "status": obj.get("status"),
            "annotations": annotations(obj),
            "finalizers": dig(obj, "metadata", "finalizers"),
        }
        own = (dig(obj, "metadata", "uid"), generation(obj), deleting(obj), dict(labels(obj)))
        return (*own, *(more[name] for name in names))

    return keep


async def hold(client: Cluster, resource: Resource, obj: Json, finalizer: str) -> Json:
    """Add a finalizer unless it is there or the object goes; return the object as it is then."""
    held = list(dig(obj, "metadata", "finalizers") or ())
    if finalizer in held or deleting(obj):
        return obj
    return await _finalizers(client, resource, obj, [*held, finalizer])


async def release(client: Cluster, resource: Resource, obj: Json, finalizer: str) -> None:
    """Take a finalizer off, if it is there."""
    held = list(dig(obj, "metadata", "finalizers") or ())
    if finalizer in held:
        await _finalizers(client, resource, obj, [name for name in held if name != finalizer])


async def _finalizers(client: Cluster, resource: Resource, obj: Json, names: list[str]) -> Json:
    metadata = obj["metadata"]
    body = {"metadata": {"finalizers": names, "resourceVersion": metadata["resourceVersion"]}}
    return await client.patch(resource, metadata["name"], metadata.get("namespace", ""), kind="merge", body=body)


async def write_status(client: Cluster, resource: Resource, obj: Json, **fields: Any) -> Json:  # noqa: ANN401 - JSON
    """Write fields of the status, unless they have these values; return the object as it is then."""
    if all(dig(obj, "status", name) == value for name, value in fields.items()):
        return obj
    metadata = obj["metadata"]
    return await client.patch(
        resource,
        metadata["name"],
        metadata.get("namespace", ""),
        kind="merge",
        body={"status": fields},
        subresource="status",
    )
