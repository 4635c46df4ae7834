"""What the controller would do now, on the live clusters, without doing it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from openmcp_provider.domain.plan import Done, Failed, Plan
from openmcp_provider.domain.reconcile import reconcile
from openmcp_provider.domain.report import Report, report
from openmcp_provider.domain.snapshot import Invalid, Missing, Snapshot, Valid
from openmcp_provider.ports import Cluster, Forbidden, PortError
from openmcp_provider.runtime.around import Around, Call
from openmcp_provider.runtime.cache import Key
from openmcp_provider.runtime.controller import Controller
from openmcp_provider.runtime.views import Reads

__all__ = ["Foreseen", "Preview", "ReadOnly", "Unreadable"]

S = TypeVar("S")
C = TypeVar("C")
T = TypeVar("T")

ROUNDS = 10
"""A round reads what the one before made known; more than a handful means that something changes all the time."""


class Unreadable(Exception):
    """Something that must be read could not be; the message says what and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen(Generic[S, C]):
    """What would happen to one tenant.

    Attributes:
        key: The tenant.
        snapshot: What is known of it.
        plan: What is due; what had to be read was read, or could not be.
        told: What it would be told.
        failure: Why something could not be read; None = everything was.
    """

    key: Key
    snapshot: Snapshot[S, C]
    plan: Plan
    told: Report
    failure: PortError | None = None


class Preview(Controller[S, C]):
    """Reads what the controller reads and decides what it decides. Its clusters should refuse to be written to."""

    async def foresee(self, patience: float = 60.0) -> list[Foreseen[S, C]]:
        """Return what would happen to each tenant, in the order of their names.

        Args:
            patience: Seconds for the first lists.

        Raises:
            Unreadable: a list cannot be had.
        """
        async with asyncio.TaskGroup() as group:
            self._group = group
            running = [group.create_task(cache.run()) for cache in self.caches.all()]
            try:
                await self._fill(patience)
                keys = sorted(self.caches.instances)
                return [found for found in await asyncio.gather(*map(self._foresee, keys)) if found is not None]
            finally:
                for task in running:
                    task.cancel()
                self._sources.stop()
                self._group = None
                await self._tenants.close()

    def config(self) -> Valid[C] | Invalid | Missing:
        """Return the ProviderConfig as it was found."""
        return self._view.config()

    async def _fill(self, patience: float) -> None:
        for cache in self.caches.all():
            try:
                async with asyncio.timeout(patience):
                    await cache.synced.wait()
            except TimeoutError:
                why = f": {cache.failure.reason}: {cache.failure}" if cache.failure else ""
                raise Unreadable(f"{cache.selection.resource.plural} cannot be listed{why}") from None

    async def _foresee(self, key: Key) -> Foreseen[S, C] | None:
        reads = Reads()
        failure: PortError | None = None
        async with self._slots:
            for _ in range(ROUNDS):
                snapshot = self._view.snapshot(key, reads)
                if snapshot is not None and not await self._sources_missing(key, snapshot):
                    plan = reconcile(self._provider, snapshot, self._ports.clock.now())
                    if not plan.reads or failure:
                        break
                    looks = replace(plan, steps=plan.reads)
                    outcome, _ = await self._executor.execute(looks, snapshot, reads, _await)
                    failure = outcome.error if isinstance(outcome, Failed) else None
            snapshot = self._view.snapshot(key, reads)
        if snapshot is None:
            return None
        now = self._ports.clock.now()
        plan = reconcile(self._provider, snapshot, now)
        told = report(self._provider, snapshot, plan, Done(), now)
        return Foreseen(key=key, snapshot=snapshot, plan=plan, told=told, failure=failure)


async def _await(doing: Awaitable[None]) -> None:
    await doing


class ReadOnly(Around):
    """A cluster that nothing is written to. What a preview must ask by POST, its own rights, is let through."""

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[T]]) -> T:
        """Carry a read out.

        Raises:
            Forbidden: it is a write.
        """
        if call.writes and call.kind != "SelfSubjectAccessReview":
            raise Forbidden(f"a preview writes nothing: {call.verb} {call.kind} {call.namespace}/{call.name}")
        return await carry_out(self.cluster)
