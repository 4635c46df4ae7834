"""An HTTP server that answers what a test has written down, and clusters that reach it through both clients."""

import asyncio
import functools
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, ParamSpec

import pytest
from aiohttp import web

from openmcp_adapters.clients import Clients
from openmcp_adapters.kubernetes import KubernetesClients
from openmcp_adapters.lightkube import LightkubeClients
from openmcp_adapters.rest import Access, Timeouts
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Randomness, Resource

P = ParamSpec("P")
Play = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Kind = type[Clients]

CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
SECRETS = Resource("v1", "Secret", "secrets")
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)

QUICK = Timeouts(connect=2.0, read=2.0, watch=(1.0, 1.0), silence=1.0)
"""For tests in which nothing has to time out, or a watch has to."""

both = pytest.mark.parametrize("kind", [LightkubeClients, KubernetesClients], ids=["lightkube", "kubernetes"])
"""Runs a test through both clients."""


class Half(Randomness):
    """Chance that always says one half."""

    def random(self) -> float:
        """Return one half."""
        return 0.5


class Seen(NamedTuple):
    """A request that arrived."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


class Server:
    """Answers requests in the order of its script; the last answer is given again and again."""

    def __init__(self, *script: Play) -> None:
        self.script = [*script]
        self.seen: list[Seen] = []
        self.raw: list[bytes] = []
        self.connections: set[asyncio.BaseTransport] = set()
        self.url = ""

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.url.rpartition(":")[2])

    @property
    def open(self) -> int:
        """How many connections of those that carried a request are still open."""
        return sum(not connection.is_closing() for connection in self.connections)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Give the next answer."""
        if request.transport:
            self.connections.add(request.transport)
        text = await request.read()
        self.raw.append(text)
        path, _, _ = request.raw_path.partition("?")
        body = json.loads(text) if text else None
        self.seen.append(Seen(request.method, path, request.query, request.headers, body))
        play = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return await play(request)


@asynccontextmanager
async def serving(*script: Play, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Serve a script on the loopback address."""
    server = Server(*script)
    runner = web.ServerRunner(web.Server(server.answer), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    server.url = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield server
    finally:
        await runner.cleanup()


@asynccontextmanager
async def reaching(
    kind: Kind, server: Server | str, *, timeouts: Timeouts = QUICK, **access: Any
) -> AsyncIterator[Cluster]:
    """Offer a client of a server."""
    url = server if isinstance(server, str) else server.url
    cluster = kind(randomness=Half(), timeouts=timeouts)._cluster(Access(server=url, **access))
    try:
        yield cluster
    finally:
        await cluster.close()


def played(story: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test that is a coroutine function, for thirty seconds at most."""

    @functools.wraps(story)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(story(*args, **kwargs), 30.0))

    return run


def says(status: int, body: object, *, kind: str = "application/json", **headers: str) -> Play:
    """Answer with a body: text and bytes as they are, all else as JSON."""
    content = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()

    async def play(_: web.BaseRequest) -> web.StreamResponse:
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        return web.Response(status=status, body=content, headers={"Content-Type": kind, **sent})

    return play


def streams(*pieces: bytes, end: Callable[[web.BaseRequest], Awaitable[None]] | None = None) -> Play:
    """Answer with a body in pieces, and end it cleanly, or as told."""

    async def play(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
        if end:
            await end(request)
        return response

    return play


async def breaks(request: web.BaseRequest) -> None:
    """End by breaking the connection."""
    await asyncio.sleep(0)
    if request.transport:
        request.transport.abort()


async def silence(request: web.BaseRequest) -> None:
    """Do not end, and say nothing, as long as the other side stays."""
    while request.transport and not request.transport.is_closing():  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.01)


async def drops(request: web.BaseRequest) -> web.StreamResponse:
    """Break the connection without an answer."""
    await breaks(request)
    return web.Response()


async def waits(request: web.BaseRequest) -> web.StreamResponse:
    """Never answer."""
    await silence(request)
    return web.Response()


async def arrived(server: Server, requests: int) -> None:
    """Return when a server has got so many requests, and whoever sent them has heard what there is to hear."""
    while len(server.seen) < requests:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)


async def closed(server: Server, *, all_but: int = 0) -> None:
    """Return when a server's connections are closed; it takes a moment until it hears of that."""
    while server.open > all_but:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.01)


def status(code: int, reason: str = "", message: str = "", **details: Any) -> dict[str, Any]:
    """Return a Status as a server makes it."""
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        "details": details,
    }


def thing(name: str = "a", version: str = "1", **fields: Any) -> dict[str, Any]:
    """Return a ConfigMap as a server has it."""
    metadata = {"name": name, "namespace": "n", "uid": f"uid-of-{name}", "resourceVersion": version}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, **fields}


def listed(*items: Json, version: str = "1") -> dict[str, Any]:
    """Return a list as a server sends it: its items do not say their kind."""
    bare = [{key: item[key] for key in item if key not in {"apiVersion", "kind"}} for item in items]
    return {"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {"resourceVersion": version}, "items": bare}


def event(of: str, obj: Json) -> bytes:
    """Return a line of a watch."""
    return json.dumps({"type": of, "object": obj}).encode() + b"\n"
