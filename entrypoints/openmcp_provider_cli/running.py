"""``run``: serves every instance until it is told to stop."""

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from openmcp_adapters.wire import decoder
from openmcp_provider.domain.errors import PortError
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM
from openmcp_provider.domain.onboarding import RUN, run_rules
from openmcp_provider.domain.rights import onboarding_rights
from openmcp_provider.ports import Cluster, ClusterFactory
from openmcp_provider.runtime.controller import Controller, Ports
from openmcp_provider.runtime.controller import Settings as Pace
from openmcp_provider.runtime.election import Elector, LostLeadership, wait_for_lapse
from openmcp_provider.runtime.fencing import Fenced
from openmcp_provider.runtime.limits import RateLimited
from openmcp_provider.runtime.onboarding import NoAccess
from openmcp_provider.runtime.recorder import ClusterRecorder
from openmcp_provider.runtime.rights import missing_rights
from openmcp_provider.runtime.watchdog import LostTouch, watch_over
from openmcp_provider_cli.measures import Credential, takeovers, watches
from openmcp_provider_cli.metrics import Metrics
from openmcp_provider_cli.metrics_gauges import Sources
from openmcp_provider_cli.narrator import Narrator
from openmcp_provider_cli.observing import Observers
from openmcp_provider_cli.program import DONE, FAILED, Failed, Setting, Wrong, leaves
from openmcp_provider_cli.serving import Address, bind_address, cause, listen, serve
from openmcp_provider_cli.serving_access import Gate
from openmcp_provider_cli.serving_http import Handler
from openmcp_provider_cli.serving_pages import Verdict, health_page, metrics_page, watch_verdicts
from openmcp_provider_cli.serving_tls import certificate_files, self_signed
from openmcp_provider_cli.usage import version

__all__ = ["run"]

_ELSE = 'give an address of this machine, such as ":8081", or "0" for none'
_ADVICE = {
    errno.EADDRINUSE: 'stop what listens there, or give another port, or "0" for none',
    errno.EACCES: 'ports below 1024 are for root: give a higher one, or "0" for none',
}


class _Limited(ClusterFactory):
    """Makes clients of tenants' clusters that ask no more often than is good for those."""

    def __init__(self, factory: ClusterFactory, setting: Setting, fenced: Callable[[Cluster], Cluster]) -> None:
        self._factory = factory
        self._clock = setting.clock
        self._fenced = fenced

    def connect(self, kubeconfig: bytes) -> Cluster:
        """Return a client.

        Raises:
            ValueError: the kubeconfig cannot be used.
        """
        return self._fenced(RateLimited(self._factory.connect(kubeconfig), self._clock))


class Run:
    """One run of the program.

    Args:
        setting: What it works with.
    """

    def __init__(self, setting: Setting) -> None:
        edition = setting.provider.edition
        self._setting = setting
        self._pace = Pace(config_name=setting.name, namespace=setting.namespace)
        self._metrics = Metrics(
            edition.name,
            version=version(),
            lease=edition.lease,
            workers=self._pace.workers,
            clock=setting.clock,
        )
        self._platform = self._metrics.metered(setting.limited(setting.platform), PLATFORM)
        self._access = setting.access(RUN, run_rules(edition), self._platform)
        self._controller: Controller[object, object] | None = None
        self._addresses = {
            flag: _address(flag, getattr(setting.arguments, flag))
            for flag in ("health_probe_bind_address", "metrics_bind_address")
        }
        self._certificate = _certificate(setting) if self._addresses["metrics_bind_address"] else None

    async def serve(self) -> None:
        """Serve pages and instances until cancelled.

        Raises:
            Failed: the program cannot go on.
        """
        async with asyncio.TaskGroup() as group, self._pages(group):
            try:
                onboarding = await self._access.obtain()
            except NoAccess as error:
                raise Failed(str(error)) from error
            try:
                keeping = group.create_task(self._access.keep())
                await self._tell_rights(onboarding)
                await self._lead()
                keeping.cancel()
            finally:
                await onboarding.close()

    async def _lead(self) -> None:
        """Work, while leading where that was asked for."""
        setting, edition = self._setting, self._setting.provider.edition
        if not setting.arguments.leader_elect:
            await self._work(lambda cluster: cluster)
            return
        elector = Elector(
            self._platform,
            edition.lease,
            setting.namespace,
            setting.identity,
            clock=setting.clock,
            randomness=setting.randomness,
            changed=self._leads,
            waits=self._waits,
            failed=lambda error: setting.lines.warn("the Lease", error),
            overdue=_leave,
        )
        try:
            await elector.lead(lambda: self._work(lambda cluster: Fenced(cluster, lambda: elector.leading)))
        except LostLeadership as error:
            raise Failed(str(error)) from error

    def _waits(self, holder: str) -> None:
        lease = f"Lease {self._setting.namespace}/{self._setting.provider.edition.lease}"
        self._setting.told(f"standby: {holder} leads, as holder of {lease}")

    def _leads(self, leads: bool) -> None:  # noqa: FBT001 - as an elector tells it
        self._metrics.leading(leads)
        self._setting.told("leading" if leads else "no longer leading")

    async def _work(self, fenced: Callable[[Cluster], Cluster]) -> None:
        """Serve instances until cancelled; touch with the onboarding cluster that is lost ends it, in a group.

        Args:
            fenced: Makes a cluster one that this process writes to only while it may.
        """
        setting, edition = self._setting, self._setting.provider.edition
        onboarding = self._metrics.metered(setting.limited(self._access.cluster), ONBOARDING)
        await wait_for_lapse(onboarding, edition.lease, setting.namespace, clock=setting.clock, told=setting.told)
        ports = Ports(
            platform=fenced(self._platform),
            onboarding=fenced(onboarding),
            factory=self._metrics.metered_factory(_Limited(setting.factory, setting, fenced)),
            decode=decoder,
            clock=setting.clock,
            randomness=setting.randomness,
            recorder=ClusterRecorder(onboarding, edition.field_manager, setting.clock),
        )
        observer = Observers(Narrator(edition.name), self._metrics.observer)
        controller = Controller(setting.provider, ports, self._pace, observer, self._metrics.queue)
        self._controller = controller
        self._metrics.follow(
            Sources(
                instances=controller.caches.instances.values.values,
                watches=lambda: watches(controller.caches),
                credentials=self._credentials,
                takeovers=lambda: takeovers(controller.caches),
            )
        )
        watching = watch_over(
            setting.clock,
            silence=lambda: controller.caches.instances.age,
            refused_since=lambda: self._access.cluster.refused_since,
        )
        setting.told(f"serving every {edition.kind}")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(controller.run())
                group.create_task(watching)
        finally:
            self._controller = None

    def _credentials(self) -> list[Credential]:
        found = [(ONBOARDING, self._access.expires)]
        if self._controller is not None:
            found += [(cluster, kubeconfig.expires) for cluster, kubeconfig in self._controller.kubeconfigs()]
        return [Credential(cluster, expires) for cluster, expires in found if expires]

    async def _tell_rights(self, onboarding: Cluster) -> None:
        """Name each right that is missing, in a line each; the program goes on with those that it has."""
        setting = self._setting
        for cluster, rights in (
            (self._platform, setting.rights()),
            (onboarding, onboarding_rights(setting.provider.edition)),
        ):
            try:
                for right in await missing_rights(cluster, rights):
                    setting.lines.error(f"a right is missing: {right}")
            except PortError as error:
                setting.lines.warn("rights could not be checked", error)

    # -- pages -------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _pages(self, group: asyncio.TaskGroup) -> AsyncIterator[None]:
        """Serve health and metrics while the block lasts.

        Raises:
            Failed: an address cannot be listened on.
        """
        serving = []
        for flag, routes, tls in (
            ("health_probe_bind_address", self._health(), None),
            ("metrics_bind_address", self._measured(), self._certificate),
        ):
            address = self._addresses[flag]
            if address is not None:
                serving.append(group.create_task(serve(self._listening(flag, address), routes, tls=tls)))
        try:
            yield
        finally:
            for task in serving:
                task.cancel()

    def _listening(self, flag: str, address: Address) -> socket.socket:
        try:
            return listen(address)
        except OSError as error:
            given = f"{_flag(flag)}: cannot listen on {getattr(self._setting.arguments, flag)}"
            raise Failed(f"{given}: {cause(error)}; {_ADVICE.get(error.errno or 0, _ELSE)}") from None

    def _health(self) -> dict[str, Handler]:
        return {
            "/healthz": health_page("healthz", lambda: [Verdict("ping")]),
            "/readyz": health_page("readyz", self._readiness),
        }

    def _readiness(self) -> list[Verdict]:
        controller = self._controller
        if controller is None:
            return [Verdict("ping")]  # it waits, for a grant or for its turn, and nothing is wrong with that
        refused = self._access.cluster.refused_since is not None
        verdicts = [Verdict("onboarding credentials", "refused by the onboarding cluster" if refused else "")]
        return verdicts + watch_verdicts(watches(controller.caches))

    def _measured(self) -> dict[str, Handler]:
        page = metrics_page(self._metrics.text)
        if self._setting.arguments.metrics_secure:
            page = Gate(self._platform, self._setting.clock).guarded(page)
        return {"/metrics": page}


async def run(setting: Setting) -> int:
    """Serve until told to stop.

    Raises:
        Failed: the program cannot go on.
        Wrong: an address or a certificate is none.
    """
    program = Run(setting)
    try:
        await program.serve()
    except BaseExceptionGroup as group:
        found = leaves(group)
        if not all(isinstance(error, (Failed, LostTouch)) for error in found):
            raise
        raise Failed("; ".join(sorted({str(error) for error in found}))) from None
    return DONE


def _address(flag: str, text: str) -> Address | None:
    try:
        return bind_address(text)
    except ValueError as error:
        raise Wrong(f"{_flag(flag)}: {error}") from None


def _certificate(setting: Setting) -> Callable[[], ssl.SSLContext] | None:
    """Return what metrics are served with; None = without TLS.

    Raises:
        Wrong: there is no usable certificate.
    """
    arguments = setting.arguments
    if not arguments.metrics_secure:
        return None
    try:
        if arguments.metrics_cert_path:
            folder = Path(arguments.metrics_cert_path)
            return certificate_files(
                folder / arguments.metrics_cert_name, folder / arguments.metrics_cert_key, setting.clock
            )
        return self_signed(setting.clock.now())
    except ValueError as error:
        raise Wrong(f"--metrics-secure: {error}") from None


def _leave() -> None:
    """End the process at once: somebody else leads any moment now, and work does not end."""
    os._exit(FAILED)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
