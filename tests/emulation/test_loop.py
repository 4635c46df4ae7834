"""The laws of the virtual event loop."""

import asyncio
import time
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from openmcp_adapters.emulation import START, BusyLoop, Deadlock, SeededRandomness, VirtualClock, VirtualLoop, run
from openmcp_adapters.emulation import loop as loop_module


def test_time_jumps() -> None:
    """A year passes at once."""

    async def story() -> tuple[float, timedelta]:
        clock = VirtualClock()
        await clock.sleep(365 * 86400)
        return clock.monotonic(), clock.now() - START

    began = time.monotonic()

    assert (365 * 86400, timedelta(days=365)) == run(story)
    assert time.monotonic() - began < 5


def test_time_stands_still_while_anything_is_ready() -> None:
    """However much is done, only waiting takes time."""

    async def story() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run(story) == 0.0


def test_timers_run_in_the_order_of_their_times() -> None:
    """Who waits shorter goes on earlier."""

    async def story() -> list[int]:
        order: list[int] = []
        loop = asyncio.get_running_loop()
        for delay in (3, 1, 2):
            loop.call_later(delay, order.append, delay)
        await asyncio.sleep(4)
        return order

    assert run(story) == [1, 2, 3]


async def _race() -> list[int]:
    """Let eight tasks wait for the same moment; return the order in which they go on."""
    order: list[int] = []

    async def runner(number: int) -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            order.append(number)

    await asyncio.gather(*(runner(number) for number in range(8)))
    return order


def test_the_seed_decides_the_order_at_one_moment() -> None:
    """Equal seeds give equal orders, and different seeds different ones."""
    orders = [run(_race, seed=seed) for seed in (1, 1, 2, 3)]

    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) == 3


def test_what_is_ready_runs_in_order() -> None:
    """No seed reorders callbacks that were made ready one after another."""

    async def story() -> list[int]:
        order: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(20):
            loop.call_soon(order.append, number)
        await asyncio.sleep(0)
        return order

    assert all(list(range(20)) == run(story, seed=seed) for seed in range(5))


def test_a_cancelled_timer_never_runs() -> None:
    """Neither does it move the clock, nor keep the loop from noticing that nothing is left to do."""

    async def story() -> None:
        asyncio.get_running_loop().call_later(5, print).cancel()
        await asyncio.Event().wait()

    with pytest.raises(Deadlock):
        run(story)


def test_cancelled_timers_are_swept_out() -> None:
    """A watch that is woken again and again leaves no heap of timers behind."""

    async def story() -> int:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        for _ in range(10_000):
            loop.call_later(60, print).cancel()
        return len(loop._timers)

    assert run(story) < 1000


def test_a_deadlock_names_who_waits() -> None:
    """When nothing can ever happen again, the error says for whom."""

    async def story() -> None:
        task = asyncio.get_running_loop().create_task(asyncio.Event().wait(), name="the waiter")
        await task

    with pytest.raises(Deadlock, match=r"task-1 .*story.* the waiter"):
        run(story)


def test_a_busy_loop_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who never waits stops the clock, and is named."""
    monkeypatch.setattr(loop_module, "_MOST_AT_ONCE", 1000)

    async def story() -> None:
        while True:  # noqa: ASYNC110 - what must not be done
            await asyncio.sleep(0)

    with pytest.raises(BusyLoop, match="second 0"):
        run(story)


def test_timeouts_work() -> None:
    """Asyncio's own timeouts run on virtual time."""

    async def story() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(30):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run(story) == 30.0


def test_task_groups_work() -> None:
    """A failing task cancels its siblings."""

    async def fail() -> None:
        await asyncio.sleep(1)
        raise ValueError

    async def story() -> float:
        with pytest.raises(ExceptionGroup):  # noqa: PT012 - a group is one statement
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(100))
                group.create_task(fail())
        return asyncio.get_running_loop().time()

    assert run(story) == 1.0


def test_what_still_runs_at_the_end_is_cancelled() -> None:
    """Nothing outlives a run, and everybody can clean up, in the order in which they began."""
    ended: list[int] = []

    async def forever(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(forever(number)) for number in range(5)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in tasks)

    run(story)

    assert ended == [0, 1, 2, 3, 4]


def test_generators_are_closed() -> None:
    """An asynchronous generator that nobody finished is closed when it is dropped, or at the end."""
    closed: list[str] = []

    async def numbers(name: str) -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(name)

    async def story() -> AsyncGenerator[int, None]:
        async for _ in numbers("dropped"):
            break
        await asyncio.sleep(1)
        kept = numbers("kept")
        await anext(kept)
        return kept

    kept = run(story)

    assert closed == ["dropped", "kept"]
    del kept


def test_what_nobody_caught_is_raised_at_the_end() -> None:
    """An error in a callback does not get lost."""

    async def story() -> None:
        asyncio.get_running_loop().call_soon(int, "nonsense")
        await asyncio.sleep(1)

    with pytest.raises(ExceptionGroup) as caught:
        run(story)

    assert isinstance(caught.value.exceptions[0], ValueError)


def test_an_error_of_the_story_is_raised_as_it_is() -> None:
    """A story fails like any coroutine."""

    async def story() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(story)


def test_there_are_no_threads() -> None:
    """Whoever needs one is told so."""

    async def story() -> None:
        await asyncio.to_thread(print)

    with pytest.raises(NotImplementedError):
        run(story)


def test_a_closed_loop_takes_nothing() -> None:
    """As with any loop."""
    loop = VirtualLoop()
    loop.close()

    assert loop.is_closed()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(print)


def test_randomness_follows_from_seed_and_stream() -> None:
    """Two streams of one seed are independent, and each begins anew."""

    def draw(seed: int, stream: str) -> list[float]:
        randomness = SeededRandomness(seed, stream)
        return [randomness.random() for _ in range(3)]

    assert draw(1, "a") == draw(1, "a")
    assert draw(1, "a") != draw(1, "b")
    assert draw(1, "a") != draw(2, "a")
    assert all(0 <= number < 1 for number in draw(3, "c"))
