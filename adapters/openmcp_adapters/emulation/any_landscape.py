"""What every landscape has, wherever its clusters are: everybody who works on them, and what tenants can be done to."""

from contextlib import suppress
from types import TracebackType
from typing import Generic, Self, TypeVar

from openmcp_adapters.emulation.access import AccessController
from openmcp_adapters.emulation.cluster_provider import AccessGranter, ClusterMaker
from openmcp_adapters.emulation.control_planes import Operator, until
from openmcp_adapters.emulation.helm import STUCK
from openmcp_adapters.emulation.helm_controller import HelmController
from openmcp_adapters.emulation.scheduler import Scheduler
from openmcp_adapters.emulation.schemas import (
    ACCESS_REQUESTS,
    CLUSTER_REQUESTS,
    CLUSTERS,
    DEPLOYMENTS,
    HELM_RELEASES,
    NAMESPACES,
    SERVICE_PROVIDERS,
)
from openmcp_adapters.emulation.script import Script
from openmcp_adapters.emulation.source_controller import SourceController
from openmcp_adapters.emulation.world import World, cluster_name
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, dig
from openmcp_provider.ports import AlreadyExists, Cluster
from openmcp_provider.runtime.cache import Key

__all__ = ["CRD_CLUSTER", "AnyLandscape"]

CRD_CLUSTER = "openmcp.cloud/cluster"
"""The label of a CustomResourceDefinition that names the cluster it belongs to."""

W = TypeVar("W", bound=World)


class AnyLandscape(Generic[W]):
    """The actors of a landscape, as an asynchronous context; made inside a running event loop.

    Args:
        world: What they live in.
        provider: Name of the ServiceProvider object.
    """

    def __init__(self, world: W, provider: str) -> None:
        self.world = world
        self.operator = Operator(world)
        self.scheduler = Scheduler(world)
        self.access = AccessController(world)
        self.clusters = ClusterMaker(world)
        self.granter = AccessGranter(world)
        self.source_controller = SourceController(world)
        self.helm_controller = HelmController(world)
        self._provider = provider
        self._person = world.client("operator-person")
        self._actors = (
            self.scheduler,
            self.access,
            self.clusters,
            self.granter,
            self.source_controller,
            self.helm_controller,
        )

    async def __aenter__(self) -> Self:
        """Register the provider, and start every actor."""
        system = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.world.system}}
        for person in (self._person, self.world.client("operator-person", ONBOARDING)):
            with suppress(AlreadyExists):  # it may be one that every cluster has
                await person.create(NAMESPACES, system)
        registration = {
            "apiVersion": SERVICE_PROVIDERS.api_version,
            "kind": SERVICE_PROVIDERS.kind,
            "metadata": {"name": self._provider},
            "spec": {"image": "emulated"},
        }
        with suppress(AlreadyExists):  # servers outlive a landscape
            await self._person.create(SERVICE_PROVIDERS, registration)
        status = {"status": {"observedGeneration": 1, "phase": "Progressing"}}
        operator = self.world.client("operator")
        await operator.patch(SERVICE_PROVIDERS, self._provider, kind="merge", body=status, subresource="status")
        for actor in self._actors:
            await actor.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every actor."""
        for actor in reversed(self._actors):
            await actor.stop()

    def client(self, name: str = "provider", cluster: str = PLATFORM) -> Cluster:
        """Return a trusted client of a cluster: the provider's, a tenant's, ..."""
        return self.world.client(name, cluster)

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

    # --- what goes wrong

    def script(self, name: str, namespace: str = "default") -> Script:
        """Return what is going to happen to a tenant, to be changed."""
        return self.world.script(self.home(name, namespace))

    async def rotate(self, name: str, namespace: str = "default") -> None:
        """Write a new token into every kubeconfig Secret of a tenant; the old ones stay valid."""
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
        person = self.world.client("operator-person", self.cluster_of(name, namespace))
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
