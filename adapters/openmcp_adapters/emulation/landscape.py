"""A whole landscape in memory: platform, onboarding cluster, control planes, and everybody who works on them."""

from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Literal, Self

from openmcp_adapters.emulation.access import AccessController
from openmcp_adapters.emulation.client import Client
from openmcp_adapters.emulation.cluster_provider import AccessGranter, ClusterMaker
from openmcp_adapters.emulation.control_planes import Operator, until
from openmcp_adapters.emulation.garbage import GarbageCollector
from openmcp_adapters.emulation.helm import STUCK
from openmcp_adapters.emulation.helm_controller import HelmController
from openmcp_adapters.emulation.registry import Registry
from openmcp_adapters.emulation.scheduler import Scheduler
from openmcp_adapters.emulation.schemas import (
    ACCESS_REQUESTS,
    CLUSTER_REQUESTS,
    CLUSTERS,
    DEPLOYMENTS,
    HELM_RELEASES,
    NAMESPACES,
    NEIGHBOURS,
    SERVICE_PROVIDERS,
)
from openmcp_adapters.emulation.script import Delays, Script
from openmcp_adapters.emulation.source_controller import SourceController
from openmcp_adapters.emulation.traffic import Faults, Traffic
from openmcp_adapters.emulation.world import World, cluster_name
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, dig, labels
from openmcp_provider.ports import AlreadyExists, Cluster
from openmcp_provider.runtime.cache import Key

__all__ = ["Landscape"]

_WHERE = "openmcp.cloud/cluster"


class Landscape:
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
        self.world = World(
            seed, self.traffic, system, delays or Delays(), self.registry, bookmark_seconds, watch_seconds
        )
        self.clock = self.world.clock
        self.platform = self.world.build(PLATFORM)
        self.onboarding = self.world.build(ONBOARDING)
        self.operator = Operator(self.world)
        self.scheduler = Scheduler(self.world)
        self.access = AccessController(self.world)
        self.clusters = ClusterMaker(self.world)
        self.granter = AccessGranter(self.world)
        self.source_controller = SourceController(self.world)
        self.helm_controller = HelmController(self.world)
        self.garbage = GarbageCollector(self.world)
        self.world.removed = self.garbage.notice
        self._provider = provider
        self._person = self.client("operator-person")
        for neighbour in NEIGHBOURS:
            self._memory(neighbour.cluster).install(neighbour.crd, immutable=neighbour.immutable)
        for crd in crds:
            self._memory(labels(crd)[_WHERE]).install(crd)

    def _memory(self, cluster: str) -> MemoryCluster:
        return {PLATFORM: self.platform, ONBOARDING: self.onboarding}[cluster]

    async def __aenter__(self) -> Self:
        """Start every actor."""
        system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.world.system}}
        for person in (self._person, self.client("operator-person", ONBOARDING)):
            with suppress(AlreadyExists):  # it may be one that every cluster has
                await person.create(NAMESPACES, system)
        registration = {
            "apiVersion": SERVICE_PROVIDERS.api_version,
            "kind": SERVICE_PROVIDERS.kind,
            "metadata": {"name": self._provider},
            "spec": {"image": "emulated"},
        }
        await self._person.create(SERVICE_PROVIDERS, registration)
        status = {"status": {"observedGeneration": 1, "phase": "Progressing"}}
        operator = self.client("operator")
        await operator.patch(SERVICE_PROVIDERS, self._provider, kind="merge", body=status, subresource="status")
        self.garbage.start()
        for actor in (
            self.scheduler,
            self.access,
            self.clusters,
            self.granter,
            self.source_controller,
            self.helm_controller,
        ):
            await actor.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every actor."""
        self.garbage.stop()
        for actor in (
            self.helm_controller,
            self.source_controller,
            self.granter,
            self.clusters,
            self.access,
            self.scheduler,
        ):
            await actor.stop()

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

    # --- control planes

    async def create_control_plane(self, name: str, namespace: str = "default") -> None:
        """Ask for a control plane, as a tenant would; return when that was written, not when it is there."""
        await self.operator.create(name, namespace)

    async def ready(self, name: str, namespace: str = "default") -> None:
        """Wait until a control plane's ClusterRequest is granted and its cluster is there."""
        home = self.home(name, namespace)
        await until(
            self._person, CLUSTER_REQUESTS, name, home, wanted=lambda obj: dig(obj, "status", "phase") == "Granted"
        )
        await until(
            self._person,
            CLUSTERS,
            self.cluster_of(name, namespace),
            home,
            wanted=lambda obj: dig(obj, "status", "phase"),
        )

    async def delete_control_plane(self, name: str, namespace: str = "default") -> None:
        """Delete a control plane as the operator does: its services first; return when everything is gone."""
        await self.operator.delete(name, namespace)

    async def destroy_control_plane(self, name: str, namespace: str = "default") -> None:
        """Delete a control plane's ClusterRequest and cluster without a care for its services."""
        home = self.home(name, namespace)
        await self._person.delete(CLUSTER_REQUESTS, name, home)
        await until(self._person, CLUSTER_REQUESTS, name, home)

    @staticmethod
    def home(name: str, namespace: str = "default") -> str:
        """Return a tenant's namespace on the platform."""
        return tenant_namespace(name, namespace)

    def cluster_of(self, name: str, namespace: str = "default") -> str:
        """Return the name of a control plane's cluster, as in the log."""
        return cluster_name(self.home(name, namespace), name)

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

    def script(self, name: str, namespace: str = "default") -> Script:
        """Return what is going to happen to a tenant, to be changed."""
        return self.world.script(self.home(name, namespace))

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
        home = self.home(name, namespace)
        for request in (await self._person.list(ACCESS_REQUESTS, namespace=home)).items:
            await self.granter.rotate(Key(home, request["metadata"]["name"]))

    async def suspend(self, name: str, namespace: str = "default", *, suspended: bool = True) -> None:
        """Suspend a tenant's HelmReleases, as a person would, or resume them."""
        home = self.home(name, namespace)
        for found in (await self._person.list(HELM_RELEASES, namespace=home)).items:
            body = {"spec": {"suspend": suspended}}
            await self._person.patch(HELM_RELEASES, found["metadata"]["name"], home, kind="merge", body=body)

    async def clear_leftovers(self, name: str, namespace: str = "default") -> None:
        """Let the workloads go whose deletion took longer than Helm waited."""
        person = self.client("operator-person", self.cluster_of(name, namespace))
        for found in (await person.list(DEPLOYMENTS)).items:
            held = dig(found, "metadata", "finalizers") or ()
            if STUCK in held:
                metadata = found["metadata"]
                body = {"metadata": {"finalizers": [one for one in held if one != STUCK]}}
                await person.patch(DEPLOYMENTS, metadata["name"], metadata["namespace"], kind="merge", body=body)

    def attend(self, name: str, namespace: str = "default", *, picked_up: bool = True) -> None:
        """Have Flux look at a tenant's objects, or ignore them."""
        self.script(name, namespace).picked_up = picked_up
        for actor in (self.source_controller, self.helm_controller):
            actor.look(self.home(name, namespace))
