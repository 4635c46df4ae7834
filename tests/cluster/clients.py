"""The two real clients, and how tests reach a server through them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from openmcp_adapters.kubernetes import KubernetesClients
from openmcp_adapters.lightkube import LightkubeClients
from openmcp_adapters.rest import Timeouts
from openmcp_adapters.system import SystemRandomness
from openmcp_provider.ports import Cluster
from openmcp_testing.control_plane import ApiServer
from openmcp_testing.proxy import FaultProxy

Clients = LightkubeClients | KubernetesClients

CLIENTS: dict[str, Callable[..., Clients]] = {"lightkube": LightkubeClients, "kubernetes": KubernetesClients}
"""Every adapter of a real client, by name."""


class Reached(NamedTuple):
    """A server behind a proxy."""

    cluster: Cluster
    proxy: FaultProxy


def clients(name: str, timeouts: Timeouts | None = None) -> Clients:
    """Return an adapter's factory."""
    return CLIENTS[name](randomness=SystemRandomness(), timeouts=timeouts or Timeouts())


def proxy_of(server: ApiServer) -> FaultProxy:
    """Return a proxy before a server; its clients know it by the server's certificates."""
    return FaultProxy(server.url, upstream_tls=server.client_context(), tls=server.serving_context())


@asynccontextmanager
async def connected(name: str, server: ApiServer, timeouts: Timeouts | None = None) -> AsyncIterator[Cluster]:
    """Reach a server as an admin."""
    cluster = clients(name, timeouts).connect(server.kubeconfig())
    try:
        yield cluster
    finally:
        await cluster.close()


@asynccontextmanager
async def proxied(name: str, server: ApiServer, timeouts: Timeouts | None = None) -> AsyncIterator[Reached]:
    """Reach a server as an admin, through a proxy that can fail."""
    async with proxy_of(server) as proxy:
        cluster = clients(name, timeouts).connect(server.kubeconfig(token=server.admin_token, url=proxy.url))
        try:
            yield Reached(cluster, proxy)
        finally:
            await cluster.close()


def play(story: Callable[[], Awaitable[None]]) -> None:
    """Play a story, and let the connections that it closed come to their end: TLS takes a round trip for that."""

    async def told() -> None:
        await story()
        open_ones = asyncio.get_running_loop()._transports  # type: ignore[attr-defined]
        async with asyncio.timeout(10.0):
            while any(found._sock is not None for found in list(open_ones.values())):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)

    asyncio.run(told())
