"""Storing what a write made of an object, if that is allowed and changes anything."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from attrs import define

from openmcp_adapters.memory.checks import object_problems
from openmcp_adapters.memory.kinds import Kind
from openmcp_adapters.memory.managers import Managed, encode_entries
from openmcp_adapters.memory.receiving import shown
from openmcp_adapters.memory.schema import prune_and_default
from openmcp_adapters.memory.store import Key, Store, Table, key_of
from openmcp_adapters.memory.values import is_settled, same, settled
from openmcp_provider.domain.errors import AlreadyExists, Invalid

__all__ = ["SYSTEM", "Keeper", "drop_equal_owners", "moment", "with_status_of"]

SYSTEM = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")
"""Set by the server alone: on a new object whatever is sent is dropped, on an old one it stays."""

_HEAD = frozenset({"apiVersion", "kind", "metadata"})


def moment(now: datetime) -> str:
    """Return a time as metadata have it."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@define(eq=False)
class Keeper:
    """Puts objects into a store.

    Attributes:
        store: The store.
        now: Tells the time.
        new_uid: Makes identifiers.
        stored: Is told of every object that was stored.
        erase: Drops an object for good.
        mutate: What mutating admission policies make of an object that is written.
    """

    store: Store
    now: Callable[[], datetime]
    new_uid: Callable[[], str]
    stored: Callable[[Table, dict[str, Any]], None]
    erase: Callable[[Table, Key], dict[str, Any]]
    mutate: Callable[[dict[str, Any]], dict[str, Any]] = lambda obj: obj

    def add(self, table: Table, version: str, obj: dict[str, Any], managed: Managed) -> dict[str, Any]:
        """Store a new object."""
        kind, obj = table.kind, self.mutate(obj)
        metadata = {key: value for key, value in obj["metadata"].items() if key not in (*SYSTEM, "resourceVersion")}
        metadata |= {"uid": self.new_uid(), "creationTimestamp": moment(self.now())}
        if kind.counted:
            metadata["generation"] = 1
        drop_equal_owners(metadata)
        _set_entries(metadata, managed)
        obj = with_status_of(kind, {**obj, "metadata": metadata}, {})
        kind.prepare(obj)
        _validate(table, version, obj, None)
        key = (metadata.get("namespace", ""), metadata["name"])
        if key in table.rows:
            raise AlreadyExists(f"{kind.told(key[1])} already exists")
        return self._store(table, version, shown(kind, obj))

    def change(
        self, table: Table, version: str, old: dict[str, Any], obj: dict[str, Any], managed: Managed
    ) -> dict[str, Any]:
        """Store a changed object, or find that nothing changed, or that the last finalizer is gone."""
        before = old["metadata"]
        key, obj = key_of(old), self.mutate(obj)
        if obj["metadata"].get("deletionTimestamp") and not before.get("deletionTimestamp"):
            raise Invalid(f"{table.kind.told(key[1])} is invalid: metadata.deletionTimestamp: field is immutable")
        metadata = {key: value for key, value in obj["metadata"].items() if key not in SYSTEM}
        metadata |= {key: before[key] for key in (*SYSTEM, "resourceVersion") if key in before}
        drop_equal_owners(metadata)
        _set_entries(metadata, managed)
        obj = {**obj, "apiVersion": old["apiVersion"], "metadata": metadata}
        new = shown(table.kind, obj)
        if table.kind.counted and _counts(table.kind, new, old):
            new["metadata"]["generation"] = before["generation"] + 1
        _validate(table, version, obj, old)
        if before.get("deletionTimestamp") and not metadata.get("finalizers") and before.get("finalizers"):
            self.erase(table, key)
            return dict(settled(new))
        unchanged = same(new, old) or _same_but_for_times(new, old)
        if unchanged and key not in table.unsettled:
            return old
        return self._store(table, version, {**old, "metadata": {**before}} if unchanged else new)

    def _store(self, table: Table, version: str, new: dict[str, Any]) -> dict[str, Any]:
        """Store an object as it will be read; note if the server stores more than it reads."""
        kind = table.kind
        metadata = {name: value for name, value in new["metadata"].items() if value is not None}
        head = {"apiVersion": kind.resource().api_version, "kind": kind.kind, "metadata": metadata}
        obj = head | {name: value for name, value in new.items() if name not in head}
        more = None in new["metadata"].values()
        if kind.custom and ("status" not in obj or not is_settled(new)):
            # Defaults that come when it is read are those of a whole status that a write may not bring.
            whole, obj = settled(obj), settled(prune_and_default(obj, kind.schemas[version]))
            more = more or not same(whole, obj)
        self.store.commit(table, obj)
        # What is converted before it is stored loses its nulls on the way.
        if more and version == next(iter(kind.schemas)):
            table.unsettled.add(key_of(obj))
        self.stored(table, obj)
        return obj


def _validate(table: Table, version: str, obj: dict[str, Any], old: dict[str, Any] | None) -> None:
    problems = list(object_problems(table.kind, version, obj, old))
    if problems:
        raise Invalid(f"{table.kind.told(obj['metadata'].get('name', ''))} is invalid: " + "; ".join(problems))


def with_status_of(kind: Kind, obj: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the status of another state, where the status has a way of its own to be written."""
    if not kind.status:
        return obj
    status = {"status": other["status"]} if "status" in other else {}
    return {key: value for key, value in obj.items() if key != "status"} | status


def drop_equal_owners(metadata: dict[str, Any]) -> None:
    """Drop owner references that are there already."""
    owners: list[Any] = []
    for owner in metadata.get("ownerReferences") or ():
        if not any(same(owner, other) for other in owners):
            owners.append(owner)
    if owners:
        metadata["ownerReferences"] = owners


def _set_entries(metadata: dict[str, Any], managed: Managed) -> None:
    metadata.pop("managedFields", None)
    if managed:
        metadata["managedFields"] = encode_entries(managed)


def _counts(kind: Kind, new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Tell whether a change makes a new generation."""
    apart = _HEAD | ({"status"} if kind.status else set())
    if any(not same(new.get(key), old.get(key)) for key in (new.keys() | old.keys()) - apart):
        return True
    return kind.counts_annotations and not same(new["metadata"].get("annotations"), old["metadata"].get("annotations"))


def _same_but_for_times(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Tell whether two states differ in nothing but when somebody wrote."""
    if any(not same(new.get(key), old.get(key)) for key in (new.keys() | old.keys()) - {"metadata"}):
        return False
    return same(*({**obj["metadata"], "managedFields": _timeless(obj)} for obj in (new, old)))


def _timeless(obj: dict[str, Any]) -> list[Any]:
    return [{**entry, "time": None} for entry in obj["metadata"].get("managedFields", ())]
