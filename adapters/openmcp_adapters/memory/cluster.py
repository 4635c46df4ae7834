"""The in-memory cluster: the port on a store, with its log of requests and its steps that time would bring."""

import asyncio
import copy
import itertools
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from openmcp_adapters.memory.builtin import BUILT_IN, CRDS, NAMESPACES, SERVICE_ACCOUNTS
from openmcp_adapters.memory.crds import established, kind_of, preference
from openmcp_adapters.memory.keeping import Keeper, moment
from openmcp_adapters.memory.metadata import CRD_FINALIZER
from openmcp_adapters.memory.reading import Pages, Selection, shown, watch
from openmcp_adapters.memory.removal import Remover
from openmcp_adapters.memory.store import Store, Table
from openmcp_adapters.memory.values import clone
from openmcp_adapters.memory.writes import Writer
from openmcp_provider.domain.errors import Invalid, NotFound, PortError
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Page, Resource, WatchEvent

__all__ = ["MemoryCluster", "Request"]

_SHORTEST_TOKEN = 600


class Request(NamedTuple):
    """One line of the log.

    Attributes:
        number: Counts all requests to the cluster.
        client: Who asked, see `MemoryCluster.client`.
        verb: A method of the port.
        kind: The kind, with the subresource after a slash.
        namespace: Of the object or of the list.
        name: Of the object.
        result: ``OK`` or the name of the error.
    """

    number: int
    client: str
    verb: str
    kind: str
    namespace: str
    name: str
    result: str


class MemoryCluster(Cluster):
    """An API server in memory.

    Nothing in it happens by itself: garbage collection and the end of namespaces are steps that somebody takes. It asks
    neither for the time nor for chance but through what it is given, so that equal runs give equal logs.

    Args:
        name: Tells clusters apart, also in the identifiers that it makes.
        now: Tells the time; by default the machine's.
        new_uid: Makes uids; by default from the name and a counter.
        history: How many changes of a kind are kept for watches.
        bookmark_seconds: How long a watch is silent before it gets a bookmark.
        watch_seconds: How long a watch lasts; 0 = for ever.
    """

    def __init__(
        self,
        name: str = "memory",
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        new_uid: Callable[[], str] | None = None,
        history: int = 1000,
        bookmark_seconds: float = 60.0,
        watch_seconds: float = 300.0,
    ) -> None:
        numbers = itertools.count(1)
        self.name = name
        self.requests: list[Request] = []
        self._actor = ""
        self._now = now
        self._tokens = itertools.count(1)
        self._bookmark_seconds = bookmark_seconds
        self._watch_seconds = watch_seconds
        self._immutable: dict[str, tuple[tuple[str, ...], ...]] = {}
        self._pages = Pages()
        self._store = Store(history)
        self._remover = Remover(self._store, now)
        keeper = Keeper(
            self._store,
            now,
            new_uid or (lambda: str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{next(numbers)}"))),
            self._on_stored,
            self._remover.erase,
        )
        self._writer = Writer(self._store, now, keeper)
        for kind in BUILT_IN:
            self._store.add(kind)
        for namespace in ("default", "kube-public", "kube-system"):
            self.add_namespace(namespace)

    # --- steps

    def client(self, name: str) -> "MemoryCluster":
        """Return the same cluster as another client sees it: all is shared, the log tells them apart."""
        other = copy.copy(self)
        other._actor = name  # noqa: SLF001 - it is of this class
        return other

    def install(self, crd: Json, *, immutable: Iterable[tuple[str, ...]] = ()) -> Resource:
        """Serve a kind, without a request; return its preferred version.

        Args:
            crd: The CustomResourceDefinition.
            immutable: Paths of fields that stay as they are once they are there.
        """
        name = crd["metadata"]["name"]
        self._immutable[name] = tuple(immutable)
        self._create(CRDS.resource(), crd)
        return self._store.tables[crd["spec"]["group"], crd["spec"]["names"]["plural"]].kind.resource()

    def admit(self, mutate: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        """Let a policy make something else of every object that is written, after its fields were counted as owned."""
        self._writer.keeper.mutate = lambda obj: mutate(clone(obj))

    def add_namespace(self, name: str) -> None:
        """Make a namespace, without a request."""
        self._create(NAMESPACES.resource(), {"metadata": {"name": name}})

    def kind(self, group: str, plural: str) -> Resource | None:
        """Return a kind in its preferred version, if it is served."""
        table = self._store.tables.get((group, plural))
        return table.kind.resource() if table else None

    def collect_garbage(self) -> int:
        """Delete what has only owners that are gone; return how many."""
        return self._remover.collect_garbage()

    def finish_namespaces(self) -> int:
        """Empty every terminating namespace and let it go when it is empty; return how many stay."""
        return self._remover.finish_namespaces()

    def compact(self) -> None:
        """Forget all history: older versions and continue tokens have expired."""
        self._store.compact()
        self._pages.forget()

    def send_bookmarks(self) -> None:
        """Send every running watch a bookmark."""
        self._store.bookmark()

    def end_watches(self, error: PortError | None = None) -> None:
        """End every running watch, cleanly or with an error."""
        self._store.interrupt(error)

    def counts(self, client: str | None = None) -> Counter[tuple[str, str]]:
        """Return how many requests there were by verb and kind, of all clients or of one."""
        return Counter((line.verb, line.kind) for line in self.requests if client in {None, line.client})

    def objects(self, resource: Resource | None = None) -> Iterator[dict[str, Any]]:
        """Yield copies of all objects, or of one kind's, in a fixed order and without a request."""
        if resource is not None:
            table, version = self._store.table(resource)
            yield from (shown(table, version, obj) for obj in table.select())
            return
        for _, table in sorted(self._store.tables.items()):
            yield from (shown(table, next(iter(table.kind.schemas)), obj) for obj in table.select())

    # --- the port

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Json:
        """Return one object."""
        with await self._log("get", resource, namespace, name):
            table, version = self._store.table(resource)
            obj = table.rows.get((namespace, name))
            if obj is None:
                raise NotFound(f"{table.kind.told(name)} not found")
            return shown(table, version, obj)

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        limit: int = 500,
        token: str = "",
        metadata_only: bool = False,
    ) -> Page:
        """Return a page of a list."""
        with await self._log("list", resource, namespace, ""):
            selection = Selection.of(*self._store.table(resource), namespace, labels, fields)
            if token:
                return self._pages.next(selection, token, limit, metadata_only=metadata_only)
            return self._pages.first(self._store, selection, limit, metadata_only=metadata_only)

    async def watch(
        self, resource: Resource, *, resource_version: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield what happened after `resource_version`."""
        with await self._log("watch", resource, namespace, ""):
            table, version = self._store.table(resource)
            selection = Selection.of(table, version, namespace, labels, fields)
            if resource_version.isdecimal() and int(resource_version):
                table.position(int(resource_version))
        times = {"bookmark_every": self._bookmark_seconds, "end_after": self._watch_seconds}
        stream = watch(self._store, selection, resource_version, **times)
        try:
            async for event in stream:
                yield event
        finally:
            await stream.aclose()

    async def create(
        self, resource: Resource, manifest: Json, *, subresource: str = "", name: str = "", manager: str = ""
    ) -> Json:
        """POST an object or a subresource."""
        metadata = manifest.get("metadata") or {}
        kind = f"{resource.kind}/{subresource}" if subresource else ""
        called = name or metadata.get("name", "")
        with await self._log("create", resource, metadata.get("namespace", ""), called, kind):
            table, version = self._store.table(resource)
            if subresource:
                return self._token(table, manifest, name, subresource)
            return shown(table, version, self._writer.create(table, version, manifest, manager))

    async def update(self, resource: Resource, manifest: Json, *, subresource: str = "", manager: str = "") -> Json:
        """PUT an object."""
        metadata = manifest.get("metadata") or {}
        kind = f"{resource.kind}/{subresource}" if subresource else ""
        with await self._log("update", resource, metadata.get("namespace", ""), metadata.get("name", ""), kind):
            table, version = self._store.table(resource)
            return shown(table, version, self._writer.update(table, version, manifest, subresource, manager))

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        kind: Literal["json", "merge"],
        body: Json | Sequence[Json],
        subresource: str = "",
        manager: str = "",
    ) -> Json:
        """Send a JSON or merge patch."""
        told = f"{resource.kind}/{subresource}" if subresource else ""
        with await self._log("patch", resource, namespace, name, told):
            table, version = self._store.table(resource)
            key = (namespace, name)
            return shown(table, version, self._writer.patch(table, version, key, kind, body, subresource, manager))

    async def apply(
        self, resource: Resource, manifest: Json, *, manager: str, force: bool = True, uid: str = ""
    ) -> Json:
        """Apply our fields server-side."""
        metadata = manifest.get("metadata") or {}
        with await self._log("apply", resource, metadata.get("namespace", ""), metadata.get("name", "")):
            table, version = self._store.table(resource)
            return shown(table, version, self._writer.apply(table, version, manifest, manager, uid, force=force))

    async def delete(
        self, resource: Resource, name: str, namespace: str = "", *, uid: str = "", resource_version: str = ""
    ) -> Json | None:
        """Delete an object; return it if it stays for its finalizers."""
        with await self._log("delete", resource, namespace, name):
            table, version = self._store.table(resource)
            left = self._remover.delete(table, (namespace, name), uid, resource_version)
            return None if left is None else shown(table, version, left)

    async def served(self, group: str) -> Sequence[Resource]:
        """Return the kinds of a group, in its preferred version where that has them."""
        with await self._log("served", None, "", group):
            kinds = [table.kind for table in self._store.tables.values() if table.kind.group == group]
            if not kinds:
                return []
            preferred = min((version for kind in kinds for version in kind.schemas), key=preference)
            return [
                kind.resource(preferred) if preferred in kind.schemas else kind.resource()
                for kind in sorted(kinds, key=lambda kind: kind.plural)
            ]

    async def close(self) -> None:
        """Give nothing back, since nothing was taken: the cluster and its other clients live on."""

    # --- inside

    async def _log(
        self, verb: str, resource: Resource | None, namespace: str, name: str, kind: str = ""
    ) -> AbstractContextManager[None]:
        """Let others run once, as a request would, and return a context that logs how this one ends."""
        await asyncio.sleep(0)
        return self._logged(verb, kind or (resource.kind if resource else ""), namespace, name)

    @contextmanager
    def _logged(self, verb: str, kind: str, namespace: str, name: str) -> Iterator[None]:
        result = "OK"
        try:
            yield
        except PortError as error:
            result = error.reason
            raise
        finally:
            number = len(self.requests) + 1
            self.requests.append(Request(number, self._actor, verb, kind, namespace, name, result))

    def _create(self, resource: Resource, manifest: Mapping[str, Any]) -> None:
        """Create an object without a request."""
        table, version = self._store.table(resource)
        self._writer.create(
            table, version, {"apiVersion": resource.api_version, "kind": resource.kind, **manifest}, "kube-apiserver"
        )

    def _on_stored(self, table: Table, obj: dict[str, Any]) -> None:
        """Serve what a definition defines, as soon as it is stored."""
        if table.kind is not CRDS:
            return
        self._store.add(kind_of(obj, self._immutable.get(obj["metadata"]["name"], ())))
        status = established(obj, moment(self._now()))
        finalizers = obj["metadata"].get("finalizers", [])
        if obj.get("status") != status or CRD_FINALIZER not in finalizers:
            if not obj["metadata"].get("deletionTimestamp"):
                finalizers = [*(name for name in finalizers if name != CRD_FINALIZER), CRD_FINALIZER]
            metadata = {**obj["metadata"], "finalizers": finalizers}
            self._store.commit(table, {**obj, "metadata": metadata, "status": status})

    def _token(self, table: Table, manifest: Json, name: str, subresource: str) -> Json:
        """Make a token of a service account."""
        if subresource != "token" or table.kind is not SERVICE_ACCOUNTS:
            raise NotFound(f"the server could not find the requested resource: {table.kind.told()}/{subresource}")
        key = ((manifest.get("metadata") or {}).get("namespace", ""), name)
        if key not in table.rows:
            raise NotFound(f"{table.kind.told(name)} not found")
        seconds = (manifest.get("spec") or {}).get("expirationSeconds") or 3600
        if seconds < _SHORTEST_TOKEN:
            raise Invalid(
                f"spec.expirationSeconds: Invalid value: may not specify a duration less than {_SHORTEST_TOKEN}"
            )
        ends = moment(self._now() + timedelta(seconds=seconds))
        token = f"{self.name}.{key[0]}.{name}.{next(self._tokens)}"
        answer: dict[str, Any] = clone(manifest)
        answer["status"] = {"token": token, "expirationTimestamp": ends}
        return answer
