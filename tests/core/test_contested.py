"""What a server stores otherwise than sent, and writes that are made again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openmcp_provider.domain.compare import departure, difference
from openmcp_provider.domain.contested import held_back, kind_of, recent, sent
from openmcp_provider.domain.copies import apart, digest_of
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Ref
from openmcp_provider.domain.ownership import Live
from openmcp_provider.domain.plan import Apply, Patch, Plan
from openmcp_provider.domain.snapshot import Sent, Snapshot
from tests.core.ocm_world import OcmWorld

NOW = datetime(2026, 6, 1, tzinfo=UTC)
REF = Ref(PLATFORM, "v1", "Thing", "thing", "ns")


@pytest.mark.parametrize(
    ("wanted", "stored"),
    [
        ({"cpu": "0.5"}, {"cpu": "500m"}),
        ({"cpu": 1}, {"cpu": "1"}),
        ({"memory": "1024Mi"}, {"memory": "1Gi"}),
        ({"memory": "1e3"}, {"memory": "1k"}),
        ({"initContainers": []}, {}),
        ({"env": [{"name": "a", "value": ""}]}, {"env": [{"name": "a"}]}),
        ({"replicas": 0, "paused": False}, {}),
        ({"resources": {"limits": {}}}, {}),
        ({"token": None}, {"token": "default"}),
        ({"containers": [{"name": "a"}]}, {"containers": [{"name": "injected"}, {"name": "a", "image": "x"}]}),
    ],
)
def test_what_a_server_stores_otherwise_is_as_wanted(wanted: dict[str, Any], stored: dict[str, Any]) -> None:
    """It is a difference only until the server has answered so, and again when it is not so any more (case 1.1)."""
    assert difference(wanted, stored)
    assert not departure(wanted, stored, stored)
    assert departure(wanted, stored, wanted)


@pytest.mark.parametrize(
    ("wanted", "stored", "field"),
    [
        ({"spec": {"url": "a"}}, {"spec": {"url": "b"}}, "spec.url"),
        ({"spec": {"replicas": 3}}, {"spec": {"replicas": 1}}, "spec.replicas"),
        ({"spec": {"install": {"retries": 3}}}, {"spec": {}}, "spec.install"),
        ({"items": [{"a": 1}, {"a": 2}]}, {"items": [{"a": 1}]}, "items"),
        ({"items": [{"a": "0.5"}, {"a": "x"}]}, {"items": [{"a": "500m"}, {"a": "y"}]}, "items[1].a"),
        ({"on": 1}, {"on": True}, "on"),
    ],
)
def test_another_value_is_a_change_by_somebody(wanted: dict[str, Any], stored: dict[str, Any], field: str) -> None:
    """Also where the server answered so: a policy did it (case 1.1)."""
    assert field == departure(wanted, stored, stored)


def test_a_secret_is_written_as_a_server_stores_it() -> None:
    """What is given as text, and keys that are null, are no difference for ever (case 1.1)."""
    head = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "b"}}
    bare, sealed = apart({**head, "data": {"a": "eA==", "b": None, "c": "eA=="}, "stringData": {"c": "y"}})
    assert bare == head
    assert sealed is not None
    assert {"data": {"a": "eA==", "c": "eQ=="}} == sealed.reveal()
    assert sealed.digest == digest_of({**head, "data": {"c": "eQ==", "a": "eA=="}})


def apply(value: int = 1, uid: str = "u") -> Apply:
    """Return a write of one value."""
    return Apply(ref=REF, manifest={"kind": "Thing", "spec": {"a": value}}, uid=uid, field="spec.a")


def live(value: int = 1, uid: str = "u") -> Live:
    """Return an answer."""
    return Live(object={"kind": "Thing", "metadata": {"uid": uid}, "spec": {"a": value, "b": 2}})


def snapshot(*memory: tuple[Apply | Patch, Sent], status: dict[str, Any] | None = None) -> Snapshot[Any, Any]:
    """Return a snapshot that remembers writes."""
    found = OcmWorld().snapshot()
    instance = {**found.instance, **({"status": status} if status else {})}
    return replace(found, instance=instance, sent={(step.ref, kind_of(step)): one for step, one in memory})


def test_the_same_write_waits_twice_as_long_each_time() -> None:
    """One second at first, five minutes at most; another write is not held back (case 1.1)."""
    waits, last, now = [], sent(None, apply(), live(), NOW, ready=0), NOW
    assert held_back(Plan(steps=(apply(),)), snapshot((apply(), last)), now).steps
    last = sent(last, apply(), live(), now, ready=0)
    for _ in range(12):
        plan = held_back(Plan(steps=(apply(),)), snapshot((apply(), last)), now)
        assert not plan.steps
        assert plan.look is not None
        waits.append(round(plan.look / timedelta(seconds=1)))
        other = held_back(Plan(steps=(apply(2),)), snapshot((apply(), last)), now)
        assert [apply(2)] == list(other.steps)
        now += plan.look
        assert held_back(Plan(steps=(apply(),)), snapshot((apply(), last)), now).steps
        last = sent(last, apply(), live(), now, ready=0)
    assert [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300] == waits
    assert not recent({(REF, "Apply"): last}, now + timedelta(minutes=11))


def test_what_is_told_begins_with_the_third_time_or_with_another_answer() -> None:
    """One change that is undone is no habit; an answer that differs from what was sent is proof (case 1.1)."""
    undone = sent(sent(None, apply(), live(), NOW, ready=0), apply(), live(), NOW, ready=0)
    assert not held_back(Plan(steps=(apply(),)), snapshot((apply(), undone)), NOW).findings
    again = sent(undone, apply(), live(), NOW, ready=0)
    rewritten = sent(None, apply(uid=""), live(7), NOW, ready=0)
    for memory in (again, rewritten):
        (finding,) = held_back(Plan(steps=(apply(),)), snapshot((apply(), memory)), NOW).findings
        assert ("Stable", "False", "FieldContested") == finding.condition[:3]
        assert "changes spec.a of Thing ns/thing each time it is written" in finding.message


def test_an_object_of_another_uid_is_another_object() -> None:
    """What was made anew by somebody is written at once (case 1.1)."""
    memory = sent(None, apply(uid="other"), live(uid="other"), NOW, ready=0)
    assert held_back(Plan(steps=(apply(),)), snapshot((apply(), memory)), NOW).steps


def test_nothing_overtakes_the_instance_finalizer() -> None:
    """Where somebody takes it off each time, nothing is written without it (case 1.1)."""
    ref = Ref(ONBOARDING, "v1", "OCM", "a", "b")
    body = ({"op": "test", "path": "/metadata/resourceVersion", "value": "1"}, {"op": "add", "path": "/x", "value": 1})
    patch = Patch(ref=ref, uid="i", kind="json", body=body, field="metadata.finalizers")
    made = sent(sent(None, patch, live(uid="i"), NOW, ready=0), patch, live(uid="i"), NOW, ready=0)
    later = replace(patch, body=({**body[0], "value": "2"}, body[1]))
    assert not held_back(Plan(steps=(later, apply())), snapshot((patch, made)), NOW).steps


def test_a_write_that_is_undone_for_days_waits_no_longer_than_at_most() -> None:
    """However often it was written again: the wait has a ceiling, and finding it never fails (case 1.1)."""
    step, memory = apply(), None
    for times in range(1000):
        memory = sent(memory, step, live(), NOW + times * timedelta(minutes=5), ready=0)
    assert memory is not None
    plan = held_back(Plan(steps=(step,)), snapshot((step, memory)), memory.at + timedelta(seconds=1))
    assert () == plan.steps
    assert timedelta(minutes=5) - timedelta(seconds=1) == plan.look
