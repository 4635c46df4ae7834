"""A judge of structural schemas: the part of OpenAPI that the two CRDs use, as an API server applies it."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from openmcp_provider.provider import Json

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_KEYS = {
    *("type", "format", "description", "default", "enum", "pattern", "minLength", "maxLength", "minimum"),
    *("properties", "required", "items", _PRESERVE, "x-kubernetes-map-type"),
    *("x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "object": (Mapping,),
    "array": (list, tuple),
}


def structural(schema: Json, path: str = "") -> Iterator[str]:
    """Yield why an API server would refuse a schema."""
    if unknown := set(schema) - _KEYS:
        yield f"{path}: {unknown} is not in use here"
    if schema.get("type") not in _TYPES and not schema.get(_PRESERVE):
        yield f"{path}: has no type"
    if set(schema.get("required", ())) - set(schema.get("properties", ())):
        yield f"{path}: requires what it does not describe"
    if (schema.get("type") == "array") != ("items" in schema):
        yield f"{path}: items belong to an array, and only there"
    if "default" in schema and [*refusals(schema, schema["default"])]:
        yield f"{path}: refuses its own default"
    for key in schema.get("x-kubernetes-list-map-keys", ()):
        if key not in schema["items"]["required"]:
            yield f"{path}: entries can be without their key {key}"
    for name, inner in schema.get("properties", {}).items():
        yield from structural(inner, f"{path}.{name}")
    if "items" in schema:
        yield from structural(schema["items"], f"{path}[]")


def refusals(schema: Json, value: Any, path: str = "") -> Iterator[str]:
    """Yield why an API server would refuse a value; null in a field counts as absent."""
    kinds = _TYPES.get(schema.get("type", ""))
    if kinds and (not isinstance(value, kinds) or isinstance(value, bool)):
        yield f"{path}: is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: is not one of {schema['enum']}"
    if isinstance(value, str):
        yield from _text_refusals(schema, value, path)
    elif isinstance(value, int) and value < schema.get("minimum", value):
        yield f"{path}: is too small"
    elif isinstance(value, Mapping):
        found = {key: item for key, item in value.items() if item is not None}
        properties = schema.get("properties", {})
        yield from (f"{path}.{key}: is missing" for key in schema.get("required", ()) if key not in found)
        for key in found.keys() & properties.keys():
            yield from refusals(properties[key], found[key], f"{path}.{key}")
    elif isinstance(value, (list, tuple)):
        for at, item in enumerate(value):
            yield from refusals(schema.get("items", {}), item, f"{path}[{at}]")


def _text_refusals(schema: Json, value: str, path: str) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{path}: has the wrong length"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: does not match"
