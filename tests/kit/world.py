"""A world for the tests of the kit: a proxy, behind it a server that does what a test tells it, before it a client."""

import asyncio
import gc
import io
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from openmcp_testing.proxy import FaultProxy

WATCH = "/apis/g/v1/widgets?watch=true"


@dataclass
class World:
    """The proxy, the server behind it, and a client before it."""

    client: aiohttp.ClientSession = field(init=False)
    proxy: FaultProxy = field(init=False)
    lines: asyncio.Queue[bytes | None] = field(init=False)  # of the latest watch; None ends it
    running: list[aiohttp.ClientResponse] = field(default_factory=list)
    got: list[tuple[str, str, CIMultiDict[str], bytes]] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # a watch's client went away
    script: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] | None = None  # what the server does instead

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Be the server."""
        if self.script:
            return await self.script(request)
        body = await request.content.read()
        self.got.append((request.method, request.raw_path, CIMultiDict(request.headers), body))
        if "watch" in request.query:
            return await self.watch(request)
        if request.path.endswith("/widgets"):
            page = {"kind": "WidgetList", "apiVersion": "g/v1", "metadata": {"resourceVersion": "77"}, "items": []}
            return web.json_response(page)
        headers = CIMultiDict([("Warning", "one"), ("Warning", "two"), ("Content-Encoding", "gzip")])
        return web.Response(status=201, reason="Made", body=io.BytesIO(body), headers=headers)

    async def watch(self, request: web.BaseRequest) -> web.StreamResponse:
        """Say what the test puts into the queue."""
        lines = self.lines = asyncio.Queue()
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while (line := await lines.get()) is not None:
                await response.write(line)
        except asyncio.CancelledError:
            self.gone.set()
            raise
        return response

    async def watching(self, path: str = WATCH, **headers: str) -> aiohttp.ClientResponse:
        """Return a watch that runs: it has told of an event."""
        response = await self.client.get(path, headers=headers)
        self.running.append(response)
        self.lines.put_nowait(b'{"n":1}\n')
        assert b'{"n":1}\n' == await response.content.readline()
        return response

    async def status(self, method: str = "GET", path: str = "/x") -> int:
        """Return the status of an answer."""
        async with self.client.request(method, path) as answer:
            await answer.read()
            return answer.status


@asynccontextmanager
async def world(tls: ssl.SSLContext | None = None, trust: ssl.SSLContext | None = None) -> AsyncIterator[World]:
    """Yield a world, whose connections are all secure or all plain."""
    async with AsyncExitStack() as stack:
        made = World()
        runner = web.ServerRunner(
            web.Server(made.serve, handler_cancellation=True, access_log=None, auto_decompress=False)
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        made.proxy = await stack.enter_async_context(FaultProxy(site.name, upstream_tls=trust, tls=tls))
        connector = aiohttp.TCPConnector(ssl=trust or True)
        made.client = await stack.enter_async_context(
            aiohttp.ClientSession(made.proxy.url, connector=connector, auto_decompress=False)
        )
        yield made
        for response in made.running:
            response.close()


def play(story: Callable[[World], Awaitable[None]], **tls: ssl.SSLContext) -> None:
    """Run a test."""

    async def run() -> None:
        async with asyncio.timeout(30), world(**tls) as made:
            await story(made)

    asyncio.run(run())
    gc.collect()  # what was not closed is this test's, and told now


def secure(certificate: Path) -> dict[str, ssl.SSLContext]:
    """Return both sides' settings for secure connections."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    return {"tls": server, "trust": ssl.create_default_context(cafile=str(certificate))}
