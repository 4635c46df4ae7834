"""Every request to an API server is counted once, under the code and method that Go's clients would count."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import TypeVar

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry

from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import (
    AlreadyExists,
    Cluster,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NotFound,
    PortError,
    Resource,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    WatchEvent,
)
from openmcp_provider.runtime.around import Around, Call
from openmcp_provider_cli.metrics_requests import Metered, MeteredFactory, RequestMetrics
from tests.cli.exposition import values

T = TypeVar("T")

CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")


# -- requests ----------------------------------------------------------------------------------------------------------


class Scripted(Around):
    """A cluster whose calls end as they are told to.

    Args:
        error: Raised by every call; None = it does what was asked.
        events: Of a watch, before the error.
    """

    def __init__(self, error: BaseException | None, events: int = 0) -> None:
        super().__init__(MemoryCluster("memory"))
        self._error = error
        self._events = events

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[T]]) -> T:
        """End the call."""
        if self._error is not None:
            raise self._error
        return await carry_out(self.cluster)

    async def around_watch(
        self, call: Call, begin: Callable[[Cluster], AsyncGenerator[WatchEvent, None]]
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield some bookmarks, then end."""
        for _ in range(self._events):
            yield WatchEvent(type="BOOKMARK", object={"metadata": {"resourceVersion": "1"}})
        if self._error is not None:
            raise self._error


def counted(cluster: Cluster, act: Callable[[Cluster], Awaitable[object]]) -> dict[tuple[str, ...], float]:
    """Return what was counted, by code and method, of what is done with a cluster."""
    registry = CollectorRegistry()
    metered = Metered(cluster, RequestMetrics((), registry), "platform")

    async def story() -> None:
        try:
            await act(metered)
        except (PortError, asyncio.CancelledError):
            return

    asyncio.run(story())
    found = values(prometheus_client.generate_latest(registry), "rest_client_requests_total", host="platform")
    return {key: value for key, value in found.items() if value}


MANIFEST: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}


async def every_call(cluster: Cluster) -> None:
    """Call every method once."""
    made = await cluster.create(CONFIG_MAPS, MANIFEST)
    await cluster.get(CONFIG_MAPS, "a", "default")
    await cluster.list(CONFIG_MAPS)
    await cluster.update(CONFIG_MAPS, {**made, "data": {"a": "b"}})
    await cluster.patch(CONFIG_MAPS, "a", "default", kind="merge", body={"data": {"a": "c"}})
    await cluster.apply(CONFIG_MAPS, MANIFEST, manager="test")
    await cluster.delete(CONFIG_MAPS, "a", "default")
    await cluster.served("")


def test_methods() -> None:
    """Each call is counted once, under the method that Go's clients send."""
    assert {
        ("200", "GET"): 3,
        ("201", "POST"): 1,
        ("200", "PUT"): 1,
        ("200", "PATCH"): 2,
        ("200", "DELETE"): 1,
    } == counted(Scripted(None), every_call)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound(), "404"),
        (Conflict(), "409"),
        (AlreadyExists(), "409"),
        (Invalid(), "422"),
        (Forbidden(), "403"),
        (Unauthorized(), "401"),
        (Expired(), "410"),
        (TooManyRequests(), "429"),
        (ServerError(), "500"),
        (Unavailable(), "<error>"),
        (asyncio.CancelledError(), "<error>"),
    ],
)
def test_codes(error: BaseException, code: str) -> None:
    """A request that failed is counted under its code, one without an answer as Go's clients count it."""
    assert {(code, "GET"): 1} == counted(Scripted(error), lambda cluster: cluster.get(CONFIG_MAPS, "a", "default"))


@pytest.mark.parametrize(
    ("events", "error", "expected"),
    [
        (0, None, "200"),
        (3, None, "200"),
        (0, Expired(), "410"),
        (2, Unavailable(), "200"),
    ],
)
def test_watches_are_counted_once(events: int, error: PortError | None, expected: str) -> None:
    """A watch is one request, whatever comes of it once it was accepted."""

    async def watch(cluster: Cluster) -> None:
        seen = 0
        try:
            async for _ in cluster.watch(CONFIG_MAPS, resource_version="1"):
                seen += 1
        finally:
            assert events == seen

    assert {(expected, "GET"): 1} == counted(Scripted(error, events), watch)


def test_clusters_of_tenants_are_counted_together() -> None:
    """A factory makes clients that are counted under one host, whichever tenant's they are."""
    registry = CollectorRegistry()

    class Factory:
        """Makes clients of one cluster."""

        def connect(self, kubeconfig: bytes) -> Cluster:
            """Return a client."""
            return Scripted(NotFound())

    factory = MeteredFactory(Factory(), RequestMetrics((), registry), "tenants")

    async def story() -> None:
        for kubeconfig in (b"a", b"b"):
            client = factory.connect(kubeconfig)
            with pytest.raises(NotFound):
                await client.get(CONFIG_MAPS, "a", "default")
            await client.close()

    asyncio.run(story())

    assert 2.0 == registry.get_sample_value(
        "rest_client_requests_total", {"code": "404", "method": "GET", "host": "tenants"}
    )
