"""Back-off: bounds hold for any number of failures, and servers that forget everything are not asked without end."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_adapters.emulation.loop import VirtualClock, VirtualLoop
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.ports import Cluster, Expired, PortError, TooManyRequests, Unavailable, WatchEvent
from openmcp_provider.runtime.around import Around, Call
from openmcp_provider.runtime.backoff import MOST_ASKED, Backoff
from openmcp_provider.runtime.cache import Cache, Selection
from tests.runtime.test_cache import CONFIG_MAPS
from tests.runtime.test_queue import Fixed

T = TypeVar("T")


@given(
    st.integers(0, 10_000),
    st.floats(0.0, 1.0, exclude_max=True),
    st.floats(0.0, 100_000.0),
    st.sampled_from(["", "asks", "silent"]),
)
def test_a_wait_is_bounded(failures: int, chance: float, asked: float, how: str) -> None:
    """No wait passes the ceiling, or five minutes if asked for; nor is it below half its due (case 1.7)."""
    backoff = Backoff(floor=1.0, ceiling=120.0)
    errors: dict[str, PortError | None] = {"": None, "asks": TooManyRequests("", asked), "silent": Unavailable("")}
    wait = backoff.wait(failures, Fixed(chance), errors[how])
    due = min(120.0, 2.0 ** min(failures, 30))
    assert 0.5 * due <= wait <= max(due, MOST_ASKED)
    if how == "asks":
        assert wait >= min(asked, 300.0)
    else:
        assert wait <= due


class Forgetful(Around):
    """A server to which every version is too old: of watches, or of the pages of a list."""

    def __init__(self, cluster: Cluster, what: str) -> None:
        super().__init__(cluster)
        self.what = what
        self.calls = 0

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[T]]) -> T:
        """Count lists, and forget where they went on."""
        self.calls += 1
        if self.what == "list":
            raise Expired("the continue token is too old")
        return await carry_out(self.cluster)

    async def around_watch(
        self, call: Call, begin: Callable[[Cluster], AsyncGenerator[WatchEvent, None]]
    ) -> AsyncGenerator[WatchEvent, None]:
        """Refuse every watch, before or after its begin."""
        if self.what == "watch":
            raise Expired("too old resource version")
        async with aclosing(begin(self.cluster)) as events:
            async for event in events:
                yield event


@pytest.mark.parametrize("what", ["watch", "list"])
def test_a_server_that_forgets_everything_is_asked_ever_less(what: str) -> None:
    """Every watch answered 410, or every continue token expired: a dozen lists in a minute, not hundreds (case 1.2)."""
    loop = VirtualLoop()

    async def story() -> tuple[int, int]:
        clock = VirtualClock()
        server = Forgetful(MemoryCluster("server", now=clock.now), what)
        told: list[PortError] = []
        cache: Cache[object] = Cache(
            server,
            Selection(CONFIG_MAPS, "default"),
            keep=lambda obj: obj,
            changed=lambda *_: None,
            clock=clock,
            randomness=Fixed(0.5),
            failed=told.append,
        )
        task = asyncio.get_running_loop().create_task(cache.run())
        await asyncio.sleep(60.0)
        first = server.calls
        await asyncio.sleep(600.0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert all(isinstance(error, Expired) for error in told)
        return first, server.calls - first

    try:
        first, later = loop.run_until_complete(story())
    finally:
        loop.close()
    assert 3 <= first <= 12
    assert later <= 30
