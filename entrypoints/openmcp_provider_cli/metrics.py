"""Everything that Prometheus can ask of the program, on a registry of its own."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json
from openmcp_provider.ports import Clock, Cluster, ClusterFactory
from openmcp_provider.runtime.cache import Key
from openmcp_provider.runtime.observing import Observer, QueueObserver
from openmcp_provider_cli.measures import first_ready, never_ready
from openmcp_provider_cli.metrics_gauges import SECOND, Gauges, Sources
from openmcp_provider_cli.metrics_passes import PassMetrics
from openmcp_provider_cli.metrics_queue import QueueMetrics
from openmcp_provider_cli.metrics_requests import Metered, MeteredFactory, RequestMetrics
from openmcp_provider_cli.observing import Observers

__all__ = ["CONTENT_TYPE", "TENANTS", "Metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""By which Prometheus knows how to read `Metrics.text`."""

TENANTS = "tenants"
"""Stands for every tenant's cluster: a label for each would be a series for each, for ever."""

# From a grant that was there already, to a landscape that makes clusters first and a person who looks in a day later.
READY_BUCKETS = (5, 10, 15, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 1800, 3600, 7200, 21600, 86400)


class Metrics:
    """The metrics of one program.

    Args:
        controller: The provider's name.
        version: The program's.
        lease: The name of the Lease that leaders hold.
        workers: How many passes may run at once.
        clock: The time.

    Attributes:
        queue: To be told what the queue does.
        observer: To be told what the controller does.
    """

    def __init__(self, controller: str, *, version: str, lease: str, workers: int, clock: Clock) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._requests = RequestMetrics((PLATFORM, ONBOARDING, TENANTS), registry)
        self._gauges = Gauges(controller, clock)
        registry.register(self._gauges)
        self.queue: QueueObserver = QueueMetrics(controller, clock, registry)
        self.observer: Observer = Observers(
            PassMetrics(controller, workers, clock, registry), _FirstReady(controller, registry)
        )
        self._leader = Gauge(
            "leader_election_master_status", "Whether this process leads.", ["name"], registry=registry
        ).labels(lease)
        build = Gauge(
            "openmcp_provider_build_info", "What runs; always 1.", ["controller", "version"], registry=registry
        )
        build.labels(controller, version).set(1)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def leading(self, leads: bool) -> None:  # noqa: FBT001 - as an elector tells it
        """Note whether this process leads."""
        self._leader.set(leads)

    def follow(self, sources: Sources) -> None:
        """Look there from now on; before that there is nothing to see."""
        self._gauges.sources = sources

    def metered(self, cluster: Cluster, role: str) -> Cluster:
        """Return a cluster whose requests are counted."""
        return Metered(cluster, self._requests, role)

    def metered_factory(self, factory: ClusterFactory) -> ClusterFactory:
        """Return a factory of tenants' clusters whose requests are counted."""
        return MeteredFactory(factory, self._requests, TENANTS)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(_Present(self._registry))


class _FirstReady(Observer):
    """Measures how long instances take from creation to their first Ready."""

    def __init__(self, controller: str, registry: CollectorRegistry) -> None:
        self._pending: set[Key] = set()
        self._seconds = Histogram(
            "openmcp_provider_first_ready_seconds",
            "How long instances take from creation to their first Ready.",
            ["controller"],
            registry=registry,
            buckets=READY_BUCKETS,
        ).labels(controller)

    def changed(self, key: Key, before: Json | None, after: Json | None) -> None:
        """Note when an instance turns Ready that never was."""
        if after is None:
            self._pending.discard(key)
            return
        if before is None and never_ready(after):
            self._pending.add(key)
        took = first_ready(after) if key in self._pending else None
        if took is not None:
            self._pending.discard(key)
            self._seconds.observe(took / SECOND)


class _Present(Collector):
    """Leaves out when each series began: in the text format that would be a metric more for every metric."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
