"""What the actors of a landscape share: time, clusters, clients, and what each tenant's script says."""

import asyncio
from abc import ABC, abstractmethod
from datetime import datetime
from typing import NamedTuple

from attrs import define, evolve, field

from openmcp_adapters.emulation.clock import SeededRandomness
from openmcp_adapters.emulation.registry import Registry
from openmcp_adapters.emulation.script import Delays, Script
from openmcp_adapters.emulation.traffic import chance
from openmcp_provider.domain.names import name_hash
from openmcp_provider.domain.objects import PLATFORM, Json
from openmcp_provider.ports import Clock, Cluster, ClusterFactory, Randomness

__all__ = ["Grant", "World", "cluster_name"]


def cluster_name(home: str, name: str) -> str:
    """Return the name of the Cluster that the scheduler makes for a control plane's ClusterRequest."""
    return "mcp-" + name_hash(home, name)


class Grant(NamedTuple):
    """Credentials for a cluster.

    Attributes:
        kubeconfig: Holds them.
        expires: When they are accepted no more.
    """

    kubeconfig: bytes
    expires: datetime


@define(eq=False, kw_only=True)
class World(ABC):
    """Everything that is not an actor. What is abstract is what actors need of the clusters on which they work.

    Clusters are known by names: ``platform``, ``onboarding``, and those of Cluster objects.

    Attributes:
        seed: All chance follows from it.
        system: Namespace of the platform's programs.
        delays: How long steps take, for tenants without a script of their own.
        registry: Where charts come from.
        scripts: What is told of tenants, by their namespaces on the platform.
    """

    seed: int
    system: str
    delays: Delays
    registry: Registry
    scripts: dict[str, Script] = field(factory=dict, init=False)

    # --- clusters

    @property
    @abstractmethod
    def clock(self) -> Clock:
        """The time."""

    @abstractmethod
    def client(self, name: str, cluster: str = PLATFORM) -> Cluster:
        """Return a trusted client."""

    @abstractmethod
    def connector(self, client: str) -> ClusterFactory:
        """Return who connects a client by kubeconfigs; what it connects is closed by whoever asked for it."""

    @abstractmethod
    def exists(self, cluster: str) -> bool:
        """Tell whether there is such a cluster."""

    @abstractmethod
    async def build(self, cluster: str) -> None:
        """Make a cluster, unless it is there.

        Raises:
            PortError: it cannot be made now.
        """

    @abstractmethod
    async def demolish(self, cluster: str) -> None:
        """Let a cluster be no more: no kubeconfig of it works."""

    @abstractmethod
    async def permit(self, cluster: str, request: Json) -> None:
        """Give whoever has the kubeconfig of an AccessRequest the rights that it asks for now, and no others.

        Raises:
            PortError: the cluster did not do it.
        """

    @abstractmethod
    async def grant(self, cluster: str, request: Json) -> Grant:
        """Make new credentials for an AccessRequest, with the rights that it asks for; older ones stay valid.

        Raises:
            PortError: the cluster did not do it.
        """

    @abstractmethod
    async def revoke(self, request: Json) -> None:
        """Let nothing be accepted any more that was made for an AccessRequest.

        Raises:
            PortError: the cluster did not do it.
        """

    @abstractmethod
    def quarters(self, home: str, namespace: str) -> str:
        """Return which namespace is meant by one of the control plane of the tenant with this namespace."""

    # --- time and chance

    def now(self) -> datetime:
        """Return the present."""
        return self.clock.now()

    def moment(self) -> str:
        """Return the present as statuses have it."""
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    async def pause(self, seconds: float) -> None:
        """Let time pass."""
        if seconds > 0:
            await asyncio.sleep(seconds)

    def chance(self, *parts: object) -> float:
        """Return a number in [0, 1) that is always the same for the same parts."""
        return chance(self.seed, *parts)

    def randomness(self, stream: str) -> Randomness:
        """Return a stream of chance."""
        return SeededRandomness(self.seed, stream)

    # --- tenants

    def script(self, home: str) -> Script:
        """Return the script for the tenant with this namespace on the platform; one's own can be changed."""
        if home not in self.scripts:
            self.scripts[home] = Script(delays=evolve(self.delays))
        return self.scripts[home]
