"""How the parts of an object are owned and merged, read off its schema.

Server-side apply sees four shapes: maps (each key on its own), lists keyed by some of their items' fields, sets of
scalars, and leaves, which are owned as a whole. Where the schema says nothing (preserved unknown fields), the shape
follows from the value: maps are maps, lists and scalars are leaves.
"""

from typing import Any, Literal

from openmcp_adapters.memory.values import compact, settled

__all__ = ["ANYTHING", "METADATA", "Schema", "Shape", "below", "declares", "item_step", "items_of", "shape_of"]

Schema = dict[str, Any]
Shape = Literal["map", "keyed", "set", "leaf"]

ANYTHING: Schema = {"x-kubernetes-preserve-unknown-fields": True}
"""The schema of a part of which nothing is known."""

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_CHOICE: Schema = {"type": "boolean", "x-optional": True}

METADATA: Schema = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("name", "generateName", "namespace", "uid", "resourceVersion", "selfLink"), _TEXT),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), _MOMENT),
        "generation": {"type": "integer"},
        "deletionGracePeriodSeconds": {"type": "integer", "x-optional": True},
        "labels": _TEXTS,
        "annotations": _TEXTS,
        "finalizers": {"type": "array", "x-kubernetes-list-type": "set", "items": _TEXT},
        "ownerReferences": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "items": {
                "type": "object",
                "x-kubernetes-map-type": "atomic",
                "properties": {
                    **dict.fromkeys(("apiVersion", "kind", "name"), _TEXT),
                    "uid": {**_TEXT, "default": ""},
                    **dict.fromkeys(("controller", "blockOwnerDeletion"), _CHOICE),
                },
            },
        },
        "managedFields": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    **dict.fromkeys(("manager", "operation", "apiVersion", "fieldsType", "subresource"), _TEXT),
                    "time": _MOMENT,
                    "fieldsV1": ANYTHING,
                },
            },
        },
    },
}
"""The metadata of every kind."""


def shape_of(schema: Schema, value: object) -> Shape:
    """Return the shape of `value`, whose schema is given; null takes the shape that the schema names."""
    declared = schema.get("type")
    if declared == "object":
        return "leaf" if schema.get("x-kubernetes-map-type") == "atomic" else "map"
    if declared == "array":
        kind = schema.get("x-kubernetes-list-type")
        return "keyed" if kind == "map" else "set" if kind == "set" else "leaf"
    if declared is None and isinstance(value, dict):
        return "map"
    return "leaf"


def declares(schema: Schema, key: str) -> bool:
    """Tell whether `key` is a named field of a map, and not merely one of its keys."""
    return key in schema.get("properties", {})


def below(schema: Schema, key: str) -> Schema | None:
    """Return the schema of what a map has under `key`; None = there is no such field."""
    properties = schema.get("properties", {})
    if key in properties:
        found: Schema = properties[key]
        return found
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        return extra
    return ANYTHING if extra is True or schema.get("x-kubernetes-preserve-unknown-fields") else None


def items_of(schema: Schema) -> Schema:
    """Return the schema of a list's items."""
    return schema.get("items") or ANYTHING


def item_step(schema: Schema, item: Any) -> str:  # noqa: ANN401 - JSON has no narrower type
    """Return the fieldsV1 key that names an item of a keyed list or of a set."""
    if schema.get("x-kubernetes-list-type") == "set":
        return "v:" + compact(settled(item))
    properties = items_of(schema).get("properties", {})
    keys = {}
    for key in schema.get("x-kubernetes-list-map-keys", ()):
        if isinstance(item, dict) and key in item:
            keys[key] = item[key]
        elif "default" in properties.get(key, {}):
            keys[key] = properties[key]["default"]
    return "k:" + compact(settled(keys))
