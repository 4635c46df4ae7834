"""What is measured by looking at instances and credentials, and how long a tenant waits for the first Ready."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain.objects import Json
from openmcp_provider.runtime.cache import Key
from openmcp_provider_cli.measures import (
    NEW,
    STATES,
    Credential,
    State,
    Watch,
    census,
    first_ready,
    is_ready,
    never_ready,
    soonest,
)
from openmcp_provider_cli.metrics_gauges import Sources
from tests.cli.exposition import values
from tests.cli.observed import NOW, fresh

KEY = Key("default", "mcp-01")


def instance(
    *, created: float = 0.0, phase: str = "", ready: str = "", reason: str = "", since: float = 0.0, **more: Any
) -> dict[str, Any]:
    """Return an instance; times are in seconds before the present."""
    found: dict[str, Any] = {"metadata": {"name": "mcp-01", "creationTimestamp": stamp(created)}, "status": {}}
    if "deleted" in more:
        found["metadata"]["deletionTimestamp"] = stamp(more["deleted"])
    if phase:
        found["status"]["phase"] = phase
    conditions = []
    if ready:
        conditions.append({"type": "Ready", "status": ready, "reason": reason, "lastTransitionTime": stamp(since)})
    if "blocked" in more:
        conditions.append({"type": "DeletionBlocked", "status": more["blocked"], "reason": "x"})
    if conditions:
        found["status"]["conditions"] = conditions
    if "installed" in more:
        found["status"]["installedVersion"] = more["installed"]
    return found


def stamp(seconds: float) -> str:
    """Return a moment before the present as objects have it."""
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- instances ---------------------------------------------------------------------------------------------------------

ages = st.integers(0, 10**7).map(float)
words = st.sampled_from(["", "Ready", "Progressing", "Terminating", "Nonsense", "x" * 50])
instances = st.builds(
    instance,
    created=ages,
    phase=words,
    ready=st.sampled_from(["", "True", "False", "Unknown"]),
    reason=st.sampled_from(["", "Reconciling", "ReconcileError", "ReconcileSuccess", "Terminating", "Mine"]),
    since=ages,
) | st.builds(instance, created=ages, deleted=ages, blocked=st.sampled_from(["True", "False"]))


@given(st.lists(instances, max_size=20))
def test_a_census_counts_everybody(found: list[Json]) -> None:
    """Each instance is in one state, of few that there are, and none is older than the oldest."""
    counted = census(found, NOW)

    assert len(found) == sum(counted.states.values())
    assert set(STATES) <= set(counted.states)
    assert {phase for phase, _ in counted.states} <= {"None", "Progressing", "Ready", "Terminating", "Other"}
    assert len({reason for _, reason in counted.states}) <= 6
    for age in (counted.not_ready, *counted.deletion.values()):
        assert timedelta() <= age <= timedelta(seconds=10**7)


@given(st.lists(instances, max_size=10), st.lists(instances, max_size=10))
def test_censuses_add_up(some: list[Json], others: list[Json]) -> None:
    """Two groups counted apart give what both give together: so replicas can be added up."""
    one, other, both = (census(found, NOW) for found in (some, others, [*some, *others]))

    assert Counter(both.states) == Counter(one.states) + Counter(other.states)
    assert both.not_ready == max(one.not_ready, other.not_ready)
    for blocked in (True, False):
        assert both.deletion[blocked] == max(one.deletion[blocked], other.deletion[blocked])


@pytest.mark.parametrize(
    ("found", "state", "not_ready", "blocked", "free"),
    [
        (instance(created=60), NEW, 60, 0, 0),
        (
            instance(created=60, phase="Progressing", ready="False", reason="Reconciling", since=55),
            State("Progressing", "Reconciling"),
            55,
            0,
            0,
        ),
        (
            instance(created=9000, phase="Ready", ready="True", reason="ReconcileSuccess", since=5),
            State("Ready", "ReconcileSuccess"),
            0,
            0,
            0,
        ),
        (
            instance(created=60, phase="Ready", ready="False", reason="ReconcileFailed", since=5),
            State("Ready", "Other"),
            5,
            0,
            0,
        ),
        (
            instance(phase="Terminating", ready="False", reason="Terminating", since=9, deleted=9, blocked="True"),
            State("Terminating", "Terminating"),
            0,
            9,
            0,
        ),
        (instance(created=60, deleted=7, blocked="False"), NEW, 0, 0, 7),
        ({"metadata": {}, "status": {"conditions": [{"type": "Ready"}]}}, NEW, 0, 0, 0),
    ],
)
def test_states_and_ages(found: Json, state: State, not_ready: int, blocked: int, free: int) -> None:
    """An instance is not Ready since it stopped to be, or was made; a deletion is as old as the wish for it."""
    counted = census([found], NOW)

    assert 1 == counted.states[state]
    assert (not_ready, blocked, free) == tuple(
        int(age.total_seconds()) for age in (counted.not_ready, counted.deletion[True], counted.deletion[False])
    )


def test_a_tenant_cannot_make_series() -> None:
    """Whatever somebody writes into a status, the labels stay those that there are."""
    metrics = fresh()
    found = [instance(phase=f"phase-{number}", ready="False", reason=f"reason-{number}") for number in range(50)]
    metrics.follow(Sources(instances=lambda: found))

    assert {("Other", "Other"): 50.0} == {
        key: value for key, value in values(metrics.text(), "openmcp_provider_tenants").items() if value
    }


@given(instances)
def test_ready_or_never_ready(found: Json) -> None:
    """An instance that is Ready was so at some time, which is told; one that never was is not."""
    assert not (is_ready(found) and never_ready(found))
    assert is_ready(found) == (first_ready(found) is not None)
    assert timedelta() <= (first_ready(found) or timedelta())


READY = {"phase": "Ready", "ready": "True", "reason": "ReconcileSuccess"}


@pytest.mark.parametrize(
    ("history", "took"),
    [
        ([instance(created=90), instance(created=90, since=30, **READY)], 60.0),
        ([instance(created=90), instance(created=90, since=30, **READY), instance(created=90, since=9, **READY)], 60.0),
        ([instance(created=90), instance(created=90, since=30, **READY), None], 60.0),
        ([instance(created=90), None, instance(created=9, since=4, **READY)], None),
        ([instance(created=90, since=30, **READY)], None),
        ([instance(created=90, installed="0.4.0"), instance(created=90, since=30, **READY)], None),
        ([instance(created=90), instance(created=90, deleted=3), None], None),
    ],
)
def test_first_ready(history: list[Json | None], took: float | None) -> None:
    """The time to the first Ready is taken once, of instances that were seen before and nothing says that they ran."""
    metrics, before = fresh(), None
    for after in history:
        metrics.observer.changed(KEY, before, after)
        before = after
    exposed = metrics.text()

    assert {(): float(took is not None)} == values(exposed, "openmcp_provider_first_ready_seconds_count")
    assert {(): took or 0.0} == values(exposed, "openmcp_provider_first_ready_seconds_sum")


# -- watches, credentials, take-overs ----------------------------------------------------------------------------------


def test_watches_credentials_takeovers() -> None:
    """What the sources say is exposed; of credentials those that expire first, also when they have expired."""
    metrics = fresh()
    metrics.follow(
        Sources(
            watches=lambda: [Watch("onboarding", "OCM", "ocms", 3.5, synced=True)],
            credentials=lambda: [
                Credential("mcp", NOW + timedelta(seconds=60)),
                Credential("mcp", NOW - timedelta(seconds=5)),
                Credential("onboarding", NOW + timedelta(hours=1)),
            ],
            takeovers=lambda: 4,
        )
    )
    exposed = metrics.text()

    assert {("onboarding", "OCM"): 3.5} == values(exposed, "openmcp_provider_watch_silence_seconds")
    assert {("mcp",): -5.0, ("onboarding",): 3600.0} == values(
        exposed, "openmcp_provider_credentials_remaining_seconds"
    )
    assert {(): 4.0} == values(exposed, "openmcp_provider_takeovers_pending")


@given(st.lists(st.tuples(st.sampled_from(["mcp", "onboarding"]), st.integers(-100, 100))))
def test_the_soonest_credential(found: list[tuple[str, int]]) -> None:
    """Of each role the first to expire is told."""
    moments = [Credential(role, NOW + timedelta(seconds=at)) for role, at in found]
    told = soonest(moments)

    assert {role for role, _ in found} == set(told)
    assert all(told[role] <= expires for role, expires in moments)
    assert set(told.items()) <= {tuple(moment) for moment in moments}
