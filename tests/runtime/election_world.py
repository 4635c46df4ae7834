"""Several processes and one server under one virtual time; each process has its own event loop, so it can be frozen."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from openmcp_adapters.emulation import START, SeededRandomness, VirtualClock, VirtualLoop
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.ports import Cluster, Conflict, Forbidden, PortError, TooManyRequests, Unavailable
from openmcp_provider.runtime.around import Around, Call
from openmcp_provider.runtime.election import Elector, LostLeadership

T = TypeVar("T")

ERRORS: dict[str, Callable[[], PortError]] = {
    "409": lambda: Conflict("changed meanwhile"),
    "429": lambda: TooManyRequests("slow down", 3.0),
    "429 for long": lambda: TooManyRequests("slow down", 60.0),
    "500": lambda: Unavailable("internal error"),
    "403": lambda: Forbidden("not allowed"),
}
FAULTS = ["", *ERRORS, "lost request", "lost answer", "hangs", "arrives late"]


class Way(NamedTuple):
    """What becomes of one request: the seconds there and back, and a fault."""

    there: float = 0.001
    back: float = 0.001
    fault: str = ""


class Span(NamedTuple):
    """Some seconds of virtual time."""

    begin: float
    seconds: float

    @property
    def end(self) -> float:
        """When it is over."""
        return self.begin + self.seconds


class ProcessLoop(VirtualLoop):
    """The event loop of one process: it stops when it has nothing to do any more at the present moment.

    Attributes:
        present: The present moment; without limit to run as any loop.
    """

    present = math.inf

    @property
    def due(self) -> float:
        """When there is something to do next."""
        if self._ready:
            return self._time
        return min((timer[0] for timer in self._timers if not timer[3].cancelled()), default=math.inf)

    def wake(self, present: float) -> None:
        """Do what is to be done until now; after a freeze all that became due in it is due at once."""
        self._time = self.present = present
        self.run_forever()

    def _advance(self) -> None:
        if self.due > self.present:
            self.call_soon(self.stop)
        else:
            super()._advance()


class SkewedClock(VirtualClock):
    """A clock whose wall time is wrong, or stands still."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop | None = None, skew: float = 0.0, *, still: bool = False
    ) -> None:
        super().__init__(loop)
        self._skew, self._still = timedelta(seconds=skew), still

    def now(self) -> datetime:
        """Return what the clock on the wall shows."""
        return (START if self._still else super().now()) + self._skew


class Network(Around):
    """The way from a process to the server.

    Args:
        cluster: The server.
        ways: What becomes of the requests, in turn; those after them fare well.
        away: When the server cannot be reached.
        calm: When all is well again.
    """

    def __init__(self, cluster: Cluster, ways: list[Way], away: list[Span], calm: float) -> None:
        super().__init__(cluster)
        self.ways: Iterator[Way] = iter(ways)
        self._away, self._calm = away, calm
        self._under_way: dict[asyncio.Task[Any], None] = {}

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[T]]) -> T:
        """Let a request travel; once under way it arrives, whether or not anybody waits for its answer."""
        now = asyncio.get_running_loop().time()
        way = next(self.ways, Way()) if now < self._calm else Way()
        if any(span.begin <= now < span.end for span in self._away):
            raise Unavailable("connection refused")
        if way.fault in ERRORS:
            await asyncio.sleep(way.there)
            error = ERRORS[way.fault]()
            raise error
        if way.fault == "lost request":
            await asyncio.sleep(way.there)
            raise Unavailable("connection reset")
        arriving = asyncio.get_running_loop().create_task(self._arrive(way, carry_out))
        self._under_way[arriving] = None
        arriving.add_done_callback(self._arrived)
        await asyncio.wait({arriving})
        await asyncio.sleep(1000.0 if way.fault == "hangs" else way.back)
        if way.fault == "lost answer":
            raise Unavailable("connection reset")
        return arriving.result()

    async def _arrive(self, way: Way, carry_out: Callable[[Cluster], Awaitable[T]]) -> T:
        await asyncio.sleep(way.there + (8.0 if way.fault == "arrives late" else 0.0))
        return await carry_out(self.cluster)

    def _arrived(self, task: asyncio.Task[Any]) -> None:
        del self._under_way[task]
        if not task.cancelled():
            task.exception()


class Written(NamedTuple):
    """Something that work did.

    Attributes:
        time: When.
        term: The process and the how-manieth time that it leads.
        what: ``begin``, ``write`` or ``end``.
    """

    time: float
    term: str
    what: str


@dataclass(kw_only=True)
class Plan:
    """The life of one process.

    Attributes:
        skew: By how many seconds its wall clock is wrong.
        still: Whether its wall clock stands.
        working: How long its work takes, if nothing stops it; after it, there is more.
        ending: How long its work takes to end.
        frozen: When it does not run.
        away: When it does not reach the server.
        killed: When it dies without a word; another takes its place.
        ways: What becomes of its requests.
    """

    skew: float = 0.0
    still: bool = False
    working: float = math.inf
    ending: float = 0.0
    frozen: list[Span] = field(default_factory=list)
    away: list[Span] = field(default_factory=list)
    killed: float = math.inf
    ways: list[Way] = field(default_factory=list)


class Process:
    """A program that stands for the Lease again and again."""

    def __init__(self, name: str, plan: Plan, cluster: Cluster, log: list[Written]) -> None:
        self.loop = ProcessLoop()
        self.elector: Elector
        self._name, self._plan, self._cluster, self._log = name, plan, cluster, log
        self._term = 0
        self.main = self.loop.create_task(self._run(), name=name)

    @property
    def wakes(self) -> float:
        """When it does something next."""
        moment = self.loop.due
        for span in sorted(self._plan.frozen):
            if span.begin <= moment < span.end:
                moment = span.end
        return moment if moment < self._plan.killed else math.inf

    async def _run(self) -> None:
        clock = SkewedClock(skew=self._plan.skew, still=self._plan.still)
        randomness = SeededRandomness(0, self._name)
        self.elector = Elector(self._cluster, "lead", "default", self._name, clock=clock, randomness=randomness)
        while True:
            self._term += 1
            try:
                await self.elector.lead(self._work)
            except LostLeadership:
                continue

    async def _work(self) -> None:
        self._note("begin")
        try:
            until = self.loop.time() + self._plan.working
            while self.loop.time() < until:
                self._note("write")
                await asyncio.sleep(0.7)
        finally:
            if self._plan.ending:
                await asyncio.sleep(self._plan.ending)
            self._note("end")

    def _note(self, what: str) -> None:
        self._log.append(Written(self.loop.time(), f"{self._name}/{self._term}", what))

    def close(self) -> None:
        """End everything."""
        self.loop.present = math.inf

        async def end(tasks: list[asyncio.Task[Any]]) -> None:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=60.0)

        try:
            while tasks := self.loop.tasks():
                self.loop.run_until_complete(end(tasks))
                assert self.main.done()
        finally:
            self.loop.close()


def play(plans: list[Plan], until: float, *, away: list[Span] | None = None, calm: float = math.inf) -> list[Written]:
    """Let processes live side by side; return what their work did.

    Args:
        plans: Of the processes.
        until: When to stop.
        away: When the server cannot be reached.
        calm: When faults stop.
    """
    present, log = 0.0, list[Written]()
    server = MemoryCluster(now=lambda: START + timedelta(seconds=present))
    processes: list[Process] = []

    def start(name: str, plan: Plan) -> None:
        processes.append(
            Process(name, plan, Network(server.client(name), plan.ways, plan.away + (away or []), calm), log)
        )

    for number, plan in enumerate(plans):
        start(f"p{number}", plan)
        if plan.killed < math.inf:
            start(f"q{number}", Plan(frozen=[Span(0.0, plan.killed + 1.0)]))
    try:
        while (process := min(processes, key=lambda each: each.wakes)).wakes <= until:
            present = process.wakes
            process.loop.wake(present)
            if process.main.done():
                process.main.result()
        return list(log)
    finally:
        for process in processes:
            process.close()
