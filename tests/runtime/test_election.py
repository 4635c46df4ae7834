"""One leads, whatever breaks; who loses the Lease stops in time, and who stops gives it back."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise, repeat
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openmcp_adapters.emulation import START, VirtualClock
from openmcp_adapters.emulation import run as run_virtually
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.errors import Conflict, Forbidden, PortError, TooManyRequests, Unauthorized, Unavailable
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, NotFound
from openmcp_provider.runtime.around import Around
from openmcp_provider.runtime.election import LEASES, Elector, LostLeadership, wait_for_lapse
from openmcp_testing.faults import Call, FaultyCluster, before
from tests.runtime.election_world import ERRORS, FAULTS, Network, Plan, Span, Way, Written, play
from tests.runtime.test_queue import Fixed

T = TypeVar("T")

# --- many processes

SECONDS = st.sampled_from([0.001, 0.05, 0.3, 1.0, 2.0, 3.0, 4.9])
WAY = st.one_of(st.just(Way()), st.builds(Way, SECONDS, SECONDS, st.sampled_from(FAULTS)))
SPAN = st.builds(Span, st.floats(0.0, 90.0), st.sampled_from([1.0, 6.0, 11.0, 16.0, 21.0, 31.0]))
LIVES = st.builds(
    Plan,
    skew=st.floats(-36_000.0, 36_000.0),
    still=st.booleans(),
    killed=st.one_of(st.just(math.inf), st.just(math.inf), st.floats(0.0, 90.0)),
    working=st.sampled_from([math.inf, math.inf, 9.0]),
    away=st.lists(SPAN, max_size=3),
    ways=st.lists(WAY, max_size=60),
)
STORM, CALM, END = 100.0, 145.0, 165.0
"""When the last fault begins; when all that follows from faults must be over; and when the play is."""
LONGEST_GAP = 4.4 + 0.7 + 4.9 + 0.1
"""Until the next one looks; until work notes that it is over, and has ended; and what requests take."""


def terms(log: Sequence[Written], *whats: str) -> list[tuple[float, float, str]]:
    """Return from when until when each leader did something, in order."""
    found: dict[str, list[float]] = {}
    for entry in log:
        if entry.what in whats:
            found.setdefault(entry.term, []).append(entry.time)
    return sorted((times[0], times[-1], term) for term, times in found.items())


def assert_alone(spans: list[tuple[float, float, str]]) -> None:
    """Check that each begins after the one before has ended, and not at the same moment either."""
    assert [] == [(one, other) for one, other in pairwise(spans) if one[1] >= other[0]]


def assert_one_leads(log: Sequence[Written], lives: Sequence[Plan]) -> None:
    """Check that in calm somebody writes on and on, and it is always the same if nobody's work ends."""
    calm = [entry for entry in log if entry.time >= CALM]
    moments = [CALM, *(entry.time for entry in calm), END]
    assert max(later - sooner for sooner, later in pairwise(moments)) <= LONGEST_GAP
    if all(life.working == math.inf for life in lives):
        assert 1 == len({entry.term for entry in calm})


@settings(max_examples=100)
@given(st.data(), st.lists(LIVES, min_size=2, max_size=3), st.lists(SPAN, max_size=2))
def test_never_two_work_at_once(data: st.DataObject, lives: list[Plan], away: list[Span]) -> None:
    """Until work has ended, in its time, nobody else begins, whatever network and clocks do; in calm, one leads."""
    endings = st.sampled_from([0.0, 4.9])
    lives = [replace(life, ending=data.draw(endings)) for life in lives]

    log = play(lives, END, away=away, calm=STORM)

    assert_alone(terms(log, "begin", "write", "end"))
    assert_one_leads(log, lives)


@settings(max_examples=100)
@given(st.data(), st.lists(LIVES, min_size=2, max_size=3), st.lists(SPAN, max_size=2))
def test_a_process_that_was_frozen_does_nothing_more(data: st.DataObject, lives: list[Plan], away: list[Span]) -> None:
    """A process that sleeps through its Lease takes no further step when it wakes, since another may lead by now."""
    lives = [replace(life, frozen=data.draw(st.lists(SPAN, max_size=3))) for life in lives]

    log = play(lives, END, away=away, calm=STORM)

    assert_alone(terms(log, "begin", "write"))
    assert_one_leads(log, lives)


# --- one server, one event loop


class Stage:
    """A server and electors."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.server = MemoryCluster(now=self.clock.now)
        self.heard: list[object] = []
        self.standing: list[asyncio.Task[None]] = []

    def elector(self, identity: str, cluster: Cluster | None = None, **options: Any) -> Elector:
        """Return an elector; what it tells is heard."""
        told = {"changed": self.heard.append, "failed": lambda error: self.heard.append(error.reason)}
        return Elector(
            cluster or self.server.client(identity),
            "lead",
            "default",
            identity,
            **{"clock": self.clock, "randomness": Fixed(0.5), **told, **options},
        )

    def stand(self, elector: Elector, seconds: float = math.inf, ending: float = 0.0) -> asyncio.Task[None]:
        """Let an elector stand; its work takes some seconds, and some more to end when it is cancelled."""
        told = self.heard.append

        async def work() -> None:
            told(("begins", self.time))
            try:
                await asyncio.sleep(min(seconds, 10_000.0))
            finally:
                await asyncio.sleep(ending)
                told(("ended", self.time))

        return asyncio.get_running_loop().create_task(elector.lead(work))

    def start(self, elector: Elector, seconds: float = math.inf) -> None:
        """Let an elector stand, and look away."""
        self.standing.append(self.stand(elector, seconds))

    @property
    def time(self) -> float:
        """Virtual seconds, as people write them."""
        return round(self.clock.monotonic(), 3)

    async def write(self, **spec: Any) -> None:
        """Write a Lease as somebody else does."""
        metadata = {"name": "lead", "namespace": "default", "labels": {"of": "others"}}
        manifest = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        try:
            found = await self.server.get(LEASES, "lead", "default")
        except NotFound:
            await self.server.create(LEASES, manifest)
        else:
            await self.server.update(LEASES, {**found, "spec": {**found["spec"], **spec}})

    async def spec(self) -> Json:
        """Return what the Lease says."""
        found: Json = (await self.server.get(LEASES, "lead", "default"))["spec"]
        return found

    def requests(self, identity: str) -> list[str]:
        """Return what an elector asked."""
        return [line.verb for line in self.server.requests if line.client == identity]


def run(story: Callable[[], Awaitable[T]]) -> T:
    """Run a story under virtual time, for an hour at most."""

    async def bounded() -> T:
        async with asyncio.timeout(3600.0):
            return await story()

    return run_virtually(bounded)


async def cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task, and expect it to end so."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


OTHERS = {"holderIdentity": "other", "leaseDurationSeconds": 15, "leaseTransitions": 7}


@pytest.mark.parametrize("latency", [0.0, 0.4, 0.9])
def test_a_steady_leader_sends_one_put_an_interval_and_nothing_else(latency: float) -> None:
    """In a hundred seconds a leader renews fifty times, without reading, however long answers take."""

    async def story() -> list[str]:
        stage = Stage()
        network = Network(stage.server.client("a"), [], [], math.inf)
        network.ways = repeat(Way(latency, latency))
        stage.start(stage.elector("a", network))
        await asyncio.sleep(5.0)
        begun = len(stage.requests("a"))
        await asyncio.sleep(100.0)
        return stage.requests("a")[begun:]

    assert ["update"] * 50 == run(story)


def test_what_is_written() -> None:
    """The first leader creates the Lease, and renews it with nothing but another renewTime."""

    async def story() -> list[Json]:
        stage = Stage()
        stage.start(stage.elector("a", duration=15.5))
        await asyncio.sleep(1.0)
        created = await stage.spec()
        await asyncio.sleep(2.0)
        return [created, await stage.spec()]

    created, renewed = run(story)

    start = "2026-01-01T00:00:00.000000Z"
    expected = {
        "holderIdentity": "a",
        "leaseDurationSeconds": 16,
        "acquireTime": start,
        "renewTime": start,
        "leaseTransitions": 0,
    }
    assert expected == created
    assert {**expected, "renewTime": "2026-01-01T00:00:02.000000Z"} == renewed


@pytest.mark.parametrize(
    ("found", "transitions", "acquired"),
    [
        ({**OTHERS, "holderIdentity": ""}, 8, 0),
        ({"holderIdentity": "a", "leaseTransitions": 7, "acquireTime": "2020-01-01T00:00:00.000000Z"}, 7, None),
        ({}, 1, 0),
        ({**OTHERS, "leaseDurationSeconds": 4}, 8, 6.4),
    ],
)
def test_a_lease_that_is_there_is_taken_over(found: Json, transitions: int, acquired: float | None) -> None:
    """What nobody holds, or this very identity, is taken at once, another's when it has lapsed; labels stay."""

    async def story() -> Json:
        stage = Stage()
        await stage.write(**found)
        stage.start(stage.elector("a"))
        await asyncio.sleep(7.0)
        return await stage.server.get(LEASES, "lead", "default")

    lease = run(story)

    spec = lease["spec"]
    assert {"of": "others"} == lease["metadata"]["labels"]
    moment = "2020-01-01T00:00:00.000000Z" if acquired is None else f"2026-01-01T00:00:0{acquired:.6f}Z"
    assert ("a", transitions, moment) == (spec["holderIdentity"], spec["leaseTransitions"], spec["acquireTime"])


@given(st.integers(1, 60), st.floats(-1e6, 1e6), st.floats(0.0, 100.0), st.floats(0.0, 1.0, exclude_max=True))
def test_a_lease_lapses_by_the_time_of_who_waits(duration: int, skew: float, renewed: float, chance: float) -> None:
    """Whatever its times say, a Lease is taken as long after its last change as it lasts, and not much later."""

    async def story() -> float:
        stage = Stage()
        times = (START + timedelta(seconds=skew)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        await stage.write(holderIdentity="other", leaseDurationSeconds=duration, renewTime=times)
        task = stage.stand(stage.elector("a", randomness=Fixed(chance)))
        changes = int(renewed / duration) + 1
        for change in range(changes):
            await asyncio.sleep(renewed / changes)
            await stage.write(leaseTransitions=change)
        last = stage.clock.monotonic()
        await asyncio.sleep(duration + 10.0)
        task.cancel()
        return float(next(item[1] for item in stage.heard if isinstance(item, tuple))) - last

    pause = 2.0 * (1.0 + 1.2 * chance)
    assert duration - 0.001 <= run(story) <= duration + 2 * pause + 0.001


@settings(max_examples=20)
@given(st.floats(0.0, 1.0, exclude_max=True))
def test_who_waits_looks_at_times_that_chance_spreads(chance: float) -> None:
    """Between two looks pass 2 to 4.4 seconds; nothing is written."""

    async def story() -> tuple[float, set[str]]:
        stage = Stage()
        await stage.write(**OTHERS)
        stage.start(stage.elector("a", randomness=Fixed(chance)))
        for number in range(20):
            await asyncio.sleep(10.0)
            await stage.write(leaseTransitions=number)
        asked = stage.requests("a")
        return 200.0 / len(asked), set(asked)

    pause, asked = run(story)

    assert {"get"} == asked
    assert abs(2.0 * (1.0 + 1.2 * chance) - pause) < 0.1


# --- losing


def failing(stage: Stage, fault: str, since: float) -> Cluster:
    """Return the way to a server, on which from some time on every request has the same fault."""
    network = Network(stage.server.client("a"), [], [], math.inf)
    faulty = FaultyCluster(network)

    def begin() -> None:
        network.ways = repeat(Way(fault=fault))
        if fault == "401":
            faulty.plan.append(before(lambda _: True, Unauthorized("no more"), times=0))

    asyncio.get_running_loop().call_later(since, begin)
    return faulty


@pytest.mark.parametrize("fault", [*ERRORS, "401", "hangs", "lost answer"])
@pytest.mark.parametrize("ending", [0.0, 4.0])
def test_who_cannot_renew_stops_in_time(fault: str, ending: float) -> None:
    """Ten seconds after the last renewal was sent work is cancelled; once it has ended, the loss is told."""

    async def story() -> tuple[list[object], str, float, bool]:
        stage = Stage()
        elector = stage.elector("a", failing(stage, fault, since=3.0), failed=lambda _: None)
        task = stage.stand(elector, ending=ending)
        with pytest.raises(LostLeadership) as lost:
            await task
        return [*stage.heard], str(lost.value), stage.time, elector.leading

    heard, message, end, leading = run(story)

    last = heard.pop()
    assert [True, ("begins", 0.004), False] == heard
    assert ("ended", round(12.002 + ending, 3)) == last
    assert message.startswith("Lease default/lead could not be renewed for 10 s: ")
    assert end <= 12.002 + ending + 5.0  # a last try to give the Lease back
    assert not leading


def test_a_slow_answer_counts_from_its_request() -> None:
    """A renewal that took four seconds to be answered is four seconds old by then."""

    async def story() -> list[object]:
        stage = Stage()
        ways = [Way(0.0, 0.0), Way(0.0, 0.0), Way(2.0, 2.0)]  # read, create, renew
        network = Network(stage.server, ways, [Span(3.0, 100.0)], math.inf)
        with pytest.raises(LostLeadership):
            await stage.stand(stage.elector("a", network, failed=lambda _: None))
        return [*stage.heard]

    assert [True, ("begins", 0.0), False, ("ended", 12.0)] == run(story)


def test_after_a_pause_nobody_takes_the_word_of_yesterday() -> None:
    """A process that was frozen does not lead from the first moment on, even before it could notice by itself."""

    async def story() -> tuple[bool, bool, list[object]]:
        stage = Stage()
        elector = stage.elector("a")
        task = stage.stand(elector)
        await asyncio.sleep(5.0)
        before = elector.leading
        asyncio.get_running_loop()._time += 20.0  # type: ignore[attr-defined]
        after = elector.leading
        with pytest.raises(LostLeadership):
            await task
        return before, after, [*stage.heard]

    before, after, heard = run(story)

    assert (True, False) == (before, after)
    assert [True, ("begins", 0.0), False, ("ended", 25.0)] == heard


class Dozing(Around):
    """A cluster whose client freezes for twenty seconds while it reads the answer to a certain verb, once."""

    def __init__(self, cluster: Cluster, verb: str) -> None:
        super().__init__(cluster)
        self._verb = verb

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[T]]) -> T:
        """Carry a call out."""
        answer = await carry_out(self.cluster)
        if call.verb == self._verb:
            self._verb = ""
            asyncio.get_running_loop()._time += 20.0  # type: ignore[attr-defined]
        return answer


def test_a_lease_won_too_long_ago_is_not_enough_to_begin() -> None:
    """Frozen between winning the Lease and reading so, a process renews it before it begins."""

    async def story() -> list[object]:
        stage = Stage()
        stage.start(stage.elector("a", Dozing(stage.server, "create")))
        await asyncio.sleep(60.0)
        return [*stage.heard]

    assert [True, ("begins", 23.2)] == run(story)


def test_a_renewal_read_too_late_is_none() -> None:
    """Frozen between renewing the Lease and reading so, a process does not go on."""

    async def story() -> list[object]:
        stage = Stage()
        with pytest.raises(LostLeadership):
            await stage.stand(stage.elector("a", Dozing(stage.server, "update")))
        return [*stage.heard]

    assert [True, ("begins", 0.0), False, ("ended", 22.0)] == run(story)


def test_a_lease_that_another_has_is_lost_at_once() -> None:
    """A leader who finds that the Lease was given to another does not wait for any deadline, nor takes it back."""

    async def story() -> tuple[str, list[object], Json]:
        stage = Stage()
        task = stage.stand(stage.elector("a"))
        await asyncio.sleep(5.0)
        await stage.write(**OTHERS)
        with pytest.raises(LostLeadership) as lost:
            await task
        return str(lost.value), stage.heard, await stage.spec()

    message, heard, spec = run(story)

    assert "Lease default/lead is held by other" == message
    assert [True, ("begins", 0.0), False, ("ended", 6.0)] == heard
    assert "other" == spec["holderIdentity"]


def test_work_that_does_not_end_in_time_is_told() -> None:
    """When others can take the Lease, the program is told to exit, and work is cancelled again and again."""

    async def story() -> tuple[list[object], float, BaseException | None]:
        stage = Stage()
        elector = stage.elector("a", failing(stage, "500", since=3.0), overdue=lambda: overdue.append(stage.time))
        overdue: list[object] = []

        async def stubborn() -> None:
            for _ in range(3):
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(1000.0)
            raise ValueError("at last")

        with pytest.raises(LostLeadership) as lost:
            await elector.lead(stubborn)
        return overdue, stage.time, lost.value.__cause__

    overdue, end, cause = run(story)

    assert [17.002, 19.002] == overdue
    assert 19.0 <= end <= 24.1
    assert "ValueError('at last')" == repr(cause)


def test_one_request_that_hangs_does_not_cost_the_lease() -> None:
    """A renewal without an answer is given up after five seconds, and done again."""

    async def story() -> list[object]:
        stage = Stage()
        ways = [Way(), Way(), Way(), Way(fault="hangs"), Way(), Way(), Way(), Way(fault="lost request")]
        stage.start(stage.elector("a", Network(stage.server, ways, [], math.inf)))
        await asyncio.sleep(100.0)
        return [*stage.heard]

    assert [True, ("begins", 0.004), "Unavailable", "Unavailable"] == run(story)


@pytest.mark.parametrize(
    ("asked", "tries"), [(None, [4.0, 6.0]), (3.5, [4.0, 7.5]), (7.0, [4.0, 10.0]), (1e6, [4.0, 10.0])]
)
def test_a_leader_waits_as_the_server_asks_but_tries_before_it_is_too_late(
    asked: float | None, tries: list[float]
) -> None:
    """After 429 the next try is when the server says, and there is one in any case while it can still help."""

    async def story() -> tuple[list[float], list[object]]:
        stage = Stage()
        moments: list[float] = []

        def limited(_: Call) -> bool:
            moments.append(stage.time)
            return stage.time == 4.0

        cluster = FaultyCluster(stage.server, [before(limited, TooManyRequests("slow down", asked), times=0)])
        stage.start(stage.elector("a", cluster))
        await asyncio.sleep(11.0)
        return [moment for moment in moments if moment >= 4.0][:2], [*stage.heard]

    moments, heard = run(story)

    assert tries == moments
    assert False not in heard


def test_who_waits_does_as_the_server_asks() -> None:
    """Who does not lead lets the server rest for as long as it asks, up to a Lease's duration."""

    async def story() -> list[float]:
        stage = Stage()
        moments: list[float] = []
        cluster = FaultyCluster(stage.server)

        def noted(_: Call) -> bool:
            moments.append(stage.time)
            return True

        cluster.plan += [before(noted, TooManyRequests("", seconds)) for seconds in (7.0, 1e6)]
        stage.start(stage.elector("a", cluster))
        await asyncio.sleep(100.0)
        return [*moments, *(item[1] for item in stage.heard if isinstance(item, tuple))]

    assert [0.0, 7.0, 22.0] == run(story)


# --- what happens to the Lease


def test_an_edit_of_others_is_kept_and_costs_no_leadership() -> None:
    """Somebody labels the Lease: the leader reads it again and renews, and the label stays."""

    async def story() -> tuple[list[str], Json, list[object]]:
        stage = Stage()
        stage.start(stage.elector("a"))
        await asyncio.sleep(1.0)
        await stage.server.patch(LEASES, "lead", "default", kind="merge", body={"metadata": {"labels": {"x": "y"}}})
        await asyncio.sleep(4.0)
        lease = await stage.server.get(LEASES, "lead", "default")
        return stage.requests("a"), lease["metadata"]["labels"], [*stage.heard]

    requests, labels, heard = run(story)

    assert ["get", "create", "update", "get", "update", "update"] == requests
    assert {"x": "y"} == labels
    assert [True, ("begins", 0.0)] == heard


def test_a_lease_that_vanishes_is_made_again_by_its_leader() -> None:
    """Who saw the Lease held does not take it because it is gone: the leader still works, and makes it again."""

    async def story() -> tuple[list[object], Json]:
        stage = Stage()
        first = stage.elector("a")
        stage.start(first)
        await asyncio.sleep(1.0)
        stage.start(stage.elector("b", randomness=Fixed(0.0), changed=lambda _: stage.heard.append("b leads")))
        await asyncio.sleep(2.5)
        await stage.server.delete(LEASES, "lead", "default")  # at 3.5, before b looks at 5 and a renews at 4
        await asyncio.sleep(30.0)
        return [*stage.heard], await stage.spec()

    heard, spec = run(story)

    assert [True, ("begins", 0.0)] == heard
    assert ("a", 0) == (spec["holderIdentity"], spec["leaseTransitions"])


def test_a_lease_that_vanished_for_good_is_taken() -> None:
    """Who saw the Lease held before it was deleted waits until it would have lapsed, and leads then."""

    async def story() -> list[object]:
        stage = Stage()
        await stage.write(**OTHERS)
        stage.start(stage.elector("a", randomness=Fixed(0.0)))
        await asyncio.sleep(1.0)
        await stage.server.delete(LEASES, "lead", "default")
        await asyncio.sleep(30.0)
        return [*stage.heard]

    assert [True, ("begins", 16.0)] == run(story)


# --- ending


@given(st.floats(0.0, 20.0), st.floats(0.0, 1.0, exclude_max=True))
def test_the_next_one_leads_soon_after_a_release(seconds: float, chance: float) -> None:
    """Whenever a leader gives the Lease back, who waits has it after one pause at most."""

    async def story() -> list[Any]:
        stage = Stage()
        stage.start(stage.elector("a"), seconds)
        await asyncio.sleep(0.0)
        await asyncio.sleep(0.5)
        stage.start(stage.elector("b", randomness=Fixed(chance)))
        await asyncio.sleep(40.0)
        return [item[1] for item in stage.heard if isinstance(item, tuple)]

    _, ended, begins = run(story)[:3]

    assert ended - 0.001 <= begins <= max(ended, 0.5) + 2.0 * (1.0 + 1.2 * chance) + 0.001


@pytest.mark.parametrize("fails", [False, True])
def test_work_that_ends_gives_the_lease_back(fails: bool) -> None:
    """What work raises is raised; in either case the next one leads within a pause."""

    async def story() -> tuple[BaseException | None, Json, list[object]]:
        stage = Stage()

        async def work() -> None:
            await asyncio.sleep(7.0)
            if fails:
                raise ValueError("work")

        task = asyncio.get_running_loop().create_task(stage.elector("a").lead(work))
        await asyncio.sleep(1.0)
        stage.start(stage.elector("b", changed=lambda _: None))
        await asyncio.wait({task})
        spec = await stage.spec()
        await asyncio.sleep(4.5)
        return task.exception(), spec, [*stage.heard]

    error, spec, heard = run(story)

    moment = "2026-01-01T00:00:07.000000Z"
    assert ("ValueError('work')" if fails else "None") == repr(error)
    assert {
        "holderIdentity": "",
        "leaseDurationSeconds": 1,
        "acquireTime": moment,
        "renewTime": moment,
        "leaseTransitions": 0,
    } == spec
    assert [True, False] == heard[:2]
    assert heard[2][0] == "begins"  # type: ignore[index]
    assert 7.0 <= heard[2][1] <= 11.4  # type: ignore[index]


def test_a_cancelled_leader_keeps_the_lease_until_its_work_has_ended() -> None:
    """However long work takes to end, the Lease is renewed, then given back; the cancellation goes on."""

    async def story() -> tuple[list[object], Json, Json]:
        stage = Stage()
        task = stage.stand(stage.elector("a"), ending=60.0)
        await asyncio.sleep(5.0)
        task.cancel()
        await asyncio.sleep(58.5)
        meanwhile = await stage.spec()
        await asyncio.wait({task})
        assert task.cancelled()
        return [*stage.heard], meanwhile, await stage.spec()

    heard, meanwhile, end = run(story)

    assert [True, ("begins", 0.0), ("ended", 65.0), False] == heard
    assert ("a", "2026-01-01T00:01:02.000000Z") == (meanwhile["holderIdentity"], meanwhile["renewTime"])
    assert "" == end["holderIdentity"]


def test_an_error_of_work_that_was_cancelled_is_not_swallowed() -> None:
    """As if work were awaited directly, its own error takes the place of the cancellation."""

    async def story() -> Json:
        stage = Stage()

        async def work() -> None:
            try:
                await asyncio.sleep(100.0)
            finally:
                raise ValueError("in the end")

        task = asyncio.get_running_loop().create_task(stage.elector("a").lead(work))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(ValueError, match="in the end"):
            await task
        return await stage.spec()

    assert "" == run(story)["holderIdentity"]


@pytest.mark.parametrize("fault", ["500", "hangs", "403"])
def test_giving_back_takes_no_longer_than_five_seconds(fault: str) -> None:
    """A server that is away delays the end of a program by five seconds at most."""

    async def story() -> float:
        stage = Stage()
        task = stage.stand(stage.elector("a", failing(stage, fault, since=3.0)))
        await asyncio.sleep(3.5)
        await cancelled(task)
        return stage.time

    assert run(story) <= 8.51


def test_giving_back_is_tried_again() -> None:
    """A lost answer and a conflict do not keep the Lease from being given back."""

    async def story() -> str:
        stage = Stage()
        cluster = FaultyCluster(stage.server)
        task = stage.stand(stage.elector("a", cluster))
        await asyncio.sleep(1.0)
        number = len(cluster.calls)
        cluster.plan += [before(number, Unavailable("away")), before(number + 2, Conflict("changed"))]
        await cancelled(task)
        return str((await stage.spec())["holderIdentity"])

    assert "" == run(story)


def test_who_is_cancelled_while_taking_the_lease_gives_it_back() -> None:
    """The answer to the request that took it never came: it is given back all the same, and no work began."""

    async def story() -> tuple[Json, list[object]]:
        stage = Stage()
        ways = [Way(), Way(back=100.0)]
        task = stage.stand(stage.elector("a", Network(stage.server, ways, [], math.inf)))
        await asyncio.sleep(1.0)
        assert "a" == (await stage.spec())["holderIdentity"]
        await cancelled(task)
        return await stage.spec(), [*stage.heard]

    spec, heard = run(story)

    assert "" == spec["holderIdentity"]
    assert [] == heard


def test_who_waits_is_told_who_leads() -> None:
    """At the first look and at each change, and not in between; who leads at once is told of nobody (case 7)."""

    async def story() -> list[object]:
        stage = Stage()
        waited = stage.heard.append
        first, second = stage.elector("a", waits=waited), stage.elector("b", waits=waited)
        leading = stage.stand(first)
        await asyncio.sleep(1.0)
        stage.start(second)
        await asyncio.sleep(30.0)
        stage.start(stage.elector("c", waits=waited))
        await asyncio.sleep(1.0)
        await cancelled(leading)
        await asyncio.sleep(10.0)
        return [entry for entry in stage.heard if isinstance(entry, str)]

    assert ["a", "a", "b"] == run(story)


def test_who_only_waited_leaves_the_lease_alone() -> None:
    """Cancelled while another leads, an elector asks nothing more."""

    async def story() -> set[str]:
        stage = Stage()
        await stage.write(**OTHERS)
        task = stage.stand(stage.elector("a"))
        await asyncio.sleep(5.0)
        before = len(stage.requests("a"))
        await cancelled(task)
        assert before == len(stage.requests("a"))
        return set(stage.requests("a"))

    assert {"get"} == run(story)


@pytest.mark.parametrize(
    "wrong",
    [
        {"identity": ""},
        {"retry": 0.0},
        {"retry": 9.0},
        {"renew_deadline": 15.0},
        {"duration": 10.0},
    ],
)
def test_times_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    """Between the deadline and the end of the Lease there is time for work to end, and for more than one try."""

    async def story() -> None:
        with pytest.raises(ValueError, match="want an identity and 0 < "):
            Stage().elector(wrong.pop("identity", "a"), **wrong)

    run(story)


# --- waiting for a Lease of others

WAITING = "waiting for Lease default/lead of holder other to lapse"


@pytest.mark.parametrize(
    ("records", "errors", "end", "lines"),
    [
        ({}, {}, 0.0, []),
        ({0: {"holderIdentity": ""}}, {}, 0.0, []),
        ({0: {}}, {}, 0.0, []),
        ({0: OTHERS}, {}, 16.0, [WAITING]),
        ({0: {**OTHERS, "leaseDurationSeconds": 5}}, {}, 6.0, [WAITING]),
        ({0: {"holderIdentity": "other"}}, {}, 16.0, [WAITING]),
        ({0: OTHERS, 9: {"renewTime": "2020-01-01T00:00:00.000000Z"}}, {}, 26.0, [WAITING]),
        ({0: OTHERS, 5: {"holderIdentity": ""}}, {}, 6.0, [WAITING]),
        ({0: OTHERS, 5: {"holderIdentity": "x"}}, {}, 22.0, [WAITING, WAITING.replace("other", "x")]),
        ({0: OTHERS, 5: None}, {}, 6.0, [WAITING]),
        ({0: OTHERS}, {3.0: Unavailable("away")}, 16.0, [WAITING, "cannot read", WAITING]),
        ({}, {0.0: Forbidden("not allowed"), 2.0: Unauthorized("")}, 4.0, ["cannot read", "cannot read"]),
        ({}, {0.0: Unavailable("a"), 2.0: Unavailable("b")}, 4.0, ["cannot read"]),
        ({}, {0.0: TooManyRequests("", 9.0)}, 9.0, ["cannot read"]),
    ],
)
def test_waiting_for_a_lease_to_lapse(
    records: dict[float, Json | None], errors: dict[float, PortError], end: float, lines: list[str]
) -> None:
    """What is there is waited for until it is free, gone or lapsed; what cannot be read is looked at again."""

    async def story() -> tuple[float, list[str]]:
        stage = Stage()

        if 0.0 in records:
            await stage.write(**(records[0.0] or {}))

        async def change() -> None:
            for moment, record in records.items():
                await asyncio.sleep(moment - stage.time)
                if record is None:
                    await stage.server.delete(LEASES, "lead", "default")
                else:
                    await stage.write(**record)

        changing = asyncio.get_running_loop().create_task(change())
        plan = [before(partial(due, stage, moment), error) for moment, error in errors.items()]
        told: list[str] = []
        await wait_for_lapse(FaultyCluster(stage.server, plan), "lead", "default", clock=stage.clock, told=told.append)
        changing.cancel()
        return stage.time, told

    moment, told = run(story)

    assert end == moment
    assert lines == [line if line.startswith("waiting") else line[:11] for line in told]


def due(stage: Stage, moment: float, _: Call) -> bool:
    """Tell whether it is time."""
    return stage.time >= moment


def test_waiting_survives_a_server_that_does_not_answer() -> None:
    """A request that hangs is given up, and another is sent."""

    async def story() -> tuple[float, int]:
        stage = Stage()
        told: list[str] = []
        network = Network(stage.server, [Way(0.0, 0.0, "hangs")], [], math.inf)
        await wait_for_lapse(network, "lead", "default", clock=stage.clock, told=told.append)
        return stage.time, len(told)

    assert (17.002, 1) == run(story)
