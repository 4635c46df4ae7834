"""Deletion: finalizers, definitions with their objects, namespaces with their content, and garbage."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from attrs import define

from openmcp_adapters.memory.keeping import moment
from openmcp_adapters.memory.metadata import CRD_FINALIZER
from openmcp_adapters.memory.store import Key, Store, Table, key_of
from openmcp_provider.domain.errors import Conflict, Forbidden, NotFound

__all__ = ["Remover"]

_LASTING = frozenset({"default", "kube-system", "kube-public"})


@define(eq=False)
class Remover:
    """Deletes from a store.

    Attributes:
        store: The store.
        now: Tells the time.
    """

    store: Store
    now: Callable[[], datetime]

    def delete(self, table: Table, key: Key, uid: str, resource_version: str) -> dict[str, Any] | None:
        """Delete an object; return it if it stays for its finalizers."""
        old = table.rows.get(key)
        if old is None:
            raise NotFound(f"{table.kind.told(key[1])} not found")
        for name, wanted in (("uid", uid), ("resourceVersion", resource_version)):
            if wanted and wanted != old["metadata"][name]:
                raise Conflict(f"{table.kind.told(key[1])}: precondition failed: {name} is {old['metadata'][name]}")
        namespace = table.kind.plural == "namespaces" and not table.kind.group
        if namespace and key[1] in _LASTING:
            raise Forbidden(f"{table.kind.told(key[1])} is forbidden: this namespace may not be deleted")
        if not namespace and not old["metadata"].get("finalizers"):
            self.erase(table, key)
            return None
        if old["metadata"].get("deletionTimestamp"):
            if key in table.unsettled:
                return self.store.commit(table, {**old, "metadata": {**old["metadata"]}})
            return old
        marked = self._mark(table, old)
        if table.kind.plural == "customresourcedefinitions":
            self._clear_definition(old)
        return marked

    def _mark(self, table: Table, old: dict[str, Any]) -> dict[str, Any]:
        """Let an object begin to terminate."""
        metadata = {**old["metadata"], "deletionTimestamp": moment(self.now())}
        if table.kind.plural == "namespaces" and not table.kind.group:
            obj = {**old, "metadata": metadata, "status": {**old.get("status", {}), "phase": "Terminating"}}
        else:
            metadata["deletionGracePeriodSeconds"] = 0
            obj = {**old, "metadata": metadata}
        if metadata.get("generation"):
            metadata["generation"] += 1
        return self.store.commit(table, obj)

    def erase(self, table: Table, key: Key) -> dict[str, Any]:
        """Drop an object for good, and its definition, where that has waited for it."""
        gone = self.store.erase(table, key)
        if table.kind.plural == "customresourcedefinitions":
            served = self.store.tables.get((gone["spec"]["group"], gone["spec"]["names"]["plural"]))
            if served:
                self.store.drop(served.kind)
        elif table.kind.custom and not table.rows:
            crds = self.store.tables["apiextensions.k8s.io", "customresourcedefinitions"]
            crd = crds.rows.get(("", f"{table.kind.plural}.{table.kind.group}"))
            if crd and crd["metadata"].get("deletionTimestamp"):
                self._finish_definition(crds, crd)
        return gone

    def _clear_definition(self, crd: dict[str, Any]) -> None:
        """Delete all objects of a definition that terminates."""
        table = self.store.tables.get((crd["spec"]["group"], crd["spec"]["names"]["plural"]))
        for key in list(table.rows if table else ()):
            if table and key in table.rows:
                self.delete(table, key, "", "")
        crds = self.store.tables["apiextensions.k8s.io", "customresourcedefinitions"]
        left = crds.rows.get(key_of(crd))
        if left and not (table and table.rows):
            self._finish_definition(crds, left)

    def _finish_definition(self, crds: Table, crd: dict[str, Any]) -> None:
        """Let a definition go whose objects are gone, unless others hold it."""
        others = [name for name in crd["metadata"].get("finalizers", ()) if name != CRD_FINALIZER]
        if others:
            self.store.commit(crds, {**crd, "metadata": {**crd["metadata"], "finalizers": others}})
        else:
            self.erase(crds, key_of(crd))

    def finish_namespaces(self) -> int:
        """Empty every terminating namespace and let the empty ones go; return how many stay."""
        namespaces = self.store.tables["", "namespaces"]
        staying = 0
        for key, namespace in list(namespaces.rows.items()):
            if not namespace["metadata"].get("deletionTimestamp"):
                continue
            left = 0
            for table in list(self.store.tables.values()):
                for inner in list(table.spaces.get(key[1], ()) if table.kind.namespaced else ()):
                    left += self.delete(table, inner, "", "") is not None
            if left or namespace["metadata"].get("finalizers"):
                staying += 1
            else:
                self.erase(namespaces, key)
        return staying

    def collect_garbage(self) -> int:
        """Delete what has only owners that are gone, until nothing is left to delete; return how many."""
        collected = 0
        while found := self._collect_once():
            collected += found
        return collected

    def _collect_once(self) -> int:
        collected = 0
        for table in list(self.store.tables.values()):
            for key in list(table.owned):
                obj = table.rows.get(key)
                if obj is None or obj["metadata"].get("deletionTimestamp"):
                    continue
                owners = obj["metadata"]["ownerReferences"]
                living = [owner for owner in owners if self._lives(owner, key[0])]
                if not living:
                    self.delete(table, key, "", "")
                    collected += 1
                elif len(living) < len(owners):
                    metadata = {**obj["metadata"], "ownerReferences": living}
                    self.store.commit(table, {**obj, "metadata": metadata})
        return collected

    def _lives(self, owner: dict[str, Any], namespace: str) -> bool:
        """Tell whether an owner is there: in the same namespace, or cluster-scoped."""
        group = owner["apiVersion"].rpartition("/")[0]
        for table in self.store.tables.values():
            if (table.kind.group, table.kind.kind) == (group, owner["kind"]):
                found = table.rows.get((namespace if table.kind.namespaced else "", owner["name"]))
                return found is not None and found["metadata"]["uid"] == owner["uid"]
        return False
