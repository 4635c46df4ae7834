"""A cache equals its server once all is quiet, whatever breaks on the way, and never goes backwards."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from openmcp_adapters.emulation.loop import VirtualClock, VirtualLoop
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Expired, NotFound, PortError, Resource, TooManyRequests, Unavailable
from openmcp_provider.runtime.cache import Cache, Key, Selection
from tests.runtime.test_queue import Fixed

CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
NAMES = ["a", "b", "c"]


class Watched:
    """A cache of the ConfigMaps of `default`, and what it told."""

    def __init__(self, cluster: MemoryCluster, labels: str = "") -> None:
        self.told: list[tuple[str, str]] = []
        self.failures: list[PortError] = []
        self.cache: Cache[Json] = Cache(
            cluster,
            Selection(CONFIG_MAPS, "default", labels),
            keep=lambda obj: obj.get("data", {}),
            changed=self._changed,
            clock=VirtualClock(),
            randomness=Fixed(0.5),
            failed=self.failures.append,
        )

    def _changed(self, key: Key, before: Json | None, after: Json | None) -> None:
        what = "added" if before is None else "gone" if after is None else "changed"
        self.told.append((what, key.name))

    def held(self) -> dict[str, Any]:
        """Return what is held, by name."""
        return {key.name: value for key, value in self.cache.values.items()}


async def write(cluster: MemoryCluster, name: str, value: str | None) -> None:
    """Make, change or delete a ConfigMap."""
    if value is None:
        try:
            await cluster.delete(CONFIG_MAPS, name, "default")
        except NotFound:
            return
        return
    metadata = {"name": name, "namespace": "default"}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"v": value}}
    await cluster.apply(CONFIG_MAPS, manifest, manager="test")


async def truth(cluster: MemoryCluster) -> dict[str, Any]:
    """Return what the server has."""
    page = await cluster.list(CONFIG_MAPS, namespace="default")
    return {item["metadata"]["name"]: item.get("data", {}) for item in page.items}


def play(story: Any) -> Any:
    """Run a story about one server and one cache under virtual time."""
    loop = VirtualLoop()

    async def told() -> Any:
        clock = VirtualClock()
        cluster = MemoryCluster("server", now=clock.now, history=5)
        watched = Watched(cluster)
        task = asyncio.get_running_loop().create_task(watched.cache.run())
        await watched.cache.synced.wait()
        try:
            return await story(cluster, watched)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    try:
        return loop.run_until_complete(told())
    finally:
        loop.close()


ACTIONS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), st.sampled_from(["1", "2", None])),
    st.tuples(st.just("break"), st.sampled_from(["", "unavailable", "expired", "429"]), st.none()),
    st.tuples(st.just("compact"), st.none(), st.none()),
    st.tuples(st.just("sleep"), st.none(), st.none()),
)
ERRORS: dict[str, PortError | None] = {
    "": None,
    "unavailable": Unavailable("cut"),
    "expired": Expired("too old"),
    "429": TooManyRequests("slow down", 3.0),
}


@settings(max_examples=80)
@given(st.lists(ACTIONS, max_size=30))
def test_it_equals_the_server_once_all_is_quiet(actions: list[tuple[str, Any, Any]]) -> None:
    """Cut watches, expired versions and compaction lose nothing, deletions included."""

    async def story(cluster: MemoryCluster, watched: Watched) -> None:
        for what, one, other in actions:
            if what == "write":
                await write(cluster, one, other)
            elif what == "break":
                cluster.end_watches(ERRORS[one])
            elif what == "compact":
                cluster.compact()
            else:
                await asyncio.sleep(1.0)
        await asyncio.sleep(200.0)
        assert await truth(cluster) == watched.held()

    play(story)


def test_what_was_deleted_while_nobody_watched_is_told() -> None:
    """After an expired version the cache lists again and tells what is gone."""

    async def story(cluster: MemoryCluster, watched: Watched) -> list[tuple[str, str]]:
        await write(cluster, "a", "1")
        await asyncio.sleep(1.0)
        cluster.end_watches(Unavailable("cut"))
        await write(cluster, "a", None)
        cluster.compact()
        await asyncio.sleep(60.0)
        assert watched.cache.lists == 2
        return watched.told

    assert [("added", "a"), ("gone", "a")] == play(story)


def test_an_object_made_anew_is_two_changes() -> None:
    """Another object of the same name is not the old one changed: the old one is told as gone."""

    async def story(cluster: MemoryCluster, watched: Watched) -> list[tuple[str, str]]:
        await write(cluster, "a", "1")
        await asyncio.sleep(1.0)
        cluster.end_watches(Unavailable("cut"))
        await write(cluster, "a", None)
        await write(cluster, "a", "1")
        cluster.compact()
        await asyncio.sleep(60.0)
        return watched.told

    assert [("added", "a"), ("gone", "a"), ("added", "a")] == play(story)


def test_a_change_of_nothing_that_is_kept_wakes_nobody() -> None:
    """A new label of an object whose data alone is kept is no change."""

    async def story(cluster: MemoryCluster, watched: Watched) -> list[tuple[str, str]]:
        await write(cluster, "a", "1")
        await cluster.patch(CONFIG_MAPS, "a", "default", kind="merge", body={"metadata": {"labels": {"x": "y"}}})
        await asyncio.sleep(1.0)
        return watched.told

    assert [("added", "a")] == play(story)


def test_own_writes_are_recognised() -> None:
    """A version counts as seen once an event or a bookmark at or after it has arrived."""

    async def story(cluster: MemoryCluster, watched: Watched) -> tuple[bool, bool]:
        metadata = {"name": "a", "namespace": "default"}
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        made = await cluster.create(CONFIG_MAPS, manifest)
        version = made["metadata"]["resourceVersion"]
        before = watched.cache.has_seen(version)
        await asyncio.sleep(1.0)
        return before, watched.cache.has_seen(version)

    assert (False, True) == play(story)


def test_signs_of_life_age() -> None:
    """Bookmarks are signs of life, so the age stays below the time between them while the server lives."""

    async def story(cluster: MemoryCluster, watched: Watched) -> tuple[float, float]:
        await asyncio.sleep(600.0)
        alive = watched.cache.age
        cluster.end_watches(Unavailable("gone"))
        return alive, watched.cache.age

    alive, _ = play(story)
    assert alive <= 65.0
