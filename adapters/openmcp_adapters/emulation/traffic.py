"""What passes between clients and clusters: latency, faults, the log, and whether a cluster can be reached at all."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from attrs import define, field

from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.ports import Clock, PortError, Unauthorized, Unavailable

__all__ = ["LOST", "Faults", "Health", "Link", "Request", "Traffic", "chance"]

LOST: Literal["lost answer"] = "lost answer"
"""A fault: the request is carried out, and its answer never arrives."""

Faults = Callable[[str, str, str, str, str], PortError | Literal["lost answer"] | None]
"""Says what goes wrong with a request: (client, cluster, verb, kind, name)."""

Health = Literal["up", "refused", "frozen"]
"""A cluster answers; refuses connections at once; or takes them and never answers."""


def chance(seed: int, *parts: object) -> float:
    """Return a number in [0, 1) that follows from a seed and what it is for.

    Unlike a stream of random numbers, it does not depend on what else happens: one tenant's fate shifts no other's.
    """
    digest = hashlib.blake2b("/".join(map(str, (seed, *parts))).encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56


class Request(NamedTuple):
    """One request, logged when it ended.

    Attributes:
        time: Virtual seconds at its beginning.
        client: Who asked.
        cluster: Whom.
        verb: A method of the port.
        kind: The kind, with the subresource after a slash; the group for ``served``.
        namespace: Of the object or of the list.
        name: Of the object.
        outcome: ``OK``, the name of an error, ``Lost`` or ``Cancelled``.
    """

    time: float
    client: str
    cluster: str
    verb: str
    kind: str
    namespace: str
    name: str
    outcome: str

    def __str__(self) -> str:
        """Return one line of the log."""
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.time:.6f} {self.client} {self.cluster} {self.verb} {self.kind} {place} {self.outcome}"


@define(eq=False)
class Traffic:
    """What all clients of a landscape have in common.

    Attributes:
        seed: Decides latencies.
        latency: The least and the most seconds of one way.
        timeout: Seconds after which a client gives up on a cluster that does not answer.
        faults: Says what goes wrong.
        log: Every request that ended.
    """

    seed: int
    latency: tuple[float, float] = (0.0005, 0.005)
    timeout: float = 30.0
    faults: Faults | None = None
    log: list[Request] = field(factory=list)
    _seen: Counter[tuple[str, ...]] = field(factory=Counter)

    def ways(self, *identity: str) -> tuple[float, float]:
        """Return the seconds there and back of the next request with this identity."""
        self._seen[identity] += 1
        least, most = self.latency
        there = chance(self.seed, *identity, self._seen[identity])
        return least + (most - least) * there, least + (most - least) * ((there * 7919.0) % 1.0)

    def count(
        self, *, client: str = "", since: float = 0.0, until: float = float("inf")
    ) -> Counter[tuple[str, str, str]]:
        """Return how many requests there were by cluster, verb and kind: of one client, and begun in a span of time."""
        return Counter(
            (entry.cluster, entry.verb, entry.kind)
            for entry in self.log
            if client in {"", entry.client} and since <= entry.time < until
        )

    def lines(self) -> list[str]:
        """Return the log as text."""
        return [str(entry) for entry in self.log]


@define(eq=False)
class Token:
    """A token that a cluster accepts until it expires."""

    expires: datetime


@define(eq=False)
class Link:
    """The way to one cluster.

    Attributes:
        name: Of the cluster, in log and kubeconfigs.
        traffic: Of the landscape.
        clock: Tells when a token has expired.
        memory: The cluster; None while it does not exist.
        removed: Told when objects began to go or went.
        tokens: What is accepted.
        health: Whether it answers.
    """

    name: str
    traffic: Traffic
    clock: Clock
    removed: Callable[["Link"], None]
    memory: MemoryCluster | None = None
    tokens: dict[str, Token] = field(factory=dict)
    health: Health = "up"
    _revived: asyncio.Event = field(factory=asyncio.Event)
    _failures: int = 0

    def break_off(self, health: Health) -> None:
        """Let the cluster be up, refuse connections, or answer nothing any more; watches are treated likewise."""
        self.health = health
        self._failures += 1
        if health == "up":
            self._revived.set()
            return
        self._revived.clear()
        if health == "refused":
            self._end_watches(self._failures, "connection refused")
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(self.traffic.timeout, self._end_watches, self._failures, "i/o timeout")

    def _end_watches(self, failure: int, why: str) -> None:
        if self.memory is not None and failure == self._failures:
            self.memory.end_watches(self.unavailable(why))

    async def reach(self) -> MemoryCluster:
        """Return the cluster once it answers.

        Raises:
            Unavailable: it refuses, or does not answer in time.
        """
        if self.health == "frozen":
            try:
                async with asyncio.timeout(self.traffic.timeout):
                    await self._revived.wait()
            except TimeoutError:
                raise self.unavailable("i/o timeout") from None
        if self.health == "refused" or self.memory is None:
            raise self.unavailable("connection refused")
        return self.memory

    def unavailable(self, why: str) -> Unavailable:
        """Return the error of a connection that did not work."""
        return Unavailable(f"dial tcp {self.name}:6443: {why}")

    def admit(self, token: str) -> None:
        """Check a token.

        Raises:
            Unauthorized: it was revoked, has expired, or never was one.
        """
        found = self.tokens.get(token)
        if found is None or found.expires <= self.clock.now():
            raise Unauthorized("Unauthorized")

    def grant(self, token: str, life: timedelta) -> datetime:
        """Accept a token for some time; return when it expires."""
        self.tokens[token] = Token(self.clock.now() + life)
        return self.tokens[token].expires
