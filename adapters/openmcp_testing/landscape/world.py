"""The world of a landscape on real API servers: real time, ServiceAccounts, and a pool of control planes."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta

from attrs import define, field

from openmcp_adapters.emulation.world import Grant, World
from openmcp_adapters.system import SystemClock
from openmcp_provider.domain.names import shorten
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, dig, uid
from openmcp_provider.ports import Cluster, ClusterFactory, PortError, Unavailable
from openmcp_testing.control_plane import ApiServer
from openmcp_testing.landscape import accounts

__all__ = ["ServerWorld", "Servers"]

_CLUSTER = "emulation.openmcp.cloud/cluster"
_REQUEST = "emulation.openmcp.cloud/request"
_LONGEST_ACCOUNT = 200  # what is added to it must stay a name, too


@define(eq=False, kw_only=True)
class Servers:
    """Where a landscape is to be. The servers are started and stopped by whoever owns them.

    Attributes:
        platform: With kube-controller-manager at hand.
        onboarding: Nothing special.
        pool: For control planes.
    """

    platform: ApiServer
    onboarding: ApiServer
    pool: Sequence[ApiServer]

    async def control(self) -> None:
        """Have owned objects and deleted namespaces go on the platform, by the controllers of Kubernetes.

        Again does nothing, unless the platform's server was stopped meanwhile, which stops them too. The definitions
        of the owners should be there: kinds that come later are found within half a minute.

        Raises:
            NoBinaries: kube-controller-manager is not at hand.
            ServerFailed: it does not get ready.
        """
        if not self.platform.controlled:
            names = ("garbage-collector-controller", "namespace-controller")
            await asyncio.to_thread(self.platform.start_controllers, *names)


@define(eq=False, kw_only=True)
class ServerWorld(World):
    """Clusters that are API servers.

    Attributes:
        servers: Which.
        clients: Makes the clients of whoever has a name; its user agent should be that, so that field managers are told
            apart.
        shared: Whether control planes share the servers of the pool, instead of waiting until one is free.
        life: How long a token is accepted; Kubernetes gives none for less than 10 minutes.
        clock: The machine's.
        urls: Where kubeconfigs lead, by cluster, if not straight to its server.
    """

    servers: Servers
    clients: Callable[[str], ClusterFactory]
    shared: bool = False
    life: timedelta = timedelta(hours=1)
    clock: SystemClock = field(factory=SystemClock)
    urls: dict[str, str] = field(factory=dict, init=False)
    _built: dict[str, ApiServer] = field(factory=dict, init=False)
    _builds: int = field(default=0, init=False)
    _trusted: dict[tuple[str, str], Cluster] = field(factory=dict, init=False)

    def server(self, cluster: str) -> ApiServer:
        """Return the server of a cluster.

        Raises:
            Unavailable: there is no such cluster.
        """
        if not self.exists(cluster):
            raise Unavailable(f"no such cluster: {cluster}")
        return self._servers[cluster]

    @property
    def _servers(self) -> dict[str, ApiServer]:
        return {PLATFORM: self.servers.platform, ONBOARDING: self.servers.onboarding, **self._built}

    async def close(self) -> None:
        """Close every trusted client."""
        while self._trusted:
            _, cluster = self._trusted.popitem()
            await cluster.close()

    # --- what actors need

    def client(self, name: str, cluster: str = PLATFORM) -> Cluster:
        """Return a trusted client, which is closed with everything; the server knows it by its name, too.

        Raises:
            Unavailable: there is no such cluster.
        """
        server = self.server(cluster)
        if (name, server.name) not in self._trusted:
            self._trusted[name, server.name] = self.clients(name).connect(server.kubeconfig(name))
        return self._trusted[name, server.name]

    def connector(self, client: str) -> ClusterFactory:
        """Return who connects a client by kubeconfigs."""
        return self.clients(client)

    def exists(self, cluster: str) -> bool:
        """Tell whether there is such a cluster."""
        return cluster in self._servers

    async def build(self, cluster: str) -> None:
        """Give a cluster a server of the pool.

        Raises:
            Unavailable: there is none left.
        """
        if self.exists(cluster):
            return
        pool = self.servers.pool
        if self.shared:
            self._built[cluster] = pool[self._builds % len(pool)]
        else:
            taken = set(self._built.values())
            free = next((server for server in pool if server not in taken), None)
            if free is None:
                raise Unavailable("each server of the pool has its control plane")
            self._built[cluster] = free
        self._builds += 1

    async def demolish(self, cluster: str) -> None:
        """Take back every kubeconfig of a cluster and its server, on which everything else stays."""
        if cluster in self._built:
            with suppress(PortError):  # a cluster goes, whether it answers or not
                await accounts.remove(self.client("cluster-provider", cluster), {_CLUSTER: cluster})
            self._built.pop(cluster, None)

    async def permit(self, cluster: str, request: Json) -> None:
        """Give the ServiceAccount of an AccessRequest the rights that it asks for now, and no others."""
        marks = {_CLUSTER: cluster, _REQUEST: uid(request)}
        provider = self.client("cluster-provider", cluster)
        await accounts.permit(provider, _account(request), marks, dig(request, "spec", "token") or {})

    async def grant(self, cluster: str, request: Json) -> Grant:
        """Make a token of the AccessRequest's ServiceAccount."""
        await self.permit(cluster, request)
        name = _account(request)
        token, expires = await accounts.issue(self.client("cluster-provider", cluster), name, self.life)
        server = self.server(cluster)
        return Grant(server.kubeconfig(name, token=token, url=self.urls.get(cluster, "")), expires)

    async def revoke(self, request: Json) -> None:
        """Delete an AccessRequest's ServiceAccount with its rights.

        Its tokens may do nothing any more, but a server that saw one lately knows it for up to 10 seconds: until then
        it forbids, afterwards it knows nobody.
        """
        cluster = dig(request, "spec", "clusterRef", "name") or ""
        if self.exists(cluster):
            await accounts.remove(self.client("cluster-provider", cluster), {_REQUEST: uid(request)})

    def quarters(self, home: str, namespace: str) -> str:
        """Return a namespace of the tenant's own where control planes share servers.

        Helm knows releases by name and namespace alone: in one namespace, tenants would take over each other's.
        """
        return shorten(f"{namespace}-{home}") if self.shared else namespace


def _account(request: Json) -> str:
    metadata = request["metadata"]
    return shorten(f"{metadata['name']}.{metadata['namespace']}", _LONGEST_ACCOUNT)
