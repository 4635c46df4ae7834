"""What both client libraries' factories have in common."""

import os
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

from openmcp_adapters.kubeconfig import SERVICE_ACCOUNT, own_access, tenant_access
from openmcp_adapters.rest import Access, RestCluster, Timeouts, Transport
from openmcp_adapters.rest.limits import Limits
from openmcp_provider.ports import Cluster, ClusterFactory, Randomness

__all__ = ["Clients"]


class Clients(ClusterFactory):
    """Makes clients.

    Args:
        randomness: Draws how long each watch lasts.
        timeouts: How long to wait.
        user_agent: How to call ourselves.
        proxies: The environment that names proxies.
        trusted: Whether the clusters of kubeconfigs are the platform's own, and not in the hands of tenants.
    """

    def __init__(
        self,
        *,
        randomness: Randomness,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - a value
        user_agent: str = "openmcp-provider",
        proxies: Mapping[str, str] = os.environ,
        trusted: bool = False,
    ) -> None:
        self.randomness = randomness
        self.timeouts = timeouts
        self.user_agent = user_agent
        self.proxies = proxies
        self._limits = None if trusted else Limits()

    def connect(self, kubeconfig: bytes) -> Cluster:
        """Return a client for the cluster of a kubeconfig; connects nowhere yet.

        Raises:
            ValueError: the kubeconfig cannot be used; the message says why and shows nothing of it.
        """
        return self._cluster(tenant_access(kubeconfig, proxies=self.proxies), self._limits)

    def own(self, environ: Mapping[str, str], *, service_account: Path = SERVICE_ACCOUNT) -> Cluster:
        """Return a client for the program's own cluster; connects nowhere yet.

        The first of these counts: the files that ``KUBECONFIG`` names, a Pod's service account, ``~/.kube/config``.

        Raises:
            ValueError: none is there, or it cannot be used.
        """
        return self._cluster(own_access(environ, proxies=self.proxies, service_account=service_account))

    def _cluster(self, access: Access, limits: Limits | None = None) -> Cluster:
        return RestCluster(self._transport(access), timeouts=self.timeouts, randomness=self.randomness, limits=limits)

    @abstractmethod
    def _transport(self, access: Access) -> Transport:
        """Return a way to a server.

        Raises:
            ValueError: the client library cannot do what is asked for.
        """
