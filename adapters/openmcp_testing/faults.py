"""Faults: a decorator on the port that fails calls by plan, before or after they were carried out."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from openmcp_provider.domain.errors import Unavailable
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Page, Resource, WatchEvent

__all__ = ["Call", "Crash", "FaultyCluster", "Injection", "after", "before", "timeout_applied", "timeout_not_applied"]

Answer = TypeVar("Answer")

READS = frozenset({"get", "list", "watch", "served"})
"""The methods of the port that change nothing."""


class Crash(BaseException):
    """The process dies here. No error, so that nothing that handles errors handles it."""


class Call(NamedTuple):
    """One call of the port.

    Attributes:
        number: Counts all calls, from 0.
        verb: The method.
        kind: The kind, with the subresource after a slash.
        namespace: Of the object or list.
        name: Of the object; of discovery, the group.
    """

    number: int
    verb: str
    kind: str
    namespace: str
    name: str

    @property
    def writes(self) -> bool:
        """Whether the call may change something."""
        return self.verb not in READS


@dataclass(kw_only=True)
class Injection:
    """One entry of the plan.

    Attributes:
        when: The number of the call, or a predicate.
        error: Raised, or called with no argument for what is raised.
        applied: The call is carried out first; of a watch, one event is let through.
        times: How often it happens at most; 0 = without end.
        happened: How often it happened.
    """

    when: int | Callable[[Call], bool]
    error: BaseException | Callable[[], BaseException]
    applied: bool = False
    times: int = 1
    happened: int = 0

    def meets(self, call: Call) -> bool:
        """Tell whether it happens to this call."""
        if self.times and self.happened >= self.times:
            return False
        return call.number == self.when if isinstance(self.when, int) else self.when(call)

    def happen(self) -> BaseException:
        """Count, and return what is to be raised."""
        self.happened += 1
        return self.error if isinstance(self.error, BaseException) else self.error()


def before(
    when: int | Callable[[Call], bool], error: BaseException | Callable[[], BaseException], *, times: int = 1
) -> Injection:
    """Fail a call without carrying it out."""
    return Injection(when=when, error=error, times=times)


def after(
    when: int | Callable[[Call], bool], error: BaseException | Callable[[], BaseException], *, times: int = 1
) -> Injection:
    """Carry a call out, and fail it all the same."""
    return Injection(when=when, error=error, applied=True, times=times)


def timeout_applied(when: int | Callable[[Call], bool]) -> Injection:
    """Let the answer get lost on its way."""
    return after(when, lambda: Unavailable("timed out"))


def timeout_not_applied(when: int | Callable[[Call], bool]) -> Injection:
    """Let the request get lost on its way."""
    return before(when, lambda: Unavailable("timed out"))


class FaultyCluster(Cluster):
    """A cluster on which calls fail by plan.

    Args:
        cluster: What carries the calls out.
        plan: The faults; of several that meet a call the first happens. May be changed at any time.
    """

    def __init__(self, cluster: Cluster, plan: Iterable[Injection] = ()) -> None:
        self.cluster = cluster
        self.plan = list(plan)
        self.calls: list[Call] = []

    def _next(
        self, verb: str, resource: Resource | None, namespace: str, name: str, subresource: str = ""
    ) -> Injection | None:
        kind = resource.kind if resource else ""
        call = Call(len(self.calls), verb, f"{kind}/{subresource}" if subresource else kind, namespace, name)
        self.calls.append(call)
        return next((entry for entry in self.plan if entry.meets(call)), None)

    @staticmethod
    async def _carry_out(injection: Injection | None, call: Callable[[], Awaitable[Answer]]) -> Answer:
        if injection and not injection.applied:
            raise injection.happen()
        answer = await call()
        if injection:
            raise injection.happen()
        return answer

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Json:
        """Return one object."""
        found = self._next("get", resource, namespace, name)
        return await self._carry_out(found, lambda: self.cluster.get(resource, name, namespace))

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
        found = self._next("list", resource, namespace, "")
        return await self._carry_out(
            found,
            lambda: self.cluster.list(
                resource,
                namespace=namespace,
                labels=labels,
                fields=fields,
                limit=limit,
                token=token,
                metadata_only=metadata_only,
            ),
        )

    async def watch(
        self, resource: Resource, *, resource_version: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield events."""
        found = self._next("watch", resource, namespace, "")
        if found and not found.applied:
            raise found.happen()
        stream = self.cluster.watch(
            resource, resource_version=resource_version, namespace=namespace, labels=labels, fields=fields
        )
        async with aclosing(stream):
            async for event in stream:
                yield event
                if found:
                    raise found.happen()

    async def create(
        self, resource: Resource, manifest: Json, *, subresource: str = "", name: str = "", manager: str = ""
    ) -> Json:
        """POST an object or a subresource."""
        metadata = manifest.get("metadata") or {}
        called = name or metadata.get("name", "")
        found = self._next("create", resource, metadata.get("namespace", ""), called, subresource)
        return await self._carry_out(
            found,
            lambda: self.cluster.create(resource, manifest, subresource=subresource, name=name, manager=manager),
        )

    async def update(self, resource: Resource, manifest: Json, *, subresource: str = "", manager: str = "") -> Json:
        """PUT an object."""
        metadata = manifest["metadata"]
        found = self._next("update", resource, metadata.get("namespace", ""), metadata["name"], subresource)
        return await self._carry_out(
            found, lambda: self.cluster.update(resource, manifest, subresource=subresource, manager=manager)
        )

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
        found = self._next("patch", resource, namespace, name, subresource)
        return await self._carry_out(
            found,
            lambda: self.cluster.patch(
                resource, name, namespace, kind=kind, body=body, subresource=subresource, manager=manager
            ),
        )

    async def apply(
        self, resource: Resource, manifest: Json, *, manager: str, force: bool = True, uid: str = ""
    ) -> Json:
        """Apply our fields server-side."""
        metadata = manifest["metadata"]
        found = self._next("apply", resource, metadata.get("namespace", ""), metadata["name"])
        return await self._carry_out(
            found, lambda: self.cluster.apply(resource, manifest, manager=manager, force=force, uid=uid)
        )

    async def delete(
        self, resource: Resource, name: str, namespace: str = "", *, uid: str = "", resource_version: str = ""
    ) -> Json | None:
        """Delete an object."""
        found = self._next("delete", resource, namespace, name)
        return await self._carry_out(
            found,
            lambda: self.cluster.delete(resource, name, namespace, uid=uid, resource_version=resource_version),
        )

    async def served(self, group: str) -> Sequence[Resource]:
        """Return the kinds of a group."""
        found = self._next("served", None, "", group)
        return await self._carry_out(found, lambda: self.cluster.served(group))

    async def close(self) -> None:
        """Give every connection back."""
        await self.cluster.close()
