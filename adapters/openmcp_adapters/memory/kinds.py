"""What the cluster knows of a kind."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import field, frozen

from openmcp_adapters.memory.formats import dns_subdomain
from openmcp_adapters.memory.structure import ANYTHING, METADATA, Schema
from openmcp_provider.ports import Resource

__all__ = ["SELECTABLE", "Kind", "Rule", "group_of", "whole"]

Rule = Callable[[dict[str, Any], dict[str, Any] | None], Iterator[str]]
"""Yields what is wrong with an object: (as it would be stored, as it was or None)."""

SELECTABLE: Mapping[str, tuple[str, ...]] = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
}
"""The fields that every kind can be selected by, if it lives in namespaces."""


def group_of(api_version: str) -> str:
    """Return the group of an API version, empty for the core group."""
    return api_version.rpartition("/")[0]


def whole(schema: Schema) -> Schema:
    """Return the schema of a whole object, whose own schema says nothing of metadata."""
    properties = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, **schema.get("properties", {})}
    return {**schema, "type": "object", "properties": {**properties, "metadata": METADATA}}


def _nothing_to_do(obj: dict[str, Any]) -> None:
    """Leave the object as it is."""


def _nothing_wrong(_new: dict[str, Any], _old: dict[str, Any] | None) -> Iterator[str]:
    yield from ()


@frozen(kw_only=True)
class Kind:
    """One kind, in all its served versions.

    Attributes:
        group: API group.
        kind: Name.
        plural: Name in paths.
        namespaced: Whether it lives in namespaces.
        schemas: Schema of a whole object by served version, the preferred version first.
        selectable: Fields that can be selected by, by version.
        status: Has the subresource of that name.
        counted: Has ``metadata.generation``.
        put_creates: A PUT of what does not exist creates it.
        counts_annotations: A changed annotation is a new generation.
        domains: A finalizer is a standard one or has a domain.
        custom: Defined by a CustomResourceDefinition.
        rules: Some schema has validation rules.
        immutable: Paths that stay as they are once they are there.
        blank: What an object has before anybody wrote a field, beyond metadata.
        name_problem: Returns what is wrong with a name.
        complete: Fills in what the server fills in when it reads an object; that is owned by whoever sent it.
        prepare: Fills in what the server fills in when it creates an object; that is owned by nobody.
        check: Yields what is wrong beyond the schema.
    """

    group: str
    kind: str
    plural: str
    namespaced: bool = True
    schemas: Mapping[str, Schema] = field(factory=lambda: {"v1": whole(ANYTHING)})
    selectable: Mapping[str, Mapping[str, tuple[str, ...]]] = field(factory=dict)
    status: bool = False
    counted: bool = False
    put_creates: bool = False
    counts_annotations: bool = False
    domains: bool = True
    custom: bool = False
    rules: bool = False
    immutable: tuple[tuple[str, ...], ...] = ()
    blank: Mapping[str, Any] = field(factory=dict)
    name_problem: Callable[[str], str] = dns_subdomain
    complete: Callable[[dict[str, Any]], None] = _nothing_to_do
    prepare: Callable[[dict[str, Any]], None] = _nothing_to_do
    check: Rule = _nothing_wrong

    def api_version(self, version: str) -> str:
        """Return group and version as manifests have them."""
        return f"{self.group}/{version}" if self.group else version

    def resource(self, version: str = "") -> Resource:
        """Return the resource in a version, by default the preferred one."""
        return Resource(self.api_version(version or next(iter(self.schemas))), self.kind, self.plural, self.namespaced)

    def fields(self, version: str) -> Mapping[str, tuple[str, ...]]:
        """Return the fields that can be selected by in a version."""
        everywhere = SELECTABLE if self.namespaced else {"metadata.name": SELECTABLE["metadata.name"]}
        return {**everywhere, **self.selectable.get(version, {})}

    def told(self, name: str = "") -> str:
        """Return how messages name the kind, or one object."""
        of = f"{self.plural}.{self.group}" if self.group else self.plural
        return f'{of} "{name}"' if name else of
