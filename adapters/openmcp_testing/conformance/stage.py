"""A stage on any cluster: what it needs it makes through the port."""

import asyncio
import time
from itertools import count

from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Resource
from openmcp_testing.contract.objects import NAMESPACES
from openmcp_testing.serving import serve

__all__ = ["ClusterStage"]


class ClusterStage:
    """A stage on a cluster whose clock is this machine's.

    Args:
        cluster: With all rights, on a server that runs no controllers.
        prefix: Of the namespaces that are made; they stay.
    """

    def __init__(self, cluster: Cluster, prefix: str) -> None:
        self.cluster = cluster
        self._names = (f"{prefix}-{number}" for number in count(1))
        self._served: dict[str, Resource] = {}
        self._serving = asyncio.Lock()

    async def another_namespace(self) -> str:
        """Make a namespace and return its name."""
        name = next(self._names)
        await self.cluster.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    async def crd(self, manifest: Json) -> Resource:
        """Serve a kind, unless it is served."""
        name = manifest["metadata"]["name"]
        async with self._serving:
            if name not in self._served:
                self._served[name] = await serve(self.cluster, manifest)
            return self._served[name]

    async def another_second(self) -> None:
        """Wait for the next second."""
        await asyncio.sleep(1.01 - time.time() % 1)
