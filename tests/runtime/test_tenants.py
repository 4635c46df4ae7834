"""Clients of tenant clusters are kept, bounded, and closed once they are no longer used."""

import asyncio

from openmcp_adapters.emulation import run
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.runtime.tenants import Tenants


class Closing(MemoryCluster):
    """A cluster that remembers whether it was closed."""

    closed = False

    async def close(self) -> None:
        """Be closed."""
        self.closed = True


def test_the_one_unused_for_longest_goes() -> None:
    """No more clients than allowed are kept; a look-up counts as use."""

    async def story() -> list[bool]:
        tenants = Tenants(most=2)
        clients = [Closing(str(number)) for number in range(3)]
        tenants.put(("n", "a", "mcp"), clients[0])
        tenants.put(("n", "b", "mcp"), clients[1])
        assert tenants.get(("n", "a", "mcp")) is clients[0]
        tenants.put(("n", "c", "mcp"), clients[2])
        await asyncio.sleep(0)
        assert len(tenants) == 2
        assert tenants.get(("n", "b", "mcp")) is None
        return [client.closed for client in clients]

    assert [False, True, False] == run(story)


def test_a_new_client_closes_the_one_before() -> None:
    """New credentials replace the client, and an instance that is gone takes all of its clients along."""

    async def story() -> list[bool]:
        tenants = Tenants()
        clients = [Closing(str(number)) for number in range(3)]
        tenants.put(("n", "a", "mcp"), clients[0])
        tenants.put(("n", "a", "mcp"), clients[1])
        tenants.put(("n", "b", "mcp"), clients[2])
        tenants.drop("n", "a")
        await asyncio.sleep(0)
        return [client.closed for client in clients]

    assert [True, True, False] == run(story)
