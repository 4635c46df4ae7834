"""Managed fields: which manager owns which fields, and how every write changes that.

The rules are those of server-side apply. Who applies owns exactly what its configuration says; who writes otherwise
owns what it changed; what is changed is taken from all others, what is removed is owned by nobody.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from attrs import evolve, field, frozen

from openmcp_adapters.memory.fields import (
    Comparison,
    FieldSet,
    Path,
    compare,
    decode,
    dotted,
    encode,
    fields_of,
    with_named,
)
from openmcp_adapters.memory.fitting import misfit
from openmcp_adapters.memory.merging import merge, remove
from openmcp_adapters.memory.structure import Schema
from openmcp_adapters.memory.values import alike
from openmcp_provider.domain.errors import Conflict

__all__ = [
    "Entry",
    "Managed",
    "Manager",
    "Scope",
    "base_of",
    "decode_entries",
    "encode_entries",
    "on_apply",
    "on_write",
]

_FIRST = "before-first-apply"
_ANCIENT = "ancient-changes"
_MOST_UPDATES = 10

# What the server itself sets is owned by nobody.
_NEVER: FieldSet = frozenset(
    [("f:apiVersion",), ("f:kind",), ("f:metadata",)]
    + [
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    ]
)


class Manager(NamedTuple):
    """What tells entries apart. Whoever applies has one entry, in whatever version it applied last."""

    name: str
    operation: str
    api_version: str
    subresource: str


@frozen(kw_only=True)
class Entry:
    """What one manager owns."""

    fields: FieldSet
    api_version: str
    time: str = ""


Managed = dict[Manager, Entry]


@frozen(kw_only=True)
class Scope:
    """The circumstances of one write.

    Attributes:
        schema: Of the whole object.
        api_version: In which it is written.
        manager: Who writes.
        time: When, as it stands in managedFields.
        subresource: Through which subresource.
        reset: Top-level steps that this way of writing never changes, whatever is sent.
        blank: What an object of the kind has before anybody wrote a field.
        versions: In which the kind is served.
        custom: The kind is defined by a CustomResourceDefinition.
    """

    schema: Schema
    api_version: str
    manager: str
    time: str
    subresource: str = ""
    reset: frozenset[str] = frozenset()
    blank: Mapping[str, Any] = field(factory=dict)
    versions: frozenset[str] = frozenset()
    custom: bool = False

    def without_reset(self, fields: FieldSet) -> FieldSet:
        """Return the fields that this way of writing can own."""
        return frozenset(path for path in fields if path[0] not in self.reset)


def decode_entries(entries: Any) -> Managed:  # noqa: ANN401 - JSON has no narrower type
    """Return what ``metadata.managedFields`` says.

    Raises:
        ValueError: an entry makes no sense.
    """
    managed: Managed = {}
    for entry in entries or ():
        operation, version = entry.get("operation"), entry.get("apiVersion")
        if operation not in {"Apply", "Update"} or not version or entry.get("fieldsType") != "FieldsV1":
            raise ValueError("an entry of managedFields lacks operation, apiVersion or fieldsType")
        applied = operation == "Apply"
        key = Manager(entry.get("manager", ""), operation, "" if applied else version, entry.get("subresource", ""))
        fields = decode(entry.get("fieldsV1") or {})
        managed[key] = Entry(fields=fields, api_version=version, time=entry.get("time") or "")
    return managed


def encode_entries(managed: Managed) -> list[dict[str, Any]]:
    """Return ``metadata.managedFields``: applied before updated, then by time and name."""
    found = []
    for key, entry in managed.items():
        parts = {
            "manager": key.name,
            "operation": key.operation,
            "apiVersion": entry.api_version,
            "time": entry.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": encode(entry.fields),
            "subresource": key.subresource,
        }
        order = (key.operation, entry.time, key.name, entry.api_version, key.subresource)
        found.append((order, {name: value for name, value in parts.items() if value or name == "fieldsV1"}))
    return [entry for _, entry in sorted(found, key=lambda pair: pair[0])]


def base_of(live: Mapping[str, Any], sent: Mapping[str, Any], *, custom: bool) -> Managed:
    """Return the entries that a write starts from: those that were sent, where they make sense, else the object's.

    One empty entry clears them; for built-in kinds an empty list does so too.
    """
    entries = sent.get("metadata", {}).get("managedFields")
    if entries is not None:
        if entries == [{}] or (entries == [] and not custom):
            return {}
        try:
            if managed := decode_entries(entries):
                return managed
        except (ValueError, AttributeError):
            pass
    return decode_entries(live.get("metadata", {}).get("managedFields"))


def on_write(live: dict[str, Any], new: dict[str, Any], managed: Managed, scope: Scope, *, created: bool) -> Managed:
    """Return who owns what after a POST, a PUT or a patch turned `live`, or nothing, into `new`.

    Where the server cannot tell, it forgets what it knew.
    """
    if (not managed and not created) or not _is_clear(new, managed, scope):
        return {}
    if created:
        live = {"apiVersion": new["apiVersion"], "kind": new["kind"], **scope.blank}
    managed = _known(managed, scope)
    changes = compare(_bare(live), _bare(new), scope.schema)
    filtered = changes.without(scope.reset)
    result, _ = _taken_from(managed, filtered, None)
    gained = scope.without_reset(changes.modified | changes.added) - _NEVER
    if gained:
        key = Manager(scope.manager, "Update", scope.api_version, scope.subresource)
        earlier = result[key].fields if key in result else frozenset()
        result[key] = Entry(fields=earlier | gained, api_version=scope.api_version, time=scope.time)
    return _capped(result)


def on_apply(
    live: dict[str, Any], config: dict[str, Any], scope: Scope, *, force: bool, created: bool
) -> tuple[dict[str, Any], Managed]:
    """Return what becomes of an object to which a configuration is applied, and who owns what afterwards.

    Raises:
        Conflict: others own fields that would change, and it is not forced.
    """
    managed = decode_entries(live["metadata"].get("managedFields"))
    before = _bare(live)
    if not managed and not created:
        managed = on_write({}, before, {}, evolve(scope, manager=_FIRST), created=True)
    managed = _known(managed, scope)
    key = Manager(scope.manager, "Apply", "", scope.subresource)
    last = managed.get(key)
    owned = scope.without_reset(fields_of(config, scope.schema))
    managed = managed | {key: Entry(fields=owned, api_version=scope.api_version, time=last.time if last else "")}
    after = merge(before, config, scope.schema)
    if last and last.fields:
        after = _pruned(after, last.fields, managed, scope.schema)
    changes = compare(before, after, scope.schema).without(scope.reset)
    managed, conflicts = _taken_from(managed, changes, key)
    if conflicts and not force:
        raise Conflict(_told(conflicts))
    unchanged = alike(before, after)
    if key in managed:
        time = managed[key].time if unchanged else scope.time
        managed[key] = evolve(managed[key], fields=managed[key].fields - _NEVER, time=time)
        if not managed[key].fields:
            del managed[key]
    return before if unchanged else after, managed


def _is_clear(new: dict[str, Any], managed: Managed, scope: Scope) -> bool:
    """Tell whether the server can compare an object with another, in every version in which somebody wrote to it."""
    if scope.custom and any(entry.api_version not in scope.versions for entry in managed.values()):
        return False
    return not misfit(_bare(new), scope.schema, duplicates=True)


def _known(managed: Managed, scope: Scope) -> Managed:
    """Return the entries that were written in a version that is served."""
    return {key: entry for key, entry in managed.items() if entry.api_version in scope.versions}


def _bare(obj: dict[str, Any]) -> dict[str, Any]:
    """Return the object without its managedFields."""
    if "managedFields" not in obj.get("metadata", {}):
        return obj
    metadata = {name: value for name, value in obj["metadata"].items() if name != "managedFields"}
    return {**obj, "metadata": metadata}


def _taken_from(
    managed: Managed, changes: Comparison, writer: Manager | None
) -> tuple[Managed, dict[Manager, FieldSet]]:
    """Return the entries less what others changed or removed, and what was taken of each."""
    changed = changes.added | changes.modified
    result: Managed = {}
    conflicts: dict[Manager, FieldSet] = {}
    for key, entry in managed.items():
        fields = entry.fields
        if key != writer:
            if taken := fields & changed:
                conflicts[key] = taken
            fields = fields - changed - changes.removed
        if fields:
            result[key] = entry if fields == entry.fields else evolve(entry, fields=fields)
    return result, conflicts


def _pruned(merged: dict[str, Any], last: FieldSet, managed: Managed, schema: Schema) -> dict[str, Any]:
    """Take out what the manager owned until now and nobody owns any more."""
    last = with_named(last, schema)
    owned = with_named(frozenset[Path]().union(*(entry.fields for entry in managed.values())), schema)
    if last <= owned:
        return merged
    # Take out all that the manager had; of what went, put back what has an owner; of what is still gone, take out only
    # what the manager had itself. So what nobody owns goes along with a dropped map or item only if all of it goes.
    there = with_named(fields_of(merged, schema), schema)
    without = with_named(fields_of(remove(merged, last, schema), schema), schema)
    owned_again = remove(merged, there - without - owned, schema)
    gone = there - with_named(fields_of(owned_again, schema), schema)
    result: dict[str, Any] = remove(merged, gone & last, schema)
    return result


def _capped(managed: Managed) -> Managed:
    """Put the oldest Update entries together, where there are more than the server keeps."""
    updates = sorted((key for key in managed if key.operation == "Update"), key=lambda key: (managed[key].time, key))
    over = len(updates) - _MOST_UPDATES
    if over <= 0:
        return managed
    merged = updates[: over + 1]
    kept = {key: entry for key, entry in managed.items() if key not in merged}
    newest = managed[merged[-1]]
    fields = frozenset[Path]().union(*(managed[key].fields for key in merged))
    kept[Manager(_ANCIENT, "Update", newest.api_version, "")] = evolve(newest, fields=fields)
    return kept


def _told(conflicts: dict[Manager, FieldSet]) -> str:
    lines = []
    for key, fields in sorted(conflicts.items()):
        who = f'"{key.name}"' + (f' with subresource "{key.subresource}"' if key.subresource else "")
        who += f" using {key.api_version}" if key.operation == "Update" else ""
        lines += [(who, dotted(path)) for path in sorted(fields)]
    if len(lines) == 1:
        return f"Apply failed with 1 conflict: conflict with {lines[0][0]}: {lines[0][1]}"
    parts = [
        f"conflicts with {who}:\n" + "\n".join(f"- {path}" for whose, path in lines if whose == who)
        for who in dict.fromkeys(who for who, _ in lines)
    ]
    return f"Apply failed with {len(lines)} conflicts: " + "\n".join(parts)
