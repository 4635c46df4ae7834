"""Watches: bytes in any pieces become events, and every bad end an error in time."""

import asyncio
import itertools
import json
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_adapters.rest import Timeouts
from openmcp_adapters.rest.watching import Lines, decoded
from openmcp_provider.ports import (
    Cluster,
    Expired,
    Forbidden,
    NotFound,
    PortError,
    ServerError,
    TooManyRequests,
    Unavailable,
)
from tests.rest.scripted import (
    CONFIG_MAPS,
    Kind,
    Play,
    arrived,
    both,
    breaks,
    closed,
    event,
    played,
    reaching,
    says,
    serving,
    silence,
    status,
    streams,
    thing,
    waits,
)

BOOKMARK = event("BOOKMARK", {"kind": "ConfigMap", "metadata": {"resourceVersion": "7"}})


async def told(cluster: Cluster) -> list[tuple[str, str]]:
    """Return type and version of each event of a watch, until it ends."""
    events = cluster.watch(CONFIG_MAPS, resource_version="1", namespace="n")
    return [(found.type, found.object["metadata"]["resourceVersion"]) async for found in events]


@both
@played
async def test_a_watch_asks_for_bookmarks_and_an_end(kind: Kind) -> None:
    """A watch asks for bookmarks, from where to begin, and to be ended after a time that chance has a part in."""
    async with serving(streams()) as server, reaching(kind, server, timeouts=Timeouts()) as cluster:
        assert [] == await told(cluster)

    (seen,) = server.seen
    wanted = {"watch": "1", "allowWatchBookmarks": "true", "resourceVersion": "1", "timeoutSeconds": "300"}
    assert ("/api/v1/namespaces/n/configmaps", wanted) == (seen.path, dict(seen.query))


@both
@played
async def test_a_watch_yields_events_until_it_ends(kind: Kind) -> None:
    """Events and bookmarks come one by one; when the server ends the watch cleanly, it just ends."""
    script = streams(event("ADDED", thing(version="2")), BOOKMARK, event("DELETED", thing(version="8")))
    async with serving(script) as server, reaching(kind, server) as cluster:
        assert [("ADDED", "2"), ("BOOKMARK", "7"), ("DELETED", "8")] == await told(cluster)


@given(
    texts=st.lists(st.text(max_size=20), max_size=5),
    ends=st.sampled_from([b"", b"\n", b"\n\n", b"\r\n"]),
    cuts=st.lists(st.integers(0, 400)),
)
def test_pieces_do_not_matter(texts: list[str], ends: bytes, cuts: list[int]) -> None:
    """The same bytes give the same events, in whatever pieces they arrive."""
    lines = [event("ADDED", thing(name, str(number))).strip() for number, name in enumerate(texts)]
    stream = b"\n".join(lines) + ends
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    splitter = Lines()
    found = [line for begin, end in itertools.pairwise(places) for line in splitter.feed(stream[begin:end])]
    found += splitter.rest()

    assert [json.loads(line)["object"] for line in lines] == [decoded(line, "ConfigMap").object for line in found]


@both
@played
async def test_large_events(kind: Kind) -> None:
    """An event may be megabytes long, and arrive in odd pieces."""
    line = event("ADDED", thing(version="2", data={"k": "x" * 3_000_000}))
    pieces = [line[at : at + 65_537] for at in range(0, len(line), 65_537)]
    async with serving(streams(*pieces, BOOKMARK)) as server, reaching(kind, server) as cluster:
        assert [("ADDED", "2"), ("BOOKMARK", "7")] == await told(cluster)


@both
@pytest.mark.parametrize(
    ("script", "error"),
    [
        (streams(event("ADDED", thing()), end=breaks), Unavailable),
        (streams(event("ADDED", thing())[:-20]), Unavailable),
        (streams(event("ADDED", thing())[:-20], end=breaks), Unavailable),
        (streams(b"<html>\n"), Unavailable),
        (streams(b'"text"\n'), Unavailable),
        (streams(b"[" * 100_000 + b"\n"), Unavailable),
        (streams(event("ADDED", {"metadata": {}})), Unavailable),
        (streams(event("INVENTED", thing())), Unavailable),
        (streams(event("ERROR", status(410, "Expired", "too old resource version: 1 (9)"))), Expired),
        (streams(event("ERROR", status(0, "Expired"))), Expired),
        (streams(event("ERROR", status(403, "Forbidden"))), Forbidden),
        (streams(event("ERROR", status(500, "InternalError"))), ServerError),
        (streams(event("ERROR", {"odd": True})), ServerError),
        (says(410, status(410, "Expired")), Expired),
        (says(404, status(404, "NotFound")), NotFound),
        (says(429, status(429), Retry_After="3"), TooManyRequests),
        (says(500, "<html>", kind="text/html"), ServerError),
    ],
    ids=lambda value: getattr(value, "__name__", "").replace("play", ""),
)
@played
async def test_bad_ends(kind: Kind, script: Play, error: type[PortError]) -> None:
    """A watch that is refused, expires, breaks, or says what nobody understands ends with the error of the port."""
    async with serving(script) as server, reaching(kind, server) as cluster:
        with pytest.raises(PortError) as caught:
            await told(cluster)

    assert error is type(caught.value)


@both
@played
async def test_silence_ends_a_watch(kind: Kind) -> None:
    """A server that says nothing any more, beyond the time that it was asked for, is Unavailable."""
    quick = Timeouts(watch=(1.0, 1.0), silence=-0.8)
    async with (
        serving(streams(event("ADDED", thing()), end=silence)) as server,
        reaching(kind, server, timeouts=quick) as cluster,
    ):
        with pytest.raises(Unavailable, match=f"no answer from 127.0.0.1:{server.port}: .*Timeout"):
            await told(cluster)


@both
@played
async def test_closing_a_watch_frees_its_connection(kind: Kind) -> None:
    """A watch that is closed lets go of its connection at once."""
    async with serving(streams(event("ADDED", thing()), end=silence)) as server, reaching(kind, server) as cluster:
        for _ in range(3):
            async with aclosing(cluster.watch(CONFIG_MAPS, resource_version="1")) as events:
                await anext(events)
                assert 1 == server.open
            await closed(server)

    assert 3 == len(server.seen)


@both
@played
async def test_cancelling_a_watch_frees_its_connection(kind: Kind) -> None:
    """A watch that is cancelled while it waits lets go of its connection, and passes the cancellation on."""
    async with serving(streams(event("ADDED", thing()), end=silence)) as server, reaching(kind, server) as cluster:
        waiting = asyncio.ensure_future(told(cluster))
        await arrived(server, 1)
        waiting.cancel()
        (outcome,) = await asyncio.gather(waiting, return_exceptions=True)

        assert isinstance(outcome, asyncio.CancelledError)
        await closed(server)


@both
@played
async def test_watches_do_not_hold_up_requests(kind: Kind) -> None:
    """With 150 watches open, a request is still answered at once."""
    watched = streams(event("ADDED", thing()), end=silence)
    async with (
        serving(*[watched] * 150, says(200, thing())) as server,
        reaching(kind, server, timeouts=Timeouts(watch=(60, 60))) as cluster,
    ):
        watches = [cluster.watch(CONFIG_MAPS, resource_version="1") for _ in range(150)]
        try:
            await asyncio.gather(*map(anext, watches))
            assert thing() == await cluster.get(CONFIG_MAPS, "a", "n")
        finally:
            await asyncio.gather(*(watch.aclose() for watch in watches))


@both
@played
async def test_closing_the_client_ends_its_watches(kind: Kind) -> None:
    """A watch or a request whose client is closed is Unavailable, and so is whatever is asked of that client later."""
    async with serving(streams(event("ADDED", thing()), end=silence), waits) as server:
        async with reaching(kind, server, timeouts=Timeouts()) as cluster:
            watching = asyncio.ensure_future(told(cluster))
            await arrived(server, 1)
            asking = asyncio.ensure_future(cluster.get(CONFIG_MAPS, "a", "n"))
            await arrived(server, 2)
        for waiting in (watching, asking):
            with pytest.raises(Unavailable):
                await waiting
        with pytest.raises(Unavailable, match="closed"):
            await cluster.get(CONFIG_MAPS, "a", "n")
        with pytest.raises(Unavailable, match="closed"):
            await told(cluster)
