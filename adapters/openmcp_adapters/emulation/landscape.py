"""A whole landscape in memory: platform, onboarding cluster, control planes, and everybody who works on them."""

from collections.abc import Iterable
from types import TracebackType
from typing import Literal, Self

from openmcp_adapters.emulation.any_landscape import CRD_CLUSTER, AnyLandscape
from openmcp_adapters.emulation.client import Client
from openmcp_adapters.emulation.garbage import GarbageCollector
from openmcp_adapters.emulation.memory_world import MemoryWorld
from openmcp_adapters.emulation.registry import Registry
from openmcp_adapters.emulation.schemas import NEIGHBOURS
from openmcp_adapters.emulation.script import Delays
from openmcp_adapters.emulation.traffic import Faults, Traffic
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, labels
from openmcp_provider.ports import Cluster

__all__ = ["Landscape"]


class Landscape(AnyLandscape[MemoryWorld]):
    """A landscape; made inside a running (virtual) event loop, and used as an asynchronous context.

    It is also the port `ClusterFactory` for the provider.

    Args:
        seed: All chance follows from it.
        crds: The provider's CustomResourceDefinitions, each labelled with the cluster it belongs to; those that the
            provider installs itself are left out.
        provider: Name of the ServiceProvider object.
        system: Namespace of the platform's programs, the provider among them.
        registry: Where charts come from; by default one that has every chart and tag.
        delays: How long steps take.
        latency: The least and the most seconds that a request takes each way.
        timeout: Seconds after which clients give up on a cluster that does not answer.
        faults: Says what goes wrong with requests.
        bookmark_seconds: How long a watch is silent before it gets a bookmark; stories of weeks want hours.
        watch_seconds: How long a watch lasts.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        crds: Iterable[Json] = (),
        provider: str = "ocm",
        system: str = "openmcp-system",
        registry: Registry | None = None,
        delays: Delays | None = None,
        latency: tuple[float, float] = (0.0005, 0.005),
        timeout: float = 30.0,
        faults: Faults | None = None,
        bookmark_seconds: float = 60.0,
        watch_seconds: float = 300.0,
    ) -> None:
        self.traffic = Traffic(seed, latency, timeout, faults)
        self.registry = registry or Registry()
        world = MemoryWorld(
            seed=seed,
            system=system,
            delays=delays or Delays(),
            registry=self.registry,
            traffic=self.traffic,
            bookmark_seconds=bookmark_seconds,
            watch_seconds=watch_seconds,
        )
        self.clock = world.clock
        self.platform = world.memory(PLATFORM)
        self.onboarding = world.memory(ONBOARDING)
        self.garbage = GarbageCollector(world)
        world.removed = self.garbage.notice
        super().__init__(world, provider)
        for neighbour in NEIGHBOURS:
            self._memory(neighbour.cluster).install(neighbour.crd, immutable=neighbour.immutable)
        for crd in crds:
            self._memory(labels(crd)[CRD_CLUSTER]).install(crd)

    def _memory(self, cluster: str) -> MemoryCluster:
        return {PLATFORM: self.platform, ONBOARDING: self.onboarding}[cluster]

    async def __aenter__(self) -> Self:
        """Start every actor."""
        self.garbage.start()
        return await super().__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every actor."""
        self.garbage.stop()
        await super().__aexit__(kind, error, trace)

    # --- clients

    def client(self, name: str = "provider", cluster: str = PLATFORM) -> Client:
        """Return a trusted client of a cluster: the provider's, a tenant's, ..."""
        return self.world.client(name, cluster)

    def connect(self, kubeconfig: bytes) -> Cluster:
        """Return the provider's client of the cluster that a kubeconfig names.

        Raises:
            ValueError: the kubeconfig cannot be used.
        """
        return self.world.connector("provider").connect(kubeconfig)

    def control_plane(self, name: str, namespace: str = "default") -> MemoryCluster:
        """Return a control plane's cluster.

        Raises:
            KeyError: it does not exist.
        """
        found = self.world.link(self.cluster_of(name, namespace)).memory
        if found is None:
            raise KeyError(name)
        return found

    # --- what goes wrong

    def kill(self, name: str, namespace: str = "default", *, how: Literal["refused", "frozen"] = "refused") -> None:
        """Let a control plane refuse every connection, or answer nothing any more. It may not exist yet."""
        self.world.link(self.cluster_of(name, namespace)).break_off(how)

    def revive(self, name: str, namespace: str = "default") -> None:
        """Let a control plane answer again."""
        self.world.link(self.cluster_of(name, namespace)).break_off("up")

    def kill_cluster(self, cluster: str, *, how: Literal["refused", "frozen"] = "refused") -> None:
        """Do the same to any cluster, such as ``platform``."""
        self.world.link(cluster).break_off(how)

    def revive_cluster(self, cluster: str) -> None:
        """Let any cluster answer again."""
        self.world.link(cluster).break_off("up")

    def revoke_tokens(self, name: str, namespace: str = "default") -> None:
        """Let a control plane accept no token that was handed out so far."""
        self.world.link(self.cluster_of(name, namespace)).tokens.clear()

    async def rotate(self, name: str, namespace: str = "default", *, revoke: bool = False) -> None:
        """Write a new token into every kubeconfig Secret of a tenant; by default the old ones stay valid."""
        if revoke:
            self.revoke_tokens(name, namespace)
        await super().rotate(name, namespace)
