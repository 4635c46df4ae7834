"""Something around every call of a cluster: the base of what counts, limits, renews or fails calls.

A decorator overrides `Around.around`, and `Around.around_watch` where a watch needs other treatment than being passed
on.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Literal, NamedTuple, TypeVar

from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Page, Resource, WatchEvent

__all__ = ["Around", "Call"]

T = TypeVar("T")

READS = frozenset({"get", "list", "watch", "served"})
"""The methods of the port that change nothing."""


class Call(NamedTuple):
    """One call of the port.

    Attributes:
        verb: The method.
        kind: The kind, with the subresource after a slash.
        namespace: Of the object or list.
        name: Of the object; of discovery, the group.
    """

    verb: str
    kind: str
    namespace: str
    name: str

    @property
    def writes(self) -> bool:
        """Whether the call may change something."""
        return self.verb not in READS


class Around(Cluster):
    """Passes every call on.

    Args:
        cluster: What carries the calls out.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[T]]) -> T:
        """Carry a call out; to be overridden."""
        return await carry_out(self.cluster)

    async def around_watch(
        self, call: Call, begin: Callable[[Cluster], AsyncGenerator[WatchEvent, None]]
    ) -> AsyncGenerator[WatchEvent, None]:
        """Begin a watch and yield its events; to be overridden."""
        async with aclosing(begin(self.cluster)) as events:
            async for event in events:
                yield event

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Json:
        """Return one object."""
        return await self.around(
            Call("get", resource.kind, namespace, name), lambda to: to.get(resource, name, namespace)
        )

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
        return await self.around(
            Call("list", resource.kind, namespace, ""),
            lambda to: to.list(
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
        stream = self.around_watch(
            Call("watch", resource.kind, namespace, ""),
            lambda to: to.watch(
                resource, resource_version=resource_version, namespace=namespace, labels=labels, fields=fields
            ),
        )
        async with aclosing(stream):
            async for event in stream:
                yield event

    async def create(
        self, resource: Resource, manifest: Json, *, subresource: str = "", name: str = "", manager: str = ""
    ) -> Json:
        """POST an object or a subresource."""
        namespace, called = _place(manifest)
        return await self.around(
            Call("create", _told(resource, subresource), namespace, name or called),
            lambda to: to.create(resource, manifest, subresource=subresource, name=name, manager=manager),
        )

    async def update(self, resource: Resource, manifest: Json, *, subresource: str = "", manager: str = "") -> Json:
        """PUT an object."""
        return await self.around(
            Call("update", _told(resource, subresource), *_place(manifest)),
            lambda to: to.update(resource, manifest, subresource=subresource, manager=manager),
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
        return await self.around(
            Call("patch", _told(resource, subresource), namespace, name),
            lambda to: to.patch(
                resource, name, namespace, kind=kind, body=body, subresource=subresource, manager=manager
            ),
        )

    async def apply(
        self, resource: Resource, manifest: Json, *, manager: str, force: bool = True, uid: str = ""
    ) -> Json:
        """Apply our fields server-side."""
        return await self.around(
            Call("apply", resource.kind, *_place(manifest)),
            lambda to: to.apply(resource, manifest, manager=manager, force=force, uid=uid),
        )

    async def delete(
        self, resource: Resource, name: str, namespace: str = "", *, uid: str = "", resource_version: str = ""
    ) -> Json | None:
        """Delete an object."""
        return await self.around(
            Call("delete", resource.kind, namespace, name),
            lambda to: to.delete(resource, name, namespace, uid=uid, resource_version=resource_version),
        )

    async def served(self, group: str) -> Sequence[Resource]:
        """Return the kinds of a group."""
        return await self.around(Call("served", "", "", group), lambda to: to.served(group))

    async def close(self) -> None:
        """Give every connection back."""
        await self.cluster.close()


def _place(manifest: Json) -> tuple[str, str]:
    metadata = manifest.get("metadata") or {}
    return metadata.get("namespace", ""), metadata.get("name", "")


def _told(resource: Resource, subresource: str) -> str:
    return f"{resource.kind}/{subresource}" if subresource else resource.kind
