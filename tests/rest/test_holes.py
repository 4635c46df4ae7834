"""The holes of lightkube's own calls, each shown on lightkube first, and then closed by both adapters.

The numbers are those under which the holes were found. The ninth is one of lightkube's objects, which adapters do not
use.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import lightkube
import msgspec
import pytest
from lightkube.config.models import Cluster as ClusterConfig
from lightkube.config.models import User
from lightkube.core.exceptions import ApiError
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import OnErrorAction, OnErrorResult

from openmcp_adapters.rest import Timeouts
from openmcp_adapters.system import SystemClock
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Conflict, Expired, Unavailable
from openmcp_provider.runtime.cache import Cache, Key, Selection
from tests.rest.scripted import (
    CONFIG_MAPS,
    Half,
    Kind,
    Server,
    both,
    drops,
    event,
    listed,
    played,
    reaching,
    says,
    serving,
    silence,
    status,
    streams,
    thing,
)

GONE = status(410, "Expired", "too old resource version: 5 (9)")


class EnoughError(Exception):
    """A test has seen what it wanted to see."""


class Handler:
    """An `on_error` that lets a plain watch go on a few times."""

    def __init__(self, times: int = 3) -> None:
        self.counts: list[int] = []
        self._times = times

    def __call__(self, _: Exception, count: int) -> OnErrorResult:
        """Note the count."""
        self.counts.append(count)
        return OnErrorResult(OnErrorAction.RETRY if len(self.counts) < self._times else OnErrorAction.STOP)


@asynccontextmanager
async def plain(server: Server) -> AsyncIterator[lightkube.AsyncClient]:
    """Offer a client of lightkube as its users have it."""
    config = lightkube.KubeConfig.from_one(cluster=ClusterConfig(server=server.url), user=User(token="t"))
    client = lightkube.AsyncClient(config=config, timeout=httpx2.Timeout(0.2))
    try:
        yield client
    finally:
        await client.close()


async def plain_events(client: lightkube.AsyncClient, handler: Handler, **settings: Any) -> list[tuple[str, str]]:
    """Return type and name of what a plain watch yields, until it ends."""
    events = client.watch(ConfigMap, namespace="n", resource_version="5", on_error=handler, **settings)
    return [(found, (obj.metadata and obj.metadata.name) or "") async for found, obj in events]


async def port_events(cluster: Cluster) -> list[str]:
    """Return the types of what a watch through the port yields, until it ends."""
    events = cluster.watch(CONFIG_MAPS, resource_version="5", namespace="n")
    async with aclosing(events):
        return [found.type async for found in events]


class Cached:
    """A cache of ConfigMaps, what it told, and how long it waited between tries."""

    def __init__(self, cluster: Cluster, waits: int = 10) -> None:
        self.told: list[tuple[str, str]] = []
        self.waits: list[float] = []
        self.enough = asyncio.Event()
        self._waits = waits
        self.cache: Cache[Json] = Cache(
            cluster,
            Selection(CONFIG_MAPS, "n"),
            keep=lambda obj: obj,
            changed=self._changed,
            clock=self,
            randomness=Half(),
        )

    def _changed(self, key: Key, before: Json | None, after: Json | None) -> None:
        self.told.append(("added" if before is None else "gone" if after is None else "changed", key.name))

    def now(self) -> Any:
        """Return the present."""
        return SystemClock().now()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return SystemClock().monotonic()

    async def sleep(self, seconds: float) -> None:
        """Note the wait instead of waiting."""
        self.waits.append(seconds)
        if len(self.waits) == self._waits:
            raise EnoughError

    async def run(self) -> None:
        """Keep the cache until it has waited often enough."""
        with pytest.raises(EnoughError):
            await self.cache.run()


@both
@played
async def test_hole_1_a_watch_that_is_refused_with_410(kind: Kind) -> None:
    """A plain watch asks for a forgotten version for ever if the answer is 410; through the port it is Expired."""
    async with serving(says(410, GONE)) as server:
        async with plain(server) as client:
            assert [] == await plain_events(client, Handler())
        assert ["5", "5", "5"] == [seen.query["resourceVersion"] for seen in server.seen]

        async with reaching(kind, server) as cluster:
            with pytest.raises(Expired):
                await port_events(cluster)


@both
@played
async def test_hole_2_a_connection_that_breaks_on_reconnect(kind: Kind) -> None:
    """A plain watch hides from `on_error` a connection that breaks at once; through the port it is Unavailable."""
    async with serving(streams(event("ADDED", thing())), drops) as server:
        handler = Handler()
        async with plain(server) as client:
            with pytest.raises(httpx2.TransportError):
                await plain_events(client, handler)
        assert [] == handler.counts

        async with reaching(kind, server) as cluster:
            with pytest.raises(Unavailable):
                await port_events(cluster)


@both
@played
async def test_hole_3_a_silent_server(kind: Kind) -> None:
    """A plain watch waits for a silent server for ever, whatever its time-outs; through the port it is Unavailable."""
    async with serving(streams(event("ADDED", thing()), end=silence)) as server:
        async with plain(server) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(plain_events(client, Handler(), server_timeout=1), 1.5)

        async with reaching(kind, server, timeouts=Timeouts(watch=(1, 1), silence=-0.5)) as cluster:
            with pytest.raises(Unavailable, match="Timeout"):
                await asyncio.wait_for(port_events(cluster), 1.5)


@both
@played
async def test_hole_4_errors_that_do_not_add_up(kind: Kind) -> None:
    """A plain watch counts each error as the first; a cache on the port waits longer each time."""
    broken = streams(event("ERROR", status(500, "InternalError")))
    async with serving(broken) as server:
        handler = Handler()
        async with plain(server) as client:
            await plain_events(client, handler)
        assert [1, 1, 1] == handler.counts

    async with serving(says(200, listed()), broken) as server, reaching(kind, server) as cluster:
        cached = Cached(cluster, waits=4)
        await cached.run()
        assert sorted({*cached.waits}) == cached.waits


@both
@played
async def test_hole_5_half_a_line_at_a_clean_end(kind: Kind) -> None:
    """A plain watch raises its decoder's error at half a line, past `on_error`; through the port it is Unavailable."""
    async with serving(streams(event("ADDED", thing())[:-20])) as server:
        handler = Handler()
        async with plain(server) as client:
            with pytest.raises(msgspec.DecodeError):
                await plain_events(client, handler)
        assert [] == handler.counts

        async with reaching(kind, server) as cluster:
            with pytest.raises(Unavailable):
                await port_events(cluster)


@both
@played
async def test_hole_6_bookmarks(kind: Kind) -> None:
    """A plain watch cannot ask for bookmarks; through the port they are asked for, and come."""
    bookmark = event("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    async with serving(streams(bookmark), says(410, GONE)) as server, plain(server) as client:
        await plain_events(client, Handler(1))
        assert "allowWatchBookmarks" not in server.seen[0].query

    async with serving(streams(bookmark)) as server, reaching(kind, server) as cluster:
        assert ["BOOKMARK"] == await port_events(cluster)
        assert "true" == server.seen[0].query["allowWatchBookmarks"]


@both
@played
async def test_hole_7_deletions_in_the_gap(kind: Kind) -> None:
    """A plain watch never tells of what was deleted while it was expired; a cache on the port does."""
    one, two = thing("one"), thing("two")
    began = streams(event("ADDED", one), event("ADDED", two), event("ERROR", GONE))
    async with serving(began, streams(event("ADDED", one)), says(500, "")) as server, plain(server) as client:
        told = await plain_events(client, Handler(2))
        assert [("ADDED", "one"), ("ADDED", "two"), ("ADDED", "one")] == told

    expired = streams(event("ERROR", GONE))
    async with (
        serving(says(200, listed(one, two)), expired, says(200, listed(one)), says(500, "")) as server,
        reaching(kind, server) as cluster,
    ):
        cached = Cached(cluster, waits=1)
        await cached.run()
        assert [("added", "one"), ("added", "two"), ("gone", "two")] == cached.told
        assert [Key("n", "one")] == list(cached.cache)


@both
@pytest.mark.parametrize("content", ["application/json; charset=utf-8", "text/html"])
@played
async def test_hole_8_content_types(kind: Kind, content: str) -> None:
    """A plain call knows a 409 only by one exact content type; through the port it is a Conflict in any guise."""
    async with serving(says(409, json.dumps(status(409, "Conflict")), kind=content)) as server:
        async with plain(server) as client:
            with pytest.raises(httpx2.HTTPStatusError) as caught:
                await client.get(ConfigMap, "a", namespace="n")
        assert not isinstance(caught.value, ApiError)

        async with reaching(kind, server) as cluster:
            with pytest.raises(Conflict):
                await cluster.get(CONFIG_MAPS, "a", "n")


@both
@played
async def test_hole_10_no_user(kind: Kind, tmp_path: Path) -> None:
    """A plain client cannot be made for a server that wants no credentials; the adapters can."""
    async with serving(says(200, thing())) as server:
        with pytest.raises(AssertionError, match="Missing user"):
            lightkube.AsyncClient(config=lightkube.KubeConfig.from_server(server.url))

        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c"}}],
            "clusters": [{"name": "c", "cluster": {"server": server.url}}],
        }
        file = tmp_path / "config"
        file.write_text(json.dumps(config), encoding="utf-8")
        cluster = kind(randomness=Half()).own({"KUBECONFIG": str(file)})
        assert thing() == await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.close()
