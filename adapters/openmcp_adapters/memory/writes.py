"""Writes: what a server makes of a POST, a PUT, a patch and an apply before it stores the result."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import define, evolve

from openmcp_adapters.memory.checks import object_problems
from openmcp_adapters.memory.kinds import Kind
from openmcp_adapters.memory.managers import (
    Managed,
    Scope,
    base_of,
    decode_entries,
    encode_entries,
    on_apply,
    on_write,
)
from openmcp_adapters.memory.merging import misfit
from openmcp_adapters.memory.metadata import misread_metadata
from openmcp_adapters.memory.patches import json_patch, merge_patch
from openmcp_adapters.memory.schema import prune_and_default
from openmcp_adapters.memory.store import Key, Store, Table
from openmcp_adapters.memory.values import MISSING, clone, same, without_nulls
from openmcp_provider.domain.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound

__all__ = ["Writer", "moment"]

_HEAD = frozenset({"apiVersion", "kind", "metadata"})
_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5
# Set by the server alone: on a new object whatever is sent is dropped, on an old one it stays.
_SYSTEM = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink")


def moment(now: datetime) -> str:
    """Return a time as metadata have it."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@define(eq=False)
class Writer:
    """Carries out writes on a store.

    Attributes:
        store: The store.
        now: Tells the time.
        new_uid: Makes identifiers.
        stored: Is told of every object that was stored.
        erase: Drops an object for good.
    """

    store: Store
    now: Callable[[], datetime]
    new_uid: Callable[[], str]
    stored: Callable[[Table, dict[str, Any]], None]
    erase: Callable[[Table, Key], dict[str, Any]]
    names: int = 0

    # --- the four ways to write

    def create(self, table: Table, version: str, manifest: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """POST an object."""
        obj = self._read(table.kind, version, manifest)
        metadata = obj["metadata"]
        self._admit(table.kind, metadata)
        if metadata.get("resourceVersion"):
            raise Invalid("resourceVersion should not be set on objects to be created")
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + self._suffix()
        entries = base_of({}, obj, custom=table.kind.custom)
        obj = self._complete(table.kind, version, obj, status=None)
        scope = self._scope(table.kind, version, manager, "")
        blank = {"metadata": {}, **table.kind.blank}
        managed = on_write({} if table.kind.custom else blank, obj, entries, scope, created=True)
        return self._add(table, version, obj, managed)

    def update(
        self, table: Table, version: str, manifest: Mapping[str, Any], subresource: str, manager: str
    ) -> dict[str, Any]:
        """PUT an object or its status."""
        obj = self._read(table.kind, version, manifest)
        metadata = obj["metadata"]
        old = self._found(table, (metadata.get("namespace", ""), metadata.get("name", "")), subresource)
        if not metadata.get("resourceVersion"):
            raise Invalid(
                f"{self._told(table, old)} is invalid: metadata.resourceVersion: must be specified for an update"
            )
        self._check_identity(table, old, metadata)
        return self._write(table, version, old, obj, subresource, manager)

    def patch(
        self,
        table: Table,
        version: str,
        key: Key,
        kind: str,
        body: Mapping[str, Any] | Sequence[Mapping[str, Any]],
        subresource: str,
        manager: str,
    ) -> dict[str, Any]:
        """Send a JSON or merge patch."""
        old = self._found(table, key, subresource)
        shown = {**old, "apiVersion": table.kind.api_version(version)}
        result = json_patch(shown, clone(body)) if kind == "json" else merge_patch(shown, clone(body))
        obj = self._read(table.kind, version, result)
        metadata = obj["metadata"]
        if (metadata.get("namespace", ""), metadata.get("name")) != key:
            raise Invalid(
                f"the name of the object ({metadata.get('name')}) does not match the name on the URL ({key[1]})"
            )
        self._check_identity(table, old, metadata)
        return self._write(table, version, old, obj, subresource, manager)

    def apply(
        self, table: Table, version: str, manifest: Mapping[str, Any], manager: str, uid: str, *, force: bool
    ) -> dict[str, Any]:
        """Apply a configuration server-side."""
        if not manager:
            raise Invalid("fieldManager: Required value: is required for apply patch")
        config = self._read(table.kind, version, manifest)
        metadata = config["metadata"]
        if "managedFields" in metadata:
            raise Invalid("metadata.managedFields must be nil")
        if uid:
            metadata["uid"] = uid
        key = (metadata.get("namespace", ""), metadata.get("name", ""))
        old = table.rows.get(key)
        if old is None:
            self._admit(table.kind, metadata)
            if metadata.get("uid"):
                raise Conflict(f"uid mismatch: {metadata['uid']} was specified, and no existing object was found")
        else:
            self._check_identity(table, old, metadata)
        scope = self._scope(table.kind, version, manager, "")
        if problem := misfit(config, scope.schema):
            raise Invalid(f"failed to create typed patch object ({key[0]}/{key[1]}; {table.kind.kind}): {problem}")
        empty = {"apiVersion": scope.api_version, "kind": table.kind.kind, "metadata": {}}
        live = {**old, "apiVersion": scope.api_version} if old else empty
        merged, managed = on_apply(live, config, scope, force=force, created=old is None)
        if old is None:
            return self._add(table, version, self._complete(table.kind, version, merged, None, applied=True), managed)
        obj = self._complete(table.kind, version, merged, old.get("status", MISSING), applied=True)
        return self._change(table, version, old, obj, managed)

    # --- what they have in common

    def _read(self, kind: Kind, version: str, manifest: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return a copy of what was sent, if it is an object of the kind."""
        obj = clone(manifest)
        if not isinstance(obj, dict) or not isinstance(obj.get("metadata", {}), dict):
            raise Invalid(f"the object provided is unrecognized (must be of type {kind.kind})")
        wanted = (kind.api_version(version), kind.kind)
        if (obj.get("apiVersion"), obj.get("kind")) != wanted:
            raise Invalid(f"invalid object type: {obj.get('apiVersion')}, Kind={obj.get('kind')}: must be {wanted}")
        obj["metadata"] = {key: value for key, value in obj.get("metadata", {}).items() if value is not None}
        if problem := misread_metadata(obj["metadata"]):
            raise Invalid(f"{kind.kind} cannot be handled: {problem}")
        if bool(obj["metadata"].get("namespace")) is not kind.namespaced:
            raise Invalid(f"{kind.kind} {'lives in a' if kind.namespaced else 'has no'} namespace")
        return obj

    def _admit(self, kind: Kind, metadata: dict[str, Any]) -> None:
        """Refuse new objects where there is no place for them."""
        if kind.custom:
            crds = self.store.tables["apiextensions.k8s.io", "customresourcedefinitions"]
            crd = crds.rows.get(("", f"{kind.plural}.{kind.group}"))
            if crd and crd["metadata"].get("deletionTimestamp"):
                raise Forbidden("create not allowed while custom resource definition is terminating")
        if not kind.namespaced:
            return
        name = metadata["namespace"]
        namespace = self.store.tables["", "namespaces"].rows.get(("", name))
        if namespace is None:
            raise NotFound(f'namespaces "{name}" not found')
        if namespace["metadata"].get("deletionTimestamp"):
            raise Forbidden(
                f"{kind.told(metadata.get('name', ''))} is forbidden: unable to create new content in namespace {name} "
                "because it is being terminated"
            )

    def _found(self, table: Table, key: Key, subresource: str) -> dict[str, Any]:
        if subresource and not (subresource == "status" and table.kind.status):
            raise NotFound(f"the server could not find the requested resource: {table.kind.told()}/{subresource}")
        old = table.rows.get(key)
        if old is None:
            raise NotFound(f"{table.kind.told(key[1])} not found")
        return old

    def _check_identity(self, table: Table, old: dict[str, Any], sent: dict[str, Any]) -> None:
        """Refuse a write that was meant for another object or another state of it."""
        if sent.get("uid") and sent["uid"] != old["metadata"]["uid"]:
            raise Conflict(f"{self._told(table, old)}: uid {sent['uid']} is not the object's {old['metadata']['uid']}")
        if sent.get("resourceVersion") and sent["resourceVersion"] != old["metadata"]["resourceVersion"]:
            raise Conflict(
                f"Operation cannot be fulfilled on {self._told(table, old)}: the object has been modified; "
                "please apply your changes to the latest version and try again"
            )

    @staticmethod
    def _complete(
        kind: Kind, version: str, obj: dict[str, Any], status: object, *, applied: bool = False
    ) -> dict[str, Any]:
        """Return the object pruned and with defaults.

        Args:
            kind: Of the object.
            version: In which it was sent.
            obj: The object.
            status: What stands in the sent status' stead; None = nothing.
            applied: It is the result of an apply, in which null is not mistaken for a missing field.
        """
        obj = {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "managedFields"}}
        if kind.status and status is not None and status is not MISSING:
            obj = {**obj, "status": status}
        elif kind.status:
            obj = {key: value for key, value in obj.items() if key != "status"}
        whole = obj if kind.custom else without_nulls(obj)
        found: dict[str, Any] = prune_and_default(whole, kind.schemas[version], nulls=applied)
        found["metadata"] = {key: value for key, value in found["metadata"].items() if value not in (None, {}, [])}
        kind.complete(found)
        return found

    def _scope(self, kind: Kind, version: str, manager: str, subresource: str) -> Scope:
        reset = frozenset({"f:metadata", "f:spec"} if subresource else {"f:status"} if kind.status else ())
        return Scope(
            schema=kind.schemas[version],
            api_version=kind.api_version(version),
            manager=manager or "unknown",
            time=moment(self.now()),
            subresource=subresource,
            reset=reset,
        )

    def _write(
        self, table: Table, version: str, old: dict[str, Any], obj: dict[str, Any], subresource: str, manager: str
    ) -> dict[str, Any]:
        """Store what a PUT or a patch made of an object."""
        entries = base_of(old, old if subresource else obj, custom=table.kind.custom)
        status = (obj if subresource else old).get("status", MISSING)
        obj = self._complete(table.kind, version, old if subresource else obj, status)
        scope = self._scope(table.kind, version, manager, subresource)
        managed = on_write(old, obj, entries, scope, created=False)
        return self._change(table, version, old, obj, managed)

    def _add(self, table: Table, version: str, obj: dict[str, Any], managed: Managed) -> dict[str, Any]:
        """Store a new object."""
        metadata = {key: value for key, value in obj["metadata"].items() if key not in _SYSTEM}
        metadata |= {"uid": self.new_uid(), "creationTimestamp": moment(self.now())}
        if table.kind.counted:
            metadata["generation"] = 1
        _set_entries(metadata, managed)
        obj = _stored_form(table.kind, {**obj, "metadata": metadata})
        table.kind.prepare(obj)
        self._validate(table, version, obj, None)
        key = (metadata.get("namespace", ""), metadata["name"])
        if key in table.rows:
            raise AlreadyExists(f"{table.kind.told(key[1])} already exists")
        self.store.commit(table, obj)
        self.stored(table, obj)
        return obj

    def _change(
        self, table: Table, version: str, old: dict[str, Any], obj: dict[str, Any], managed: Managed
    ) -> dict[str, Any]:
        """Store a changed object, or find that nothing changed, or that the last finalizer is gone."""
        before = old["metadata"]
        metadata = {key: value for key, value in obj["metadata"].items() if key not in _SYSTEM}
        metadata |= {key: before[key] for key in (*_SYSTEM, "resourceVersion") if key in before}
        _set_entries(metadata, managed)
        obj = _stored_form(table.kind, {**obj, "metadata": metadata})
        if table.kind.counted and _counts(table.kind, obj, old):
            metadata["generation"] = before["generation"] + 1
        self._validate(table, version, obj, old)
        if before.get("deletionTimestamp") and not metadata.get("finalizers") and before.get("finalizers"):
            self.erase(table, (before.get("namespace", ""), before["name"]))
            return obj
        if same(obj, old) or _same_but_for_times(obj, old):
            return old
        self.store.commit(table, obj)
        self.stored(table, obj)
        return obj

    def _validate(self, table: Table, version: str, obj: dict[str, Any], old: dict[str, Any] | None) -> None:
        problems = list(object_problems(table.kind, version, obj, old))
        if problems:
            raise Invalid(f"{self._told(table, obj)} is invalid: " + "; ".join(problems))

    def _suffix(self) -> str:
        """Return letters for a generated name, another every time."""
        self.names += 1
        number = self.names * 2_654_435_761 % len(_SUFFIX_LETTERS) ** _SUFFIX_LENGTH
        letters = ""
        for _ in range(_SUFFIX_LENGTH):
            number, at = divmod(number, len(_SUFFIX_LETTERS))
            letters += _SUFFIX_LETTERS[at]
        return letters

    @staticmethod
    def _told(table: Table, obj: dict[str, Any]) -> str:
        return table.kind.told(obj["metadata"].get("name", ""))


def _stored_form(kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
    head = {"apiVersion": kind.resource().api_version, "kind": kind.kind, "metadata": obj["metadata"]}
    return head | {key: value for key, value in obj.items() if key not in head}


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
    timeless = []
    for metadata in (new["metadata"], old["metadata"]):
        entries = decode_entries(metadata.get("managedFields"))
        known = encode_entries({key: evolve(entry, time="") for key, entry in entries.items()})
        timeless.append({**metadata, "managedFields": known})
    return same(*timeless)
