"""Control planes as the operator of openMCP makes and deletes them."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress
from typing import Any

from openmcp_adapters.emulation.schemas import ACCESS_REQUESTS, CLUSTER_REQUESTS, NAMESPACES, SERVICE_PROVIDERS
from openmcp_adapters.emulation.world import World
from openmcp_provider.domain.names import shorten, tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, Json, dig
from openmcp_provider.ports import AlreadyExists, Cluster, Expired, NotFound, PortError, Resource

__all__ = ["Operator", "until"]

_NAME = "core.openmcp.cloud/mcp-name"
_SPACE = "core.openmcp.cloud/mcp-namespace"
_MANAGED_BY = "openmcp.cloud/managed-by"
_MANAGER = "ManagedControlPlane"


class Operator:
    """Makes and deletes control planes. What goes wrong on the way is tried again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._platform = world.client("operator")
        self._onboarding = world.client("operator", ONBOARDING)

    async def create(self, name: str, namespace: str) -> None:
        """Ask for a control plane; that it is there shows in the ClusterRequest."""
        home = tenant_namespace(name, namespace)
        labels = {_NAME: shorten(name), _SPACE: shorten(namespace), _MANAGED_BY: _MANAGER}
        await _create(self._onboarding, NAMESPACES, _manifest(NAMESPACES, namespace))
        await _create(self._platform, NAMESPACES, _manifest(NAMESPACES, home, labels=labels))
        request = _manifest(CLUSTER_REQUESTS, name, home, labels=labels)
        await _create(
            self._platform, CLUSTER_REQUESTS, {**request, "spec": {"purpose": "mcp", "waitForClusterDeletion": True}}
        )

    async def delete(self, name: str, namespace: str) -> None:
        """Delete every service of a control plane, wait until they are gone, and then the control plane itself."""
        home = tenant_namespace(name, namespace)
        for resource in await self._services():
            await _delete(self._onboarding, resource, name, namespace)
            await until(self._onboarding, resource, name, namespace)
        requests = await self._platform.list(ACCESS_REQUESTS, namespace=home, labels=f"{_MANAGED_BY}={_MANAGER}")
        for request in requests.items:
            await self._remove(ACCESS_REQUESTS, request["metadata"]["name"], home)
        await self._remove(CLUSTER_REQUESTS, name, home)
        await self._remove(NAMESPACES, home)

    async def _remove(self, resource: Resource, name: str, namespace: str = "") -> None:
        await _delete(self._platform, resource, name, namespace)
        await until(self._platform, resource, name, namespace)

    async def _services(self) -> list[Resource]:
        """Return the kinds that every ServiceProvider has registered."""
        found: dict[tuple[str, str], None] = {}
        for provider in (await self._platform.list(SERVICE_PROVIDERS)).items:
            for kind in dig(provider, "status", "resources") or ():
                found[kind["group"], kind["kind"]] = None
        return [
            resource
            for group, kind in found
            for resource in await self._onboarding.served(group)
            if resource.kind == kind
        ]


async def until(
    cluster: Cluster,
    resource: Resource,
    name: str,
    namespace: str = "",
    *,
    wanted: Callable[[Json], object] | None = None,
) -> Json | None:
    """Watch an object until it is gone, or until it is as wanted; return it as it is then."""
    fields = f"metadata.name={name}"
    while True:
        try:
            page = await cluster.list(resource, namespace=namespace, fields=fields)
            obj = page.items[0] if page.items else None
            if obj is None if wanted is None else obj is not None and wanted(obj):
                return obj
            version = page.resource_version
            watch = cluster.watch(resource, resource_version=version, namespace=namespace, fields=fields)
            async with aclosing(watch) as events:
                async for event in events:
                    if event.type == "DELETED" and wanted is None:
                        return None
                    if event.type in {"ADDED", "MODIFIED"} and wanted is not None and wanted(event.object):
                        return event.object
        except Expired:
            continue
        except PortError:
            await asyncio.sleep(1.0)


async def _create(cluster: Cluster, resource: Resource, manifest: Json) -> None:
    with suppress(AlreadyExists):
        await cluster.create(resource, manifest)


async def _delete(cluster: Cluster, resource: Resource, name: str, namespace: str = "") -> None:
    with suppress(NotFound):
        await cluster.delete(resource, name, namespace)


def _manifest(resource: Resource, name: str, namespace: str = "", **metadata: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    place = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {**place, **metadata}}
