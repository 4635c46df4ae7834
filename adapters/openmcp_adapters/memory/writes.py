"""Writes: what a server makes of a POST, a PUT, a patch and an apply before it stores the result."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import define

from openmcp_adapters.memory.fitting import misfit
from openmcp_adapters.memory.keeping import SYSTEM, Keeper, drop_equal_owners, moment, with_status_of
from openmcp_adapters.memory.kinds import Kind
from openmcp_adapters.memory.managers import Scope, base_of, on_apply, on_write
from openmcp_adapters.memory.patches import json_patch, merge_patch
from openmcp_adapters.memory.receiving import completed, headed, received, shown
from openmcp_adapters.memory.store import Key, Store, Table
from openmcp_adapters.memory.values import clone
from openmcp_provider.domain.applicable import long_key
from openmcp_provider.domain.errors import Conflict, Forbidden, Invalid, NotFound

__all__ = ["Writer"]

_SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH = 5


@define(eq=False)
class Writer:
    """Carries out writes on a store.

    Attributes:
        store: The store.
        now: Tells the time.
        keeper: Stores what comes of them.
        names: How many names were generated.
    """

    store: Store
    now: Callable[[], datetime]
    keeper: Keeper
    names: int = 0

    # --- the four ways to write

    def create(self, table: Table, version: str, manifest: Mapping[str, Any], manager: str) -> dict[str, Any]:
        """POST an object."""
        obj = received(table.kind, version, manifest)
        metadata = obj["metadata"] = {key: value for key, value in obj["metadata"].items() if key not in SYSTEM}
        self._admit(table.kind, metadata)
        if metadata.get("resourceVersion"):
            raise Invalid("resourceVersion should not be set on objects to be created")
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + self._suffix()
        return self._make(table, version, obj, manager)

    def update(
        self, table: Table, version: str, manifest: Mapping[str, Any], subresource: str, manager: str
    ) -> dict[str, Any]:
        """PUT an object or its status."""
        self._check_subresource(table.kind, subresource)
        obj = received(table.kind, version, manifest)
        metadata = obj["metadata"]
        drop_equal_owners(metadata)
        key = (metadata.get("namespace", ""), metadata.get("name", ""))
        if table.kind.put_creates and key not in table.rows:
            if metadata.get("uid"):
                raise Conflict(f"{table.kind.told(key[1])}: precondition failed: there is none of that uid")
            self._admit(table.kind, metadata)
            return self._make(table, version, obj, manager)
        old = self._found(table, key)
        self._check_uid(table, old, metadata)
        if not metadata.get("resourceVersion"):
            raise Invalid(
                f"{self._told(table, old)} is invalid: metadata.resourceVersion: must be specified for an update"
            )
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
        self._check_subresource(table.kind, subresource)
        old = self._found(table, key)
        live = {**old, "apiVersion": table.kind.api_version(version)}
        result = json_patch(live, clone(body)) if kind == "json" else merge_patch(live, clone(body))
        if isinstance(result, dict) and isinstance(result.get("metadata"), dict):
            # A namespace that a patch takes out is that of the request; where there is none, it is not looked at.
            where = result["metadata"].get("namespace") or key[0] if table.kind.namespaced else None
            result = {**result, "metadata": {**result["metadata"], "namespace": where}}
        obj = received(table.kind, version, result)
        metadata = obj["metadata"]
        if (metadata.get("namespace", ""), metadata.get("name")) != key:
            raise Invalid(
                f"the name of the object ({metadata.get('name')}) does not match the name on the URL ({key[1]})"
            )
        return self._write(table, version, old, obj, subresource, manager)

    def apply(
        self, table: Table, version: str, manifest: Mapping[str, Any], manager: str, uid: str, *, force: bool
    ) -> dict[str, Any]:
        """Apply a configuration server-side."""
        if not manager:
            raise Invalid("fieldManager: Required value: is required for apply patch")
        if path := long_key(manifest):
            raise Invalid(f"error decoding YAML: could not find expected ':' after {path}")
        config = headed(table.kind, version, manifest)
        metadata = config["metadata"]
        if metadata.get("managedFields") is not None:
            raise Invalid("metadata.managedFields must be nil")
        if uid:
            metadata["uid"] = uid
        key = (metadata.get("namespace", ""), metadata.get("name", ""))
        old = table.rows.get(key)
        scope = self._scope(table.kind, version, manager, "")
        if problem := misfit(config, scope.schema):
            raise Invalid(f"failed to create typed patch object ({key[0]}/{key[1]}; {table.kind.kind}): {problem}")
        empty = {"apiVersion": scope.api_version, "kind": table.kind.kind, "metadata": {}}
        live = {**old, "apiVersion": scope.api_version} if old else empty
        merged, managed = on_apply(live, config, scope, force=force, created=old is None)
        obj = completed(table.kind, version, merged, applied=True)
        if old is not None:
            self._check_version(table, old, obj["metadata"])
            self._check_uid(table, old, obj["metadata"])
            return self.keeper.change(table, version, old, with_status_of(table.kind, obj, old), managed)
        if metadata.get("uid"):
            raise Conflict(f"uid mismatch: {metadata['uid']} was specified, and no existing object was found")
        self._admit(table.kind, metadata)
        return self.keeper.add(table, version, obj, managed)

    # --- what they have in common

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

    @staticmethod
    def _check_subresource(kind: Kind, subresource: str) -> None:
        if subresource and not (subresource == "status" and kind.status):
            raise NotFound(f"the server could not find the requested resource: {kind.told()}/{subresource}")

    @staticmethod
    def _found(table: Table, key: Key) -> dict[str, Any]:
        old = table.rows.get(key)
        if old is None:
            raise NotFound(f"{table.kind.told(key[1])} not found")
        return old

    def _check_uid(self, table: Table, old: dict[str, Any], sent: dict[str, Any]) -> None:
        """Refuse a write that was meant for another object."""
        if sent.get("uid") and sent["uid"] != old["metadata"]["uid"]:
            raise Conflict(f"{self._told(table, old)}: uid {sent['uid']} is not the object's {old['metadata']['uid']}")

    def _check_version(self, table: Table, old: dict[str, Any], sent: dict[str, Any]) -> None:
        """Refuse a write that was meant for another state of the object."""
        if not sent.get("resourceVersion") and table.kind.custom:
            raise Invalid(f"{self._told(table, old)}: metadata.resourceVersion: must be specified for an update")
        if sent.get("resourceVersion") and sent["resourceVersion"] != old["metadata"]["resourceVersion"]:
            raise Conflict(
                f"Operation cannot be fulfilled on {self._told(table, old)}: the object has been modified; "
                "please apply your changes to the latest version and try again"
            )

    def _scope(self, kind: Kind, version: str, manager: str, subresource: str) -> Scope:
        reset = frozenset({"f:metadata", "f:spec"} if subresource else {"f:status"} if kind.status else ())
        return Scope(
            schema=kind.schemas[version],
            api_version=kind.api_version(version),
            manager=manager or "unknown",
            time=moment(self.now()),
            subresource=subresource,
            reset=reset,
            blank={} if kind.custom else {"metadata": {}, **kind.blank},
            versions=frozenset(kind.api_version(name) for name in kind.schemas),
            custom=kind.custom,
        )

    def _make(self, table: Table, version: str, obj: dict[str, Any], manager: str) -> dict[str, Any]:
        """Store what a POST, or a PUT that creates, made of an object."""
        drop_equal_owners(obj["metadata"])
        kind = table.kind
        scope = self._scope(kind, version, manager, "")
        entries = base_of({}, obj, custom=kind.custom)
        return self.keeper.add(table, version, obj, on_write({}, shown(kind, obj), entries, scope, created=True))

    def _write(
        self, table: Table, version: str, old: dict[str, Any], obj: dict[str, Any], subresource: str, manager: str
    ) -> dict[str, Any]:
        """Store what a PUT or a patch made of an object."""
        kind = table.kind
        entries = base_of(old, old if subresource else obj, custom=kind.custom)
        scope = self._scope(kind, version, manager, subresource)
        managed = on_write(old, shown(kind, obj), entries, scope, created=False)
        self._check_version(table, old, obj["metadata"])
        if subresource:
            obj = with_status_of(kind, {**old, "apiVersion": scope.api_version}, obj)
        else:
            self._check_uid(table, old, obj["metadata"])
            obj = with_status_of(kind, obj, old)
        return self.keeper.change(table, version, old, obj, managed)

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
