"""Lists in pages, and watches."""

import asyncio
import base64
import binascii
import json
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from attrs import define, field

from openmcp_adapters.memory.selectors import Predicate, field_selector, label_selector
from openmcp_adapters.memory.store import Change, Store, Table
from openmcp_adapters.memory.values import clone
from openmcp_provider.domain.errors import Expired, Invalid
from openmcp_provider.ports import Page, WatchEvent

__all__ = ["Pages", "Selection", "shown", "watch"]

_SNAPSHOTS = 64


def shown(table: Table, version: str, obj: dict[str, Any], *, metadata_only: bool = False) -> dict[str, Any]:
    """Return a copy of a stored object as a version shows it."""
    head = {"apiVersion": table.kind.api_version(version), "kind": table.kind.kind}
    copy: dict[str, Any] = clone({**head, "metadata": obj["metadata"]} if metadata_only else {**obj, **head})
    return copy


@define
class Selection:
    """Which objects of a table are asked for."""

    table: Table
    version: str
    namespace: str
    by_label: Predicate
    by_field: Predicate
    name: str

    @classmethod
    def of(cls, table: Table, version: str, namespace: str, labels: str, fields: str) -> "Selection":
        """Return the selection of a request.

        Raises:
            Invalid: a selector cannot be read.
        """
        by_field, name = field_selector(fields, table.kind.fields(version))
        return cls(table, version, namespace, label_selector(labels), by_field, name)

    def has(self, obj: dict[str, Any] | None) -> bool:
        """Tell whether an object is selected; none is not."""
        if obj is None or (self.namespace and obj["metadata"].get("namespace") != self.namespace):
            return False
        return self.by_label(obj) and self.by_field(obj)

    def candidates(self) -> list[dict[str, Any]]:
        """Return the objects that are looked at, in the order of their keys."""
        if self.name and (self.namespace or not self.table.kind.namespaced):
            found = self.table.rows.get((self.namespace, self.name))
            return [] if found is None else [found]
        return self.table.select(self.namespace)

    def objects(self) -> list[dict[str, Any]]:
        """Return the selected objects in the order of their keys."""
        return [obj for obj in self.candidates() if self.has(obj)]


@define(eq=False)
class Pages:
    """The lists that are being paged through; all pages of one show one moment."""

    open: OrderedDict[int, tuple[str, list[dict[str, Any]]]] = field(factory=OrderedDict)
    count: int = 0

    def first(self, store: Store, selection: Selection, limit: int, *, metadata_only: bool) -> Page:
        """Return the first page of a list."""
        objects = selection.candidates()
        version = str(store.version)
        token = 0
        if 0 < limit < len(objects):
            self.count += 1
            token = self.count
            self.open[token] = (version, objects)
            while len(self.open) > _SNAPSHOTS:
                self.open.popitem(last=False)
        return self._page(selection, version, objects, token, 0, limit, metadata_only=metadata_only)

    def next(self, selection: Selection, token: str, limit: int, *, metadata_only: bool) -> Page:
        """Return a page after the first.

        Raises:
            Expired: the list is forgotten.
            Invalid: there never was such a token.
        """
        try:
            number, start = json.loads(base64.urlsafe_b64decode(token))
        except (ValueError, TypeError, binascii.Error):
            raise Invalid("invalid continue token") from None
        if number not in self.open:
            raise Expired("the provided continue parameter is too old to display a consistent list result")
        version, objects = self.open[number]
        return self._page(selection, version, objects, number, start, limit, metadata_only=metadata_only)

    def forget(self) -> None:
        """Let every token expire."""
        self.open.clear()

    @staticmethod
    def _page(
        selection: Selection,
        version: str,
        objects: list[dict[str, Any]],
        number: int,
        start: int,
        limit: int,
        *,
        metadata_only: bool,
    ) -> Page:
        # A page is full of what is selected; whether another follows depends on whether there is anything at all.
        found = [at for at in range(start, len(objects)) if selection.has(objects[at])]
        end = found[limit - 1] + 1 if 0 < limit <= len(found) else len(objects)
        token = base64.urlsafe_b64encode(json.dumps([number, end]).encode()).decode() if end < len(objects) else ""
        items = [
            shown(selection.table, selection.version, objects[at], metadata_only=metadata_only)
            for at in found
            if at < end
        ]
        return Page(items=items, resource_version=version, token=token)


async def watch(
    store: Store, selection: Selection, since: str, *, bookmark_every: float, end_after: float
) -> AsyncGenerator[WatchEvent, None]:
    """Yield what happens to the selected objects after the version `since`.

    Args:
        store: The cluster.
        selection: What to watch.
        since: A resourceVersion; empty or "0" = begin with what there is.
        bookmark_every: Seconds of silence after which a bookmark is sent.
        end_after: Seconds after which the watch ends; 0 = never.

    Raises:
        Expired: `since` is too old, or the watch fell too far behind.
        PortError: what `Store.interrupt` was given.
    """
    table = selection.table
    stream = _Stream(store, selection, _start(table, since), len(store.breaks), table.bookmarks)
    if since in {"", "0"}:
        for obj in selection.objects():
            yield WatchEvent(type="ADDED", object=shown(table, selection.version, obj))
    clock = asyncio.get_running_loop().time
    end = clock() + end_after if end_after else float("inf")
    alarm = asyncio.Event()
    table.alarms[alarm] = None
    try:
        while True:
            alarm.clear()
            for event in stream.events():
                yield event
            if stream.is_over():
                return
            if not alarm.is_set() and not await _wait(alarm, min(bookmark_every, end - clock())):
                yield stream.bookmark()
                if clock() >= end:
                    return
    finally:
        del table.alarms[alarm]


def _start(table: Table, since: str) -> int:
    """Return where in the history a watch begins."""
    if since in {"", "0"}:
        return table.begin + len(table.history)
    if not since.isdecimal():
        raise Invalid(f"resourceVersion: Invalid value: {since!r}")
    return table.position(int(since))


@define(eq=False)
class _Stream:
    """How far one watch has come."""

    store: Store
    selection: Selection
    position: int
    breaks: int
    bookmarks: int

    def events(self) -> Iterator[WatchEvent]:
        """Yield what has happened since, and a bookmark if one was asked for."""
        table = self.selection.table
        for change in table.since(self.position):
            self.position += 1
            if event := _event(self.selection, change):
                yield event
            if len(self.store.breaks) > self.breaks:
                return
        if table.bookmarks > self.bookmarks:
            self.bookmarks = table.bookmarks
            yield self.bookmark()

    def is_over(self) -> bool:
        """Tell whether the watch is to end; raise the error that it is to end with."""
        if len(self.store.breaks) > self.breaks:
            if error := self.store.breaks[self.breaks]:
                raise error
            return True
        table = self.selection.table
        return self.store.tables.get((table.kind.group, table.kind.plural)) is not table

    def bookmark(self) -> WatchEvent:
        """Return an event that says that everything until now was told."""
        kind = self.selection.table.kind
        metadata = {"resourceVersion": str(self.store.version)}
        obj = {"apiVersion": kind.api_version(self.selection.version), "kind": kind.kind, "metadata": metadata}
        return WatchEvent(type="BOOKMARK", object=obj)


async def _wait(alarm: asyncio.Event, seconds: float) -> bool:
    """Wait for the alarm; tell whether it came in time."""
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await alarm.wait()
    except TimeoutError:
        return False
    return True


def _event(selection: Selection, change: Change) -> WatchEvent | None:
    """Return a change as the selection sees it: what enters it is added, what leaves it is deleted."""
    before, after = selection.has(change.old), selection.has(change.new)
    if after and change.new is not None:
        return WatchEvent(
            type="MODIFIED" if before else "ADDED", object=shown(selection.table, selection.version, change.new)
        )
    if before and change.old is not None:
        gone = shown(selection.table, selection.version, change.old)
        gone["metadata"]["resourceVersion"] = str(change.version)
        return WatchEvent(type="DELETED", object=gone)
    return None
