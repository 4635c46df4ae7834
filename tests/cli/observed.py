"""The real runtime on the emulated landscape, with everything that can be measured of it measured."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from openmcp_adapters.emulation import Landscape, SeededRandomness, run
from openmcp_adapters.wire import decoder
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM
from openmcp_provider.runtime.controller import Controller, Ports
from openmcp_provider.runtime.recorder import ClusterRecorder
from openmcp_provider_cli.measures import Credential, takeovers, watches
from openmcp_provider_cli.metrics import Metrics
from openmcp_provider_cli.metrics_gauges import Sources
from openmcp_provider_cli.observing import Observers
from service_provider_ocm import PROVIDER
from tests.runtime.stage import Stage

__all__ = ["NOW", "Clock", "Observed", "fresh", "measured", "settled"]

T = TypeVar("T")

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """Return the present."""
        return NOW + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return the seconds."""
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


def fresh(clock: Clock | None = None) -> Metrics:
    """Return metrics to which nothing has happened."""
    return Metrics("ocm", version="1.2.3", lease="lease", workers=7, clock=clock or Clock())


class Credentialed(Controller[Any, Any]):
    """A controller that tells of the credentials it holds."""

    def credentials(self) -> list[Credential]:
        """Return when the kubeconfigs of tenants expire."""
        kept = [entry for reads in self._reads.values() for entry in reads.kubeconfigs.items()]
        return [Credential(cluster, found.expires) for cluster, found in kept if found.expires]


class Observed(Stage):
    """A stage whose controller is measured."""

    def _make(self) -> Controller[Any, Any]:
        landscape = self.landscape
        self.metrics = metrics = Metrics(
            "ocm", version="1.2.3", lease="lease", workers=self.settings.workers, clock=landscape.clock
        )
        onboarding = metrics.metered(landscape.client("provider", ONBOARDING), ONBOARDING)
        ports = Ports(
            platform=metrics.metered(landscape.client("provider"), PLATFORM),
            onboarding=onboarding,
            factory=metrics.metered_factory(landscape),
            decode=decoder,
            clock=landscape.clock,
            randomness=SeededRandomness(0, "provider"),
            recorder=ClusterRecorder(onboarding, "service-provider-ocm", landscape.clock),
        )
        observer = Observers(metrics.observer, self.watcher)
        controller = Credentialed(PROVIDER, ports, self.settings, observer, metrics.queue)
        metrics.follow(
            Sources(
                instances=controller.caches.instances.values.values,
                watches=lambda: watches(controller.caches),
                credentials=controller.credentials,
                takeovers=lambda: takeovers(controller.caches),
            )
        )
        return controller


def measured(story: Callable[[Observed], Awaitable[T]], *, seed: int = 0, **how: Any) -> T:
    """Play a story on a fresh stage."""

    async def told() -> T:
        async with Observed(Landscape(seed=seed, crds=PROVIDER.crds, **how)) as made:
            return await story(made)

    return run(told, seed=seed)


async def settled(stage: Observed) -> None:
    """Wait until the controller has nothing to do."""
    while not stage.controller.idle:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(1.0)
