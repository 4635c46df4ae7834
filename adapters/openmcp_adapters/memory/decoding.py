"""How a server reads a part whose fields it knows: metadata, and every object of a built-in kind.

It decodes into structures: fields that they lack are dropped, null stands for what is there before anybody wrote (a
missing field, or the empty value of a map or list), and what is of another type cannot be read.
"""

from typing import Any

from openmcp_adapters.memory.formats import format_problem
from openmcp_adapters.memory.structure import ANYTHING, Schema, below
from openmcp_adapters.memory.values import MISSING

__all__ = ["OPTIONAL", "decoded", "encoded"]

OPTIONAL = "x-optional"
"""Marks a scalar that may be there and empty; others are left out when they are empty."""

_EMPTY: dict[str, Any] = {"string": "", "integer": 0, "number": 0, "boolean": False, "object": {}}
_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}


def decoded(value: Any, schema: Schema, path: str = "") -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return a value as its structure holds it; null is `MISSING`.

    Raises:
        ValueError: it cannot be read; the message says what cannot, and shows no value.
    """
    if schema is ANYTHING:
        return value
    if value is None:
        return MISSING
    wanted: str | None = schema.get("type")
    if wanted is None:
        return value
    if not isinstance(value, _TYPES[wanted]) or (isinstance(value, bool) and wanted != "boolean"):
        raise ValueError(f"{path or 'the object'} must be of type {wanted}")
    if "format" in schema and _is_malformed(value, schema["format"]):
        raise ValueError(f"{path} must be of format {schema['format']}")
    if isinstance(value, list):
        items = schema.get("items", ANYTHING)
        return [_or_empty(inner, items, f"{path}[{at}]") for at, inner in enumerate(value)]
    return _fields(value, schema, path) if isinstance(value, dict) else value


def _is_malformed(value: object, form: str) -> bool:
    if isinstance(value, str):
        return format_problem(form, value)
    return form == "int32" and isinstance(value, int) and not -(2**31) <= value < 2**31


def _fields(value: dict[str, Any], schema: Schema, path: str) -> dict[str, Any]:
    named = schema.get("properties", {})
    found = {}
    for key, inner in value.items():
        part = below(schema, key)
        if part is None:
            continue
        here = f"{path}.{key}" if path else key
        if key in named:
            if (field := decoded(inner, part, here)) is not MISSING:
                found[key] = field
        else:
            found[key] = _or_empty(inner, part, here)
    return found


def _or_empty(value: Any, schema: Schema, path: str) -> Any:  # noqa: ANN401
    """Return a value of a map or list, where null is the empty value."""
    found = decoded(value, schema, path)
    if found is not MISSING:
        return found
    empty = _EMPTY.get(schema.get("type", ""))
    return {} if empty == {} else empty


def encoded(value: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """Return what was decoded as it is shown and stored: without fields that are empty."""
    named = schema.get("properties", {})
    found = {}
    for key, inner in value.items():
        part = below(schema, key) or ANYTHING
        shown = _encoded(inner, part)
        if key not in named or part is ANYTHING or part.get(OPTIONAL) or "properties" in part or not _is_empty(shown):
            found[key] = shown
    return found


def _encoded(value: Any, schema: Schema) -> Any:  # noqa: ANN401
    if schema is ANYTHING or schema.get("type") is None:
        return value
    if isinstance(value, dict):
        return encoded(value, schema)
    if isinstance(value, list):
        return [_encoded(inner, schema.get("items", ANYTHING)) for inner in value]
    return value


def _is_empty(value: object) -> bool:
    return value is None or value is False or value in ("", {}, []) or (value == 0 and not isinstance(value, bool))
