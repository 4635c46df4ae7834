"""A process whose turn is over writes nothing."""

import asyncio

import pytest

from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.ports import Resource, Unavailable
from openmcp_provider.runtime.fencing import Fenced

NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
MADE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "made"}}


def test_only_writes_are_held_back() -> None:
    """While it is allowed everything passes; afterwards reads do, and no write reaches the cluster."""

    async def story() -> None:
        memory = MemoryCluster()
        leads = True
        cluster = Fenced(memory, lambda: leads)
        await cluster.create(NAMESPACES, MADE)
        leads = False
        assert "made" == (await cluster.get(NAMESPACES, "made"))["metadata"]["name"]
        with pytest.raises(Unavailable, match="does not lead any more"):
            await cluster.delete(NAMESPACES, "made")
        await memory.get(NAMESPACES, "made")

    asyncio.run(story())
