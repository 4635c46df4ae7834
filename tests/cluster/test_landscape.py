"""The emulated landscape on real servers, with the real controller."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from openmcp_adapters.emulation.schemas import (
    ACCESS_REQUESTS,
    CLUSTER_REQUESTS,
    CLUSTERS,
    CRDS,
    DEPLOYMENTS,
    HELM_RELEASES,
    OCI_REPOSITORIES,
)
from openmcp_adapters.system import SystemClock, SystemRandomness
from openmcp_provider.domain.names import kubeconfig_secret_name
from openmcp_provider.domain.objects import Json, conditions, dig
from openmcp_provider.ports import Cluster, Forbidden, NotFound, Resource, Unauthorized
from openmcp_provider.runtime.initialising import register
from openmcp_provider.runtime.resources import CONFIG_MAPS, NAMESPACES, SECRETS
from openmcp_testing.control_plane import ControlPlane
from openmcp_testing.landscape import ServerLandscape, Servers
from service_provider_ocm import PROVIDER
from tests.cluster import estate as by_hand
from tests.cluster.clients import CLIENTS, play, proxy_of
from tests.cluster.estate import OCMS, Estate, estate, until

TOOLKIT = "ocm-k8s-toolkit-system"
ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
RBAC = tuple(
    Resource("rbac.authorization.k8s.io/v1", kind, f"{kind.lower()}s", namespaced=not kind.startswith("Cluster"))
    for kind in ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
)
SERVICES = Resource("v1", "Service", "services")


class Stage(NamedTuple):
    """A landscape, and our controller and people on it."""

    landscape: ServerLandscape
    estate: Estate

    @property
    def platform(self) -> Cluster:
        """The platform, for people."""
        return self.estate.platform

    async def status(self, name: str) -> Json:
        """Return the status of an OCM, empty if there is none."""
        try:
            return dig(await self.estate.onboarding.get(OCMS, name, "default"), "status") or {}
        except NotFound:
            return {}

    async def ready(self, name: str) -> None:
        """Wait until an OCM is ready."""

        async def holds() -> bool:
            return (await self.status(name)).get("phase") == "Ready"

        await until(holds)

    async def gone(self, name: str) -> None:
        """Wait until an OCM is gone."""

        async def holds() -> bool:
            return not (await self.estate.onboarding.list(OCMS, fields=f"metadata.name={name}")).items

        await until(holds)

    async def delete(self, name: str) -> None:
        """Delete an OCM."""
        await self.estate.onboarding.delete(OCMS, name, "default")

    def control_plane(self, name: str) -> Cluster:
        """Return the control plane of a tenant, for people."""
        return self.landscape.client("tenant", self.landscape.cluster_of(name))


@pytest.fixture(scope="module")
def servers(plane: ControlPlane) -> Iterator[Servers]:
    """Servers for one landscape after the other."""
    started = [plane.api_server(f"landscape-{name}") for name in ("platform", "onboarding", "mcp")]
    platform, onboarding, control_plane = started
    yield Servers(platform=platform, onboarding=onboarding, pool=[control_plane])
    for server in started:
        server.stop()


@asynccontextmanager
async def staged(servers: Servers, client: str, **options: Any) -> AsyncIterator[Stage]:
    """Have a landscape with a ProviderConfig."""

    def named(name: str) -> Any:
        return CLIENTS[client](randomness=SystemRandomness(), user_agent=name)

    found = by_hand.Servers(platform=servers.platform, onboarding=servers.onboarding, control_plane=servers.pool[0])
    async with (
        ServerLandscape(servers, named, crds=PROVIDER.crds, **options) as landscape,
        estate(client, found) as made,
    ):
        await made.configure()
        yield Stage(landscape, made)


def on_stage(
    servers: Servers, story: Callable[[Stage, str], Awaitable[None]], client: str = "lightkube", **options: Any
) -> None:
    """Play a story of a tenant with a control plane, which is not there yet."""

    async def told() -> None:
        async with asyncio.timeout(100.0), staged(servers, client, **options) as stage:
            name = f"t-{uuid4().hex[:8]}"
            await stage.landscape.create_control_plane(name)
            await story(stage, name)

    play(told)


async def found(
    cluster: Cluster, resources: tuple[Resource, ...], *, namespace: str = "", labels: str = ""
) -> set[tuple[str, str]]:
    """Return kind and name of what is there of some kinds."""
    return {
        (resource.kind, item["metadata"]["name"])
        for resource in resources
        for item in (await cluster.list(resource, namespace=namespace, labels=labels)).items
    }


@pytest.mark.parametrize("client", CLIENTS)
def test_an_ocm_comes_and_goes(servers: Servers, client: str) -> None:
    """It becomes ready, with the workload there; deleted, it leaves nothing but namespaces and the chart's CRDs."""

    async def story(stage: Stage, name: str) -> None:
        home = stage.landscape.home(name)
        async with stage.estate.controlled():
            await stage.estate.ocm(name)
            await stage.ready(name)
            control_plane = stage.control_plane(name)
            workload = await control_plane.get(DEPLOYMENTS, "ocm-k8s-toolkit-controller-manager", TOOLKIT)
            assert 1 == workload["status"]["availableReplicas"]
            records = {("Secret", "sh.helm.release.v1.ocm-k8s-toolkit.v1")}
            assert records == await found(control_plane, (SECRETS,))
            await stage.delete(name)
            await stage.gone(name)
        ours = (SECRETS, ACCESS_REQUESTS, OCI_REPOSITORIES, HELM_RELEASES)

        async def collected() -> bool:
            return not await found(stage.platform, ours, namespace=home)

        await until(collected)  # the kubeconfig goes with its AccessRequest, by the real garbage collector
        theirs = {("ClusterRequest", name), ("Cluster", stage.landscape.cluster_of(name))}
        assert theirs == await found(stage.platform, (CLUSTER_REQUESTS, CLUSTERS), namespace=home)
        assert set() == await found(control_plane, (SECRETS, DEPLOYMENTS, ACCOUNTS))
        assert set() == await found(control_plane, RBAC, labels="emulation.openmcp.cloud/request")
        stay = {crd for _, crd in await found(control_plane, (CRDS,))}
        assert {crd.endswith(".delivery.ocm.software") for crd in stay} == {True}

    on_stage(servers, story, client)


def test_a_control_plane_goes_with_its_services(servers: Servers) -> None:
    """The operator deletes the OCM first, then the rest, the namespace too; the server serves the next one."""

    async def story(stage: Stage, name: str) -> None:
        await register(PROVIDER.edition, stage.platform, "ocm", clock=SystemClock(), told=lambda _: None)
        async with stage.estate.controlled():
            await stage.estate.ocm(name)
            await stage.ready(name)
            await stage.landscape.create_control_plane("next")
            await stage.landscape.delete_control_plane(name)
            assert {} == await stage.status(name)
            with pytest.raises(NotFound):
                await stage.platform.get(NAMESPACES, stage.landscape.home(name))
            await stage.landscape.ready("next")
            assert servers.pool[0] is stage.landscape.server("next")
        await stage.landscape.delete_control_plane("next")

    on_stage(servers, story)


def test_rights_are_those_that_were_asked_for(servers: Servers) -> None:
    """Permissions and roles are given, no others; they change with the AccessRequest, and end with it."""

    async def story(stage: Stage, name: str) -> None:
        home = stage.landscape.home(name)
        permissions = [{"rules": [_all("configmaps")]}, {"namespace": "mine", "rules": [_all("secrets")]}]
        token = {"permissions": permissions, "roleRefs": [{"kind": "ClusterRole", "name": "system:kube-dns"}]}
        request = {
            "apiVersion": ACCESS_REQUESTS.api_version,
            "kind": ACCESS_REQUESTS.kind,
            "metadata": {"name": "some", "namespace": home},
            "spec": {"requestRef": {"name": name, "namespace": home}, "token": token},
        }
        await stage.platform.create(ACCESS_REQUESTS, request)
        async with aclosed(stage.estate.factory.connect(await kubeconfig(stage, home))) as cluster:
            for allowed in (_list(cluster, CONFIG_MAPS), _list(cluster, SECRETS, "mine"), _list(cluster, SERVICES)):
                await until(allowed)  # the server needs a moment to know of a new right
            assert not await _list(cluster, SECRETS)()
            changed = {"permissions": [{"rules": [_all("secrets")]}], "roleRefs": None}
            body = {"spec": {"token": changed}}
            await stage.platform.patch(ACCESS_REQUESTS, "some", home, kind="merge", body=body)
            await until(_list(cluster, SECRETS))
            for lost in (_list(cluster, CONFIG_MAPS), _list(cluster, SERVICES)):
                await until(_not(lost))
            await stage.landscape.rotate(name)
            async with aclosed(stage.estate.factory.connect(await kubeconfig(stage, home))) as renewed:
                assert await _list(renewed, SECRETS)()
                assert await _list(cluster, SECRETS)()
                await stage.platform.delete(ACCESS_REQUESTS, "some", home)
                for ended in (cluster, renewed):
                    await until(_unknown(ended))

    on_stage(servers, story, life=timedelta(minutes=10))


def test_control_planes_can_share_a_server(servers: Servers) -> None:
    """Each has a release of its own there, and the end of one leaves the other."""

    async def story(stage: Stage, name: str) -> None:
        names = (name, f"{name}-b")
        await stage.landscape.create_control_plane(names[1])
        async with stage.estate.controlled():
            for each in names:
                await stage.estate.ocm(each)
            for each in names:
                await stage.ready(each)
            assert stage.landscape.server(names[0]) is stage.landscape.server(names[1])
            shared = stage.control_plane(name)
            assert 2 == len((await shared.list(DEPLOYMENTS)).items)
            await stage.delete(names[0])
            await stage.gone(names[0])
            (left,) = (await shared.list(DEPLOYMENTS)).items
            assert left["metadata"]["namespace"].startswith(TOOLKIT)
            assert "Ready" == (await stage.status(names[1]))["phase"]
            await stage.delete(names[1])
            await stage.gone(names[1])
        assert set() == await found(shared, (SECRETS, DEPLOYMENTS, ACCOUNTS))

    on_stage(servers, story, shared=True)


def test_a_tenant_whose_control_plane_is_dead_waits_for_it(servers: Servers) -> None:
    """Behind a proxy that lets nothing through, an OCM stays, and says why, until its control plane can be asked."""

    async def story(stage: Stage, name: str) -> None:
        async with proxy_of(servers.pool[0]) as proxy:
            stage.landscape.reroute(name, url=proxy.url)
            async with stage.estate.controlled():
                await stage.estate.ocm(name)
                await stage.ready(name)
                async with proxy.unreachable():
                    await stage.delete(name)
                    await until(_unreachable(stage, name))
                    assert "Terminating" == (await stage.status(name))["phase"]
            async with stage.estate.controlled():  # anew, since it would wait for half a minute before it asks again
                await stage.gone(name)

    on_stage(servers, story)


async def kubeconfig(stage: Stage, home: str) -> bytes:
    """Return the kubeconfig of the AccessRequest ``some`` once it is granted."""

    async def holds() -> bool:
        request = await stage.platform.get(ACCESS_REQUESTS, "some", home)
        return bool(dig(request, "status", "phase") == "Granted")

    await until(holds)
    secret = await stage.platform.get(SECRETS, kubeconfig_secret_name("some"), home)
    return base64.b64decode(secret["data"]["kubeconfig"])


@asynccontextmanager
async def aclosed(cluster: Cluster) -> AsyncIterator[Cluster]:
    """Close a client in the end."""
    try:
        yield cluster
    finally:
        await cluster.close()


def _all(resource: str) -> Json:
    return {"apiGroups": [""], "resources": [resource], "verbs": ["*"]}


def _list(cluster: Cluster, resource: Resource, namespace: str = "") -> Callable[[], Awaitable[bool]]:
    """Return what tells whether objects may be listed."""

    async def allowed() -> bool:
        try:
            await cluster.list(resource, namespace=namespace)
        except Forbidden:
            return False
        return True

    return allowed


def _not(holds: Callable[[], Awaitable[bool]]) -> Callable[[], Awaitable[bool]]:
    async def fails() -> bool:
        return not await holds()

    return fails


def _unknown(cluster: Cluster) -> Callable[[], Awaitable[bool]]:
    """Return what tells whether a client is known no more."""

    async def refused() -> bool:
        try:
            await cluster.list(SECRETS)
        except Unauthorized:
            return True
        except Forbidden:  # its rights went first
            return False
        return False

    return refused


def _unreachable(stage: Stage, name: str) -> Callable[[], Awaitable[bool]]:
    """Return what tells whether a tenant is told that its control plane cannot be reached."""

    async def told() -> bool:
        found = conditions({"status": await stage.status(name)}).get("ControlPlaneAccess", {})
        return bool(found.get("reason") == "Unreachable")

    return told
