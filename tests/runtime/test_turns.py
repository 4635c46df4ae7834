"""Whose take-over begins when: paced, in order, and nobody is forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from openmcp_adapters.emulation import VirtualClock, run
from openmcp_provider.runtime.limits import Bucket
from openmcp_provider.runtime.turns import Turns

Called = list[tuple[float, str]]
Story = Callable[[Turns[str]], Awaitable[None]]


def play(story: Story, rate: float = 10.0, seconds: float = 100.0) -> Called:
    """Play a story; return who was called within some seconds, and when."""

    async def told() -> Called:
        loop = asyncio.get_running_loop()
        called: Called = []
        turns: Turns[str] = Turns(
            Bucket(VirtualClock(), rate=rate), lambda key: called.append((round(loop.time(), 6), key))
        )
        running = loop.create_task(turns.run())
        await story(turns)
        await asyncio.sleep(seconds)
        running.cancel()
        return called

    return run(told)


@given(st.lists(st.tuples(st.text("abcdef", min_size=1, max_size=2), st.floats(0.0, 0.5)), max_size=40))
def test_turns_come_at_a_steady_rate_and_in_order(asked: list[tuple[str, float]]) -> None:
    """Everybody is called once, first come, first served, and never two within a tenth of a second."""

    async def story(turns: Turns[str]) -> None:
        for key, pause in asked:
            turns.has(key, ahead=False)
            await asyncio.sleep(pause)

    called = play(story)

    assert list(dict.fromkeys(key for key, _ in asked)) == [key for _, key in called]
    assert all(after - before >= 0.1 - 1e-5 for (before, _), (after, _) in pairwise(called))


def test_the_first_is_called_at_once() -> None:
    """After a silence nobody waits."""

    async def story(turns: Turns[str]) -> None:
        await asyncio.sleep(5.0)
        turns.has("a", ahead=False)
        turns.has("b", ahead=False)

    assert [(5.0, "a"), (5.1, "b")] == play(story)


def test_who_goes_ahead_goes_before_all_others() -> None:
    """Also one who waited among the others so far; asking once more without it does not send it back."""

    async def story(turns: Turns[str]) -> None:
        for key in "abcd":
            turns.has(key, ahead=False)
        for key in "de":
            turns.has(key, ahead=True)
            turns.has(key, ahead=False)

    assert list("deabc") == [key for _, key in play(story)]


def test_a_turn_lasts_until_it_is_given_back() -> None:
    """However often it is asked for; after that it comes anew, behind those who wait."""
    answers: list[bool] = []

    async def story(turns: Turns[str]) -> None:
        answers.append(turns.has("a", ahead=False))
        await asyncio.sleep(1.0)
        answers.extend(turns.has("a", ahead=False) for _ in range(3))
        turns.has("b", ahead=False)
        turns.give_back("a")
        answers.append(turns.has("a", ahead=False))

    assert list("aba") == [key for _, key in play(story)]
    assert [False, True, True, True, False] == answers


def test_who_gives_up_is_not_called() -> None:
    """Those behind it move up."""
    waiting: list[int] = []

    async def story(turns: Turns[str]) -> None:
        for key in "abc":
            turns.has(key, ahead=key == "b")
        for key in "ab":
            turns.give_back(key)
        waiting.append(len(turns))

    assert [(0.0, "c")] == play(story)
    assert [1] == waiting


def test_when_all_gave_up_the_next_one_still_comes() -> None:
    """An emptied line is no dead end."""

    async def story(turns: Turns[str]) -> None:
        turns.has("a", ahead=False)
        turns.give_back("a")
        await asyncio.sleep(3.0)
        turns.has("b", ahead=False)

    assert [(3.0, "b")] == play(story)
