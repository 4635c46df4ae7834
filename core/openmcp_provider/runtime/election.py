"""Leader election by Lease: one works, the others wait. And waiting until somebody else's Lease has lapsed.

The rules are those of Go's client library, so that programs in both languages can stand for the same Lease. Nobody's
wall clock is trusted: a Lease has lapsed once this process has itself seen no change of it for as long as it lasts.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta

from openmcp_provider.domain.objects import Json, dig, timestamp, uid
from openmcp_provider.ports import (
    AlreadyExists,
    Clock,
    Cluster,
    Conflict,
    NotFound,
    PortError,
    Randomness,
    Resource,
    Unavailable,
)
from openmcp_provider.runtime.backoff import asked_for

__all__ = ["LEASES", "Elector", "LostLeadership", "wait_for_lapse"]

LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
DURATION = 15.0
JITTER = 1.2
"""By how much chance lengthens the pauses of those who wait, at most."""


class LostLeadership(Exception):
    """The Lease could not be kept. What was done under it has ended."""


class _Lease:
    """A Lease, and since when this process has seen no change of it.

    Attributes:
        found: The object as seen last, None if there was none.
        holder: Who held it when it was there last.
    """

    def __init__(self, cluster: Cluster, name: str, namespace: str, clock: Clock, patience: float) -> None:
        self.found: Json | None = None
        self.holder = ""
        self._cluster, self._name, self._namespace = cluster, name, namespace
        self._clock, self._patience = clock, patience
        self._record: object = None
        self._since, self._duration = clock.monotonic(), DURATION

    def __str__(self) -> str:
        return f"Lease {self._namespace}/{self._name}"

    @property
    def spec(self) -> Json:
        """What the object says, empty if there is none."""
        return dig(self.found, "spec") or {}

    @property
    def free(self) -> bool:
        """Whether nobody holds it, or the holder was not seen to renew it for as long as it lasts."""
        return not self.holder or self._clock.monotonic() - self._since >= self._duration

    async def look(self) -> None:
        """Read it. A Lease that is gone is believed for as long as it would have lasted: its holder may still work."""
        try:
            self._see(await self._answer(self._cluster.get(LEASES, self._name, self._namespace)))
        except NotFound:
            self.found = None

    async def write(self, changes: Json) -> None:
        """Change it, if it is still as it was seen last."""
        if self.found is None:
            metadata = {"name": self._name, "namespace": self._namespace}
            manifest = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": changes}
            call = self._cluster.create(LEASES, manifest)
        else:
            call = self._cluster.update(LEASES, {**self.found, "spec": {**self.spec, **changes}})
        self._see(await self._answer(call))

    def moment(self, before: object = None) -> str:
        """Return the present, and in any case a later moment than `before`: an equal one would be no renewal."""
        now, last = self._clock.now().astimezone(UTC), timestamp(before)
        if last is not None and last >= now:
            now = last.astimezone(UTC) + timedelta(microseconds=1)
        return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def _see(self, found: Json) -> None:
        self.found = found
        if self._record != (record := (uid(found), self.spec)):
            self._record, self._since = record, self._clock.monotonic()
            self.holder = self.spec.get("holderIdentity") or ""
            self._duration = self.spec.get("leaseDurationSeconds") or DURATION

    async def _answer(self, call: Awaitable[Json]) -> Json:
        try:
            async with asyncio.timeout(self._patience):
                return await call
        except TimeoutError as error:
            raise Unavailable(f"no answer within {self._patience:g} seconds") from error


class Elector:
    """Stands for a Lease, and works while it holds it.

    From before the request that renewed the Lease last, it takes `renew_deadline` until work is cancelled, and
    `duration` until anybody else takes the Lease: the time between is for work to end. If that does not suffice,
    `overdue` is called and work cancelled again, every `retry` seconds; only the end of the process can stop it then.

    Args:
        cluster: Where the Lease is.
        name: Of the Lease.
        namespace: Of the Lease.
        identity: Of this process; no other that lives may have it.
        clock: The time.
        randomness: For jitter.
        duration: Seconds that the Lease lasts; others wait for them rounded up.
        renew_deadline: Seconds without renewal until work is cancelled. A request is given up after half of them.
        retry: Seconds between renewals.
        changed: Told whether this process leads, at each change.
        waits: Told who holds the Lease that this process waits for, at the first look and at each change.
        failed: Told every error of a request, before the next try.
        overdue: Called when work did not end in time; a program had better exit at once.

    Raises:
        ValueError: the times do not fit each other, or there is no identity.
    """

    _working: asyncio.Task[None]

    def __init__(
        self,
        cluster: Cluster,
        name: str,
        namespace: str,
        identity: str,
        *,
        clock: Clock,
        randomness: Randomness,
        duration: float = DURATION,
        renew_deadline: float = 10.0,
        retry: float = 2.0,
        changed: Callable[[bool], None] = lambda _: None,
        waits: Callable[[str], None] = lambda _: None,
        failed: Callable[[PortError], None] = lambda _: None,
        overdue: Callable[[], None] = lambda: None,
    ) -> None:
        if not (identity and 0.0 < retry * JITTER < renew_deadline < duration):
            raise ValueError(f"want an identity and 0 < {JITTER} * {retry=} < {renew_deadline=} < {duration=}")
        self._lease = _Lease(cluster, name, namespace, clock, renew_deadline / 2)
        self._identity, self._clock, self._randomness = identity, clock, randomness
        self._duration, self._renew_deadline, self._retry = duration, renew_deadline, retry
        self._changed, self._waits, self._failed, self._overdue = changed, waits, failed, overdue
        self._timer: asyncio.TimerHandle | None = None
        self._until = -math.inf
        self._wrote = False
        self._lost = self._trouble = ""

    @property
    def leading(self) -> bool:
        """Whether this process leads, by the clock: right before a write this holds, however long it was frozen."""
        return not self._lost and self._clock.monotonic() < self._until

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Become the leader, work, and give the Lease back once work has ended; only once at a time.

        What work raises is raised. A cancellation is passed on to work, and the Lease kept until work has ended.

        Raises:
            LostLeadership: the Lease could not be kept; work was cancelled and has ended. The cause is what it raised.
        """
        self._wrote = False
        try:
            await self._work(work, await self._acquire())
        finally:
            if self._wrote:
                await self._release()

    async def _acquire(self) -> float:
        """Return the moment before the request that got the Lease."""
        holder = ""
        while True:
            pause = self._retry * (1.0 + JITTER * self._randomness.random())
            try:
                sent = await self._attempt()
            except PortError as error:
                self._failed(error)
                pause = max(pause, min(asked_for(error), self._duration))
            else:
                if sent is not None and self._clock.monotonic() < sent + self._renew_deadline:
                    return sent
                if sent is None and holder != self._lease.holder:
                    holder = self._lease.holder
                    self._waits(holder)
            await self._clock.sleep(pause)

    async def _work(self, work: Callable[[], Awaitable[None]], sent: float) -> None:
        """Work, and keep the Lease until work has ended."""

        async def begin() -> None:
            await work()

        loop, cancelled, self._lost = asyncio.get_running_loop(), None, ""
        working = self._working = loop.create_task(begin())
        keeping = loop.create_task(self._keep(sent))
        try:
            self._extend(sent)
            self._changed(True)  # noqa: FBT003 - it takes nothing else
            while not working.done():
                try:
                    await asyncio.wait({working})
                except asyncio.CancelledError as error:
                    cancelled = error
                    working.cancel()
            failure = None if working.cancelled() else working.exception()
            if cancelled and not failure:
                raise cancelled
            if self._lost and not cancelled:
                raise LostLeadership(self._lost) from failure
            working.result()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._until = -math.inf
            if not self._lost:
                self._changed(False)  # noqa: FBT003
            working.cancel()
            keeping.cancel()
            await asyncio.wait({working, keeping})

    async def _keep(self, sent: float) -> None:
        """Renew the Lease until it is lost."""
        due = sent + self._retry
        while not self._lost:
            await self._clock.sleep(max(0.0, due - self._clock.monotonic()))
            due = self._clock.monotonic() + self._retry
            try:
                renewed = await self._attempt()
            except PortError as error:
                self._failed(error)
                self._trouble = f": {error.reason}: {error.message}"
                last = self._until - self._retry  # later there is no time for an answer
                due = max(due, min(self._clock.monotonic() + asked_for(error), last))
                continue
            if renewed is None:
                self._lose(f"is held by {self._lease.holder}")
            elif self.leading:
                self._extend(renewed)
                due = renewed + self._retry
            else:
                self._expire()  # frozen meanwhile: this may wake before the timer

    def _extend(self, sent: float) -> None:
        """Lead until `renew_deadline` after a renewal."""
        self._until, self._trouble = sent + self._renew_deadline, ""
        self._arm(self._until, self._expire)

    def _arm(self, moment: float, then: Callable[[], None]) -> None:
        """Set the one timer. It cancels work itself, not by a task: after a freeze that might wake later than work."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(max(0.0, moment - self._clock.monotonic()), then)

    def _expire(self) -> None:
        self._lose(f"could not be renewed for {self._renew_deadline:g} s{self._trouble}")

    def _lose(self, why: str) -> None:
        if not (self._lost or self._working.done()):
            self._lost = f"{self._lease} {why}"
            self._working.cancel()
            self._arm(self._until - self._renew_deadline + self._duration, self._overrun)
            self._changed(False)  # noqa: FBT003

    def _overrun(self) -> None:
        if not self._working.done():
            self._working.cancel()
            self._arm(self._clock.monotonic() + self._retry, self._overrun)
            self._overdue()

    async def _attempt(self) -> float | None:
        """Take or renew the Lease; return the moment before the request that did, None while another holds it."""
        if self._lease.holder != self._identity:
            await self._lease.look()
        try:
            return await self._claim()
        except (AlreadyExists, Conflict, NotFound):
            await self._lease.look()
            return await self._claim()

    async def _claim(self) -> float | None:
        if not (self._lease.free or self._lease.holder == self._identity):
            return None
        spec, new, sent = self._lease.spec, self._lease.found is None, self._clock.monotonic()
        own = spec if spec.get("holderIdentity") == self._identity else {}
        now = self._lease.moment(own.get("renewTime"))
        record = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": math.ceil(self._duration),
            "acquireTime": own.get("acquireTime") or now,
            "renewTime": now,
            "leaseTransitions": (spec.get("leaseTransitions") or 0) + (not own and not new),
        }
        self._wrote = True
        await self._lease.write(record)
        return sent

    async def _release(self) -> None:
        """Empty the Lease if it is ours, so that nobody has to wait for it to lapse; do not try for long."""
        try:
            async with asyncio.timeout(self._renew_deadline / 2):
                while not await self._emptied():
                    await self._clock.sleep(self._retry)
        except TimeoutError:
            self._failed(Unavailable(f"{self._lease} could not be given back; it will lapse"))

    async def _emptied(self) -> bool:
        try:
            await self._lease.look()
            if self._lease.found and self._lease.holder == self._identity:
                now = self._lease.moment()
                record = {"holderIdentity": "", "leaseDurationSeconds": 1, "acquireTime": now, "renewTime": now}
                await self._lease.write(record)
        except PortError as error:
            self._failed(error)
            return False
        return True


async def wait_for_lapse(
    cluster: Cluster, name: str, namespace: str, *, clock: Clock, retry: float = 2.0, told: Callable[[str], None]
) -> None:
    """Return once nobody holds a Lease: there is none, its holder gave it back, or it has lapsed as seen from here.

    Args:
        cluster: Where the Lease is.
        name: Of the Lease.
        namespace: Of the Lease.
        clock: The time.
        retry: Seconds between looks.
        told: Told in one line what is waited for, whenever that changes.
    """
    lease, before = _Lease(cluster, name, namespace, clock, DURATION), ""
    while True:
        pause = retry
        try:
            await lease.look()
        except PortError as error:
            pause, why = max(retry, min(asked_for(error), DURATION)), error.reason
            line = f"cannot read {lease}, trying again: {error.reason}: {error.message}"
        else:
            if lease.found is None or lease.free:
                return
            why = line = f"waiting for {lease} of holder {lease.holder} to lapse"
        if why != before:
            told(line)
            before = why
        await clock.sleep(pause)
