"""openMCP and Flux on real API servers, as `openmcp_adapters.emulation` plays them: a program is tested end to end.

::

    with ControlPlane(install()) as plane:
        servers = Servers(
            platform=plane.api_server("platform"),
            onboarding=plane.api_server("onboarding"),
            pool=[plane.api_server("mcp-1")],
        )
        clients = lambda name: LightkubeClients(randomness=SystemRandomness(), user_agent=name)
        async with ServerLandscape(servers, clients) as landscape:
            await landscape.create_control_plane("mcp-01")

Real are the servers, their definitions of openMCP and Flux, rights, tokens, time, and on the platform the garbage
collector and the end of namespaces. Played are the operator, scheduler, access controller and cluster provider of
openMCP, and Flux with its registry. Nothing runs that a Deployment describes: helm-controller writes its status.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import TracebackType
from typing import Self

from openmcp_adapters.emulation.any_landscape import CRD_CLUSTER, AnyLandscape
from openmcp_adapters.emulation.registry import Registry
from openmcp_adapters.emulation.script import Delays
from openmcp_provider.domain.objects import PLATFORM, Json, labels
from openmcp_provider.ports import ClusterFactory
from openmcp_testing.control_plane import ApiServer
from openmcp_testing.control_plane.crds import published_crds
from openmcp_testing.landscape.world import Servers, ServerWorld
from openmcp_testing.serving import serve

__all__ = ["ServerLandscape", "ServerWorld", "Servers", "brisk"]


def brisk() -> Delays:
    """Return delays for tests that wait for them in real time: long enough to be seen, no longer."""
    return Delays(
        schedule=0.05,
        provision=0.1,
        deprovision=0.05,
        access=0.05,
        grant=0.1,
        pull=0.1,
        store=0.05,
        look=0.05,
        install=0.3,
        upgrade=0.3,
        rollback=0.3,
        uninstall=0.2,
        failure=1.0,
    )


class ServerLandscape(AnyLandscape[ServerWorld]):
    """A landscape on real servers; made inside a running event loop, and used as an asynchronous context.

    Each control plane has a server of the pool to itself, or waits for one. What is left on it when it goes stays, and
    the next one finds it.

    Where control planes share servers, a tenant's Helm release lies in a namespace of its own. What a provider itself
    writes to a control plane does not: for OCM, sharing works for tenants without pull secrets on the control plane.
    CRDs are shared as well, so nobody should uninstall a chart that takes its CRDs along.

    Args:
        servers: Where; serving no other landscape at the same time.
        clients: Makes the clients of whoever has a name; its user agent should be that, so that field managers are told
            apart.
        crds: The provider's CustomResourceDefinitions, each labelled with the cluster it belongs to; none for a program
            that installs them itself.
        provider: Name of the ServiceProvider object.
        system: Namespace of the platform's programs, the provider among them.
        registry: Where charts come from; by default one that has every chart and tag.
        delays: How long steps take; by default as `brisk` has it.
        shared: Whether control planes share servers.
        life: How long a token is accepted, at least 10 minutes.
    """

    def __init__(
        self,
        servers: Servers,
        clients: Callable[[str], ClusterFactory],
        *,
        crds: Iterable[Json] = (),
        provider: str = "ocm",
        system: str = "openmcp-system",
        registry: Registry | None = None,
        delays: Delays | None = None,
        shared: bool = False,
        life: timedelta = timedelta(hours=1),
    ) -> None:
        self.registry = registry or Registry()
        world = ServerWorld(
            seed=0,
            system=system,
            delays=delays or brisk(),
            registry=self.registry,
            servers=servers,
            clients=clients,
            shared=shared,
            life=life,
        )
        super().__init__(world, provider)
        self._crds = (*published_crds(), *crds)

    async def __aenter__(self) -> Self:
        """Serve every kind, and start every controller and actor.

        Raises:
            NoBinaries: kube-controller-manager is not at hand.
        """
        try:
            await asyncio.gather(*(self._serve(crd) for crd in self._crds))
            await self.world.servers.control()
            return await super().__aenter__()
        except BaseException:
            await self.world.close()
            raise

    async def _serve(self, crd: Json) -> None:
        person = self.client("operator-person", labels(crd).get(CRD_CLUSTER, PLATFORM))  # Flux labels none
        await serve(person, crd)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop every actor. Kubernetes' controllers run as long as the platform's server."""
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            await self.world.close()

    def server(self, name: str, namespace: str = "default") -> ApiServer:
        """Return the server of a control plane: frozen or killed, it is dead for everybody, and all who share it.

        Raises:
            Unavailable: the control plane does not exist.
        """
        return self.world.server(self.cluster_of(name, namespace))

    def reroute(self, name: str, namespace: str = "default", *, url: str) -> None:
        """Have kubeconfigs that are made from now on lead elsewhere, say to a proxy before a control plane's server.

        They lead the provider and helm-controller there, and nobody else. The control plane may not exist yet.
        """
        self.world.urls[self.cluster_of(name, namespace)] = url
