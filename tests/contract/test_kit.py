"""The kit itself: the list of cases, the harness, and the faults."""

import asyncio
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.errors import NotFound, PortError, TooManyRequests, Unavailable
from openmcp_testing.contract import CASES, Broken, Case, Fault, Harness
from openmcp_testing.contract.case import equal, holds, refused
from openmcp_testing.contract.objects import CONFIG_MAPS
from openmcp_testing.faults import (
    Call,
    Crash,
    FaultyCluster,
    Injection,
    after,
    before,
    timeout_applied,
    timeout_not_applied,
)
from openmcp_testing.memory import MemoryHarness

CONFIG_MAP: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "a", "namespace": "default"},
}


def test_cases_have_names_and_rules() -> None:
    """Every case has a name of its own and a rule of one sentence."""
    assert len(CASES) == len({case.name for case in CASES}) == len({case.rule for case in CASES})
    for case in CASES:
        assert case.rule[-1] == ".", case.name
        assert "\n" not in case.rule, case.name


def test_every_fault_is_provoked() -> None:
    """Each fault that a harness must bring about is needed by a case."""
    provoked: set[Fault] = set()

    class Recording(MemoryHarness):
        def provoke(self, fault: Fault) -> Any:
            provoked.add(fault)
            return super().provoke(fault)

    for case in CASES:
        if case.name.startswith(("watch", "lost", "expired", "too", "server", "un")):
            asyncio.run(case.run(Recording()))

    assert provoked == set(Fault)


def test_the_kit_needs_no_pytest() -> None:
    """Neither the contract nor the faults import a test runner."""
    code = (
        "import sys, openmcp_testing.contract, openmcp_testing.faults, openmcp_testing.memory\n"
        "sys.exit(bool({'pytest', 'hypothesis', 'unittest'} & set(sys.modules)))"
    )

    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, env={"PYTHONPATH": ":".join(sys.path)})

    assert done.returncode == 0


async def _breaks(_: Harness) -> None:
    equal(1, 2, "numbers")


async def _fails(h: Harness) -> None:
    await h.cluster.get(CONFIG_MAPS, "a", h.namespace)


async def _lies(_: Harness) -> None:
    holds(0, "zero is nothing")


async def _passes_wrongly(h: Harness) -> None:
    await refused(NotFound, h.cluster.list(CONFIG_MAPS))


async def _fails_wrongly(h: Harness) -> None:
    await refused(Unavailable, h.cluster.get(CONFIG_MAPS, "a", h.namespace))


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (_breaks, "numbers: expected 1, got 2"),
        (_fails, "The rule. It failed with NotFound"),
        (_lies, "zero is nothing"),
        (_passes_wrongly, "expected NotFound, got the answer"),
        (_fails_wrongly, "expected Unavailable, got NotFound"),
    ],
)
def test_broken_rules_are_told(play: Callable[[Harness], Any], words: str) -> None:
    """A case that does not hold raises Broken and says why."""
    with pytest.raises(Broken, match=words):
        asyncio.run(Case("case", "The rule.", play).run(MemoryHarness()))


def faulty(*plan: Injection) -> tuple[FaultyCluster, MemoryCluster]:
    """Return a cluster with faults and the one below it."""
    memory = MemoryCluster("faulty")
    return FaultyCluster(memory, plan), memory


def exists(memory: MemoryCluster) -> bool:
    """Tell whether the ConfigMap was made."""
    return bool(list(memory.objects(CONFIG_MAPS)))


def test_before_is_not_carried_out() -> None:
    """A call that fails before changes nothing; the next passes."""
    cluster, memory = faulty(before(0, TooManyRequests("wait", 1.0)))

    with pytest.raises(TooManyRequests):
        asyncio.run(cluster.create(CONFIG_MAPS, CONFIG_MAP))
    assert not exists(memory)
    asyncio.run(cluster.create(CONFIG_MAPS, CONFIG_MAP))
    assert exists(memory)


def test_after_is_carried_out() -> None:
    """A call that fails after has happened."""
    cluster, memory = faulty(after(0, Unavailable("lost")))

    with pytest.raises(Unavailable):
        asyncio.run(cluster.create(CONFIG_MAPS, CONFIG_MAP))
    assert exists(memory)


@pytest.mark.parametrize(("fault", "happened"), [(timeout_applied, True), (timeout_not_applied, False)])
def test_timeouts(fault: Callable[[int], Injection], happened: bool) -> None:
    """Both time-outs look the same and differ in what happened."""
    cluster, memory = faulty(fault(0))

    with pytest.raises(Unavailable, match="timed out"):
        asyncio.run(cluster.create(CONFIG_MAPS, CONFIG_MAP))
    assert exists(memory) is happened


def test_crashes_are_no_errors() -> None:
    """A crash passes everything that handles errors."""
    cluster, _ = faulty(before(lambda call: call.writes, Crash))

    async def careless() -> None:
        try:
            await cluster.create(CONFIG_MAPS, CONFIG_MAP)
        except Exception:  # noqa: BLE001 - that is the point
            return

    with pytest.raises(Crash):
        asyncio.run(careless())


def test_calls_are_counted_and_chosen() -> None:
    """A predicate sees every call with verb, kind, namespace and name, and an entry happens as often as it says."""
    chosen = before(lambda call: call.verb == "get" and call.name == "a", lambda: Unavailable("again"), times=2)
    cluster, _ = faulty(chosen)

    async def play() -> list[str]:
        outcomes = []
        for name in ("b", "a", "a", "a"):
            try:
                await cluster.get(CONFIG_MAPS, name, "default")
            except PortError as error:
                outcomes.append(error.reason)
        await cluster.served("apps")
        return outcomes

    assert asyncio.run(play()) == ["NotFound", "Unavailable", "Unavailable", "NotFound"]
    assert cluster.calls[0] == Call("get", "ConfigMap", "default", "b")
    assert cluster.calls[-1] == Call("served", "", "", "apps")
    assert chosen.happened == 2


def test_watches_break_after_an_event() -> None:
    """A watch that fails after lets one event through; one that fails before lets none."""
    cluster, _ = faulty(after(1, Unavailable("cut")), before(2, Unavailable("refused")))

    async def play() -> None:
        await cluster.create(CONFIG_MAPS, CONFIG_MAP)
        async with aclosing(cluster.watch(CONFIG_MAPS, resource_version="1")) as stream:
            assert (await anext(stream)).type == "ADDED"
            with pytest.raises(Unavailable, match="cut"):
                await anext(stream)
        async with aclosing(cluster.watch(CONFIG_MAPS, resource_version="1")) as stream:
            with pytest.raises(Unavailable, match="refused"):
                await anext(stream)

    asyncio.run(play())


def test_every_method_passes_through() -> None:
    """Without a plan a faulty cluster is the cluster."""
    cluster, memory = faulty()

    async def play() -> None:
        made = await cluster.create(CONFIG_MAPS, CONFIG_MAP, manager="m")
        assert made == await cluster.get(CONFIG_MAPS, "a", "default")
        assert made == await cluster.update(CONFIG_MAPS, made)
        assert made == await cluster.patch(CONFIG_MAPS, "a", "default", kind="merge", body={})
        assert [made] == list((await cluster.list(CONFIG_MAPS)).items)
        assert await cluster.apply(CONFIG_MAPS, CONFIG_MAP, manager="m")
        assert await cluster.served("apps") == await memory.served("apps")
        assert await cluster.delete(CONFIG_MAPS, "a", "default") is None
        await cluster.close()

    asyncio.run(play())
