"""A tenant's control plane may answer anything: it costs little memory, holds nobody up, and says what was wrong."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_adapters.rest import Answer
from openmcp_adapters.rest.limits import Limits, TooLarge, parsed, whole
from openmcp_provider.domain.errors import ServerError
from tests.rest.certificates import server_context
from tests.rest.scripted import CONFIG_MAPS, Kind, both, listed, played, says, serving, thing
from tests.rest.test_tls import connected, kubeconfig

ROOT = Path(__file__).parents[2]
ROWS = {
    "endless": "the answer is larger than 4 MiB",
    "bomb": "the answer is compressed, which was not asked for",
    "objects": "the answer is larger than 4 MiB",
    "pages": "more than 10,000 objects",
    "large pages": "more than 16 MiB in 5 objects",
    "drip": "deadline",
    "redirect": "HTTP status 302",
    "nested": "the answer has more than 60,000 values",
    "nested within limits": "the answer is no JSON object",
    "small values": "the answer has more than 60,000 values",
    "error": "the answer is larger than 4 MiB",
}


def play(kind: str, row: str) -> dict[str, Any]:
    """Run a hostile server and a client of it in a process of their own."""
    paths = ":".join(str(ROOT / part) for part in ("", "core", "adapters", "entrypoints"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.rest.hostile", kind, row],
        cwd=ROOT,
        env={"PYTHONPATH": paths},
        capture_output=True,
        check=True,
        timeout=60,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("kind", ["lightkube", "kubernetes"])
@pytest.mark.parametrize("row", ROWS)
def test_what_a_hostile_control_plane_costs(kind: str, row: str) -> None:
    """Below 300 MiB, never 50 ms at a stretch, others served meanwhile, and an error with words (case 8)."""
    found = play(kind, row)
    assert ROWS[row] in found["error"]
    assert found["error"] == "deadline" or found["error"].startswith(("ServerError", "TooLarge"))
    assert found["peak"] < 300
    assert found["held"] < 50
    assert found["served"] > 0


@both
@played
async def test_a_list_that_is_too_large_for_one_page_comes_in_smaller_ones(kind: Kind) -> None:
    """Where a page would be more than an answer may be, less is asked for, and nothing is lost (case 8)."""
    things = [thing(str(number), data={"text": "a" * 900_000}) for number in range(12)]

    async def pages(request: Any) -> Any:
        limit, start = int(request.query["limit"]), int(request.query.get("continue") or 0)
        page = listed(*things[start : start + limit])
        if start + limit < len(things):
            page["metadata"]["continue"] = str(start + limit)
        return await says(200, page)(request)

    async with serving(pages, tls=server_context()) as server:
        cluster = connected(kind, kubeconfig(server))
        names, token = [], ""
        while True:
            page = await cluster.list(CONFIG_MAPS, namespace="n", limit=100, token=token)
            names += [item["metadata"]["name"] for item in page.items]
            token = page.token
            if not token:
                break
        await cluster.close()
        assert names == [item["metadata"]["name"] for item in things]
        assert all(seen.headers["Accept-Encoding"] == "identity" for seen in server.seen)


@played
async def test_large_answers_are_read_a_few_at_a_time() -> None:
    """However many tenants answer much at once, so many are read at a time as there are places (case 8)."""
    limits = Limits(places=asyncio.Semaphore(3))
    reading = most = 0

    async def body(size: int) -> AsyncIterator[bytes]:
        nonlocal reading, most
        yield b"a" * (limits.large + 1 if size > limits.large else size)
        if size > limits.large:
            reading += 1
            most = max(most, reading)
            await asyncio.sleep(0.01)
            yield b"a" * (size - limits.large - 1)
            reading -= 1

    async def read(size: int) -> int:
        async with AsyncExitStack() as stack:
            return len(await whole(Answer(status=200, retry_after="", chunks=body(size)), limits, stack))

    sizes = [3_000_000, 1000] * 12
    assert sizes == await asyncio.gather(*map(read, sizes))
    assert 3 == most


@played
async def test_a_large_answer_that_is_slow_gives_its_place_up() -> None:
    """Who holds the places by answering slowly keeps others waiting for seconds at most (case 8)."""
    limits = Limits(places=asyncio.Semaphore(1), seconds=0.05)

    async def body() -> AsyncIterator[bytes]:
        yield b"a" * (limits.large + 1)
        await asyncio.sleep(30.0)
        yield b"a"

    for _ in range(3):
        with pytest.raises(ServerError, match="the answer took more than"):
            async with AsyncExitStack() as stack:
                await whole(Answer(status=200, retry_after="", chunks=body()), limits, stack)
    assert not limits.places.locked()


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda below: st.lists(below) | st.dictionaries(st.text(), below),
    )
)
def test_what_is_within_the_limits_is_read_as_it_is(value: object) -> None:
    """Limits change nothing of an ordinary answer (case 8)."""
    assert value == parsed(json.dumps(value).encode(), Limits(values=10_000_000))


def test_values_are_bounded_before_they_are_read() -> None:
    """An answer of many tiny values is refused unparsed (case 8)."""
    with pytest.raises(TooLarge, match="more than 10 values"):
        parsed(b"[1,2,3,4,5,6,7,8,9,10,11]", Limits(values=10))
