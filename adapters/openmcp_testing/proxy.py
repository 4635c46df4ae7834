"""A reverse proxy before an API server that does on the wire what such a server does only under force."""

import asyncio
import io
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from openmcp_testing.listener import Listener
from openmcp_testing.messages import Answer, Request, event, failure

__all__ = ["FaultProxy"]

# Headers that are about one connection, not about what is said on it.
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
_HALF_A_LINE = b'{"type":"MODIFIED","object":{"apiVersion":"v1","ki'
_LINE_LIMIT = 1 << 20
_PATIENCE = 10.0


class FaultProxy:
    """Passes everything on, untouched and at once, unless it is told to do otherwise.

    Client certificates do not reach the server: whoever is to be known there sends a token.

    Args:
        upstream: The URL of the server.
        upstream_tls: How to know the server; None = as the system does, if the URL is https.
        tls: What the proxy shows its clients; None = plain http.
        words: What clients say in paths and bodies, and what the server is told instead; in its answers, watches apart,
            the other way round. So clients can share a server which each believes to have alone.

    Attributes:
        seen: Every request that arrived, whatever became of it.
    """

    seen: list[Request]
    _server: web.Server
    _listener: Listener
    _session: aiohttp.ClientSession

    def __init__(
        self,
        upstream: str,
        *,
        upstream_tls: ssl.SSLContext | None = None,
        tls: ssl.SSLContext | None = None,
        words: tuple[str, str] | None = None,
    ) -> None:
        self.seen = []
        self._upstream = upstream.rstrip("/")
        self._upstream_tls = upstream_tls
        self._tls = tls
        self._words = words
        self._answers: list[Callable[[Request], Answer | None]] = []
        self._losses: list[Callable[[Request], bool]] = []
        self._watches: set[_Watch] = set()
        self._thawed = asyncio.Event()
        self._thawed.set()

    async def __aenter__(self) -> Self:
        """Begin to listen."""
        self._server = web.Server(
            self._handle,
            handler_cancellation=True,  # a client that goes away ends its watch at the server too
            access_log=None,
            auto_decompress=False,
            lingering_time=0,
            max_line_size=_LINE_LIMIT,
            max_field_size=_LINE_LIMIT,
        )
        self._listener = Listener(self._server, self._tls)
        self._listener.serve()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._upstream_tls or True, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_PATIENCE),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            auto_decompress=False,
            max_line_size=_LINE_LIMIT,
            max_field_size=_LINE_LIMIT,
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End."""
        await self.aclose()

    async def aclose(self) -> None:
        """Break every connection and give the port back."""
        await self._listener.close()
        self._break_connections()
        await self._server.shutdown(_PATIENCE)
        await self._session.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._listener.port}"

    @property
    def watches(self) -> int:
        """How many watches are running."""
        return len(self._watches)

    @contextmanager
    def answering(self, answer: Callable[[Request], Answer | None]) -> Iterator[None]:
        """Answer requests without asking the server; those that get None are passed on. The latest is asked first."""
        self._answers.insert(0, answer)
        try:
            yield
        finally:
            self._answers.remove(answer)

    @contextmanager
    def losing_answers(self, when: Callable[[Request], bool] = lambda _: True) -> Iterator[None]:
        """Let the server carry requests out, then break the connection without a byte of the answer."""
        self._losses.append(when)
        try:
            yield
        finally:
            self._losses.remove(when)

    @asynccontextmanager
    async def unreachable(self) -> AsyncIterator[None]:
        """Break every connection, those of running watches too, and let no new one be made."""
        self._listener.refuse()
        self._break_connections()
        try:
            yield
        finally:
            self._listener.serve()

    @asynccontextmanager
    async def frozen(self) -> AsyncIterator[None]:
        """Let no byte pass. Connections stay, and new ones can be made; all of them go on afterwards."""
        self._thawed.clear()
        self._listener.hold()
        try:
            yield
        finally:
            self._thawed.set()
            self._listener.serve()

    async def expire_watches(self) -> None:
        """End running watches with an ERROR event 410."""
        expired = failure(410, "Expired", "too old resource version: 1 (2)")
        await self._end_watches(event("ERROR", expired), broken=False)

    async def break_watches(self) -> None:
        """Break the connections of running watches in the middle of a line."""
        await self._end_watches(_HALF_A_LINE, broken=True)

    async def end_watches(self) -> None:
        """End running watches as a server does whose time for them is over."""
        await self._end_watches(b"", broken=False)

    async def send_bookmarks(self) -> None:
        """Send a bookmark to running watches, with the version that their collection has now.

        It says that everything before it was told, which is true where nothing else is being written meanwhile.
        """
        for watch in tuple(self._watches):
            line = await self._bookmark(watch.request)
            with suppress(ConnectionError):  # its client may have gone meanwhile
                await watch.response.write(line)

    async def _bookmark(self, request: web.BaseRequest) -> bytes:
        url = URL(f"{self._upstream}{request.rel_url.raw_path}?limit=1", encoded=True)
        headers = [(name, value) for name, value in _passed_on(request.headers) if name.lower() != "accept-encoding"]
        async with self._session.get(url, headers=headers, raise_for_status=True) as found:
            page = await found.json()
        metadata = {"resourceVersion": page["metadata"]["resourceVersion"]}
        kind = page["kind"].removesuffix("List")
        return event("BOOKMARK", {"kind": kind, "apiVersion": page["apiVersion"], "metadata": metadata})

    async def _end_watches(self, last: bytes, *, broken: bool) -> None:
        ending, self._watches = self._watches, set()
        for watch in ending:
            watch.end(last, broken=broken)
        for watch in ending:
            await watch.over.wait()

    def _break_connections(self) -> None:
        self._watches.clear()
        for connection in self._server.connections:
            _reset(connection.transport)

    async def _handle(self, raw: web.BaseRequest) -> web.StreamResponse:
        request = Request(raw.method, raw.rel_url.path, raw.query, raw.headers)
        self.seen.append(request)
        body = await raw.content.read()
        await self._thawed.wait()
        for answer in self._answers:
            if found := answer(request):
                return web.Response(status=found.status, body=found.body, headers=found.headers)
        try:
            return await self._pass(raw, request, body)
        except aiohttp.ClientError:  # the other end is gone, be it the server or the client
            return _lost(raw)

    async def _pass(self, raw: web.BaseRequest, request: Request, body: bytes) -> web.StreamResponse:
        path, headers = raw.raw_path, _passed_on(raw.headers)
        said, meant = self._words or ("", "")
        if said:
            path, body = path.replace(said, meant), body.replace(said.encode(), meant.encode())
            headers = _without(headers, "content-length", "accept-encoding")
        url = URL(self._upstream + path, encoded=True)
        lost = any(when(request) for when in self._losses)
        data = io.BytesIO(body) if body else None  # as a file, since aiohttp warns of long bytes
        async with self._session.request(
            raw.method, url, headers=headers, data=data, allow_redirects=False
        ) as upstream:
            if lost:
                if not request.watches:  # which would never end
                    await upstream.read()
                return _lost(raw)
            await self._thawed.wait()
            if said and not request.watches:
                told = (await upstream.read()).replace(meant.encode(), said.encode())
                await self._thawed.wait()
                kept = _without(_passed_on(upstream.headers), "content-length")
                return web.Response(
                    status=upstream.status, reason=upstream.reason, headers=CIMultiDict(kept), body=told
                )
            response = web.StreamResponse(
                status=upstream.status, reason=upstream.reason, headers=_passed_on(upstream.headers)
            )
            await response.prepare(raw)
            if request.watches and upstream.ok:
                await self._pass_watch(upstream, _Watch(raw, response))
            else:
                async for chunk in upstream.content.iter_any():
                    await self._thawed.wait()
                    await response.write(chunk)
            await self._thawed.wait()
            return response

    async def _pass_watch(self, upstream: aiohttp.ClientResponse, watch: "_Watch") -> None:
        self._watches.add(watch)
        try:
            try:
                with suppress(TimeoutError):
                    async with watch.scope:
                        await self._pass_lines(upstream, watch.response)
            finally:
                self._watches.discard(watch)
            await watch.finish()
        finally:
            watch.over.set()

    async def _pass_lines(self, upstream: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        """Write whole lines only, so that others may write theirs in between."""
        begun = b""
        async for chunk in upstream.content.iter_any():
            whole, newline, rest = chunk.rpartition(b"\n")
            if newline:
                await self._thawed.wait()
                await response.write(begun + whole + newline)
                begun = rest
            else:
                begun += rest
        await response.write(begun)


class _Watch:
    """A running watch.

    Attributes:
        scope: What passes its lines on; ends when the watch is to end before the server ends it.
        over: Whether its client has got all that it will get.
    """

    def __init__(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        self.request = request
        self.response = response
        self.scope = asyncio.timeout(None)
        self.over = asyncio.Event()
        self._last = b""
        self._broken = False

    def end(self, last: bytes, *, broken: bool) -> None:
        """Say how it is to end: with what, and whether the connection breaks."""
        self._last, self._broken = last, broken
        self.scope.reschedule(0)  # long ago: nothing else in asyncio ends a block from without

    async def finish(self) -> None:
        """Write the end."""
        if self._broken:
            transport = self.request.transport
            if transport:  # by hand: a chunk that never becomes whole
                transport.write(b"%x\r\n" % (2 * len(self._last)) + self._last)
            _reset(transport)
            return
        if self._last:
            await self.response.write(self._last)
        await self.response.write_eof()


def _passed_on(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP]


def _without(headers: list[tuple[str, str]], *names: str) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() not in names]


def _lost(request: web.BaseRequest) -> web.StreamResponse:
    _reset(request.transport)
    return web.Response()  # a handler must return one; nothing of it reaches the client


def _reset(transport: asyncio.BaseTransport | None) -> None:
    """Break a connection so that its other end is told of a reset."""
    if isinstance(transport, asyncio.Transport) and not transport.is_closing():
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
