"""What ``init``, ``run`` and ``plan`` have in common: checked flags, clients, logs, signals and exit codes."""

import argparse
import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from platform import python_version
from typing import Any, TypeVar

from openmcp_adapters.clients import Clients
from openmcp_adapters.interrupt import INTERRUPTED
from openmcp_adapters.system import SystemClock, SystemRandomness
from openmcp_provider.domain.legal import check_label, check_subdomain
from openmcp_provider.domain.objects import Json
from openmcp_provider.domain.onboarding import onboarding_access
from openmcp_provider.domain.rights import Right, platform_rights
from openmcp_provider.ports import Cluster, ClusterFactory
from openmcp_provider.provider import Provider
from openmcp_provider.runtime.limits import RateLimited
from openmcp_provider.runtime.onboarding import OnboardingAccess
from openmcp_provider_cli.logs import Log, Settings, configure, on_loop_error
from openmcp_provider_cli.usage import version

__all__ = ["DONE", "FAILED", "WRONG", "Command", "Failed", "Setting", "Wrong", "execute", "leaves"]

S = TypeVar("S")
C = TypeVar("C")

DONE, FAILED, WRONG = 0, 1, 2
_CLIENTS = {"lightkube": "LightkubeClients", "kubernetes": "KubernetesClients"}
_STOPPING = (signal.SIGTERM, signal.SIGINT)


class Wrong(Exception):
    """Flags or environment are wrong; each argument is one complaint."""


class Failed(Exception):
    """What was asked for did not happen; the message says why and who must act."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a command works with.

    Attributes:
        provider: Whose program.
        arguments: The flags.
        name: Of the ServiceProvider and of the ProviderConfig.
        namespace: The provider's own.
        identity: Tells this process from others.
        platform: The platform.
        factory: Makes clients of tenants' clusters.
        onboarding: Makes the client of the onboarding cluster, which is trusted as the platform is.
        clock: The time.
        randomness: For jitter.
        lines: The log.
    """

    provider: Provider[Any, Any]
    arguments: argparse.Namespace
    name: str
    namespace: str
    identity: str
    platform: Cluster
    factory: ClusterFactory
    onboarding: ClusterFactory
    clock: SystemClock
    randomness: SystemRandomness
    lines: Log

    @property
    def manager(self) -> str:
        """The field manager."""
        return self.provider.edition.field_manager

    def limited(self, cluster: Cluster) -> Cluster:
        """Return a cluster that is asked no more often than the flags allow."""
        if self.arguments.kube_api_qps <= 0:
            return cluster
        return RateLimited(
            cluster, self.clock, rate=self.arguments.kube_api_qps, burst=max(1, self.arguments.kube_api_burst)
        )

    def access(self, local_name: str, rules: tuple[Json, ...], platform: Cluster) -> OnboardingAccess:
        """Return the way to the onboarding cluster.

        Args:
            local_name: Of the request for it.
            rules: What is asked for.
            platform: Where it is asked.
        """
        return OnboardingAccess(
            onboarding_access(self.provider.edition, local_name, self.namespace, rules),
            platform=platform,
            factory=self.onboarding,
            clock=self.clock,
            randomness=self.randomness,
            told=self.told,
            manager=self.manager,
        )

    def rights(self) -> tuple[Right, ...]:
        """Return what `run` needs on the platform with these flags."""
        arguments = self.arguments
        return platform_rights(
            self.provider,
            self.namespace,
            elect=arguments.leader_elect,
            secure_metrics=arguments.metrics_secure and arguments.metrics_bind_address != "0",
        )

    def told(self, text: str) -> None:
        """Log a sentence."""
        self.lines.info(text)


Command = Callable[[Setting], Awaitable[int]]


def execute(
    provider: Provider[S, C], arguments: argparse.Namespace, environ: Mapping[str, str], command: Command
) -> int:
    """Run a command to its end, and return the exit code.

    Raises:
        Wrong: flags or environment are wrong.
    """
    settings = _log_settings(arguments)
    complaints = [str(problem) for problem in check_subdomain("--provider-name", arguments.provider_name)]
    if complaints:
        raise Wrong(*complaints)
    library = _library(arguments.client)
    factory = _clients(library, provider.edition.field_manager)
    with configure(settings):
        lines = Log("setup")
        namespace = environ.get("POD_NAMESPACE", "")
        identity = f"{environ.get('POD_NAME') or os.uname().nodename}_{os.getpid()}"
        lines.info(
            f"starting {arguments.command} of service-provider-{provider.edition.name} {version()}",
            python=python_version(),
            client=library,
            podNamespace=namespace,
            identity=identity,
            **_important(arguments),
        )
        problems = [*check_label("POD_NAMESPACE", namespace)]
        if problems:
            for problem in problems:
                lines.error(f"environment: {problem}")
            return FAILED
        try:
            platform = factory.own(environ)
        except ValueError as error:
            lines.error(f"the platform cannot be reached: {error}")
            return FAILED
        setting = Setting(
            provider=provider,
            arguments=arguments,
            name=arguments.provider_name,
            namespace=namespace,
            identity=identity,
            platform=platform,
            factory=factory,
            onboarding=_clients(library, provider.edition.field_manager, trusted=True),
            clock=SystemClock(),
            randomness=SystemRandomness(),
            lines=lines,
        )
        return _run(setting, command)


def _important(arguments: argparse.Namespace) -> dict[str, object]:
    """Return the flags that decide what a command does, under the names that logs have for them."""
    names = {
        "providerName": "provider_name",
        "leaderElect": "leader_elect",
        "healthProbeBindAddress": "health_probe_bind_address",
        "metricsBindAddress": "metrics_bind_address",
        "metricsSecure": "metrics_secure",
        "kubeAPIQPS": "kube_api_qps",
    }
    return {key: getattr(arguments, name) for key, name in names.items() if name in arguments}


def _run(setting: Setting, command: Command) -> int:
    async def whole() -> int:
        asyncio.get_running_loop().set_exception_handler(on_loop_error)
        stopped = _stop_on_signals(setting)
        try:
            return await _outcome(setting, command)
        except asyncio.CancelledError:
            if not stopped:
                raise
            # What serves has done what it was asked to once it is told to stop; whatever else was under way was not.
            served = setting.arguments.command == "run" and stopped[0] == signal.SIGTERM
            return DONE if served else 128 + stopped[0]
        finally:
            await setting.platform.close()

    before = {number: signal.getsignal(number) for number in _STOPPING}
    try:
        return asyncio.run(whole())
    finally:
        for number, handler in before.items():  # the loop leaves Python's own behind
            signal.signal(number, handler or signal.SIG_DFL)


def _stop_on_signals(setting: Setting) -> Sequence[signal.Signals]:
    """Have signals cancel the present task; return the signals so far."""
    loop, task, stopped = asyncio.get_running_loop(), asyncio.current_task(), list[signal.Signals]()

    def stop(number: signal.Signals) -> None:
        if stopped:
            os._exit(INTERRUPTED if number == signal.SIGINT else FAILED)  # asked twice: at once, as the older program
        stopped.append(number)
        setting.lines.info("stopping", signal=number.name)
        if task is not None:
            task.cancel()

    for number in _STOPPING:
        loop.add_signal_handler(number, stop, number)
    return stopped


async def _outcome(setting: Setting, command: Command) -> int:
    """Run a command, and log why it failed.

    Raises:
        Wrong: flags or environment are wrong.
    """
    try:
        return await command(setting)
    except Wrong:
        raise
    except Failed as error:
        setting.lines.error(str(error))
    except Exception as error:  # noqa: BLE001 - else its text, with whatever is in it, would go to standard error
        setting.lines.error("a mistake in the program ended it", error)
    return FAILED


def _log_settings(arguments: argparse.Namespace) -> Settings:
    try:
        return Settings.of(
            verbosity=arguments.verbosity,
            format=arguments.format,
            dev=arguments.dev,
            cli=arguments.cli,
            disable_stacktrace=arguments.disable_stacktrace,
            disable_caller=arguments.disable_caller,
            disable_timestamp=arguments.disable_timestamp,
        )
    except ValueError as error:
        raise Wrong(str(error)) from None


def _library(asked: str | None) -> str:
    """Return the name of the client library: the one that was asked for, else one that is installed.

    Raises:
        Wrong: it is not there.
    """
    for name in [asked] if asked else _CLIENTS:
        try:
            import_module(f"openmcp_adapters.{name}")
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("openmcp"):
                raise
        else:
            return name
    raise Wrong(f'no client library: pip install "service-provider-ocm[{asked or "lightkube"}]"')


def _clients(library: str, program: str, *, trusted: bool = False) -> Clients:
    """Return the factory of a client library."""
    made: type[Clients] = getattr(import_module(f"openmcp_adapters.{library}"), _CLIENTS[library])
    return made(randomness=SystemRandomness(), user_agent=f"{program}/{version()}", trusted=trusted)


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """Return the errors in a group, and in the groups in it."""
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
