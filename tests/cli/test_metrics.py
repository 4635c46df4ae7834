"""Metrics: what dashboards of controllers in Go look for, and what only this program can say."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import prometheus_client
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.objects import Ref
from openmcp_provider.domain.plan import Create, Done, Failed, Plan
from openmcp_provider.domain.report import Report
from openmcp_provider.ports import (
    Forbidden,
    Resource,
    Unavailable,
)
from openmcp_provider.runtime.cache import Key
from openmcp_provider.runtime.observing import Observer
from openmcp_provider.runtime.queue import Queue
from openmcp_provider_cli.measures import (
    STATES,
)
from openmcp_provider_cli.metrics_queue import QueueMetrics
from openmcp_provider_cli.observing import Observers
from tests.cli.exposition import families, promtool, troubles, values
from tests.cli.observed import Clock, Observed, fresh, measured, settled
from tests.docs.pages import DOCS, cells, spans
from tests.runtime.stage import OCMS
from tests.runtime.test_queue import Fixed

T = TypeVar("T")

KEY = Key("default", "mcp-01")
STEP = Create(ref=Ref("platform", "v1", "Namespace", "mcp--1"), manifest={})
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
PAGE = (DOCS / "metrics.md").read_text(encoding="utf-8")


# -- the text ----------------------------------------------------------------------------------------------------------


def played() -> bytes:
    """Return the metrics after a story in which much happens."""

    async def story(stage: Observed) -> bytes:
        await stage.configure()
        for name in ("mcp-01", "mcp-02"):
            await stage.tenant(name)
        await stage.ocm("lonely")
        await stage.ready("mcp-01", "mcp-02")
        await stage.delete("mcp-02")
        await stage.gone("mcp-02")
        await settled(stage)
        return stage.metrics.text()

    return measured(story)


@pytest.fixture(scope="module")
def text() -> bytes:
    """The metrics after a story."""
    return played()


@pytest.mark.parametrize("when", ["at first", "after a story"])
def test_promtool_has_nothing_to_say(when: str, text: bytes) -> None:
    """Names, units and helps follow Prometheus' rules, before anything happened and afterwards."""
    exposed = fresh().text() if when == "at first" else text

    assert [] == list(troubles(families(exposed.decode())))
    assert promtool(exposed) in (None, [])


@pytest.mark.parametrize(
    ("exposed", "told"),
    [
        ("# TYPE a gauge\na 1\n", "a: no help"),
        ("# HELP a_things x\n# TYPE a_things counter\na_things 1\n", "a_things: a counter ends in _total"),
        ("# HELP a_total x\n# TYPE a_total gauge\na_total 1\n", "a_total: only counters end in _total"),
        ("# HELP a_count x\n# TYPE a_count gauge\na_count 1\n", "a_count: ends like a histogram"),
        ("# HELP a_gauge x\n# TYPE a_gauge gauge\na_gauge 1\n", "a_gauge: its name has its type"),
        ("# HELP a_minutes x\n# TYPE a_minutes gauge\na_minutes 1\n", "a_minutes: not in base units"),
        ("# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1\n", "a_ms: not in base units"),
        ("# HELP aB x\n# TYPE aB gauge\naB 1\n", "aB: no snake case"),
        ('# HELP a x\n# TYPE a gauge\na{bC="1"} 1\n', "a: a label is no snake case"),
        ('# HELP a x\n# TYPE a gauge\na{le="1"} 1\n', "a: a label of histograms"),
        ('# HELP a x\n# TYPE a gauge\na{b="1"} 1\na{b="1"} 2\n', "a: a series twice"),
    ],
)
def test_the_rules_find_what_they_forbid(exposed: str, told: str) -> None:
    """Where there is no promtool, its rules are held all the same."""
    assert told in list(troubles(families(exposed)))
    # To promtool a series that is there twice is no matter of style.
    assert promtool(exposed.encode()) != [] or told.endswith("twice")


def test_every_metric_is_on_the_page(text: bytes) -> None:
    """docs/metrics.md has every metric, with its type and labels, and no other."""
    listed = {
        row[0].strip("`"): (row[1], set(spans(row[2])))
        for row in cells(PAGE.partition("## Metrics")[2].partition("\n## ")[0])
        if row[0].startswith("`")
    }
    found = families(text.decode())

    assert set(found) == set(listed)
    for name, family in found.items():
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert (family.type, labels) == listed[name], name


def test_every_name_of_the_go_program_is_accounted_for(text: bytes) -> None:
    """What the page says is under the same name is there; what it says is missing is not."""
    section = PAGE.partition("## Coming from the Go program")[2].partition("\n## ")[0]
    rows = [row for row in cells(section) if row[0].startswith("`")]
    found = set(families(text.decode()))

    assert len(rows) > 10
    for row in rows:
        there = row[1] in {"the same", "almost the same"}
        for name in spans(row[0]):
            assert there == (name in found), name


def test_no_series_for_a_tenant(text: bytes) -> None:
    """No label has the name of a tenant, however many there are."""
    labels = {
        value
        for family in families(text.decode()).values()
        for sample in family.samples
        for value in sample.labels.values()
    }

    assert not [value for value in labels if re.search("mcp-0|lonely|mcp--|default", value)]


def test_series_begin_at_zero() -> None:
    """What can be known beforehand is there before it happens, so that its first time is seen as an increase."""
    exposed = fresh().text()

    assert {"success", "error", "requeue", "requeue_after"} == {
        result for (result,) in values(exposed, "controller_runtime_reconcile_total")
    }
    assert 15 == len(values(exposed, "rest_client_requests_total"))
    assert {tuple(state): 0.0 for state in STATES} == values(exposed, "openmcp_provider_tenants")
    for name in ("workqueue_adds_total", "workqueue_depth", "leader_election_master_status"):
        assert {(): 0.0} == values(exposed, name)


def test_the_global_registry_is_left_alone() -> None:
    """Two programs in one process have metrics of their own, and nothing is added to the library's registry."""
    before = {metric.name for metric in prometheus_client.REGISTRY.collect()}
    one, other = fresh(), fresh()
    one.leading(True)

    assert ({(): 1.0}, {(): 0.0}) == tuple(
        values(metrics.text(), "leader_election_master_status") for metrics in (one, other)
    )
    assert before == {metric.name for metric in prometheus_client.REGISTRY.collect()}
    assert b"_created" not in one.text()
    one.leading(False)
    assert {(): 0.0} == values(one.text(), "leader_election_master_status")


def test_what_runs() -> None:
    """The version, and how many workers there are, can be asked for."""
    exposed = fresh().text()

    assert {("1.2.3",): 1.0} == values(exposed, "openmcp_provider_build_info")
    assert {(): 7.0} == values(exposed, "controller_runtime_max_concurrent_reconciles")


# -- passes ------------------------------------------------------------------------------------------------------------


def passed(plan: Plan, outcome: Done | Failed) -> Callable[[Observer], None]:
    """Return what an observer is told of a pass."""
    return lambda observer: observer.passed(KEY, plan, outcome, Report())


LOOK = timedelta(seconds=30)


@pytest.mark.parametrize(
    ("happened", "result"),
    [
        ([passed(Plan(), Done())], "success"),
        ([passed(Plan(look=LOOK), Done())], "requeue_after"),
        ([passed(Plan(steps=(STEP,), look=LOOK), Done())], "requeue"),
        ([passed(Plan(steps=(STEP,), releases=True), Done())], "success"),
        ([passed(Plan(steps=(STEP,)), Failed(STEP, Unavailable()))], "error"),
        ([passed(Plan(), Done()), lambda observer: observer.untold(KEY, Forbidden())], "error"),
        ([lambda observer: observer.late(KEY)], "error"),
        ([lambda observer: observer.crashed(KEY, KeyError())], "error"),
        ([], None),
    ],
)
def test_results(happened: list[Callable[[Observer], None]], result: str | None) -> None:
    """A pass is counted once, by what the queue makes of it; a turn without a decision is none."""
    clock = Clock()
    metrics = fresh(clock)
    metrics.observer.began(KEY)
    assert {(): 1.0} == values(metrics.text(), "controller_runtime_active_workers")
    clock.seconds += 0.07
    for tell in happened:
        tell(metrics.observer)
    metrics.observer.ended(KEY)
    exposed = metrics.text()

    counted = {found for (found,), value in values(exposed, "controller_runtime_reconcile_total").items() if value}
    assert counted == ({result} if result else set())
    assert {(): float(result == "error")} == values(exposed, "controller_runtime_reconcile_errors_total")
    assert {(): 0.0} == values(exposed, "controller_runtime_active_workers")
    times = values(exposed, "controller_runtime_reconcile_time_seconds_bucket")
    assert [0.0, float(bool(result))] == [times["0.05",], times["0.1",]]
    for what in ("panics", "timeouts"):
        hit = values(exposed, f"controller_runtime_reconcile_{what}_total")[()]
        assert (hit == 1.0) == (
            result == "error" and {"panics": "crashed", "timeouts": "late"}[what] in called(happened)
        )


def called(happened: list[Callable[[Observer], None]]) -> set[str]:
    """Return the methods that some lambdas call."""
    return {name for tell in happened for name in tell.__code__.co_names}


# -- the queue ---------------------------------------------------------------------------------------------------------


class Queued:
    """A queue that is measured, and what was done with it."""

    def __init__(self) -> None:
        self.clock, self.registry = Clock(), CollectorRegistry()
        self.queue: Queue[str] = Queue(Fixed(0.5), observer=QueueMetrics("ocm", self.clock, self.registry))
        self.working: dict[str, float] = {}
        self.dropped = self.retried = 0

    @property
    def waiting(self) -> int:
        """How many keys wait, or will once the work on them is over."""
        return len(self.queue) + len(self.queue._again)

    def value(self, name: str) -> float:
        """Return the value of a metric."""
        found = self.registry.get_sample_value(f"workqueue_{name}", {"name": "ocm", "controller": "ocm"})
        assert found is not None
        return found

    async def do(self, what: str, key: str) -> None:
        """Do one thing with the queue."""
        before = self.waiting
        match what:
            case "add":
                self.queue.add(key)
            case "get" if len(self.queue):
                self.working[await self.queue.get()] = self.clock.seconds
            case "done" if key in self.working:
                del self.working[key]
                self.queue.done(key)
            case "drop":
                self.queue.drop(key)
                self.dropped += before - self.waiting
            case "fail":
                self.queue.add_failed(key)
                self.retried += 1
            case "wait":
                self.clock.seconds += 1.0
            case _:  # nothing to get, or to be done with
                pass

    def check(self) -> None:
        """Hold what was counted against what is."""
        ages = [self.clock.seconds - began for began in self.working.values()]
        taken = self.value("queue_duration_seconds_count")
        assert self.value("depth") == self.waiting
        assert self.value("adds_total") == taken + self.dropped + self.waiting
        assert taken == self.value("work_duration_seconds_count") + len(self.working)
        assert self.value("unfinished_work_seconds") == sum(ages)
        assert self.value("longest_running_processor_seconds") == max(ages, default=0.0)
        assert self.value("retries_total") == self.retried


ACTIONS = st.sampled_from(["add", "get", "done", "drop", "fail", "wait"])


@given(st.lists(st.tuples(ACTIONS, st.sampled_from("abc")), max_size=40))
def test_what_a_queue_tells_adds_up(steps: list[tuple[str, str]]) -> None:
    """Whatever happens: what was queued was taken, is gone, or waits; and the depth is how many wait."""

    async def story() -> None:
        queued = Queued()
        for what, key in steps:
            await queued.do(what, key)
            queued.check()
        for key in "abc":
            queued.queue.drop(key)

    asyncio.run(story())


def test_waiting_and_work_are_measured() -> None:
    """How long a tenant waited, and how long the work on it took, go into the buckets of Go's queues."""
    clock, registry = Clock(), CollectorRegistry()
    metrics = QueueMetrics("ocm", clock, registry)
    metrics.added("a")
    clock.seconds = 0.5
    metrics.taken("a")
    clock.seconds = 20.5
    metrics.done("a")
    labels = {"name": "ocm", "controller": "ocm"}

    def bucket(name: str, bound: str) -> float | None:
        return registry.get_sample_value(f"workqueue_{name}_duration_seconds_bucket", {**labels, "le": bound})

    assert (0.0, 1.0) == (bucket("queue", "0.1"), bucket("queue", "1.0"))
    assert (0.0, 1.0) == (bucket("work", "10.0"), bucket("work", "100.0"))
    assert 20.0 == registry.get_sample_value("workqueue_work_duration_seconds_sum", labels)


# -- the real runtime ----


def test_requests_of_the_real_runtime() -> None:
    """What is counted is what was sent: nothing is left out, nothing counted twice."""

    async def story(stage: Observed) -> tuple[bytes, Counter[tuple[str, str]]]:
        await stage.configure()
        await stage.tenant("mcp-01")
        await stage.ready("mcp-01")
        await settled(stage)
        sent = Counter(
            (entry.cluster, entry.outcome)
            for entry in stage.landscape.traffic.log
            if entry.client == "provider" and entry.verb not in {"get", "list", "served", "watch"}
        )
        return stage.metrics.text(), sent

    exposed, sent = measured(story)
    found: Counter[tuple[str, str]] = Counter()
    for (code, host, method), value in values(exposed, "rest_client_requests_total").items():
        if method != "GET" and value:
            found[host, code] += int(value)

    assert sum(sent.values()) == sum(found.values())
    assert sent["onboarding", "OK"] == found["onboarding", "200"] + found["onboarding", "201"]


def test_the_real_runtime() -> None:
    """After tenants came and one went, every figure is what it should be."""

    async def story(stage: Observed) -> tuple[dict[str, bytes], Mapping[str, float]]:
        await stage.configure(imagePullSecret={"name": "privateregcred"})
        await stage.pull_secret()
        for name in ("mcp-01", "mcp-02"):
            await stage.tenant(name)
        await stage.ocm("lonely")
        ready = {"ready": await stage.ready("mcp-01", "mcp-02")}
        await settled(stage)
        texts = {"running": stage.metrics.text()}
        await stage.delete("mcp-02")
        await stage.gone("mcp-02")
        await stage.landscape.client("tenant", "onboarding").delete(OCMS, "lonely", "default")
        await stage.gone("lonely")
        await asyncio.sleep(5.0)
        await settled(stage)
        return texts | {"after": stage.metrics.text()}, ready

    texts, took = measured(story)
    states = {
        name: {key: value for key, value in values(text, "openmcp_provider_tenants").items() if value}
        for name, text in texts.items()
    }
    running = texts["running"]

    assert {("Ready", "ReconcileSuccess"): 2.0, ("Progressing", "Reconciling"): 1.0} == states["running"]
    assert {("Ready", "ReconcileSuccess"): 1.0} == states["after"]
    assert 0.0 < values(running, "openmcp_provider_oldest_not_ready_seconds")[()] <= took["ready"] + 10.0
    assert {(): 0.0} == values(texts["after"], "openmcp_provider_oldest_not_ready_seconds")
    assert {(): 2.0} == values(running, "openmcp_provider_first_ready_seconds_count")
    assert values(running, "openmcp_provider_first_ready_seconds_sum")[()] <= 2 * took["ready"]
    assert {
        ("onboarding", "OCM"),
        *(("platform", kind) for kind in ("AccessRequest", "ClusterRequest", "HelmRelease", "OCIRepository")),
        *(("platform", kind) for kind in ("ProviderConfig", "Secret")),
    } == set(values(running, "openmcp_provider_watch_silence_seconds"))
    assert 0.0 < values(running, "openmcp_provider_credentials_remaining_seconds")["mcp",]
    passes = sum(values(texts["after"], "controller_runtime_reconcile_total").values())
    assert {(): passes} == values(texts["after"], "controller_runtime_reconcile_time_seconds_count")
    turns = values(texts["after"], "workqueue_work_duration_seconds_count")[()]
    assert turns >= passes > 0.0
    for name in ("depth", "unfinished_work_seconds", "longest_running_processor_seconds"):
        assert {(): 0.0} == values(texts["after"], f"workqueue_{name}")


def test_several_are_told() -> None:
    """Each observer is told all of it, in order."""
    told: list[tuple[int, str]] = []

    class Ear(Observer):
        """Notes what it is told."""

        def __init__(self, number: int) -> None:
            self._number = number

        def __getattribute__(self, name: str) -> Any:
            """Note a call."""
            if not name.startswith("_"):
                told.append((object.__getattribute__(self, "_number"), name))
            return object.__getattribute__(self, name)

    both = Observers(Ear(1), Ear(2))
    both.changed(KEY, None, {})
    both.began(KEY)
    both.passed(KEY, Plan(), Done(), Report())
    both.untold(KEY, Forbidden())
    both.late(KEY)
    both.crashed(KEY, KeyError())
    both.ended(KEY)
    both.config_told("ocm", Event("Warning", "ProviderConfigInvalid", "It is invalid."))
    both.config_untold("ocm", Forbidden())
    both.watch_failed("platform", "Secret", Unavailable())

    assert {name for name in vars(Observer) if not name.startswith("_")} == {name for _, name in told}
    assert told == [(number, name) for _, name in told[::2] for number in (1, 2)]
