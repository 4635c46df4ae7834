"""The store: objects by kind, one counter of versions, and the history that watches are fed from.

Stored objects are never changed in place: a write puts a new one in the old one's stead. So pages and watches can hold
on to what they have begun with.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from attrs import define, field

from openmcp_adapters.memory.kinds import Kind, group_of
from openmcp_provider.domain.errors import Expired, Invalid, NotFound, PortError
from openmcp_provider.ports import Resource

__all__ = ["Change", "Key", "Store", "Table", "key_of"]

Key = tuple[str, str]
"""Namespace and name."""


class Change(NamedTuple):
    """One event of the history, with the object before and after."""

    version: int
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    old: dict[str, Any] | None
    new: dict[str, Any] | None


@define(eq=False)
class Table:
    """All objects of one kind, and what happened to them.

    Attributes:
        kind: The kind.
        history_limit: How many changes are kept.
        rows: The objects.
        spaces: The same by namespace.
        owned: Which of them have owners.
        unsettled: Which of them are stored with nulls that nobody is shown: the next write takes these out, and so is
            a change, whatever else it does.
        history: The last changes.
        forgotten: The version of the last change that is not kept.
        begin: How many changes are not kept.
        bookmarks: How many bookmarks were asked for.
        alarms: The watches that wait.
    """

    kind: Kind
    history_limit: int
    rows: dict[Key, dict[str, Any]] = field(factory=dict)
    spaces: dict[str, dict[Key, dict[str, Any]]] = field(factory=dict)
    owned: dict[Key, None] = field(factory=dict)
    unsettled: set[Key] = field(factory=set)
    history: deque[Change] = field(factory=deque)
    forgotten: int = 0
    begin: int = 0
    bookmarks: int = 0
    alarms: dict[asyncio.Event, None] = field(factory=dict)

    def select(self, namespace: str = "") -> list[dict[str, Any]]:
        """Return the objects in a namespace, or all, in the order of their keys."""
        rows = self.spaces.get(namespace, {}) if namespace else self.rows
        return [rows[key] for key in sorted(rows)]

    def put(self, key: Key, obj: dict[str, Any] | None, change: Change) -> None:
        """Store an object, or drop it, and tell the watches."""
        space = self.spaces.setdefault(key[0], {})
        self.owned.pop(key, None)
        self.unsettled.discard(key)
        if obj is None:
            del self.rows[key], space[key]
            if not space:
                del self.spaces[key[0]]
        else:
            self.rows[key] = space[key] = obj
            if obj["metadata"].get("ownerReferences"):
                self.owned[key] = None
        self.history.append(change)
        if len(self.history) > self.history_limit:
            self.forgotten = self.history.popleft().version
            self.begin += 1
        self.wake()

    def forget(self) -> None:
        """Drop the whole history."""
        if self.history:
            self.begin += len(self.history)
            self.forgotten = self.history[-1].version
            self.history.clear()

    def position(self, version: int) -> int:
        """Return where in the history a watch from `version` begins.

        Raises:
            Expired: something after `version` is forgotten.
        """
        if version < self.forgotten:
            raise Expired(f"too old resource version: {version} ({self.forgotten})")
        return self.begin + bisect_right(self.history, version, key=lambda change: change.version)

    def since(self, position: int) -> Iterator[Change]:
        """Yield the history from a position on.

        Raises:
            Expired: it is forgotten.
        """
        while position < self.begin + len(self.history):
            if position < self.begin:
                raise Expired("too old resource version: the watch fell behind")
            yield self.history[position - self.begin]
            position += 1

    def wake(self) -> None:
        """Wake every watch."""
        for alarm in self.alarms:
            alarm.set()


@define(eq=False)
class Store:
    """All tables of one cluster."""

    history_limit: int = 1000
    version: int = 0
    tables: dict[tuple[str, str], Table] = field(factory=dict)
    breaks: list[PortError | None] = field(factory=list)

    def add(self, kind: Kind) -> Table:
        """Serve a kind, or serve it anew with another schema; objects stay."""
        key = (kind.group, kind.plural)
        table = self.tables.get(key)
        if table is None:
            table = self.tables[key] = Table(kind, self.history_limit, forgotten=self.version)
        else:
            table.kind = kind
        return table

    def drop(self, kind: Kind) -> None:
        """Serve a kind no longer."""
        table = self.tables.pop((kind.group, kind.plural), None)
        if table:
            table.wake()

    def table(self, resource: Resource) -> tuple[Table, str]:
        """Return the table of a resource and the version that is meant.

        Raises:
            NotFound: the kind is not served, or not in that version.
        """
        group, version = group_of(resource.api_version), resource.api_version.rpartition("/")[2]
        table = self.tables.get((group, resource.plural))
        if table is None or version not in table.kind.schemas:
            raise NotFound(
                f"the server could not find the requested resource: {resource.plural} of {resource.api_version}"
            )
        if table.kind.kind != resource.kind or table.kind.namespaced != resource.namespaced:
            raise Invalid(f"{resource} is not how the server serves {table.kind.told()}")
        return table, version

    def commit(self, table: Table, obj: dict[str, Any]) -> dict[str, Any]:
        """Store a new or changed object under the next version and return it."""
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        key = key_of(obj)
        old = table.rows.get(key)
        table.put(key, obj, Change(self.version, "MODIFIED" if old else "ADDED", old, obj))
        return obj

    def erase(self, table: Table, key: Key) -> dict[str, Any]:
        """Drop an object; return it as it was, under the version of its deletion."""
        self.version += 1
        old = table.rows[key]
        gone = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}
        table.put(key, None, Change(self.version, "DELETED", gone, None))
        return gone

    def compact(self) -> None:
        """Forget all history: watches and tokens from before are too old."""
        for table in self.tables.values():
            table.forget()

    def interrupt(self, error: PortError | None) -> None:
        """End every running watch, cleanly or with an error."""
        self.breaks.append(error)
        self.wake()

    def bookmark(self) -> None:
        """Send every running watch a bookmark."""
        for table in self.tables.values():
            table.bookmarks += 1
        self.wake()

    def wake(self) -> None:
        """Wake every watch."""
        for table in self.tables.values():
            table.wake()


def key_of(obj: dict[str, Any]) -> Key:
    """Return the key of an object."""
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]
