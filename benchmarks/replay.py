"""A bare client that makes again what an audit log says was asked: aiohttp and `json`, nothing of ours.

What belongs to one tenant is asked in the order in which it was; tenants go side by side, no more requests in flight
than then. Bodies are those of then, but for uids and versions of objects, which are others now.
"""

import asyncio
import json
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

import aiohttp

from openmcp_provider.domain.objects import Json, dig
from openmcp_testing.control_plane import ApiServer

__all__ = ["Asked", "Replayed", "in_flight", "replay", "watching"]

_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "delete": "DELETE", "get": "GET", "list": "GET"}
_HOME = re.compile(r"mcp--[0-9a-f]{8}-[0-9a-f-]{27}")
_EVERYBODYS = {"", "default", "access", "openmcp-system"}


class Asked(NamedTuple):
    """A request of then: the server's name, and its event in that server's audit log."""

    server: str
    event: Json

    @property
    def began(self) -> datetime:
        """When the server got it."""
        return datetime.fromisoformat(self.event["requestReceivedTimestamp"])

    @property
    def ended(self) -> datetime:
        """When the server had answered it."""
        return datetime.fromisoformat(self.event["stageTimestamp"])


class Replayed(NamedTuple):
    """What came of it: seconds, and how often which answer of then met which of now where they differ."""

    seconds: float
    different: Counter[tuple[str, str, int, int]]


def in_flight(asked: Iterable[Asked]) -> float:
    """Return how many of these requests the servers were answering at a time, on average."""
    found = list(asked)
    span = max(one.ended for one in found) - min(one.began for one in found)
    return sum((one.ended - one.began).total_seconds() for one in found) / span.total_seconds()


@asynccontextmanager
async def _sessions(servers: Mapping[str, ApiServer]) -> AsyncIterator[dict[str, aiohttp.ClientSession]]:
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                aiohttp.ClientSession(
                    server.url,
                    connector=aiohttp.TCPConnector(ssl=server.client_context(), limit=0),
                    headers={"Authorization": f"Bearer {server.admin_token}"},
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60),
                )
            )
            for name, server in servers.items()
        }


async def replay(servers: Mapping[str, ApiServer], asked: Iterable[Asked], at_once: int) -> Replayed:
    """Make requests again, at most so many at once.

    Args:
        servers: Where, by the names of then.
        asked: What; watches are left to `watching`.
        at_once: How many at most are in flight.
    """
    chains: dict[str, list[Asked]] = defaultdict(list)
    for one in sorted(asked, key=lambda one: one.event["requestReceivedTimestamp"]):
        if one.event["verb"] in _METHODS:
            chains[_chain(one)].append(one)
    different: Counter[tuple[str, str, int, int]] = Counter()
    slots = asyncio.Semaphore(at_once)
    loop = asyncio.get_running_loop()
    async with _sessions(servers) as sessions:
        began = loop.time()

        async def play(chain: list[Asked]) -> None:
            versions: dict[str, str] = {}
            for one in chain:
                async with slots:
                    code = await _ask(sessions[one.server], one.event, versions)
                then = one.event["responseStatus"]["code"]
                if code != then:
                    different[one.event["verb"], one.event["objectRef"]["resource"], then, code] += 1

        await asyncio.gather(*map(play, chains.values()))
        return Replayed(loop.time() - began, different)


@asynccontextmanager
async def watching(servers: Mapping[str, ApiServer], asked: Iterable[Asked]) -> AsyncIterator[None]:
    """Hold the watches of then, each once, and read what they bring."""
    wanted = {(one.server, one.event["userAgent"], _path(one.event)) for one in asked if one.event["verb"] == "watch"}
    async with _sessions(servers) as sessions:

        async def read(server: str, path: str) -> None:
            timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
            with suppress(aiohttp.ClientError):
                async with sessions[server].get(path, timeout=timeout) as answer:
                    async for line in answer.content:
                        json.loads(line)

        tasks = [asyncio.create_task(read(server, path)) for server, _, path in sorted(wanted)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _chain(one: Asked) -> str:
    """Return what a request must keep its place in: all about a tenant, a namespace, or an object."""
    event = one.event
    found = _HOME.search(event["requestURI"]) or _HOME.search(json.dumps(event.get("requestObject")))
    reference = event.get("objectRef") or {}
    name = _name(event)
    if dig(event, "objectRef", "resource") == "ocms" and name:
        return f"ocm {name}"
    if reference.get("resource") == "namespaces":
        return f"{one.server} {name}"
    if reference.get("namespace", "") not in _EVERYBODYS:
        return f"{one.server} {reference['namespace']}"
    return f"{one.server} {found[0]}" if found else f"{one.server} {reference.get('resource')} {name}"


def _name(event: Json) -> str:
    return dig(event, "objectRef", "name") or dig(event, "requestObject", "metadata", "name") or ""


def _path(event: Json) -> str:
    path, _, query = str(event["requestURI"]).partition("?")
    kept = [(key, value) for key, value in parse_qsl(query) if key not in {"resourceVersion", "continue"}]
    return f"{path}?{urlencode(kept)}" if kept else path


async def _ask(session: aiohttp.ClientSession, event: Json, versions: dict[str, str]) -> int:
    verb, sent, path = event["verb"], event.get("requestObject"), _path(event)
    place = path.partition("?")[0].removesuffix("/status")
    headers = {"Content-Type": "application/json"}
    if verb == "patch":
        kind = "json-patch" if isinstance(sent, list) else "merge-patch"
        headers["Content-Type"] = "application/" + ("apply-patch+yaml" if "force=" in path else f"{kind}+json")
    if verb in {"create", "update", "patch"}:
        sent = _anew(sent, versions.get(place, "") if verb == "update" else "")
    else:
        sent = None
    data = json.dumps(sent).encode() if sent is not None else None
    async with session.request(_METHODS[verb], path, data=data, headers=headers if data else None) as answer:
        found = json.loads(await answer.read())
        version = dig(found, "metadata", "resourceVersion")
        if answer.ok and version:
            versions[place if verb != "create" else f"{place}/{_name(event)}"] = version
        return answer.status


def _anew(sent: Any, version: str) -> Any:  # noqa: ANN401 - JSON
    """Return a body without what names objects of then."""
    if isinstance(sent, list):
        return [step for step in sent if not (step["op"] == "test" and step["path"].startswith("/metadata/"))]
    metadata = {key: value for key, value in (sent.get("metadata") or {}).items() if key not in _OF_THEN}
    return {**sent, "metadata": {**metadata, **({"resourceVersion": version} if version else {})}}


_OF_THEN = {"uid", "resourceVersion", "managedFields", "creationTimestamp"}
