"""What a server makes of an object that was sent, before it asks whether that may be stored."""

from typing import Any

from openmcp_adapters.memory.decoding import decoded, encoded
from openmcp_adapters.memory.kinds import Kind
from openmcp_adapters.memory.schema import prune_and_default
from openmcp_adapters.memory.structure import METADATA
from openmcp_adapters.memory.values import clone
from openmcp_provider.domain.errors import Invalid

__all__ = ["completed", "headed", "received", "shown"]

_EMPTIED = ("labels", "annotations", "finalizers", "ownerReferences")


def headed(kind: Kind, version: str, manifest: Any) -> dict[str, Any]:  # noqa: ANN401 - anything can be sent
    """Return a copy of what was sent, if it says to be an object of the kind.

    Raises:
        Invalid: it does not.
    """
    obj = clone(manifest)
    if not isinstance(obj, dict) or not isinstance(obj.get("metadata", {}), dict):
        raise Invalid(f"the object provided is unrecognized (must be of type {kind.kind})")
    wanted = (kind.api_version(version), kind.kind)
    if (obj.get("apiVersion"), obj.get("kind")) != wanted:
        raise Invalid(f"invalid object type: {obj.get('apiVersion')}, Kind={obj.get('kind')}: must be {wanted}")
    metadata = obj["metadata"] = obj.get("metadata", {})
    if bool(metadata.get("namespace")) is not kind.namespaced:
        raise Invalid(f"{kind.kind} {'lives in a' if kind.namespaced else 'has no'} namespace")
    return obj


def received(kind: Kind, version: str, manifest: Any) -> dict[str, Any]:  # noqa: ANN401 - anything can be sent
    """Return an object that was sent, read, pruned and with defaults.

    Raises:
        Invalid: it cannot be read.
    """
    return completed(kind, version, headed(kind, version, manifest))


def completed(kind: Kind, version: str, obj: dict[str, Any], *, applied: bool = False) -> dict[str, Any]:
    """Return an object read, pruned and with defaults.

    Args:
        kind: Of the object.
        version: In which it was sent.
        obj: The object.
        applied: It is the result of an apply, in which null is not mistaken for a missing field.

    Raises:
        Invalid: it cannot be read.
    """
    schema = kind.schemas[version]
    whole = {**obj, "metadata": {}}
    found: dict[str, Any]
    try:
        metadata = decoded(obj["metadata"], METADATA, "metadata")
        found = prune_and_default(whole, schema, nulls=applied) if kind.custom else decoded(whole, schema)
    except ValueError as error:
        raise Invalid(f"{kind.kind} in version {version} cannot be handled: {error}") from None
    if kind.custom:
        # What is empty is forgotten at once, so that nobody can tell an empty list from none; null only when stored.
        metadata = encoded(metadata, METADATA)
        if applied:
            metadata |= {key: None for key in _EMPTIED if obj["metadata"].get(key, "") is None}
    found["metadata"] = metadata
    kind.complete(found)
    return found


def shown(kind: Kind, obj: dict[str, Any]) -> dict[str, Any]:
    """Return an object as it is shown, and as the managers of its fields see it."""
    return obj if kind.custom else encoded(obj, next(iter(kind.schemas.values())))
