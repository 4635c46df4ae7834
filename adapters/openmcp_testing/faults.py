"""Faults: a decorator on the port that fails calls by plan, before or after they were carried out."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeVar

from openmcp_provider.domain.errors import Unavailable
from openmcp_provider.ports import Cluster, WatchEvent
from openmcp_provider.runtime.around import Around, Call

__all__ = ["Call", "Crash", "FaultyCluster", "Injection", "after", "before", "timeout_applied", "timeout_not_applied"]

Answer = TypeVar("Answer")


class Crash(BaseException):
    """The process dies here. No error, so that nothing that handles errors handles it."""


@dataclass(kw_only=True)
class Injection:
    """One entry of the plan.

    Attributes:
        when: The number of the call, counted from 0, or a predicate.
        error: Raised, or called with no argument for what is raised.
        applied: The call is carried out first; of a watch, one event is let through.
        times: How often it happens at most; 0 = without end.
        happened: How often it happened.
    """

    when: int | Callable[[Call], bool]
    error: BaseException | Callable[[], BaseException]
    applied: bool = False
    times: int = 1
    happened: int = 0

    def meets(self, number: int, call: Call) -> bool:
        """Tell whether it happens to this call, the so-manieth."""
        if self.times and self.happened >= self.times:
            return False
        return number == self.when if isinstance(self.when, int) else self.when(call)

    def happen(self) -> BaseException:
        """Count, and return what is to be raised."""
        self.happened += 1
        return self.error if isinstance(self.error, BaseException) else self.error()


def before(
    when: int | Callable[[Call], bool], error: BaseException | Callable[[], BaseException], *, times: int = 1
) -> Injection:
    """Fail a call without carrying it out."""
    return Injection(when=when, error=error, times=times)


def after(
    when: int | Callable[[Call], bool], error: BaseException | Callable[[], BaseException], *, times: int = 1
) -> Injection:
    """Carry a call out, and fail it all the same."""
    return Injection(when=when, error=error, applied=True, times=times)


def timeout_applied(when: int | Callable[[Call], bool]) -> Injection:
    """Let the answer get lost on its way."""
    return after(when, lambda: Unavailable("timed out"))


def timeout_not_applied(when: int | Callable[[Call], bool]) -> Injection:
    """Let the request get lost on its way."""
    return before(when, lambda: Unavailable("timed out"))


class FaultyCluster(Around):
    """A cluster on which calls fail by plan.

    Args:
        cluster: What carries the calls out.
        plan: The faults; of several that meet a call the first happens. May be changed at any time.
    """

    def __init__(self, cluster: Cluster, plan: Iterable[Injection] = ()) -> None:
        super().__init__(cluster)
        self.plan = list(plan)
        self.calls: list[Call] = []

    def _next(self, call: Call) -> Injection | None:
        number = len(self.calls)
        self.calls.append(call)
        return next((entry for entry in self.plan if entry.meets(number, call)), None)

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[Answer]]) -> Answer:
        """Fail a call before or after it is carried out, or carry it out."""
        injection = self._next(call)
        if injection and not injection.applied:
            raise injection.happen()
        answer = await carry_out(self.cluster)
        if injection:
            raise injection.happen()
        return answer

    async def around_watch(
        self, call: Call, begin: Callable[[Cluster], AsyncGenerator[WatchEvent, None]]
    ) -> AsyncGenerator[WatchEvent, None]:
        """Fail a watch at its beginning or after its first event, or pass it on."""
        injection = self._next(call)
        if injection and not injection.applied:
            raise injection.happen()
        async with aclosing(begin(self.cluster)) as events:
            async for event in events:
                yield event
                if injection:
                    raise injection.happen()
