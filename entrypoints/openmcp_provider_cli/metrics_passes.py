"""Metrics of passes, under the names that controllers in Go have them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from openmcp_provider.domain.author import FUNCTIONS, ProviderMistake
from openmcp_provider.domain.plan import Done, Failed, Plan
from openmcp_provider.domain.report import Report
from openmcp_provider.ports import Clock, PortError
from openmcp_provider.runtime.cache import Key
from openmcp_provider.runtime.observing import Observer

__all__ = ["PassMetrics"]

SUCCESS, ERROR, REQUEUE, REQUEUE_AFTER = RESULTS = ("success", "error", "requeue", "requeue_after")

# Those of controller-runtime, so that quantiles can be compared and added up.
BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    *(1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
)


class PassMetrics(Observer):
    """Counts passes.

    A turn that found nothing to decide, since an own write is still on its way into the cache, is no pass.

    Args:
        controller: The provider's name.
        workers: How many passes may run at once.
        clock: The time.
        registry: Where the metrics are.
    """

    def __init__(self, controller: str, workers: int, clock: Clock, registry: CollectorRegistry) -> None:
        self._clock = clock
        self._began: dict[Key, float] = {}
        self._results: dict[Key, str] = {}
        name, labels = "controller_runtime", ["controller"]
        total = Counter(f"{name}_reconcile_total", "Passes by how they ended.", [*labels, "result"], registry=registry)
        self._total = {result: total.labels(controller, result) for result in RESULTS}
        self._errors, self._panics, self._timeouts = (
            Counter(f"{name}_{what}_total", words, labels, registry=registry).labels(controller)
            for what, words in (
                ("reconcile_errors", "Passes that failed."),
                ("reconcile_panics", "Passes that a mistake in the program ended."),
                ("reconcile_timeouts", "Passes that took too long and were given up."),
            )
        )
        mistakes = Counter(
            "openmcp_provider_code_errors_total",
            "Passes that met a mistake in the provider's own code, by its function.",
            [*labels, "function"],
            registry=registry,
        )
        self._mistakes = {function: mistakes.labels(controller, function) for function in FUNCTIONS}
        self._seconds = Histogram(
            f"{name}_reconcile_time_seconds", "How long passes take.", labels, registry=registry, buckets=BUCKETS
        ).labels(controller)
        most = Gauge(
            f"{name}_max_concurrent_reconciles", "How many passes may hold a worker at once.", labels, registry=registry
        )
        most.labels(controller).set(workers)
        active = Gauge(f"{name}_active_workers", "How many passes are under way.", labels, registry=registry)
        active.labels(controller).set_function(lambda: len(self._began))

    def began(self, key: Key) -> None:
        """Note when a pass began."""
        self._began[key] = self._clock.monotonic()

    def passed(self, key: Key, plan: Plan, outcome: Done | Failed, told: Report) -> None:
        """Note what came of a pass."""
        self._results[key] = _result(plan, outcome, told)
        for mistake in (plan.no_answer, told.mistake):
            if isinstance(mistake, ProviderMistake):
                self._mistakes[mistake.function].inc()
                break

    def untold(self, key: Key, error: PortError) -> None:
        """Note that a pass failed at its end."""
        self._results[key] = ERROR

    def late(self, key: Key) -> None:
        """Note that a pass was given up."""
        self._timeouts.inc()
        self._results[key] = ERROR

    def crashed(self, key: Key, error: Exception) -> None:
        """Note a mistake in the program."""
        self._panics.inc()
        self._results[key] = ERROR

    def ended(self, key: Key) -> None:
        """Count the pass."""
        began, result = self._began.pop(key, None), self._results.pop(key, None)
        if began is None or result is None:
            return
        self._seconds.observe(self._clock.monotonic() - began)
        self._total[result].inc()
        if result == ERROR:
            self._errors.inc()


def _result(plan: Plan, outcome: Done | Failed, told: Report) -> str:
    """Return what the queue makes of a pass."""
    if isinstance(outcome, Failed) or (not plan.steps and (plan.no_answer or told.mistake)):
        return ERROR
    if plan.steps and not plan.releases:
        return REQUEUE
    return SUCCESS if plan.look is None else REQUEUE_AFTER
