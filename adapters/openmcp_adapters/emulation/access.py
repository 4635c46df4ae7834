"""The access controller of openMCP: finds the Cluster that an AccessRequest is about."""

from typing import Any

from openmcp_adapters.emulation.actor import Actor, seen, write_status
from openmcp_adapters.emulation.schemas import ACCESS_REQUESTS, CLUSTER_REQUESTS
from openmcp_adapters.emulation.world import World
from openmcp_provider.domain.objects import Json, annotations, deleting, dig, generation
from openmcp_provider.ports import NotFound, Unavailable
from openmcp_provider.runtime.cache import Cache, Key

__all__ = ["PROFILE", "PROVIDER", "AccessController", "operation"]

PROVIDER = "clusters.openmcp.cloud/provider"
_OPERATION = "openmcp.cloud/operation"
PROFILE = "clusters.openmcp.cloud/profile"


class AccessController(Actor):
    """Prepares AccessRequests for a cluster provider."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "access")

    def watched(self) -> list[Cache[Any]]:
        """Watch the requests."""
        return [self.cache(ACCESS_REQUESTS, seen("annotations"))]

    async def work(self, key: Key) -> float | None:
        """Label a request and fill in its Cluster; it is tried again while its ClusterRequest is not granted."""
        request = await self.platform.get(ACCESS_REQUESTS, key.name, key.namespace)
        if operation(request) == "ignore":
            return None
        if operation(request) == "reconcile":
            request = await self.platform.patch(
                ACCESS_REQUESTS,
                key.name,
                key.namespace,
                kind="merge",
                body={"metadata": {"annotations": {_OPERATION: None}}},
            )
        if deleting(request) or _prepared(request):
            return None
        body: dict[str, Any] = {"metadata": {"labels": {PROVIDER: "emulated", PROFILE: "emulated"}}}
        if not dig(request, "spec", "clusterRef"):
            cluster = await self._cluster(dig(request, "spec", "requestRef") or {})
            if cluster is None:
                await write_status(
                    self.platform, ACCESS_REQUESTS, request, phase="Pending", observedGeneration=generation(request)
                )
                raise Unavailable("the ClusterRequest is not granted")
            body["spec"] = {"clusterRef": dict(cluster)}
        await self.world.pause(self.world.script(key.namespace).delays.access)
        request = await self.platform.patch(ACCESS_REQUESTS, key.name, key.namespace, kind="merge", body=body)
        await write_status(
            self.platform, ACCESS_REQUESTS, request, phase="Pending", observedGeneration=generation(request)
        )
        return None

    async def _cluster(self, reference: dict[str, Any]) -> dict[str, Any] | None:
        try:
            found = await self.platform.get(CLUSTER_REQUESTS, reference.get("name", ""), reference.get("namespace", ""))
        except NotFound:
            return None
        granted = dig(found, "status", "phase") == "Granted" and not deleting(found)
        cluster: dict[str, Any] | None = dig(found, "status", "cluster") if granted else None
        return cluster


def operation(obj: Json) -> str:
    """Return what a person asked for: ``ignore``, ``reconcile`` or nothing."""
    return str(annotations(obj).get(_OPERATION, ""))


def _prepared(request: Json) -> bool:
    current = dig(request, "status", "observedGeneration") == generation(request)
    return current and bool(dig(request, "spec", "clusterRef") and dig(request, "status", "phase"))
