"""Kubernetes objects as plain JSON, and the few questions that every rule asks of them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

__all__ = [
    "MAPPING",
    "ONBOARDING",
    "PLATFORM",
    "Json",
    "Ref",
    "annotations",
    "conditions",
    "deleting",
    "dig",
    "generation",
    "labels",
    "ref_of",
    "timestamp",
    "uid",
]

Json = Mapping[str, Any]
"""A JSON object. Never changed in place: a rule that wants another one makes it."""

MAPPING = (dict, Mapping)
"""For `isinstance`: asking an abstract class alone is several times slower, and most objects are dictionaries."""

PLATFORM = "platform"
"""The cluster id of the platform in every `Ref`; tenant clusters have the ids that their provider gives them."""

ONBOARDING = "onboarding"
"""The cluster id of the cluster where tenants write their instances."""


class Ref(NamedTuple):
    """Where an object is: cluster id, API version, kind, name and, unless cluster-scoped, namespace."""

    cluster: str
    api_version: str
    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        """Return ``Kind namespace/name``, the way people name objects."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def ref_of(cluster: str, obj: Json) -> Ref:
    """Return the reference of an object that lives on `cluster`."""
    metadata = obj["metadata"]
    return Ref(cluster, obj["apiVersion"], obj["kind"], metadata["name"], metadata.get("namespace", ""))


def dig(obj: object, *path: str) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return what lies at `path`, or None where a level is missing or is not an object."""
    for key in path:
        if not isinstance(obj, MAPPING):
            return None
        obj = obj.get(key)
    return obj


def labels(obj: Json) -> Json:
    """Return the labels, empty where there are none."""
    return dig(obj, "metadata", "labels") or {}


def annotations(obj: Json) -> Json:
    """Return the annotations, empty where there are none."""
    return dig(obj, "metadata", "annotations") or {}


def uid(obj: Json) -> str:
    """Return ``metadata.uid``, empty for an object that no server has seen."""
    return dig(obj, "metadata", "uid") or ""


def generation(obj: Json) -> int:
    """Return ``metadata.generation``, 0 where the server counts none."""
    return dig(obj, "metadata", "generation") or 0


def deleting(obj: Json) -> bool:
    """Tell whether the object has a deletionTimestamp."""
    return bool(dig(obj, "metadata", "deletionTimestamp"))


def conditions(obj: Json) -> dict[str, Json]:
    """Return ``status.conditions`` by type."""
    found = dig(obj, "status", "conditions")
    return {item["type"]: item for item in found if "type" in item} if isinstance(found, (list, tuple)) else {}


def timestamp(text: object) -> datetime | None:
    """Return the moment that an RFC 3339 text names, None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
