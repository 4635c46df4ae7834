"""The scheduler of openMCP: gives each ClusterRequest a Cluster."""

from contextlib import suppress
from typing import Any

from openmcp_adapters.emulation.actor import Actor, hold, release, seen, write_status
from openmcp_adapters.emulation.schemas import CLUSTER_REQUESTS, CLUSTERS
from openmcp_adapters.emulation.world import World, cluster_name
from openmcp_provider.domain.objects import Json, deleting, dig, generation
from openmcp_provider.ports import AlreadyExists, NotFound
from openmcp_provider.runtime.cache import Cache, Key

__all__ = ["Scheduler"]

_FINALIZER = "clusters.openmcp.cloud/request"
_EXCLUSIVE = "mcp"  # the one purpose whose clusters are not shared
_PROFILE = "emulated"


class Scheduler(Actor):
    """Answers ClusterRequests."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "scheduler")
        self._waiting: dict[Key, Key] = {}

    def watched(self) -> list[Cache[Any]]:
        """Watch the requests, and Clusters to see them go."""
        return [
            self.cache(CLUSTER_REQUESTS, seen()),
            self.cache(CLUSTERS, seen(), self._on_cluster),
        ]

    def _on_cluster(self, key: Key, before: object, after: object) -> None:
        if after is None and key in self._waiting:
            self.queue.add(self._waiting.pop(key))

    async def work(self, key: Key) -> float | None:
        """Give a request its Cluster, or take it away again."""
        request = await self.platform.get(CLUSTER_REQUESTS, key.name, key.namespace)
        if deleting(request):
            await self._let_go(key, request)
            return None
        request = await hold(self.platform, CLUSTER_REQUESTS, request, _FINALIZER)
        script = self.world.script(key.namespace)
        if dig(request, "status", "phase") in {"Granted", "Denied"}:
            return None
        await self._answer(request, "Pending")
        if script.request == "never":
            return None
        await self.world.pause(script.delays.schedule)
        if script.request == "deny":
            await self._answer(request, "Denied")
            return None
        cluster = self._cluster(request)
        with suppress(AlreadyExists):
            await self.platform.create(CLUSTERS, cluster)
        where = {name: cluster["metadata"][name] for name in ("name", "namespace")}
        await self._answer(request, "Granted", cluster=where)
        return None

    async def _answer(self, request: Json, phase: str, **more: Any) -> None:  # noqa: ANN401 - JSON
        seen_at = generation(request)
        await write_status(self.platform, CLUSTER_REQUESTS, request, phase=phase, observedGeneration=seen_at, **more)

    def _cluster(self, request: Json) -> dict[str, Any]:
        metadata, purpose = request["metadata"], request["spec"]["purpose"]
        exclusive = purpose == _EXCLUSIVE
        return {
            "apiVersion": CLUSTERS.api_version,
            "kind": CLUSTERS.kind,
            "metadata": {
                "name": cluster_name(metadata["namespace"], metadata["name"]) if exclusive else purpose,
                "namespace": metadata["namespace"] if exclusive else self.world.system,
            },
            "spec": {
                "profile": _PROFILE,
                "purposes": [purpose],
                "tenancy": "Exclusive" if exclusive else "Shared",
            },
        }

    async def _let_go(self, key: Key, request: Json) -> None:
        """Delete the Cluster that nobody else uses, and let the request go; after it, where that was asked for."""
        cluster = dig(request, "status", "cluster")
        if cluster and request["spec"]["purpose"] == _EXCLUSIVE:
            where = Key(cluster["namespace"], cluster["name"])
            self._waiting[where] = key
            try:
                left = await self.platform.delete(CLUSTERS, where.name, where.namespace)
            except NotFound:
                left = None
            if left is not None and request["spec"].get("waitForClusterDeletion"):
                return
            self._waiting.pop(where, None)
        await release(self.platform, CLUSTER_REQUESTS, request, _FINALIZER)
