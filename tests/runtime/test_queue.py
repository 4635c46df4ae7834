"""The queue of tenants: each once, never two workers on one, fair, backing off."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from hypothesis import given
from hypothesis import strategies as st

from openmcp_adapters.emulation.loop import VirtualLoop
from openmcp_provider.ports import TooManyRequests
from openmcp_provider.runtime.backoff import Backoff
from openmcp_provider.runtime.queue import Queue

T = TypeVar("T")


class Fixed:
    """A chance that is always the same."""

    def __init__(self, value: float) -> None:
        self.value = value

    def random(self) -> float:
        """Return it."""
        return self.value


def play(story: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine under virtual time."""
    loop = VirtualLoop()
    try:
        result: T = loop.run_until_complete(story)
        return result
    finally:
        loop.close()


def test_a_key_that_waits_is_queued_once() -> None:
    """Many changes of one tenant make one pass, in the order of the first."""

    async def story() -> list[str]:
        queue: Queue[str] = Queue(Fixed(0.5))
        for key in "abcab":
            queue.add(key)
        return [await queue.get() for _ in range(3)]

    assert ["a", "b", "c"] == play(story())


def test_a_key_that_is_worked_on_is_queued_again_afterwards() -> None:
    """A change during a pass is not lost, and no second pass runs beside it."""

    async def story() -> tuple[int, str]:
        queue: Queue[str] = Queue(Fixed(0.5))
        queue.add("a")
        key = await queue.get()
        queue.add(key)
        meanwhile = len(queue)
        queue.done(key)
        return meanwhile, await queue.get()

    assert (0, "a") == play(story())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), min_size=1, max_size=20))
def test_the_earliest_time_wins(calls: list[tuple[str, float]]) -> None:
    """A key that is due at several times comes at the earliest of them, once."""

    async def story() -> dict[str, float]:
        queue: Queue[str] = Queue(Fixed(0.5))
        loop = asyncio.get_running_loop()
        for key, seconds in calls:
            queue.add_after(key, seconds)
        found: dict[str, float] = {}
        for _ in {key for key, _ in calls}:
            key = await queue.get()
            found[key] = loop.time()
            queue.done(key)
        return found

    expected = {key: min(seconds for other, seconds in calls if other == key) for key, _ in calls}
    assert expected == play(story())


def test_failures_wait_longer_and_longer_up_to_a_limit() -> None:
    """The back-off doubles, is capped, and begins anew once it is forgotten."""

    async def story() -> list[float]:
        queue: Queue[str] = Queue(Fixed(1.0), backoff=Backoff(floor=1.0, ceiling=5.0))
        waits = [queue.add_failed("a") for _ in range(5)]
        queue.forget("a")
        return [*waits, queue.add_failed("a"), queue.add_failed("b", TooManyRequests("slow down", 7.0))]

    assert [1.0, 2.0, 4.0, 5.0, 5.0, 1.0, 7.0] == play(story())


def test_jitter_takes_at_most_half() -> None:
    """Chance shortens a wait, so that a fleet does not come back at once, and never below half."""

    async def story() -> float:
        return Queue[str](Fixed(0.0), backoff=Backoff(floor=8.0, ceiling=300.0)).add_failed("a")

    assert play(story()) == 4.0


def test_a_dropped_key_comes_no_more() -> None:
    """What is gone is forgotten: what waits, what is due, and its failures."""

    async def story() -> tuple[int, str]:
        queue: Queue[str] = Queue(Fixed(0.5))
        queue.add("a")
        queue.add_after("a", 1.0)
        queue.drop("a")
        waiting = len(queue)
        queue.add_after("b", 2.0)
        return waiting, await queue.get()

    assert (0, "b") == play(story())
