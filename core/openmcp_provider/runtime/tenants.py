"""The clients of tenant clusters, each kept until its credentials change or its tenant goes.

Their number has no bound of its own, as one below the number of tenants would cost each of them a read of its Secret
and a new connection at every poll. A client is 20 KiB, and only tenants whose control plane is read have one.
"""

import asyncio

from openmcp_provider.ports import Cluster

__all__ = ["TenantKey", "Tenants"]

TenantKey = tuple[str, str, str]
"""Namespace and name of an instance, and the id of one of its clusters."""


class Tenants:
    """Keeps clients."""

    def __init__(self) -> None:
        self._clients: dict[TenantKey, Cluster] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._clients)

    def get(self, key: TenantKey) -> Cluster | None:
        """Return a client, None if there is none."""
        return self._clients.get(key)

    def put(self, key: TenantKey, client: Cluster) -> None:
        """Keep a client instead of the one before."""
        self._close(self._clients.pop(key, None))
        self._clients[key] = client

    def drop(self, namespace: str, name: str) -> None:
        """Close the clients of an instance that is gone."""
        for key in [key for key in self._clients if key[:2] == (namespace, name)]:
            self._close(self._clients.pop(key))

    async def close(self) -> None:
        """Close every client."""
        while self._clients:
            self._close(self._clients.popitem()[1])
        await asyncio.gather(*self._closing, return_exceptions=True)

    def _close(self, client: Cluster | None) -> None:
        if client is not None:
            task = asyncio.get_running_loop().create_task(client.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
