"""What a server demands of the metadata of every object."""

from collections.abc import Iterable, Iterator
from typing import Any

from openmcp_adapters.memory.formats import label_value, qualified_name
from openmcp_adapters.memory.values import same

__all__ = ["CRD_FINALIZER", "metadata_problems", "update_problems"]

_ANNOTATIONS_LIMIT = 256 * 1024
_MANAGER_LIMIT = 128
CRD_FINALIZER = "customresourcecleanup.apiextensions.k8s.io"
_STANDARD_FINALIZERS = frozenset({"foregroundDeletion", "orphan", "kubernetes", CRD_FINALIZER})


def metadata_problems(metadata: dict[str, Any], *, domains: bool) -> Iterator[str]:
    """Yield everything that is wrong with metadata.

    Args:
        metadata: Of the object as it would be stored.
        domains: A finalizer is a standard one or has a domain.
    """
    for key, value in (metadata.get("labels") or {}).items():
        if problem := qualified_name(key) or label_value(value):
            yield f"metadata.labels: Invalid value: {value!r} of {key!r}: {problem}"
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        if problem := qualified_name(key.lower()):
            yield f"metadata.annotations: Invalid value: {key!r}: {problem}"
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        yield f"metadata.annotations: Too long: may not be more than {_ANNOTATIONS_LIMIT} bytes"
    yield from _finalizer_problems(metadata.get("finalizers") or (), domains=domains)
    yield from _owner_problems(metadata.get("ownerReferences") or ())
    for entry in metadata.get("managedFields") or ():
        if len(entry.get("manager", "")) > _MANAGER_LIMIT or not entry.get("manager", "").isprintable():
            yield f"metadata.managedFields: a manager has at most {_MANAGER_LIMIT} printable characters"


def _finalizer_problems(finalizers: Iterable[str], *, domains: bool) -> Iterator[str]:
    for finalizer in finalizers:
        if problem := qualified_name(finalizer):
            yield f"metadata.finalizers: Invalid value: {finalizer!r}: {problem}"
        elif domains and "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            yield f"metadata.finalizers: Invalid value: {finalizer!r}: is neither standard nor fully qualified"


def _owner_problems(owners: Any) -> Iterator[str]:  # noqa: ANN401 - JSON has no narrower type
    for owner in owners:
        for key in ("kind", "name", "uid"):
            if not owner.get(key):
                yield f"metadata.ownerReferences.{key}: Invalid value: must not be empty"
        version = owner.get("apiVersion", "").rpartition("/")[2]
        if not version or owner["apiVersion"].count("/") > 1:
            yield "metadata.ownerReferences.apiVersion: Invalid value: version must not be empty"
    if sum(bool(owner.get("controller")) for owner in owners) > 1:
        yield "metadata.ownerReferences: Only one reference can have Controller set to true"


def update_problems(new: dict[str, Any], old: dict[str, Any]) -> Iterator[str]:
    """Yield what an update may not do to metadata."""
    if old.get("deletionTimestamp"):
        fresh = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if fresh:
            yield (
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, "
                f"found new finalizers {fresh}"
            )
    elif not same(new.get("deletionTimestamp"), old.get("deletionTimestamp")):
        yield "metadata.deletionTimestamp: Invalid value: field is immutable"
