"""The rate limit of a client."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from openmcp_adapters.emulation import VirtualClock, run
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.ports import Resource
from openmcp_provider.runtime.limits import RateLimited

NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)


@given(
    st.integers(1, 30),
    st.integers(1, 20),
    st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60),
)
def test_no_window_has_more_calls_than_allowed(rate: int, burst: int, pauses: list[float]) -> None:
    """In every stretch of time there are at most as many calls as the burst and the rate allow, and none is lost."""

    async def story() -> list[float]:
        loop = asyncio.get_running_loop()
        cluster = RateLimited(MemoryCluster(), VirtualClock(), rate=float(rate), burst=burst)
        done: list[float] = []

        async def call() -> None:
            await cluster.get(NAMESPACES, "default")
            done.append(loop.time())

        calls = []
        for pause in pauses:
            calls.append(loop.create_task(call()))
            await asyncio.sleep(pause if pause > 1.0 else 0.0)
        await asyncio.gather(*calls)
        return done

    done = run(story)

    assert len(pauses) == len(done)
    assert sorted(done) == done
    for first, begin in enumerate(done):
        for last in range(first, len(done)):
            assert last - first + 1 <= burst + rate * (done[last] - begin) + 1.0 + 1e-6


def test_a_burst_goes_at_once_and_the_rest_in_turn() -> None:
    """With 20 a second and a burst of 40, the 41st of many calls waits, and 60 take a second."""

    async def story() -> list[float]:
        loop = asyncio.get_running_loop()
        cluster = RateLimited(MemoryCluster(), VirtualClock())
        done = []
        for _ in range(60):
            await cluster.get(NAMESPACES, "default")
            done.append(loop.time())
        return done

    done = run(story)

    assert [0.0, 0.05, 1.0] == [round(done[at], 6) for at in (39, 40, 59)]
