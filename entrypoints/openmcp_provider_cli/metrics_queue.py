"""Metrics of the queue of tenants, under the names that Go's work queues have them."""

from collections.abc import Hashable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from openmcp_provider.ports import Clock
from openmcp_provider.runtime.observing import QueueObserver

__all__ = ["QueueMetrics"]

BUCKETS = tuple(float(f"1e{power}") for power in range(-8, 4))  # those of Go's work queues


class QueueMetrics(QueueObserver):
    """Counts what a queue tells it.

    Args:
        controller: The provider's name, which is the queue's as well.
        clock: The time.
        registry: Where the metrics are.
    """

    def __init__(self, controller: str, clock: Clock, registry: CollectorRegistry) -> None:
        self._clock = clock
        self._waiting: dict[Hashable, float] = {}
        self._working: dict[Hashable, float] = {}
        labels, values = ["name", "controller"], [controller, controller]

        def gauge(what: str, words: str) -> Gauge:
            return Gauge(f"workqueue_{what}", words, labels, registry=registry).labels(*values)

        def counter(what: str, words: str) -> Counter:
            return Counter(f"workqueue_{what}_total", words, labels, registry=registry).labels(*values)

        def histogram(what: str, words: str) -> Histogram:
            name = f"workqueue_{what}_duration_seconds"
            return Histogram(name, words, labels, registry=registry, buckets=BUCKETS).labels(*values)

        gauge("depth", "How many tenants wait.").set_function(lambda: len(self._waiting))
        self._adds = counter("adds", "Tenants that were queued; one that waits already does not count again.")
        self._retries = counter("retries", "Tenants that were put back after a failure.")
        self._waited = histogram("queue", "How long tenants wait.")
        self._worked = histogram("work", "How long a worker is on a tenant.")
        gauge("unfinished_work_seconds", "How long all workers together are on their present tenants.").set_function(
            lambda: sum(self._ages(), start=0.0)
        )
        gauge(
            "longest_running_processor_seconds", "How long the worker that is longest on its present tenant is."
        ).set_function(lambda: max(self._ages(), default=0.0))

    def added(self, key: Hashable) -> None:
        """Count a key that waits from now on, or that will once the work on it is over."""
        self._adds.inc()
        self._waiting.setdefault(key, self._clock.monotonic())

    def retried(self, key: Hashable) -> None:
        """Count a key that waits for its back-off."""
        self._retries.inc()

    def taken(self, key: Hashable) -> None:
        """Count a key that is worked on from now on."""
        now = self._clock.monotonic()
        self._waited.observe(now - self._waiting.pop(key, now))
        self._working[key] = now

    def done(self, key: Hashable) -> None:
        """Count a key that is no longer worked on."""
        began = self._working.pop(key, None)
        if began is not None:
            self._worked.observe(self._clock.monotonic() - began)

    def dropped(self, key: Hashable) -> None:
        """Forget a key that waits no more since it is gone."""
        self._waiting.pop(key, None)

    def _ages(self) -> list[float]:
        now = self._clock.monotonic()
        return [now - began for began in self._working.values()]
