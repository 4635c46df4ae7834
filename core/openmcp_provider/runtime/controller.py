"""The controller: caches in front, a queue of tenants, passes that decide, do and tell.

A pass is: make the snapshot, decide, carry the plan out, write the status once, record events. Nothing else remembers
anything about a tenant than the last reads of what no cache answers.
"""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Generic, TypeVar

from openmcp_provider.domain.author import NoAnswer, contained
from openmcp_provider.domain.compare import same
from openmcp_provider.domain.contested import recent
from openmcp_provider.domain.copies import Source, source_of
from openmcp_provider.domain.desired import ACCESS_API, desired
from openmcp_provider.domain.errors import NotFound, PortError
from openmcp_provider.domain.names import MANAGED_BY, shorten, tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json
from openmcp_provider.domain.ownership import Live, observe
from openmcp_provider.domain.plan import Done, Failed, Plan
from openmcp_provider.domain.reconcile import config_problems, reconcile, spec_problems, tenant_of
from openmcp_provider.domain.report import Report, report
from openmcp_provider.domain.snapshot import Kubeconfig, Snapshot
from openmcp_provider.domain.status import says_ready, status_patch
from openmcp_provider.ports import Cluster, Resource
from openmcp_provider.provider import Owned, Provider
from openmcp_provider.runtime.cache import Cache, Key, Selection
from openmcp_provider.runtime.configs import ConfigKeeper
from openmcp_provider.runtime.executor import Executor, Written
from openmcp_provider.runtime.holds import Holds
from openmcp_provider.runtime.limits import Bucket
from openmcp_provider.runtime.observing import Observer, QueueObserver
from openmcp_provider.runtime.queue import Queue
from openmcp_provider.runtime.resources import ACCESS_REQUESTS, CLUSTER_REQUESTS, Resources, instances, provider_configs
from openmcp_provider.runtime.settings import Ports, Settings
from openmcp_provider.runtime.sources import SourceName, Sources
from openmcp_provider.runtime.tenants import Tenants
from openmcp_provider.runtime.turns import Turns
from openmcp_provider.runtime.views import Caches, Reads, View
from openmcp_provider.runtime.workers import Worker

__all__ = ["Controller", "Observer", "Ports", "Settings"]

S = TypeVar("S")
C = TypeVar("C")

HOLD_CHECK = 0.5
MET_FOR = 60.0


class Controller(Generic[S, C]):
    """Serves every instance of a provider.

    Args:
        provider: Whose.
        ports: What it works with.
        settings: How.
        observer: Told of every pass.
        queue_observer: Told what becomes of tenants in the queue.
    """

    def __init__(
        self,
        provider: Provider[S, C],
        ports: Ports,
        settings: Settings,
        observer: Observer | None = None,
        queue_observer: QueueObserver | None = None,
    ) -> None:
        self._provider = provider = contained(provider)
        self._ports = ports
        self._settings = settings
        self._observer = observer or Observer()
        self._queue: Queue[Key] = Queue(ports.randomness, observer=queue_observer)
        self._tenants = Tenants()
        self._reads: dict[Key, Reads] = {}
        self._met: dict[Key, float] = {}
        self._holds: Holds[Key] = Holds(ports.clock)
        self._homes: dict[str, Key] = {}
        self._takeovers: Turns[Key] = Turns(Bucket(ports.clock, rate=settings.takeovers), self._queue.add)
        self._slots = asyncio.Semaphore(settings.workers)
        self._passes: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self.caches = self._make_caches()
        self._sources: Sources[Key] = Sources(self.caches.sources, self._source_cache)
        self._view = View(
            provider, self.caches, ports.decode, config_name=settings.config_name, namespace=settings.namespace
        )
        self._config_keeper = ConfigKeeper(
            provider, self._view, self.caches, self._sources, ports, settings, self._observer
        )
        self._executor = Executor(
            provider,
            ports.platform,
            ports.onboarding,
            ports.factory,
            self._tenants,
            ports.clock,
            deadline=settings.step_deadline,
        )

    @property
    def idle(self) -> bool:
        """Whether no tenant waits for a pass or is in one; what is due later does not count."""
        return self._queue.idle and not self._passes

    def kubeconfigs(self) -> Iterator[tuple[str, Kubeconfig]]:
        """Yield what is known of the kubeconfigs of tenants, each with the id of its cluster."""
        for reads in self._reads.values():
            yield from reads.kubeconfigs.items()

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for cache in self.caches.all():
                    group.create_task(cache.run())
                for cache in self.caches.all():
                    await cache.synced.wait()
                group.create_task(self._config_keeper.run())
                group.create_task(self._takeovers.run())
                while True:
                    # The key first: a worker that waited for one would be missing to a reconcile that goes on.
                    key = await self._queue.get()
                    worker = Worker(self._slots, self._settings.pass_deadline)
                    await worker.take()
                    task = group.create_task(self._turn(key, worker))
                    self._passes.add(task)
                    task.add_done_callback(self._passes.discard)
        finally:
            self._group = None
            await self._tenants.close()

    # -- caches ------------------------------------------------------------------------------------------------------

    def _make_caches(self) -> Caches:
        edition = self._provider.edition
        own = f"{MANAGED_BY}={shorten(edition.access_controller)}"
        config = Selection(provider_configs(edition), fields=f"metadata.name={self._settings.config_name}")
        platform, onboarding = self._ports.platform, self._ports.onboarding
        return Caches(
            instances=self._cache(onboarding, Selection(instances(edition)), _plain, self._instance_changed),
            configs=self._cache(platform, config, _plain, self._config_changed),
            requests=self._cache(platform, Selection(CLUSTER_REQUESTS), _plain, self._home_changed),
            access=self._cache(platform, Selection(ACCESS_REQUESTS, labels=own), _plain, self._home_changed),
            owned={
                (owned.api_version, owned.kind): self._cache(
                    platform, self._owned_selection(owned, own), self._observed, self._home_changed, self._all_changed
                )
                for owned in self._provider.owns
                if owned.cluster == PLATFORM
            },
            sources={},
        )

    def _cache(
        self,
        cluster: Cluster,
        selection: Selection,
        keep: Callable[[Json], Any],
        changed: Callable[[Key, Any, Any], None],
        unserved: Callable[[], None] | None = None,
    ) -> Cache[Any]:
        where = ONBOARDING if cluster is self._ports.onboarding else PLATFORM
        return Cache(
            cluster,
            selection,
            keep=keep,
            changed=changed,
            clock=self._ports.clock,
            randomness=self._ports.randomness,
            failed=lambda error: self._observer.watch_failed(where, selection.resource.kind, error),
            unserved=unserved,
        )

    def _owned_selection(self, owned: Owned, own: str) -> Selection:
        """Select by name where a kind has the same name for every tenant: so objects of older programs are seen too."""
        resource = Resource(owned.api_version, owned.kind, owned.plural)
        try:
            names = [
                {ref.name for ref, _ in self._provider.unmarked(*tenant) if ref[:3] == owned[:3]}
                for tenant in (("a", "b"), ("c", "d"))
            ]
        except NoAnswer:  # each reconcile tells of it
            return Selection(resource, labels=own)
        if names[0] == names[1] and len(names[0]) == 1 and (name := names[0].pop()):
            return Selection(resource, fields=f"metadata.name={name}")
        return Selection(resource, labels=own)

    def _observed(self, obj: Json) -> Live:
        return observe(obj, self._provider.edition.field_manager)

    def _source_cache(self, name: SourceName) -> Cache[Source]:
        resource = Resources(self._provider).kind("v1", name[0])
        selection = Selection(resource, self._settings.namespace, fields=f"metadata.name={name[1]}")
        return self._cache(self._ports.platform, selection, source_of, lambda *_: self._source_changed(name))

    # -- what wakes whom ---------------------------------------------------------------------------------------------

    def _instance_changed(self, key: Key, before: Json | None, after: Json | None) -> None:
        self._observer.changed(key, before, after)
        if before is None or after is None:
            self._config_keeper.came_or_went()
        home = tenant_namespace(key.name, key.namespace)
        if after is not None:
            self._homes[home] = key
            self._queue.add(key)
            return
        self._homes.pop(home, None)
        self._forget(key)

    def _forget(self, key: Key) -> None:
        """Remember nothing more of an instance that is gone."""
        self._queue.drop(key)
        self._holds.drop(key)
        self._tenants.drop(*key)
        self._takeovers.give_back(key)
        self._sources.forget(key)
        for memory in (self._reads, self._met):
            memory.pop(key, None)

    def _home_changed(self, key: Key, _: object, __: object) -> None:
        tenant = self._homes.get(key.namespace)
        if tenant is not None:
            self._queue.add(tenant)

    def _config_changed(self, _: Key, before: Json | None, after: Json | None) -> None:
        self._config_keeper.changed()
        if before is not None and after is not None and same(before.get("spec"), after.get("spec")):
            return
        self._all_changed()

    def _all_changed(self) -> None:
        for key in self.caches.instances:
            self._queue.add(key)

    def _source_changed(self, name: SourceName) -> None:
        for key in self._sources.users(name):
            if key == self._config_keeper.key:
                self._config_keeper.changed()
            else:
                self._queue.add(key)

    # -- passes ------------------------------------------------------------------------------------------------------

    async def _turn(self, key: Key, worker: Worker) -> None:
        """Do one pass and queue what follows from it."""
        self._observer.began(key)
        try:
            async with worker:
                await self._pass(key, worker)
        except TimeoutError:
            self._observer.late(key)
            self._queue.add_failed(key)
        except Exception as error:  # noqa: BLE001 - a mistake in one tenant's pass must not stop the others
            self._observer.crashed(key, error)
            self._queue.add_failed(key)
        finally:
            self._observer.ended(key)
            self._queue.done(key)
            if self.caches.instances.get(key) is None:  # it went while the pass was under way
                self._forget(key)

    async def _pass(self, key: Key, worker: Worker) -> None:
        if self._holds.holds(key):
            self._queue.add_after(key, HOLD_CHECK)
            return
        reads = self._reads.setdefault(key, Reads())
        if self._met.get(key, 0.0) < self._ports.clock.monotonic():
            self._met.pop(key, None)
            reads.met.clear()
        reads.sent = recent(reads.sent, self._ports.clock.now())
        snapshot = self._view.snapshot(key, reads)
        if snapshot is None:
            return
        if await self._sources_missing(key, snapshot):
            return
        plan = reconcile(self._provider, snapshot, self._ports.clock.now())
        if not self._may_begin(key, snapshot, plan):
            return
        outcome, written = await self._executor.execute(plan, snapshot, reads, worker.without)
        if reads.met:
            self._met.setdefault(key, self._ports.clock.monotonic() + MET_FOR)
        self._hold(key, written)
        told = report(self._provider, snapshot, plan, outcome, self._ports.clock.now())
        self._observer.passed(key, plan, outcome, told)
        error = await self._tell(key, snapshot, told)
        if error is not None:
            self._observer.untold(key, error)
        self._next(key, plan, outcome, told, error)

    def _may_begin(self, key: Key, snapshot: Snapshot[S, C], plan: Plan) -> bool:
        """Tell whether a plan may be carried out now; one that takes something over waits for its turn.

        Somebody may look at a tenant that is not Ready as it is now, so it goes first. Deletion takes nothing over.
        """
        if plan.takes_over:
            return self._takeovers.has(key, ahead=not says_ready(snapshot.instance))
        self._takeovers.give_back(key)
        return True

    async def _sources_missing(self, key: Key, snapshot: Snapshot[S, C]) -> bool:
        """Follow what the tenant refers to; tell whether its caches must fill first."""
        waiting = self._sources.follow(key, self._sources_of(snapshot), self._group)
        for cache in waiting:
            await cache.synced.wait()
        if waiting:
            self._queue.add(key)
        return bool(waiting)

    def _sources_of(self, snapshot: Snapshot[S, C]) -> frozenset[SourceName]:
        try:
            if config_problems(self._provider, snapshot) or spec_problems(self._provider, snapshot):
                return frozenset()
            wanted = desired(self._provider, tenant_of(self._provider, snapshot))
        except NoAnswer:  # the decision that follows meets and tells it
            return frozenset()
        return frozenset((item.ref.kind, item.source) for item in wanted.items if item.source)

    async def _tell(self, key: Key, snapshot: Snapshot[S, C], told: Report) -> PortError | None:
        """Write the status, then record the events; return the error where the status could not be written."""
        error = await self._write_status(key, snapshot, told.status) if told.status is not None else None
        if error is None:
            for event in told.events:
                await self._ports.recorder.record(snapshot.instance, event)
        return error

    async def _write_status(self, key: Key, snapshot: Snapshot[S, C], status: Json) -> PortError | None:
        instance = snapshot.instance
        body = {"metadata": {"uid": instance["metadata"]["uid"]}, "status": status_patch(snapshot.status, status)}
        try:
            made = await self._ports.onboarding.patch(
                instances(self._provider.edition),
                key.name,
                key.namespace,
                kind="merge",
                body=body,
                subresource="status",
                manager=self._provider.edition.field_manager,
            )
        except NotFound:
            return None
        except PortError as error:
            return error
        self._holds.add(key, self.caches.instances, key, made["metadata"]["resourceVersion"])
        return None

    def _next(self, key: Key, plan: Plan, outcome: Done | Failed, told: Report, error: PortError | None) -> None:
        """Queue the tenant again: after an error with its back-off, after steps at once, else when the plan says so.

        Author's code that gave no answer may give one later, by whatever it looks up.
        """
        failure = outcome.error if isinstance(outcome, Failed) else error
        unanswered = not plan.steps and (plan.no_answer or told.mistake)
        if failure is not None or unanswered:
            self._queue.add_failed(key, failure)
        else:
            self._queue.forget(key)
            if plan.steps and not plan.releases:
                self._queue.add(key)
        if plan.look is not None:
            self._queue.add_after(key, plan.look / timedelta(seconds=1))

    # -- own writes --------------------------------------------------------------------------------------------------

    def _hold(self, key: Key, written: list[Written]) -> None:
        for write in written:
            cache = self._cache_of(write)
            if cache is not None:
                self._holds.add(key, cache, Key(write.ref.namespace, write.ref.name), write.version)

    def _cache_of(self, write: Written) -> Cache[Any] | None:
        ref = write.ref
        if ref.cluster == ONBOARDING:
            return self.caches.instances
        if ref.api_version == ACCESS_API:
            return self.caches.requests if ref.kind == "ClusterRequest" else self.caches.access
        return self.caches.owned.get((ref.api_version, ref.kind))


def _plain(obj: Json) -> Json:
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    return {**obj, "metadata": metadata}
