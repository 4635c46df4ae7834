"""Metrics of requests to API servers, under the name that Go's clients have them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter

from openmcp_provider.ports import (
    AlreadyExists,
    Cluster,
    ClusterFactory,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NotFound,
    PortError,
    ServerError,
    TooManyRequests,
    Unauthorized,
    WatchEvent,
)
from openmcp_provider.runtime.around import Around, Call

__all__ = ["Metered", "MeteredFactory", "RequestMetrics"]

T = TypeVar("T")

METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "apply": "PATCH", "delete": "DELETE"}
READ = "GET"
CODES: dict[type[PortError], str] = {
    NotFound: "404",
    Conflict: "409",
    AlreadyExists: "409",
    Invalid: "422",
    Forbidden: "403",
    Unauthorized: "401",
    Expired: "410",
    TooManyRequests: "429",
    ServerError: "500",
}
NO_ANSWER = "<error>"
"""What Go's clients write where no answer came; here also 502, 503 and 504, which the port does not tell apart."""


class RequestMetrics:
    """Counts requests.

    Args:
        hosts: Where requests will go.
        registry: Where the metrics are.
    """

    def __init__(self, hosts: Iterable[str], registry: CollectorRegistry) -> None:
        self._total = Counter(
            "rest_client_requests_total",
            "Requests to API servers by status code, method and role of the cluster.",
            ["code", "method", "host"],
            registry=registry,
        )
        for host in hosts:
            for method in (READ, *METHODS.values()):
                self._total.labels(_code(method, None), method, host)

    def count(self, call: Call, host: str, error: BaseException | None) -> None:
        """Count a request that has ended; without an error it did what was asked."""
        method = METHODS.get(call.verb, READ)
        self._total.labels(_code(method, error), method, host).inc()


def _code(method: str, error: BaseException | None) -> str:
    if error is None:
        return "201" if method == "POST" else "200"
    return CODES.get(type(error), NO_ANSWER) if isinstance(error, PortError) else NO_ANSWER


class Metered(Around):
    """Counts every request to a cluster.

    Args:
        cluster: What carries the requests out.
        metrics: Counts.
        host: The role of the cluster. Never a tenant's name: series are for ever.
    """

    def __init__(self, cluster: Cluster, metrics: RequestMetrics, host: str) -> None:
        super().__init__(cluster)
        self._metrics = metrics
        self._host = host

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[T]]) -> T:
        """Carry a call out and count it."""
        try:
            answer = await super().around(call, carry_out)
        except (PortError, asyncio.CancelledError) as error:  # cancelled: it took longer than it may
            self._metrics.count(call, self._host, error)
            raise
        self._metrics.count(call, self._host, None)
        return answer

    async def around_watch(
        self, call: Call, begin: Callable[[Cluster], AsyncGenerator[WatchEvent, None]]
    ) -> AsyncGenerator[WatchEvent, None]:
        """Begin a watch; count it once it is known whether the server accepted it, which its first event tells."""
        counted = False
        try:
            async with aclosing(super().around_watch(call, begin)) as events:
                async for event in events:
                    if not counted:
                        self._metrics.count(call, self._host, None)
                        counted = True
                    yield event
        except PortError as error:
            if not counted:
                self._metrics.count(call, self._host, error)
            raise
        if not counted:
            self._metrics.count(call, self._host, None)


class MeteredFactory(ClusterFactory):
    """Makes clients whose requests are counted, all under one host.

    Args:
        factory: Makes the clients.
        metrics: Counts.
        host: The role of the clusters.
    """

    def __init__(self, factory: ClusterFactory, metrics: RequestMetrics, host: str) -> None:
        self._factory = factory
        self._metrics = metrics
        self._host = host

    def connect(self, kubeconfig: bytes) -> Cluster:
        """Return a client; connects nowhere yet."""
        return Metered(self._factory.connect(kubeconfig), self._metrics, self._host)
