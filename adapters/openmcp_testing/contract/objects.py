"""The kinds and objects that the cases use, and how they watch."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any

from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Resource, WatchEvent
from openmcp_testing.contract.case import Broken, Harness

__all__ = [
    "CONFIG_MAPS",
    "GADGET",
    "GROUP",
    "LEASES",
    "NAMESPACES",
    "RELIC",
    "SECRETS",
    "SERVICE_ACCOUNTS",
    "WIDGET",
    "Events",
    "changed",
    "config_map",
    "entry",
    "fresh",
    "gadget",
    "names",
    "owners",
    "secret",
    "version",
    "watching",
    "widget",
]

GROUP = "contract.openmcp.test"

CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
SECRETS = Resource("v1", "Secret", "secrets")
SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")

_PATIENCE = 20.0


def _definition(
    kind: str, plural: str, scope: str, schema: Json, *, versions: Sequence[str] = ("v1",), **extra: object
) -> Json:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": name,
                    "served": True,
                    "storage": name == "v1",
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": schema}},
                    **extra,
                }
                for name in versions
            ],
        },
    }


_TEXT = {"type": "string"}

WIDGET = _definition(
    "Widget",
    "widgets",
    "Namespaced",
    {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 10},
                "mode": {"type": "string", "enum": ["fast", "slow"], "default": "slow"},
                "code": {"type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 5},
                "at": {"type": "string", "format": "date-time"},
                "amount": {"x-kubernetes-int-or-string": True},
                "tags": {"type": "array", "maxItems": 3, "items": _TEXT},
                "marks": {"type": "array", "x-kubernetes-list-type": "set", "items": _TEXT},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": _TEXT, "number": {"type": "integer"}},
                    },
                },
                "notes": {"type": "object", "additionalProperties": _TEXT},
                "inner": {
                    "type": "object",
                    "properties": {"one": _TEXT, "two": _TEXT, "three": {"type": "string", "default": "3"}},
                },
                "values": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {
            "type": "object",
            "required": ["phase"],
            "properties": {
                "phase": _TEXT,
                "count": {"type": "integer"},
                "conditions": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    "items": {
                        "type": "object",
                        "required": ["type", "status"],
                        "properties": {"type": _TEXT, "status": _TEXT},
                    },
                },
            },
        },
    },
    subresources={"status": {}},
    selectableFields=[{"jsonPath": ".spec.mode"}],
)
"""Lives in namespaces, has a status, and a field of every sort."""

GADGET = _definition(
    "Gadget",
    "gadgets",
    "Cluster",
    {
        "spec": {"type": "object", "properties": {"text": _TEXT}},
        "status": {"type": "object", "properties": {"phase": _TEXT}},
    },
)
"""Lives outside of namespaces; its status is a field like any other."""

RELIC = _definition(
    "Relic",
    "relics",
    "Namespaced",
    {"spec": {"type": "object", "properties": {"text": _TEXT}}},
    versions=("v1beta1", "v1"),
)
"""Is served in two versions."""


def widget(h: Harness, name: str, spec: Json | None = None, /, **metadata: object) -> dict[str, Any]:
    """Return the manifest of a Widget; without `spec`, of the smallest."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Widget",
        "metadata": {"name": name, "namespace": h.namespace, **metadata},
        "spec": {"size": 1} if spec is None else spec,
    }


def gadget(h: Harness, name: str, text: str = "", **metadata: object) -> dict[str, Any]:
    """Return the manifest of a Gadget whose name is this case's own."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Gadget",
        "metadata": {"name": f"{h.namespace}-{name}", **metadata},
        "spec": {"text": text},
    }


def secret(h: Harness, name: str, /, *, metadata: Json | None = None, **fields: object) -> dict[str, Any]:
    """Return the manifest of a Secret."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": h.namespace, **(metadata or {})},
        **fields,
    }


def config_map(h: Harness, name: str, data: Json | None = None, /, **metadata: object) -> dict[str, Any]:
    """Return the manifest of a ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": h.namespace, **metadata},
        "data": data or {"key": "value"},
    }


def changed(obj: Json, **fields: object) -> dict[str, Any]:
    """Return an object with other top-level fields."""
    return {**obj, **fields}


def fresh(obj: Json, **metadata: object) -> dict[str, Any]:
    """Return an object with other metadata; None takes one out."""
    found = {**obj["metadata"], **metadata}
    return {**obj, "metadata": {key: value for key, value in found.items() if value is not None}}


def version(obj: Json) -> str:
    """Return an object's resourceVersion."""
    return str(obj["metadata"]["resourceVersion"])


def names(objects: Sequence[Json]) -> list[str]:
    """Return the names of objects."""
    return [obj["metadata"]["name"] for obj in objects]


def owners(obj: Json) -> list[tuple[str, str]]:
    """Return who has an entry in managedFields, and by which operation."""
    return [(found["manager"], found["operation"]) for found in obj["metadata"].get("managedFields", ())]


def entry(obj: Json, manager: str, operation: str, subresource: str = "") -> Json:
    """Return one entry of managedFields.

    Raises:
        Broken: there is none.
    """
    for found in obj["metadata"].get("managedFields", ()):
        if (found["manager"], found["operation"], found.get("subresource", "")) == (manager, operation, subresource):
            result: Json = found
            return result
    raise Broken(f"no entry of {manager}, {operation}, {subresource or 'no subresource'} among {owners(obj)}")


class Events:
    """The events of a watch, without bookmarks."""

    def __init__(self, stream: AsyncGenerator[WatchEvent, None]) -> None:
        self.stream = stream

    async def next(self) -> WatchEvent:
        """Return the next event.

        Raises:
            Broken: none comes.
        """
        event = await self.any()
        while event.type == "BOOKMARK":
            event = await self.any()
        return event

    async def any(self) -> WatchEvent:
        """Return the next event or bookmark.

        Raises:
            Broken: none comes.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                return await anext(self.stream)
        except TimeoutError:
            raise Broken(f"no event within {_PATIENCE:.0f} seconds") from None
        except StopAsyncIteration:
            raise Broken("the watch ended") from None

    async def tell(self) -> tuple[str, str]:
        """Return type and name of the next event."""
        event = await self.next()
        return event.type, event.object["metadata"]["name"]

    async def ends(self) -> None:
        """Return when the server has ended the watch; events still to come are skipped.

        Raises:
            Broken: it goes on.
        """
        try:
            async with asyncio.timeout(_PATIENCE):
                async for _ in self.stream:
                    pass
        except TimeoutError:
            raise Broken(f"the watch has not ended after {_PATIENCE:.0f} seconds") from None


@asynccontextmanager
async def watching(
    h: Harness, resource: Resource, since: str = "", *, everywhere: bool = False, labels: str = "", fields: str = ""
) -> AsyncIterator[Events]:
    """Watch a kind in the case's namespace, by default from now on."""
    namespace = "" if everywhere or not resource.namespaced else h.namespace
    if not since:
        since = (await h.cluster.list(resource, namespace=namespace, limit=1)).resource_version
    stream = h.cluster.watch(resource, resource_version=since, namespace=namespace, labels=labels, fields=fields)
    async with aclosing(stream):
        yield Events(stream)
