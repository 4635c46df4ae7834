"""From a request as data to a call of the port: references are resolved by what this cluster has answered so far."""

from typing import Any

from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Page
from openmcp_testing.conformance.kinds import KINDS, Kind
from openmcp_testing.conformance.requests import GONE, Op, resolved

__all__ = ["Asker"]


class Asker:
    """Asks one cluster.

    Args:
        cluster: The cluster.
        namespace: Where; names of cluster-scoped objects begin with it.
    """

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self._history: dict[tuple[str, str], list[Json]] = {}
        self._lists: dict[str, tuple[Op, str]] = {}

    def where(self, kind: Kind) -> str:
        """Return the namespace to name with a kind."""
        return self.namespace if kind.resource.namespaced else ""

    def name(self, kind: Kind, name: str) -> str:
        """Return how an object is called here."""
        return name if kind.resource.namespaced or not name else f"{self.namespace}-{name}"

    async def page(self, op: Op) -> Page:
        """Ask for a list, or for the next page of the kind's last one."""
        kind = KINDS[op.kind]
        token = ""
        if op.verb == "more":
            op, token = self._lists.get(op.kind, (op, ""))
        page = await self.cluster.list(
            kind.resource,
            namespace=self.where(kind),
            labels=op.labels,
            fields=op.fields,
            limit=op.limit,
            token=token,
            metadata_only=op.metadata_only,
        )
        self._lists[op.kind] = (op, page.token)
        return page

    async def object(self, op: Op) -> Json | None:
        """Ask for whatever concerns one object; return the answer."""
        kind = KINDS[op.kind]
        history = self._history.setdefault((kind.resource.plural, op.name), [])
        found = await self._send(op, kind, history)
        if found is not None and (not history or history[-1] != found):
            history.append(found)
        return found

    async def _send(self, op: Op, kind: Kind, history: list[Json]) -> Json | None:
        resource, name, where = kind.resource, self.name(kind, op.name), self.where(kind)
        identity = {key: value for key, value in (("name", name), ("namespace", where)) if value}
        head = {"apiVersion": resource.api_version, "kind": resource.kind}
        # Without a version some kinds take every update, which the port does not ask for.
        nothing = {**head, "metadata": {**identity, "resourceVersion": "1"}}
        body: Any = resolved(op.body, history, nothing)
        uid, version = (_text(resolved(value, history, nothing)) for value in (op.uid, op.resource_version))
        if op.verb == "get":
            return await self.cluster.get(resource, name, where)
        if op.verb == "delete":
            return await self.cluster.delete(resource, name, where, uid=uid, resource_version=version)
        if op.verb == "patch":
            return await self.cluster.patch(
                resource, name, where, kind=op.patch, body=body, subresource=op.subresource, manager=op.manager
            )
        manifest: Json = {**body, "metadata": {**identity, **body["metadata"]}}
        if op.verb == "create":
            return await self.cluster.create(resource, manifest, manager=op.manager)
        if op.verb == "update":
            return await self.cluster.update(resource, manifest, subresource=op.subresource, manager=op.manager)
        return await self.cluster.apply(resource, manifest, manager=op.manager, force=op.force, uid=uid)


def _text(value: object) -> str:
    return "" if value is GONE else str(value)
