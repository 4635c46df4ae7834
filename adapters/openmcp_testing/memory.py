"""The harness of the contract for the in-memory cluster."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.errors import Expired, PortError, ServerError, TooManyRequests, Unauthorized, Unavailable
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Resource
from openmcp_testing.contract.case import Fault
from openmcp_testing.faults import FaultyCluster, Injection

__all__ = ["MemoryHarness"]

_BEFORE: dict[Fault, Callable[[], PortError]] = {
    Fault.TOO_MANY_REQUESTS: lambda: TooManyRequests("too many requests, please try again later", 7.0),
    Fault.SERVER_ERROR: lambda: ServerError("internal error"),
    Fault.UNAUTHORIZED: lambda: Unauthorized("Unauthorized"),
    Fault.UNREACHABLE: lambda: Unavailable("connection refused"),
}


class MemoryHarness:
    """One in-memory cluster for one case; `memory` is the cluster, `cluster` the same with faults."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, tzinfo=UTC)
        self.memory = MemoryCluster("contract", now=lambda: self._now)
        self.cluster = FaultyCluster(self.memory)
        self.namespace = "case"
        self._namespaces = 0
        self.memory.add_namespace(self.namespace)

    async def another_namespace(self) -> str:
        """Make one more namespace and return its name."""
        self._namespaces += 1
        name = f"{self.namespace}-{self._namespaces}"
        self.memory.add_namespace(name)
        return name

    async def crd(self, manifest: Json) -> Resource:
        """Serve a kind."""
        spec = manifest["spec"]
        found = self.memory.kind(spec["group"], spec["names"]["plural"])
        return found or self.memory.install(manifest)

    async def another_second(self) -> None:
        """Let the clock show another second."""
        self._now += timedelta(seconds=1)

    @asynccontextmanager
    async def provoke(self, fault: Fault) -> AsyncIterator[None]:
        """Let a fault happen."""
        injection = None
        if fault in _BEFORE:
            injection = Injection(when=lambda _: True, error=_BEFORE[fault], times=0)
        elif fault is Fault.LOST_ANSWER:
            injection = Injection(when=lambda _: True, error=lambda: Unavailable("reset"), applied=True, times=0)
        elif fault in {Fault.OLD_VERSIONS, Fault.OLD_TOKENS}:
            self.memory.compact()
        elif fault is Fault.BOOKMARK:
            self.memory.send_bookmarks()
        else:
            ends: dict[Fault, PortError | None] = {
                Fault.WATCH_EXPIRES: Expired("too old resource version"),
                Fault.WATCH_BREAKS: Unavailable("connection reset"),
                Fault.WATCH_ENDS: None,
            }
            self.memory.end_watches(ends[fault])
        if injection:
            self.cluster.plan.append(injection)
        try:
            yield
        finally:
            if injection:
                self.cluster.plan.remove(injection)
