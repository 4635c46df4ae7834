"""The conformance test itself: what it asks, and that it finds what it is there to find."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Page, WatchEvent
from openmcp_testing.conformance import (
    GONE,
    KINDS,
    ClusterStage,
    Edited,
    Op,
    Pair,
    Report,
    Seen,
    conformance,
    sequence,
)
from openmcp_testing.memory import MemoryHarness

SEEDS = range(100)


class Quick(ClusterStage):
    """A stage on an in-memory cluster, whose seconds pass when they are asked to."""

    def __init__(self, cluster: type[MemoryCluster] = MemoryCluster) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.memory = cluster("quick", now=lambda: self.now)
        super().__init__(self.memory, "quick")

    async def another_second(self) -> None:
        """Let a second pass."""
        self.now += timedelta(seconds=1)


def compared(cluster: type[MemoryCluster], lanes: int = 4) -> Report:
    """Compare an in-memory cluster with the one that it should be."""
    return asyncio.run(conformance(Quick(cluster), MemoryHarness(), SEEDS, lanes=lanes))


@pytest.fixture(scope="module")
def report() -> Report:
    """What two in-memory clusters make of many sequences."""
    return compared(MemoryCluster)


def test_two_of_a_kind_agree(report: Report) -> None:
    """Two in-memory clusters, with other uids, versions, times and namespaces, agree about every sequence."""
    assert report.disagreement is None, str(report.disagreement)
    assert len(SEEDS) == report.sequences
    assert len(SEEDS) * 20 < report.requests


class Uncounted(MemoryCluster):
    """Forgets to count generations."""

    async def update(self, *args: Any, **kwargs: Any) -> Json:
        """Update."""
        found = await super().update(*args, **kwargs)
        return {**found, "metadata": {**found["metadata"], "generation": 1}}


class Careless(MemoryCluster):
    """Deletes whatever has the name."""

    async def delete(self, *args: Any, **kwargs: Any) -> Json | None:
        """Delete."""
        return await super().delete(*args, **{**kwargs, "uid": ""})


class Ownerless(MemoryCluster):
    """Loses who wrote the status."""

    async def patch(self, *args: Any, **kwargs: Any) -> Json:
        """Patch."""
        found: Any = await super().patch(*args, **kwargs)
        entries = [entry for entry in found["metadata"].get("managedFields", ()) if "subresource" not in entry]
        return {**found, "metadata": {**found["metadata"], "managedFields": entries}}


class Forceful(MemoryCluster):
    """Takes fields from others unasked."""

    async def apply(self, *args: Any, **kwargs: Any) -> Json:
        """Apply."""
        return await super().apply(*args, **{**kwargs, "force": True})


class Backward(MemoryCluster):
    """Lists from the end."""

    async def list(self, *args: Any, **kwargs: Any) -> Page:
        """List."""
        page = await super().list(*args, **kwargs)
        return Page(items=page.items[::-1], resource_version=page.resource_version, token=page.token)


class Silent(MemoryCluster):
    """Tells no watch of deletions."""

    async def watch(self, *args: Any, **kwargs: Any) -> AsyncGenerator[WatchEvent, None]:
        """Watch."""
        async for event in super().watch(*args, **kwargs):
            if event.type != "DELETED":
                yield event


class Restless(MemoryCluster):
    """Gives a new version to what does not change."""

    async def apply(self, *args: Any, **kwargs: Any) -> Json:
        """Apply."""
        found = await super().apply(*args, **kwargs)
        return {**found, "metadata": {**found["metadata"], "resourceVersion": str(10**6 + len(self.requests))}}


@pytest.mark.parametrize("cluster", [Uncounted, Careless, Ownerless, Forceful, Backward, Silent, Restless])
def test_mutants_are_found(cluster: type[MemoryCluster]) -> None:
    """A cluster with one fault is found, and with few requests."""
    report = compared(cluster)

    assert report.disagreement is not None
    assert len(report.disagreement.ops) <= 5, str(report.disagreement)


def test_disagreements_are_told() -> None:
    """A disagreement tells its seed, the requests, which of them it is about, and what differs."""
    told = str(compared(Careless).disagreement)

    assert "seed" in told.splitlines()[0]
    assert "-> 1: Op(verb='delete'" in told
    assert '+ "Conflict",' in told


def test_seeds_are_sequences() -> None:
    """A seed stands for one sequence, the same each time; others stand for others."""
    assert sequence(7) == sequence(7)
    assert repr(sequence(7)) == repr(sequence(7))
    assert len({repr(sequence(seed)) for seed in SEEDS}) == len(SEEDS)


def test_sequences_ask_everything(report: Report) -> None:
    """Every verb succeeds now and then, and fails in every way that it can; every kind is asked for."""
    wanted = {
        "create": {"OK", "AlreadyExists", "Invalid"},
        "update": {"OK", "Conflict", "Invalid", "NotFound"},
        "patch": {"OK", "Conflict", "Invalid", "NotFound"},
        "apply": {"OK", "Conflict", "Invalid"},
        "delete": {"OK", "Conflict", "NotFound"},
        "get": {"OK", "NotFound"},
        "list": {"OK", "Invalid"},
        "more": {"OK"},
        "tick": {"OK"},
    }

    for verb, outcomes in wanted.items():
        assert outcomes == {outcome for found, outcome in report.answers if found == verb}, verb
    assert set(KINDS) == {op.kind for seed in SEEDS for op in sequence(seed) if op.kind}


def test_sequences_leave_nothing() -> None:
    """After a comparison nothing is left of what was played."""
    stage = Quick()
    asyncio.run(conformance(stage, MemoryHarness(), range(20), lanes=2))

    left = {obj["kind"] for obj in stage.memory.objects()}
    assert {"Namespace", "CustomResourceDefinition"} == left


def test_crashes_are_no_answers() -> None:
    """What is no error of the port is no answer but a fault of the cluster, and ends the comparison."""

    class Broken(MemoryCluster):
        async def get(self, *args: Any, **kwargs: Any) -> Json:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        compared(Broken, lanes=1)


def test_references() -> None:
    """A reference to what nobody has seen is nothing, and an edit of it an object with a name alone."""
    ops = [
        Op(verb="update", kind="ConfigMap", name="a", body=Edited(((("data",), {"k": "v"}),))),
        Op(verb="delete", kind="ConfigMap", name="a", uid=Seen(("metadata", "uid"))),
    ]

    async def play() -> list[str]:
        one, _ = await (await Pair.of(MemoryHarness(), Quick())).play(ops)
        return [answer.outcome for answer in one.answers]

    assert asyncio.run(play()) == ["NotFound", "NotFound"]
    assert repr(ops[1]) == "Op(verb='delete', kind='ConfigMap', name='a', uid=Seen(path=('metadata', 'uid'), back=0))"
    assert repr(GONE) == "GONE"
