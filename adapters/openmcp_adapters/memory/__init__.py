"""An in-memory cluster that behaves like an API server."""

from openmcp_adapters.memory.cluster import MemoryCluster, Request

__all__ = ["MemoryCluster", "Request"]
