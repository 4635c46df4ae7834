"""The world of a landscape in memory: virtual time, and a link to each cluster."""

from collections.abc import Callable
from datetime import timedelta

from attrs import define, field

from openmcp_adapters.emulation.client import Client, kubeconfig, read_kubeconfig
from openmcp_adapters.emulation.clock import VirtualClock
from openmcp_adapters.emulation.traffic import Link, Traffic
from openmcp_adapters.emulation.world import Grant, World
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.objects import PLATFORM, Json, uid
from openmcp_provider.ports import Cluster

__all__ = ["LIFE", "MemoryWorld"]

LIFE = timedelta(days=30)
"""How long a token is accepted."""


@define(eq=False, kw_only=True)
class MemoryWorld(World):
    """Clusters in memory. A token may do everything.

    Attributes:
        traffic: What clients and clusters exchange.
        bookmark_seconds: How long a watch is silent before it gets a bookmark.
        watch_seconds: How long a watch lasts.
        removed: Told of every cluster on which something was deleted.
        clock: The virtual time.
        links: The way to each cluster that was ever spoken of.
    """

    traffic: Traffic
    bookmark_seconds: float = 60.0
    watch_seconds: float = 300.0
    removed: Callable[[Link], None] = lambda _: None
    clock: VirtualClock = field(factory=VirtualClock)
    links: dict[str, Link] = field(factory=dict)
    _handed: dict[str, list[tuple[str, str]]] = field(factory=dict, init=False)

    def link(self, cluster: str) -> Link:
        """Return the way to a cluster, whether it exists or not."""
        if cluster not in self.links:
            self.links[cluster] = Link(cluster, self.traffic, self.clock, self._on_removed)
        return self.links[cluster]

    def _on_removed(self, link: Link) -> None:
        self.removed(link)

    def memory(self, cluster: str) -> MemoryCluster:
        """Return a cluster, made now unless it is there."""
        link = self.link(cluster)
        if link.memory is None:
            link.memory = MemoryCluster(
                cluster, now=self.now, bookmark_seconds=self.bookmark_seconds, watch_seconds=self.watch_seconds
            )
        return link.memory

    # --- what actors need

    def client(self, name: str, cluster: str = PLATFORM) -> Client:
        """Return a trusted client."""
        return Client(name, self.link(cluster))

    def connector(self, client: str) -> "Connector":
        """Return who connects a client by kubeconfigs."""
        return Connector(self, client)

    def exists(self, cluster: str) -> bool:
        """Tell whether there is such a cluster."""
        return self.link(cluster).memory is not None

    async def build(self, cluster: str) -> None:
        """Make a cluster, unless it is there."""
        self.memory(cluster)

    async def demolish(self, cluster: str) -> None:
        """Let a cluster be no more."""
        link = self.link(cluster)
        if link.memory is not None:
            link.memory.end_watches(link.unavailable("connection refused"))
            link.memory = None
            link.tokens.clear()

    async def permit(self, cluster: str, request: Json) -> None:
        """Do nothing: a token may do everything."""

    async def grant(self, cluster: str, request: Json) -> Grant:
        """Make a token."""
        handed = self._handed.setdefault(uid(request), [])
        token = f"{cluster}.{uid(request)}.{len(handed) + 1}"
        handed.append((cluster, token))
        return Grant(kubeconfig(cluster, token), self.link(cluster).grant(token, LIFE))

    async def revoke(self, request: Json) -> None:
        """Take back every token of an AccessRequest."""
        for cluster, token in self._handed.pop(uid(request), ()):
            self.link(cluster).tokens.pop(token, None)

    def quarters(self, home: str, namespace: str) -> str:
        """Return the namespace itself: each control plane is a cluster of its own."""
        return namespace


@define(eq=False)
class Connector:
    """The port `ClusterFactory` for one client."""

    world: MemoryWorld
    client: str

    def connect(self, kubeconfig: bytes) -> Cluster:
        """Return a client of the cluster that a kubeconfig names.

        Raises:
            ValueError: the kubeconfig cannot be used.
        """
        cluster, token = read_kubeconfig(kubeconfig)
        return Client(self.client, self.world.link(cluster), token)
