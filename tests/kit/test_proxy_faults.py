"""What the proxy does when told to, seen by a plain HTTP client: each fault of the contract, and frost."""

import asyncio
import json
import re
import socket
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from openmcp_testing.contract.case import Fault
from openmcp_testing.server import provoke
from tests.kit.world import WATCH, World, play, secure


async def failure(response: aiohttp.ClientResponse) -> tuple[int, str]:
    """Return code and reason of a Status, which says them like the answer's head."""
    assert "application/json" == response.content_type
    status = await response.json()
    assert ("Status", "Failure", response.status) == (status["kind"], status["status"], status["code"])
    return status["code"], status["reason"]


@pytest.mark.parametrize(
    ("fault", "code", "reason", "path"),
    [
        (Fault.TOO_MANY_REQUESTS, 429, "TooManyRequests", "/x"),
        (Fault.SERVER_ERROR, 500, "InternalError", "/x"),
        (Fault.UNAUTHORIZED, 401, "Unauthorized", "/x"),
        (Fault.OLD_VERSIONS, 410, "Expired", f"{WATCH}&resourceVersion=5"),
        (Fault.OLD_TOKENS, 410, "Expired", "/apis/g/v1/widgets?limit=1&continue=abc"),
    ],
)
def test_refusals(fault: Fault, code: int, reason: str, path: str) -> None:
    """A request is answered with a Status and does not reach the server; afterwards it does."""

    async def story(w: World) -> None:
        async with provoke(w.proxy, fault), w.client.get(path) as answer:
            assert (code, reason) == await failure(answer)
            assert ("7" if code == 429 else None) == answer.headers.get("Retry-After")
        assert not w.got
        assert await w.status("GET", path.replace("watch", "not")) < 300

    play(story)


@pytest.mark.parametrize("fault", [Fault.OLD_VERSIONS, Fault.OLD_TOKENS])
def test_refusals_of_age_leave_lists_alone(fault: Fault) -> None:
    """What is too old hinders no list that begins anew."""

    async def story(w: World) -> None:
        async with provoke(w.proxy, fault), w.client.get("/apis/g/v1/widgets?limit=1&resourceVersion=5") as answer:
            assert 200 == answer.status

    play(story)


def test_nobody_is_reached(tls: dict[str, ssl.SSLContext]) -> None:
    """Idle connections and watches break, none can be made, and afterwards the same port answers again."""

    async def story(w: World) -> None:
        url = w.proxy.url
        response = await w.watching()
        assert 201 == await w.status()
        assert 2 == len(w.proxy._server.connections)
        async with provoke(w.proxy, Fault.UNREACHABLE):
            assert 0 == w.proxy.watches
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.content.read()
            for _ in range(3):
                with pytest.raises(aiohttp.ClientConnectorError) as refused:
                    await w.status()
                assert isinstance(refused.value.os_error, ConnectionRefusedError)
        assert url == w.proxy.url
        assert 201 == await w.status()
        assert 2 == len([path for _, path, _, _ in w.got if path == "/x"])

    play(story, **tls)


@pytest.mark.parametrize("closed", [False, True])
def test_handshakes_do_not_outlive_the_port(closed: bool, certificate: Path) -> None:
    """A connection that is still being secured breaks too, and is not left behind."""

    async def story(w: World) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(w.proxy.url).port)
        connecting = w.proxy._listener._connecting
        while not connecting:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)
        if closed:
            await w.proxy.aclose()
            assert not connecting
        else:
            async with w.proxy.unreachable():
                assert b"" == await reader.read()
        writer.close()
        await writer.wait_closed()

    play(story, **secure(certificate))


def test_the_port_stays_ours() -> None:
    """While nobody can be reached no other program gets the port."""

    async def story(w: World) -> None:
        port = URL(w.proxy.url).port
        async with w.proxy.unreachable():
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("127.0.0.1", port))

    play(story)


def test_answers_get_lost(tls: dict[str, ssl.SSLContext]) -> None:
    """The request is carried out, but its client gets no byte of the answer."""

    async def story(w: World) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(w.proxy.url).port, ssl=tls.get("trust"))
        async with provoke(w.proxy, Fault.LOST_ANSWER):
            writer.write(b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok")
            with pytest.raises(ConnectionResetError):
                await reader.read()
        writer.close()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()
        assert [("POST", b"ok")] == [(method, body) for method, _, _, body in w.got]
        assert 201 == await w.status()

    play(story, **tls)


def test_chosen_answers_get_lost() -> None:
    """A test may choose whose answers get lost; a watch loses its connection when it has begun."""

    async def story(w: World) -> None:
        with w.proxy.losing_answers(lambda request: request.watches):
            assert 201 == await w.status("POST")
            with pytest.raises(aiohttp.ClientOSError):
                await w.status("GET", WATCH)
        assert ["/x", WATCH] == sorted({found[1] for found in w.got}, reverse=True)

    play(story)


@pytest.mark.parametrize(
    ("fault", "written"),
    [
        (Fault.WATCH_EXPIRES, rb'[0-9a-f]+\r\n\{"type":"ERROR",.*\}\n\r\n0\r\n\r\n'),
        (Fault.WATCH_BREAKS, rb"64\r\n.{50}"),
        (Fault.WATCH_ENDS, rb"0\r\n\r\n"),
        (Fault.BOOKMARK, rb'[0-9a-f]+\r\n\{"type":"BOOKMARK",.*\}\n\r\n'),
    ],
)
def test_watches_have_got_it(fault: Fault, written: bytes) -> None:
    """What a running watch is to get is on the wire when the fault is there, chunk by chunk."""

    async def story(w: World) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.settimeout(0)
            await loop.sock_connect(client, ("127.0.0.1", URL(w.proxy.url).port))
            await loop.sock_sendall(client, f"GET {WATCH} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            assert (await loop.sock_recv(client, 9999)).endswith(b"\r\n\r\n")
            async with provoke(w.proxy, fault):
                assert re.fullmatch(written, client.recv(9999))  # without waiting

    play(story)


def test_watches_expire(tls: dict[str, ssl.SSLContext]) -> None:
    """Every running watch gets an ERROR event and ends cleanly; the next runs."""

    async def story(w: World) -> None:
        running = [await w.watching(), await w.watching("/w?watch=1")]
        async with provoke(w.proxy, Fault.WATCH_EXPIRES):
            assert 0 == w.proxy.watches
            for response in running:
                (line,) = (await response.content.read()).splitlines()
                event = json.loads(line)
                assert ("ERROR", "Status", 410, "Expired") == (
                    event["type"],
                    *(event["object"][key] for key in ("kind", "code", "reason")),
                )
        await w.gone.wait()
        await w.watching()

    play(story, **tls)


def test_watches_break(tls: dict[str, ssl.SSLContext]) -> None:
    """A running watch gets half a line, and its connection breaks within a chunk."""

    async def story(w: World) -> None:
        response = await w.watching()
        async with provoke(w.proxy, Fault.WATCH_BREAKS):
            assert b'{"type":"MODIFIED"' == await response.content.readexactly(18)
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.content.readline()
        await w.gone.wait()
        await w.watching()

    play(story, **tls)


def test_watches_end(tls: dict[str, ssl.SSLContext]) -> None:
    """A running watch ends as if the server had ended it, and its connection is used on."""

    async def story(w: World) -> None:
        response = await w.watching()
        async with provoke(w.proxy, Fault.WATCH_ENDS):
            assert b"" == await response.content.read()
            assert response.content.at_eof()
        assert 201 == await w.status()
        assert 1 == len(w.proxy._server.connections)

    play(story, **tls)


def test_bookmarks_come(tls: dict[str, ssl.SSLContext]) -> None:
    """A running watch gets a bookmark with the version that its collection has, and runs on; its token is used."""

    async def story(w: World) -> None:
        response = await w.watching(f"{WATCH}&resourceVersion=5", Authorization="Bearer t")
        w.lines.put_nowait(b'{"n":')
        async with provoke(w.proxy, Fault.BOOKMARK):
            mark = {"kind": "Widget", "apiVersion": "g/v1", "metadata": {"resourceVersion": "77"}}
            assert {"type": "BOOKMARK", "object": mark} == json.loads(await response.content.readline())
        w.lines.put_nowait(b"1}\n")
        assert b'{"n":1}\n' == await response.content.readline()
        assert ("GET", "/apis/g/v1/widgets?limit=1") == w.got[1][:2]
        assert "Bearer t" == w.got[1][2]["Authorization"]

    play(story, **tls)


def test_bookmarks_without_watches() -> None:
    """Where no watch runs nothing is asked and nothing happens."""

    async def story(w: World) -> None:
        for fault in (Fault.BOOKMARK, Fault.WATCH_BREAKS, Fault.WATCH_ENDS, Fault.WATCH_EXPIRES):
            async with provoke(w.proxy, fault):
                assert not w.got

    play(story)


def test_frost(tls: dict[str, ssl.SSLContext]) -> None:
    """Nothing moves while it freezes: watches, requests on old connections, new connections; then all go on."""

    async def story(w: World) -> None:
        response = await w.watching()
        assert 201 == await w.status()
        async with w.proxy.frozen():
            w.lines.put_nowait(b"late\n")
            line = asyncio.ensure_future(response.content.readline())
            statuses = [asyncio.ensure_future(w.status("POST", path)) for path in ("/old", "/new")]
            done, _ = await asyncio.wait(
                [line, *statuses], timeout=0.3
            )  # that nothing happens takes its time to be seen
            assert not done
            assert 2 == len(w.got)
        assert b"late\n" == await line
        assert [201, 201] == await asyncio.gather(*statuses)
        assert 1 == w.proxy.watches

    play(story, **tls)


def test_frost_keeps_answers() -> None:
    """An answer that was on its way when it began to freeze arrives afterwards."""

    async def story(w: World) -> None:
        asked, may = asyncio.Event(), asyncio.Event()

        async def slow(_: web.BaseRequest) -> web.StreamResponse:
            asked.set()
            await may.wait()
            return web.Response(status=203)

        w.script = slow
        waiting = asyncio.ensure_future(w.status())
        await asked.wait()
        async with w.proxy.frozen():
            may.set()
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
        assert 203 == await waiting

    play(story)


def test_new_connections_in_frost(certificate: Path) -> None:
    """While it freezes the port can be connected to, but nothing is said there, not even how to talk in secret."""

    async def story(w: World) -> None:
        port = URL(w.proxy.url).port
        async with w.proxy.frozen():
            _, plain = await asyncio.open_connection("127.0.0.1", port)
            secret = asyncio.ensure_future(asyncio.open_connection("127.0.0.1", port, ssl=contexts["trust"]))
            done, _ = await asyncio.wait([secret], timeout=0.3)
            assert not done
        for writer in (plain, (await secret)[1]):
            writer.close()
            await writer.wait_closed()

    contexts = secure(certificate)
    play(story, **contexts)
