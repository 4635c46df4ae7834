"""Carries plans out, one step after the other; the first that fails ends the pass."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Literal, TypeVar

from openmcp_provider.domain.contested import Repeatable, kind_of, sent
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, Ref, generation, uid
from openmcp_provider.domain.ownership import Owner, observe, take_over_patch
from openmcp_provider.domain.plan import (
    Apply,
    Create,
    Delete,
    Done,
    Failed,
    Patch,
    Plan,
    ReadCluster,
    ReadKubeconfig,
    ReadPlane,
    Step,
    TakeOver,
)
from openmcp_provider.domain.reconcile import marked_owner
from openmcp_provider.domain.snapshot import Content, Snapshot
from openmcp_provider.domain.status import says_ready
from openmcp_provider.ports import (
    AlreadyExists,
    Clock,
    Cluster,
    ClusterFactory,
    Conflict,
    Invalid,
    NotFound,
    PortError,
    Unauthorized,
    Unavailable,
)
from openmcp_provider.provider import Provider
from openmcp_provider.runtime.reader import kubeconfig_of, plane_of, read_cluster, refusal, requests_of
from openmcp_provider.runtime.resources import SECRETS, Resources
from openmcp_provider.runtime.tenants import Tenants
from openmcp_provider.runtime.views import Reads

__all__ = ["Executor", "Written"]

S = TypeVar("S")
C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Written:
    """An own write: where, and the version it made; empty where the object is gone."""

    ref: Ref
    version: str = ""


@dataclass(slots=True)
class Pass(Generic[S, C]):
    """One pass over one tenant, while it is carried out.

    Attributes:
        owner: The tenant as owner of objects.
        snapshot: What was decided on.
        reads: Takes what is read.
        written: What was written.
        fresh: Namespaces that this pass made, in which every name is free.
        confirmed: Whether the instance was found unchanged by a live read.
    """

    owner: Owner
    snapshot: Snapshot[S, C]
    reads: Reads
    written: list[Written] = field(default_factory=list)
    fresh: set[tuple[str, str]] = field(default_factory=set)
    confirmed: bool = False


class Executor(Generic[S, C]):
    """Carries plans out.

    Args:
        provider: Whose.
        platform: The platform.
        onboarding: The onboarding cluster.
        factory: Makes clients of tenant clusters.
        tenants: Keeps them.
        clock: The time.
        deadline: Seconds that one step may take.
    """

    def __init__(
        self,
        provider: Provider[S, C],
        platform: Cluster,
        onboarding: Cluster,
        factory: ClusterFactory,
        tenants: Tenants,
        clock: Clock,
        *,
        deadline: float = 30.0,
    ) -> None:
        self._provider = provider
        self._manager = provider.edition.field_manager
        self._resources = Resources(provider)
        self._platform = platform
        self._onboarding = onboarding
        self._factory = factory
        self._tenants = tenants
        self._clock = clock
        self._deadline = deadline

    async def execute(
        self,
        plan: Plan,
        snapshot: Snapshot[S, C],
        reads: Reads,
        abroad: Callable[[Awaitable[None]], Awaitable[None]],
    ) -> tuple[Done | Failed, list[Written]]:
        """Carry a plan out.

        Args:
            plan: The plan.
            snapshot: What it was decided on.
            reads: Takes what is read.
            abroad: Awaits what talks to a tenant cluster, so that nobody else waits for it.
        """
        work = Pass(marked_owner(self._provider, snapshot), snapshot, reads)
        for step in plan.steps:
            try:
                doing = self._do(work, step)
                await (abroad(doing) if _is_abroad(step) else doing)
            except PortError as error:
                return Failed(step, error), work.written
        return Done(), work.written

    async def _do(self, work: Pass[S, C], step: Step) -> None:
        where = _where(step)
        try:
            async with asyncio.timeout(self._deadline):
                await self._perform(work, step)
        except TimeoutError as error:
            failure = Unavailable(f"no answer within {self._deadline:g} seconds")
            self._remember(work, where, failure)
            raise failure from error
        except PortError as error:
            self._remember(work, where, error)
            raise

    def _remember(self, work: Pass[S, C], where: str, error: PortError) -> None:
        """Remember that a tenant cluster did not answer or let us in, so that it is left alone for a while."""
        if where not in {PLATFORM, ONBOARDING} and isinstance(error, (Unavailable, Unauthorized)):
            work.reads.clusters[where] = refusal(error, self._clock.now())

    async def _perform(self, work: Pass[S, C], step: Step) -> None:
        match step:
            case ReadKubeconfig():
                await self._keep_kubeconfig(work, step.cluster, step.ref.name, step.grant)
            case ReadCluster():
                await self._read_cluster(work, step)
            case ReadPlane():
                await self._read_plane(work, step)
            case Create():
                await self._create(work, step)
            case Apply():
                await self._apply(work, step)
            case TakeOver():
                await self._take_over(work, step)
            case Patch():
                await self._patch(work, step)
            case Delete():
                await self._delete(work, step)

    async def _cluster(self, work: Pass[S, C], where: str) -> Cluster:
        if where == PLATFORM:
            return self._platform
        if where == ONBOARDING:
            return self._onboarding
        key = (work.owner.namespace, work.owner.name, where)
        known = self._tenants.get(key)
        if known is not None:
            return known
        kubeconfig = work.snapshot.kubeconfigs[where]
        await self._keep_kubeconfig(work, where, kubeconfig.name, kubeconfig.grant)
        made = self._tenants.get(key)
        if made is None:
            raise Conflict(f"the kubeconfig in Secret {kubeconfig.name} can no longer be used")
        return made

    async def _keep_kubeconfig(self, work: Pass[S, C], cluster: str, name: str, grant: str) -> None:
        """Read a kubeconfig Secret and keep a client made of it; one that is missing or useless is noted as such."""
        try:
            secret = await self._platform.get(SECRETS, name, tenant_namespace(work.owner.name, work.owner.namespace))
        except NotFound:
            secret = None
        kept, content = kubeconfig_of(secret, name, grant, self._clock.now())
        key = (work.owner.namespace, work.owner.name, cluster)
        before = work.reads.kubeconfigs.get(cluster)
        if before is not None and before.request != kept.request:
            # Another AccessRequest may lead to another cluster of the same name: nothing that was read counts for it.
            work.reads.clusters.pop(cluster, None)
            work.reads.planes.pop(cluster, None)
        if kept.usable and (before is None or before.digest != kept.digest or self._tenants.get(key) is None):
            try:
                self._tenants.put(key, self._factory.connect(content))
            except ValueError as error:
                kept = replace(kept, usable=False, why=str(error))
        work.reads.kubeconfigs[cluster] = kept

    async def _read_cluster(self, work: Pass[S, C], step: ReadCluster) -> None:
        began = self._clock.now()
        cluster = await self._cluster(work, step.cluster)
        try:
            content = await read_cluster(self._provider, work.owner, cluster, step, began)
        except PortError as error:
            if step.cluster == PLATFORM:
                raise
            work.reads.clusters[step.cluster] = refusal(error, self._clock.now())
            return
        work.reads.clusters[step.cluster] = content

    async def _read_plane(self, work: Pass[S, C], step: ReadPlane) -> None:
        home = tenant_namespace(work.owner.name, work.owner.namespace)
        request = requests_of(self._provider, work.owner.name, work.owner.namespace, home, step.cluster)
        work.reads.planes[step.cluster] = await plane_of(
            self._platform, work.snapshot, request, step.cluster, self._clock.now()
        )

    async def _create(self, work: Pass[S, C], step: Create) -> None:
        cluster = await self._cluster(work, step.ref.cluster)
        resource = self._resources.of(step.ref)
        try:
            made = await cluster.create(resource, step.manifest, manager=self._manager)
        except AlreadyExists:
            if step.exists_ok:
                return
            self._meet(work, step.ref, await cluster.get(resource, step.ref.name, step.ref.namespace))
            raise
        if step.ref.kind == "Namespace":
            work.fresh.add((step.ref.cluster, step.ref.name))
        else:
            self._sent(work, step, made)

    async def _apply(self, work: Pass[S, C], step: Apply) -> None:
        cluster = await self._cluster(work, step.ref.cluster)
        resource = self._resources.of(step.ref)
        if not step.uid and (step.ref.cluster, step.ref.namespace) not in work.fresh:
            try:
                found = await cluster.get(resource, step.ref.name, step.ref.namespace)
            except NotFound:
                pass
            else:
                self._meet(work, step.ref, found)
                raise AlreadyExists(str(step.ref))
        made = await cluster.apply(resource, step.body(), manager=self._manager, uid=step.uid)
        self._sent(work, step, made)

    async def _take_over(self, work: Pass[S, C], step: TakeOver) -> None:
        cluster = await self._cluster(work, step.ref.cluster)
        resource = self._resources.of(step.ref)
        found = await cluster.get(resource, step.ref.name, step.ref.namespace)
        if uid(found) != step.uid:
            raise Conflict(str(step.ref))
        body = take_over_patch(found, self._manager)
        if body:
            await self._send_patch(work, cluster, step, "json", body)

    async def _patch(self, work: Pass[S, C], step: Patch) -> None:
        cluster = await self._cluster(work, step.ref.cluster)
        await self._send_patch(work, cluster, step, step.kind, step.body)

    async def _send_patch(
        self,
        work: Pass[S, C],
        cluster: Cluster,
        step: Patch | TakeOver,
        kind: Literal["json", "merge"],
        body: Json | Sequence[Json],
    ) -> None:
        """Send a patch.

        Raises:
            Conflict: also for a failed ``test``, which a server calls invalid: the object changed since it was read.
        """
        ref, resource = step.ref, self._resources.of(step.ref)
        try:
            made = await cluster.patch(resource, ref.name, ref.namespace, kind=kind, body=body, manager=self._manager)
        except Invalid as error:
            if kind == "json":
                raise Conflict(str(ref)) from error
            raise
        self._sent(work, step, made)

    async def _delete(self, work: Pass[S, C], step: Delete) -> None:
        await self._confirm_instance(work)
        cluster = await self._cluster(work, step.ref.cluster)
        resource = self._resources.of(step.ref)
        try:
            found = await cluster.get(resource, step.ref.name, step.ref.namespace)
            self._confirm(work, step, found)
            version = found["metadata"]["resourceVersion"]
            left = await cluster.delete(
                resource, step.ref.name, step.ref.namespace, uid=step.uid, resource_version=version
            )
        except NotFound:
            left = None
        self._note(work, step.ref, left)

    def _confirm(self, work: Pass[S, C], step: Delete, found: Json) -> None:
        """Make sure that what is about to be deleted is still what was decided about.

        Raises:
            Conflict: it is another object, or it changed, or is no longer ours.
        """
        seen = work.snapshot.objects().get(step.ref)
        live = observe(found, self._manager)
        changed = seen is not None and generation(seen.object) != generation(found)
        lost = seen is not None and not work.owner.may_delete(step.ref, live)
        if uid(found) != step.uid or changed or lost:
            raise Conflict(str(step.ref))

    async def _confirm_instance(self, work: Pass[S, C]) -> None:
        """Make sure, once a pass, that the instance is still the one that was decided on: a cache may be behind.

        Raises:
            Conflict: it is another one, or it changed.
        """
        if work.confirmed:
            return
        instance = work.snapshot.instance
        edition = self._provider.edition
        resource = self._resources.kind(edition.api_version, edition.kind)
        found = await self._onboarding.get(resource, work.owner.name, work.owner.namespace)
        if uid(found) != uid(instance) or generation(found) != generation(instance):
            raise Conflict(f"{edition.kind} {work.owner.namespace}/{work.owner.name}")
        work.confirmed = True

    def _meet(self, work: Pass[S, C], ref: Ref, found: Json) -> None:
        """Put an object that holds a name which was thought free into the next snapshot."""
        live = observe(found, self._manager)
        content = work.reads.clusters.get(ref.cluster)
        if ref.cluster == PLATFORM:
            work.reads.met[ref] = live
        elif isinstance(content, Content):
            work.reads.clusters[ref.cluster] = replace(content, objects={**content.objects, ref: live})

    def _sent(self, work: Pass[S, C], step: Repeatable, made: Json) -> None:
        """Note an own write that may have to be made again."""
        key = (step.ref, kind_of(step))
        instance = work.snapshot.instance
        ready = generation(instance) if says_ready(instance) else 0
        answer = observe(made, self._manager)
        work.reads.sent[key] = sent(work.reads.sent.get(key), step, answer, self._clock.now(), ready=ready)
        self._note(work, step.ref, made)

    def _note(self, work: Pass[S, C], ref: Ref, made: Json | None) -> None:
        """Note an own write: caches must see it before the next decision, and a last read has it at once."""
        if ref.cluster in {PLATFORM, ONBOARDING}:
            work.reads.met.pop(ref, None)
            work.written.append(Written(ref, made["metadata"]["resourceVersion"] if made else ""))
        content = work.reads.clusters.get(ref.cluster)
        if not isinstance(content, Content):
            return
        objects = {key: value for key, value in content.objects.items() if key != ref}
        if made is not None and (ref.cluster != PLATFORM or ref in content.objects):
            objects[ref] = observe(made, self._manager)
        work.reads.clusters[ref.cluster] = replace(content, objects=objects)


def _where(step: Step) -> str:
    if isinstance(step, ReadCluster):
        return step.cluster
    return PLATFORM if isinstance(step, (ReadKubeconfig, ReadPlane)) else step.ref.cluster


def _is_abroad(step: Step) -> bool:
    return _where(step) not in {PLATFORM, ONBOARDING}
