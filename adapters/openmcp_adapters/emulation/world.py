"""What the actors of a landscape share: time, clusters, clients, and what each tenant's script says."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from attrs import define, evolve, field

from openmcp_adapters.emulation.client import Client, read_kubeconfig
from openmcp_adapters.emulation.clock import SeededRandomness, VirtualClock
from openmcp_adapters.emulation.registry import Registry
from openmcp_adapters.emulation.script import Delays, Script
from openmcp_adapters.emulation.traffic import Link, Traffic, chance
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.names import name_hash
from openmcp_provider.domain.objects import PLATFORM
from openmcp_provider.ports import Cluster, Randomness

__all__ = ["Connector", "World", "cluster_name"]


def cluster_name(home: str, name: str) -> str:
    """Return the name of the Cluster that the scheduler makes for a control plane's ClusterRequest."""
    return "mcp-" + name_hash(home, name)


@define(eq=False)
class World:
    """Everything that is not an actor.

    Attributes:
        seed: All chance follows from it.
        traffic: What clients and clusters exchange.
        system: Namespace of the platform's programs.
        delays: How long steps take, for tenants without a script of their own.
        registry: Where charts come from.
        bookmark_seconds: How long a watch is silent before it gets a bookmark.
        watch_seconds: How long a watch lasts.
        removed: Told of every cluster on which something was deleted.
    """

    seed: int
    traffic: Traffic
    system: str
    delays: Delays
    registry: Registry
    bookmark_seconds: float = 60.0
    watch_seconds: float = 300.0
    removed: Callable[[Link], None] = lambda _: None
    clock: VirtualClock = field(factory=VirtualClock)
    links: dict[str, Link] = field(factory=dict)
    scripts: dict[str, Script] = field(factory=dict)

    def now(self) -> datetime:
        """Return the present."""
        return self.clock.now()

    def moment(self) -> str:
        """Return the present as statuses have it."""
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def chance(self, *parts: object) -> float:
        """Return a number in [0, 1) that is always the same for the same parts."""
        return chance(self.seed, *parts)

    def randomness(self, stream: str) -> Randomness:
        """Return a stream of chance."""
        return SeededRandomness(self.seed, stream)

    def link(self, cluster: str) -> Link:
        """Return the way to a cluster, whether it exists or not."""
        if cluster not in self.links:
            self.links[cluster] = Link(cluster, self.traffic, self.clock, self._on_removed)
        return self.links[cluster]

    def _on_removed(self, link: Link) -> None:
        self.removed(link)

    def build(self, cluster: str) -> MemoryCluster:
        """Make a cluster, unless it is there."""
        link = self.link(cluster)
        if link.memory is None:
            link.memory = MemoryCluster(
                cluster, now=self.now, bookmark_seconds=self.bookmark_seconds, watch_seconds=self.watch_seconds
            )
        return link.memory

    def demolish(self, cluster: str) -> None:
        """Let a cluster be no more."""
        link = self.link(cluster)
        if link.memory is not None:
            link.memory.end_watches(link.unavailable("connection refused"))
            link.memory = None
            link.tokens.clear()

    def client(self, name: str, cluster: str = PLATFORM) -> Client:
        """Return a trusted client."""
        return Client(name, self.link(cluster))

    def connector(self, client: str) -> "Connector":
        """Return who connects a client by kubeconfigs."""
        return Connector(self, client)

    def script(self, home: str) -> Script:
        """Return the script for the tenant with this namespace on the platform; one's own can be changed."""
        if home not in self.scripts:
            self.scripts[home] = Script(delays=evolve(self.delays))
        return self.scripts[home]

    async def pause(self, seconds: float) -> None:
        """Let virtual time pass."""
        if seconds > 0:
            await asyncio.sleep(seconds)


@define(eq=False)
class Connector:
    """The port `ClusterFactory` for one client."""

    world: World
    client: str

    def connect(self, kubeconfig: bytes) -> Cluster:
        """Return a client of the cluster that a kubeconfig names.

        Raises:
            ValueError: the kubeconfig cannot be used.
        """
        cluster, token = read_kubeconfig(kubeconfig)
        return Client(self.client, self.world.link(cluster), token)
