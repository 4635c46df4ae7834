"""Clusters reached through lightkube."""

from openmcp_adapters.clients import Clients
from openmcp_adapters.lightkube.transport import LightkubeTransport
from openmcp_adapters.rest import Access, Transport

__all__ = ["LightkubeClients"]


class LightkubeClients(Clients):
    """Makes clients on lightkube, which is small and fast; exec plugins give it tokens by ``v1beta1`` alone."""

    def _transport(self, access: Access) -> Transport:
        return LightkubeTransport(access, timeouts=self.timeouts, user_agent=self.user_agent)
