"""The proxy as long as it is told nothing, seen by a plain HTTP client: everything passes, untouched and at once."""

import asyncio
import gzip
import io
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from openmcp_testing.messages import Answer
from openmcp_testing.proxy import FaultProxy
from tests.kit.world import WATCH, World, play, secure


def test_requests_pass_untouched(tls: dict[str, ssl.SSLContext]) -> None:
    """Method, path, query, headers and body reach the server as they were, and its answer the client."""

    async def story(w: World) -> None:
        path = "/a%2Fb/c?labelSelector=x%3D1%2Cy&empty="
        sent = {
            "Authorization": "Bearer t",
            "Content-Type": "application/merge-patch+json",
            "X-Own": "ü",
            "Content-Encoding": "gzip",
        }
        packed = gzip.compress(b"{}")
        async with w.client.patch(URL(path, encoded=True), data=packed, headers=sent) as answer:
            assert (201, "Made", packed) == (answer.status, answer.reason, await answer.read())
            assert ["one", "two"] == answer.headers.getall("Warning")
            assert "gzip" == answer.headers["Content-Encoding"]
        ((method, raw_path, headers, body),) = w.got
        assert ("PATCH", path, packed) == (method, raw_path, body)
        assert sent.items() <= dict(headers).items()
        assert f"127.0.0.1:{answer.url.port}" == headers["Host"]

    play(story, **tls)


def test_words_are_others_behind_the_proxy() -> None:
    """What clients say in path and body the server is told in other words, and its answer comes back in theirs."""

    async def story(w: World) -> None:
        told = []

        async def server(request: web.BaseRequest) -> web.StreamResponse:
            told.append((request.raw_path, await request.content.read()))
            return web.Response(status=201, body=b'{"a":"shared-0007","b":2}')

        w.script = server
        async with (
            FaultProxy(w.proxy.url, words=("alone", "shared-0007")) as proxy,
            aiohttp.ClientSession() as client,
            client.post(f"{proxy.url}/namespaces/alone/x?l=alone", data=b'{"in":"alone"}') as answer,
        ):
            assert (201, b'{"a":"alone","b":2}') == (answer.status, await answer.read())
            assert "19" == answer.headers["Content-Length"]
        assert [("/namespaces/shared-0007/x?l=shared-0007", b'{"in":"shared-0007"}')] == told

    play(story)


def test_words_are_found_in_answers_that_a_client_would_take_packed(tls: dict[str, ssl.SSLContext]) -> None:
    """The server is not told that its client unpacks, since nothing could be found in what is packed."""

    async def story(w: World) -> None:
        async def server(request: web.BaseRequest) -> web.StreamResponse:
            if "gzip" in request.headers.get("Accept-Encoding", ""):
                return web.Response(body=gzip.compress(b"shared-0007"), headers={"Content-Encoding": "gzip"})
            return web.Response(status=204 if request.method == "DELETE" else 200, body=b"shared-0007-b")

        w.script = server
        words = ("alone", "shared-0007")
        async with FaultProxy(w.proxy.url, upstream_tls=tls.get("trust"), words=words) as proxy:
            async with w.client.get(f"{proxy.url}/x", headers={"Accept-Encoding": "gzip"}) as answer:
                assert (b"alone-b", "7") == (await answer.read(), answer.headers["Content-Length"])
                assert "Content-Encoding" not in answer.headers
            async with w.client.delete(f"{proxy.url}/x") as answer:
                assert (204, b"") == (answer.status, await answer.read())

    play(story, **tls)


def test_nothing_is_added() -> None:
    """A server sees no header that the client did not send."""

    async def story(w: World) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(w.proxy.url).port)
        writer.write(b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n")
        assert b"HTTP/1.1 201 Made\r\n" == await reader.readline()
        writer.close()
        await writer.wait_closed()
        assert {"Host": "h"} == dict(w.got[0][2])

    play(story)


@pytest.mark.parametrize("size", [0, 5_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies_of_any_size_pass(size: int, chunked: bool, tls: dict[str, ssl.SSLContext]) -> None:
    """Bodies pass whole in both directions, however big they are and however they are sent."""

    async def story(w: World) -> None:
        async def parts() -> AsyncIterator[bytes]:
            yield body

        body = bytes(range(250)) * (size // 250)
        async with w.client.put("/x", data=parts() if chunked else io.BytesIO(body)) as answer:
            assert body == await answer.read()

    play(story, **tls)


def test_requests_are_remembered() -> None:
    """The proxy remembers every request, also those that it answers itself."""

    async def story(w: World) -> None:
        async with w.client.get("/a%20b?limit=1&continue=x%3D", headers={"X-Own": "1"}):
            pass
        with w.proxy.answering(lambda _: Answer(status=204)):
            async with w.client.delete("/c"):
                pass
        one, two = w.proxy.seen
        assert ("GET", "/a b", {"limit": "1", "continue": "x="}, "1") == (
            *one[:2],
            dict(one.query),
            one.headers["x-own"],
        )
        assert ("DELETE", "/c", False) == (two.method, two.path, two.watches)
        assert 1 == len(w.got)

    play(story)


@pytest.mark.parametrize("value", ["1", "true", "True"])
def test_watches_are_told_from_lists(value: str) -> None:
    """A watch is one however its client spells it."""

    async def story(w: World) -> None:
        async with w.client.get("/w", params={"watch": value}):
            assert (True, 1) == (w.proxy.seen[0].watches, w.proxy.watches)

    play(story)


def test_watch_lines_pass_without_delay(tls: dict[str, ssl.SSLContext]) -> None:
    """Each line of a watch arrives before the server says the next, a long one and one in parts too."""

    async def story(w: World) -> None:
        response = await w.watching()
        for line in (b"x\n", b"y" * 3_000_000 + b"\n", b"z\n"):
            half = len(line) // 2
            w.lines.put_nowait(line[:half])
            w.lines.put_nowait(line[half:])
            assert line == await response.content.readexactly(len(line))
        w.lines.put_nowait(None)
        assert b"" == await response.content.read()
        assert 0 == w.proxy.watches

    play(story, **tls)


def test_abandoned_watches_end_at_the_server(tls: dict[str, ssl.SSLContext]) -> None:
    """When a client leaves its watch, the server is told."""

    async def story(w: World) -> None:
        response = await w.watching()
        response.close()
        await w.gone.wait()
        assert 0 == w.proxy.watches

    play(story, **tls)


def test_the_latest_answer_comes_first() -> None:
    """Of several answers the latest given is taken; who has none leaves it to the others, and then to the server."""

    async def story(w: World) -> None:
        with w.proxy.answering(lambda r: Answer(status=418) if r.path == "/a" else None):
            with w.proxy.answering(lambda _: Answer(status=299, body=b"!", headers={"X-Own": "1"})):
                async with w.client.get("/a") as answer:
                    assert (299, b"!", "1") == (answer.status, await answer.read(), answer.headers["X-Own"])
            assert 418 == await w.status("GET", "/a")
            assert 201 == await w.status("GET", "/b")

    play(story)


def test_distrust_is_borne(certificate: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A client that breaks the handshake off disturbs nobody."""

    async def story(w: World) -> None:
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", URL(w.proxy.url).port, ssl=ssl.create_default_context())
        assert 201 == await w.status()

    play(story, **secure(certificate))
    assert not caplog.records


def test_broken_servers_break_connections() -> None:
    """When the server breaks its connection in the middle, or is not there, the client's breaks too."""

    async def story(w: World) -> None:
        async def breaks(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b'{"half')
            assert request.transport
            request.transport.abort()
            return response

        w.script = breaks
        for path in ("/x", WATCH):
            with pytest.raises(aiohttp.ClientPayloadError):
                await w.status("GET", path)
        assert 0 == w.proxy.watches
        async with FaultProxy("http://127.0.0.1:1") as alone, aiohttp.ClientSession(alone.url) as client:
            with pytest.raises(aiohttp.ClientOSError):
                await client.post("/x")

    play(story)


def test_closing_breaks_what_is_open() -> None:
    """A proxy that is closed leaves no watch running, neither before nor behind it."""

    async def story(w: World) -> None:
        response = await w.watching()
        await w.proxy.aclose()
        with pytest.raises(aiohttp.ClientPayloadError):
            await response.read()
        await w.gone.wait()
        await w.proxy.aclose()

    play(story)
