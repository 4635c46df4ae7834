"""The harness of the contract for an adapter that talks to a real API server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Self
from uuid import uuid4

from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Resource
from openmcp_testing.contract.case import Fault
from openmcp_testing.messages import Answer, Request
from openmcp_testing.proxy import FaultProxy
from openmcp_testing.serving import serve

__all__ = ["ServerHarness", "provoke"]

_NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)


def _expired_token(request: Request) -> Answer | None:
    message = "The provided continue parameter is too old to display a consistent list result."
    return Answer.failure(410, "Expired", message) if "continue" in request.query else None


def _expired_version(request: Request) -> Answer | None:
    return Answer.failure(410, "Expired", "too old resource version: 1 (2)") if request.watches else None


_ANSWERS: dict[Fault, Callable[[Request], Answer | None]] = {
    Fault.TOO_MANY_REQUESTS: lambda _: Answer.failure(
        429, "TooManyRequests", "Too many requests, please try again later.", Retry_After="7"
    ),
    Fault.SERVER_ERROR: lambda _: Answer.failure(500, "InternalError", "Internal error occurred"),
    Fault.UNAUTHORIZED: lambda _: Answer.failure(401, "Unauthorized", "Unauthorized"),
    Fault.OLD_VERSIONS: _expired_version,
    Fault.OLD_TOKENS: _expired_token,
}


@asynccontextmanager
async def provoke(proxy: FaultProxy, fault: Fault) -> AsyncIterator[None]:
    """Let a proxy bring a fault about; it is there when the context has begun, and over when it has ended."""
    match fault:
        case Fault.UNREACHABLE:
            async with proxy.unreachable():
                yield
        case Fault.LOST_ANSWER:
            with proxy.losing_answers():
                yield
        case Fault.WATCH_EXPIRES:
            await proxy.expire_watches()
            yield
        case Fault.WATCH_BREAKS:
            await proxy.break_watches()
            yield
        case Fault.WATCH_ENDS:
            await proxy.end_watches()
            yield
        case Fault.BOOKMARK:
            await proxy.send_bookmarks()
            yield
        case _:
            with proxy.answering(_ANSWERS[fault]):
                yield


class ServerHarness:
    """A namespace on a real API server for one case; made by `begin`.

    Args:
        cluster: The adapter under test, which reaches the server through the proxy.
        proxy: Before the server.
        namespace: The case's own.
    """

    def __init__(self, cluster: Cluster, proxy: FaultProxy, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._proxy = proxy
        self._namespaces = 0

    @classmethod
    async def begin(cls, cluster: Cluster, proxy: FaultProxy) -> Self:
        """Make a namespace, and return what runs a case in it."""
        harness = cls(cluster, proxy, f"case-{uuid4().hex[:12]}")
        await harness._add(harness.namespace)
        return harness

    async def another_namespace(self) -> str:
        """Make one more namespace and return its name."""
        self._namespaces += 1
        name = f"{self.namespace}-{self._namespaces}"
        await self._add(name)
        return name

    async def _add(self, namespace: str) -> None:
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        await self.cluster.create(_NAMESPACES, manifest)

    async def crd(self, manifest: Json) -> Resource:
        """Serve a kind.

        Raises:
            TimeoutError: the server does not serve it.
        """
        return await serve(self.cluster, manifest)

    async def another_second(self) -> None:
        """Return when the server's clock shows another second; it is this machine's."""
        await asyncio.sleep(1.01 - time.time() % 1)  # a little more, since timers may be early

    def provoke(self, fault: Fault) -> AbstractAsyncContextManager[None]:
        """Let a fault happen."""
        return provoke(self._proxy, fault)
