"""Clusters reached through the official Python client."""

from openmcp_adapters.clients import Clients
from openmcp_adapters.kubernetes.transport import KubernetesTransport
from openmcp_adapters.rest import Access, Transport

__all__ = ["KubernetesClients"]


class KubernetesClients(Clients):
    """Makes clients on kubernetes.aio, which runs exec plugins of every version, also those that give certificates."""

    def _transport(self, access: Access) -> Transport:
        return KubernetesTransport(access, timeouts=self.timeouts, user_agent=self.user_agent)
