"""Workers are a fixed number, whatever is slow: neither lost nor made up."""

import asyncio
from typing import Any

import pytest

from openmcp_adapters.emulation.loop import VirtualLoop
from openmcp_provider.runtime.workers import Worker
from tests.runtime.stage import Stage, play

IMAGE = {"values": {"manager": {"imagePullSecrets": [{"name": "img"}]}}}


def run(story: Any) -> Any:
    """Run a story under virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(story())
    finally:
        loop.close()


def free(slots: asyncio.Semaphore) -> int:
    """Return how many workers are free."""
    return slots._value


@pytest.mark.parametrize("slow", [3.0, 14.0, 60.0])
def test_their_number_stays_whatever_is_late(slow: float) -> None:
    """Deadlines that pass while something slow is awaited give no worker back that is not held (case 1.3)."""

    async def story() -> int:
        slots = asyncio.Semaphore(4)

        async def reconcile() -> None:
            worker = Worker(slots, 10.0)
            await worker.take()
            try:
                async with worker:
                    await asyncio.sleep(1.0)
                    await worker.without(asyncio.sleep(slow))
                    await asyncio.sleep(1.0)
                    await worker.without(asyncio.sleep(slow))
            except TimeoutError:
                return

        await asyncio.gather(*(reconcile() for _ in range(50)))
        return free(slots)

    assert 4 == run(story)


def test_waiting_for_a_worker_does_not_make_late() -> None:
    """The deadline bounds one's own work; with one worker for twenty everybody gets done (case 1.3)."""

    async def story() -> int:
        slots, done = asyncio.Semaphore(1), []

        async def reconcile() -> None:
            worker = Worker(slots, 10.0)
            await worker.take()
            async with worker:
                await worker.without(asyncio.sleep(1.0))
                await asyncio.sleep(4.0)
            done.append(True)

        await asyncio.gather(*(reconcile() for _ in range(20)))
        return len(done)

    assert 20 == run(story)


def test_a_failure_of_what_is_awaited_keeps_the_worker() -> None:
    """After an error the reconcile goes on, so it holds a worker again; the number is right at the end (case 1.3)."""

    async def story() -> tuple[bool, int]:
        slots = asyncio.Semaphore(1)

        async def fails() -> None:
            raise OSError("no answer")

        worker = Worker(slots, 10.0)
        await worker.take()
        async with worker:
            with pytest.raises(OSError, match="no answer"):
                await worker.without(fails())
            held = slots.locked()
        return held, free(slots)

    assert (True, 1) == run(story)


@pytest.mark.parametrize("workers", [1, 2])
def test_one_worker_serves_all(workers: int) -> None:
    """With one worker, tenants whose control planes are read need no deadline to get on (case 1.4)."""

    async def story(stage: Stage) -> float:
        await stage.configure(**IMAGE)
        await stage.pull_secret("img")
        names = ["a", "b", "c"]
        for name in names:
            await stage.tenant(name)
        return await stage.ready(*names)

    assert play(story, stage={"workers": workers}) < 40.0
