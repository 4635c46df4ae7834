"""A platform, an onboarding cluster and a control plane on real servers, openMCP played by hand, and our controller."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from openmcp_adapters.system import SystemClock, SystemRandomness
from openmcp_adapters.wire import decoder
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json
from openmcp_provider.domain.plan import Done, Failed, Plan
from openmcp_provider.domain.report import Report
from openmcp_provider.ports import AlreadyExists, Cluster, Resource
from openmcp_provider.runtime.cache import Key
from openmcp_provider.runtime.controller import Controller, Observer, Ports, Settings
from openmcp_provider.runtime.recorder import ClusterRecorder
from openmcp_provider.runtime.resources import (
    ACCESS_REQUESTS,
    CLUSTER_REQUESTS,
    NAMESPACES,
    SECRETS,
    instances,
    provider_configs,
)
from openmcp_testing.control_plane import ApiServer, ControlPlane
from openmcp_testing.control_plane.crds import published_crds
from openmcp_testing.serving import serve
from service_provider_ocm import PROVIDER
from tests.cluster.clients import clients
from tests.go_objects import access_request

SYSTEM = "openmcp-system"
OCMS = instances(PROVIDER.edition)
CONFIGS = provider_configs(PROVIDER.edition)
SOURCES = Resource("source.toolkit.fluxcd.io/v1", "OCIRepository", "ocirepositories")
RELEASES = Resource("helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases")
PATIENCE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """The three servers, with every kind served that is needed there."""

    platform: ApiServer
    onboarding: ApiServer
    control_plane: ApiServer


def start_servers(plane: ControlPlane) -> Servers:
    """Start the three servers."""
    return Servers(
        platform=plane.api_server("platform"),
        onboarding=plane.api_server("onboarding"),
        control_plane=plane.api_server("control-plane"),
    )


def crds_of(cluster: str) -> list[Json]:
    """Return our own definitions for a cluster, as `init` would choose them."""
    return [crd for crd in PROVIDER.crds if crd["metadata"]["labels"]["openmcp.cloud/cluster"] == cluster]


@dataclass(kw_only=True)
class Estate:
    """The three clusters through one adapter, each as an admin."""

    servers: Servers
    factory: Any
    platform: Cluster
    onboarding: Cluster
    control_plane: Cluster
    crashes: list[Exception] = field(default_factory=list)

    async def equip(self) -> None:
        """Serve what must be served, and make the provider's namespace."""
        neighbours = [crd for crd in published_crds() if crd["spec"]["group"] != "core.open-control-plane.io"]
        for crd in (*neighbours, *crds_of(PLATFORM)):
            await serve(self.platform, crd)
        for crd in crds_of(ONBOARDING):
            await serve(self.onboarding, crd)
        await self.namespace(SYSTEM)

    async def namespace(self, name: str, cluster: Cluster | None = None) -> None:
        """Make a namespace if it is not there."""
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        with suppress(AlreadyExists):
            await (cluster or self.platform).create(NAMESPACES, manifest)

    async def configure(self, **spec: Any) -> None:
        """Write the ProviderConfig."""
        manifest = {
            "apiVersion": CONFIGS.api_version,
            "kind": "ProviderConfig",
            "metadata": {"name": "ocm"},
            "spec": spec,
        }
        try:
            await self.platform.create(CONFIGS, manifest)
        except AlreadyExists:  # replaced, not applied: an apply that empties a map leaves null
            found = await self.platform.get(CONFIGS, "ocm")
            await self.platform.update(CONFIGS, {**found, "spec": spec})

    async def pull_secret(self, name: str = "privateregcred") -> Json:
        """Write a pull secret; return its data and type."""
        content = json.dumps({"auths": {"ghcr.io": {"auth": "eDp5"}}}).encode()
        fields = {
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": base64.b64encode(content).decode()},
        }
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": SYSTEM}, **fields}
        await self.platform.apply(SECRETS, manifest, manager="kubectl")
        return fields

    async def ocm(self, name: str, version: str = "0.6.0") -> None:
        """Write an OCM."""
        manifest = {
            "apiVersion": OCMS.api_version,
            "kind": OCMS.kind,
            "metadata": {"name": name, "namespace": "default"},
            "spec": {"version": version},
        }
        await self.onboarding.apply(OCMS, manifest, manager="kubectl")

    async def grant(self, name: str, *, manager: str) -> str:
        """Do as openMCP would for a tenant: ClusterRequest, AccessRequest as the Go program asks for, its Secret.

        Returns:
            The tenant's namespace on the platform.
        """
        home = tenant_namespace(name, "default")
        await self.namespace(home)
        request = await self.platform.create(
            CLUSTER_REQUESTS,
            {
                "apiVersion": CLUSTER_REQUESTS.api_version,
                "kind": CLUSTER_REQUESTS.kind,
                "metadata": {"name": name, "namespace": home},
                "spec": {"purpose": "mcp"},
            },
        )
        status: dict[str, Any] = {"phase": "Granted", "observedGeneration": 1}
        cluster = {"name": name, "namespace": home}
        await self._status(CLUSTER_REQUESTS, request, {**status, "cluster": cluster})
        access = await self.platform.create(ACCESS_REQUESTS, access_request(home, name), manager=manager)
        called = access["metadata"]["name"]
        secret = f"{called}.kubeconfig"
        content = self.servers.control_plane.kubeconfig()
        await self.platform.create(
            SECRETS,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": secret, "namespace": home},
                "data": {"kubeconfig": base64.b64encode(content).decode()},
            },
        )
        await self._status(ACCESS_REQUESTS, access, {**status, "secretRef": {"name": secret}})
        return home

    async def _status(self, resource: Resource, obj: Json, status: Json) -> None:
        await self.platform.update(resource, {**obj, "status": status}, subresource="status")

    async def flux(self, home: str) -> tuple[Json, Json]:
        """Return OCIRepository and HelmRelease of a tenant."""
        name = "sp-ocm-k8s-toolkit"
        return await self.platform.get(SOURCES, name, home), await self.platform.get(RELEASES, name, home)

    @asynccontextmanager
    async def controlled(self) -> AsyncIterator[Controller[Any, Any]]:
        """Run our controller."""
        clock = SystemClock()
        ports = Ports(
            platform=self.platform,
            onboarding=self.onboarding,
            factory=self.factory,
            decode=decoder,
            clock=clock,
            randomness=SystemRandomness(),
            recorder=ClusterRecorder(self.onboarding, "service-provider-ocm", clock),
        )
        watcher = _Watcher(self.crashes)
        controller = Controller(PROVIDER, ports, Settings(config_name="ocm", namespace=SYSTEM), watcher)
        task = asyncio.create_task(controller.run())
        try:
            yield controller
        finally:
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError), ended
        assert not self.crashes


class _Watcher(Observer):
    """Keeps what went wrong inside the program."""

    def __init__(self, crashes: list[Exception]) -> None:
        self._crashes = crashes

    def passed(self, key: Key, plan: Plan, outcome: Done | Failed, told: Report) -> None:
        """Every pass is fine."""

    def crashed(self, key: Key, error: Exception) -> None:
        """Keep the mistake."""
        self._crashes.append(error)


@asynccontextmanager
async def estate(client: str, servers: Servers) -> AsyncIterator[Estate]:
    """Reach the three servers through an adapter."""
    factory = clients(client)
    found = [factory.connect(server.kubeconfig()) for server in (servers.platform, servers.onboarding)]
    found.append(factory.connect(servers.control_plane.kubeconfig()))
    platform, onboarding, control_plane = found
    made = Estate(
        servers=servers, factory=factory, platform=platform, onboarding=onboarding, control_plane=control_plane
    )
    try:
        await made.equip()
        yield made
    finally:
        for cluster in found:
            await cluster.close()


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return when something holds; it is asked of the servers again and again."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await holds():  # noqa: ASYNC110 - it holds on a server, not here
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError("it never came to hold") from None


def ours(obj: Json, manager: str) -> set[str]:
    """Return by which operations a manager wrote an object, status apart."""
    entries: Iterable[Json] = obj["metadata"].get("managedFields", ())
    return {item["operation"] for item in entries if item["manager"] == manager and not item.get("subresource")}
