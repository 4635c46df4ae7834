"""Clients of tenant clusters are kept, and closed once they are no longer used."""

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


def test_everybody_keeps_a_client() -> None:
    """However many tenants are polled, none is closed for another (case 1.5)."""

    async def story() -> tuple[int, list[bool]]:
        tenants = Tenants()
        clients = [Closing(str(number)) for number in range(3000)]
        for number, client in enumerate(clients):
            tenants.put(("n", str(number), "mcp"), client)
        await asyncio.sleep(0)
        return len(tenants), [client.closed for client in clients]

    assert (3000, [False] * 3000) == run(story)


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
