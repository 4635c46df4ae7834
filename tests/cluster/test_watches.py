"""A cache survives whatever happens to its watch, and then equals what the server has, deletions included."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from openmcp_adapters.rest import Timeouts
from openmcp_adapters.system import SystemClock, SystemRandomness
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, PortError, Resource, Unauthorized, Unavailable
from openmcp_provider.runtime.cache import Cache, Selection
from openmcp_testing.control_plane import ApiServer, ControlPlane
from tests.cluster.clients import CLIENTS, clients, connected, play, proxied, proxy_of

CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
BINDINGS = Resource("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False)
SHORT = Timeouts(connect=1.0, read=2.0, watch=(1.0, 2.0), silence=1.0)
PATIENCE = 60.0


class Mirror:
    """A cache of the ConfigMaps of a namespace, and what happened to it."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.namespace = namespace
        self.failures: list[PortError] = []
        self._news = asyncio.Event()
        self.cache: Cache[Json] = Cache(
            cluster,
            Selection(CONFIG_MAPS, namespace),
            keep=lambda obj: obj,
            changed=lambda *_: self._news.set(),
            clock=SystemClock(),
            randomness=SystemRandomness(),
            failed=self._failed,
        )

    def _failed(self, error: PortError) -> None:
        self.failures.append(error)
        self._news.set()

    async def until(self, wanted: Mapping[str, str]) -> None:
        """Return when the cache holds these names and no others, each with this value."""

        def held() -> dict[str, str]:
            return {key.name: obj["data"]["v"] for key, obj in self.cache.values.items()}

        try:
            async with asyncio.timeout(PATIENCE):
                while held() != wanted:
                    await self.news()
        except TimeoutError:
            raise AssertionError(f"wanted {wanted}, held {held()}; failures: {self.failures}") from None

    async def until_failed(self, error: type[PortError]) -> None:
        """Return when list or watch has failed in this way."""
        async with asyncio.timeout(PATIENCE):
            while not any(isinstance(failure, error) for failure in self.failures):
                await self.news()

    async def news(self) -> None:
        """Return when something happened."""
        await self._news.wait()
        self._news.clear()


@asynccontextmanager
async def mirror(cluster: Cluster, namespace: str) -> AsyncIterator[Mirror]:
    """Run a cache."""
    made = Mirror(cluster, namespace)
    task = asyncio.create_task(made.cache.run())
    try:
        yield made
    finally:
        task.cancel()
        (ended,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError)


async def namespace_on(cluster: Cluster) -> str:
    """Make a namespace, and in it three ConfigMaps."""
    name = f"watched-{uuid4().hex[:8]}"
    await cluster.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for each in ("changes", "goes", "stays"):
        await put(cluster, name, each, "1")
    return name


async def put(cluster: Cluster, namespace: str, name: str, value: str) -> None:
    """Write a ConfigMap."""
    metadata = {"name": name, "namespace": namespace}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"v": value}}
    await cluster.apply(CONFIG_MAPS, manifest, manager="test")


async def upheaval(cluster: Cluster, namespace: str) -> dict[str, str]:
    """Change one, delete one, make one, and make one anew; return what is there then."""
    await put(cluster, namespace, "changes", "2")
    await cluster.delete(CONFIG_MAPS, "goes", namespace)
    await put(cluster, namespace, "comes", "1")
    return {"changes": "2", "comes": "1", "stays": "1"}


THREE = {"changes": "1", "goes": "1", "stays": "1"}


@pytest.fixture(scope="module")
def own(plane: ControlPlane) -> Any:
    """A server of this module's own, which may be stopped."""
    server = plane.api_server("restarted")
    yield server
    server.stop()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_watch_survives_a_restart_of_its_server(own: ApiServer, client: str) -> None:
    """The server is stopped and started: the cache notices, comes back and is told of everything since."""

    async def story() -> None:
        async with connected(client, own) as cluster:
            namespace = await namespace_on(cluster)
            async with mirror(cluster, namespace) as found:
                await found.until(THREE)
                await asyncio.to_thread(own.stop)
                await found.until_failed(Unavailable)
                await asyncio.to_thread(own.start)
                await found.until(await upheaval(cluster, namespace))

    play(story)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_watch_survives_a_frozen_connection(server: ApiServer, client: str) -> None:
    """The connection stays open and no byte comes: the cache gives it up, and afterwards misses nothing."""

    async def story() -> None:
        async with proxied(client, server, SHORT) as (cluster, proxy), connected(client, server) as direct:
            namespace = await namespace_on(direct)
            async with mirror(cluster, namespace) as found:
                await found.until(THREE)
                async with proxy.frozen():
                    left = await upheaval(direct, namespace)
                    await found.until_failed(Unavailable)
                    assert found.cache.age > 0
                await found.until(left)

    play(story)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_watch_survives_compacted_history(plane: ControlPlane, own: ApiServer, client: str) -> None:
    """What happened meanwhile is in no history any more: the cache lists again and notices what was deleted."""

    async def story() -> None:
        async with proxied(client, own) as (cluster, proxy), connected(client, own) as direct:
            namespace = await namespace_on(direct)
            async with mirror(cluster, namespace) as found:
                await found.until(THREE)
                assert 1 == found.cache.lists
                async with proxy.unreachable():
                    left = await upheaval(direct, namespace)
                    await asyncio.to_thread(plane.etcd.compact)
                    await asyncio.to_thread(own.stop)  # else it would still know from memory
                    await asyncio.to_thread(own.start)
                await found.until(left)
                assert 2 == found.cache.lists

    play(story)


async def token_of(cluster: Cluster, namespace: str, account: str) -> str:
    """Make an account that may do everything, and return a token of it."""
    metadata = {"name": account, "namespace": namespace}
    await cluster.create(ACCOUNTS, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    binding = {
        "apiVersion": BINDINGS.api_version,
        "kind": BINDINGS.kind,
        "metadata": {"name": f"{namespace}-{account}"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", **metadata}],
    }
    await cluster.apply(BINDINGS, binding, manager="test")
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": metadata, "spec": {}}
    made = await cluster.create(ACCOUNTS, request, subresource="token", name=account)
    return str(made["status"]["token"])


@pytest.mark.parametrize("client", CLIENTS)
def test_a_watch_survives_a_revoked_token(server: ApiServer, client: str, tmp_path: Path) -> None:
    """The token in a file is revoked and later replaced: the cache says so meanwhile, and goes on with the new one."""

    async def story() -> None:
        async with connected(client, server) as direct, proxy_of(server) as proxy:
            namespace = await namespace_on(direct)
            token, kubeconfig = tmp_path / "token", tmp_path / "kubeconfig"
            token.write_text(await token_of(direct, namespace, "mirror"))
            content = json.loads(server.kubeconfig(token="x", url=proxy.url))
            content["users"][0]["user"] = {"tokenFile": str(token)}
            kubeconfig.write_text(json.dumps(content))
            cluster = clients(client, SHORT).own({"KUBECONFIG": str(kubeconfig)})
            async with mirror(cluster, namespace) as found:
                await found.until(THREE)
                await direct.delete(ACCOUNTS, "mirror", namespace)
                await found.until_failed(Unauthorized)
                left = await upheaval(direct, namespace)
                token.write_text(await token_of(direct, namespace, "mirror"))
                await found.until(left)
            await cluster.close()

    play(story)
