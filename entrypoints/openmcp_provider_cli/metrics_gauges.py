"""Metrics that are computed when somebody asks for them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Clock
from openmcp_provider_cli.measures import Credential, Watch, census, soonest

__all__ = ["Gauges", "Sources"]

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where to look.

    Attributes:
        instances: All instances, with their status.
        watches: The watches, see `measures.watches`.
        credentials: What lets us into clusters, where it expires.
        takeovers: How many objects are still to be taken over, see `measures.takeovers`.
    """

    instances: Callable[[], Iterable[Json]] = lambda: ()
    watches: Callable[[], Iterable[Watch]] = lambda: ()
    credentials: Callable[[], Iterable[Credential]] = lambda: ()
    takeovers: Callable[[], int] = lambda: 0


class Gauges(Collector):
    """Looks when it is asked.

    Args:
        controller: The provider's name.
        clock: The time.
    """

    def __init__(self, controller: str, clock: Clock) -> None:
        self.sources = Sources()
        self._controller = controller
        self._clock = clock

    def describe(self) -> Iterable[Metric]:
        """Return the metrics without values."""
        return self._families().values()

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        families = self._families()

        def add(what: str, value: float, *labels: str) -> None:
            families[what].add_metric([self._controller, *labels], value)

        now = self._clock.now()
        counted = census(self.sources.instances(), now)
        for state, number in counted.states.items():
            add("tenants", number, *state)
        add("oldest_not_ready_seconds", counted.not_ready / SECOND)
        for blocked, age in counted.deletion.items():
            add("oldest_deletion_seconds", age / SECOND, str(blocked).lower())
        for watch in self.sources.watches():
            add("watch_silence_seconds", watch.silence, watch.cluster, watch.kind)
        for cluster, expires in soonest(self.sources.credentials()).items():
            add("credentials_remaining_seconds", (expires - now) / SECOND, cluster)
        add("takeovers_pending", self.sources.takeovers())
        return families.values()

    def _families(self) -> dict[str, GaugeMetricFamily]:
        return {
            what: GaugeMetricFamily(f"openmcp_provider_{what}", words, labels=["controller", *labels])
            for what, words, labels in (
                ("tenants", "Instances by phase and reason of Ready.", ("phase", "reason")),
                ("oldest_not_ready_seconds", "How long the instance that is not Ready for longest is not.", ()),
                (
                    "oldest_deletion_seconds",
                    "How long the instance that is being deleted for longest is, by whether something blocks it.",
                    ("blocked",),
                ),
                (
                    "watch_silence_seconds",
                    "How long ago an API server last said anything on the watch of a kind.",
                    ("cluster", "kind"),
                ),
                (
                    "credentials_remaining_seconds",
                    "How long the credentials that expire first still let us into a cluster.",
                    ("cluster",),
                ),
                ("takeovers_pending", "Objects of the older program that are still to be taken over.", ()),
            )
        }
