"""Whether a value has the form that its schema says; server-side apply looks at nothing that has another.

It knows fewer types than validation does: numbers are numbers, and null is fine everywhere but among the items of keyed
lists and sets.
"""

from typing import Any

from openmcp_adapters.memory.structure import Schema, below, item_step, items_of, shape_of

__all__ = ["misfit"]

_SCALARS = (str, int, float, bool)


def misfit(value: Any, schema: Schema, path: str = "", *, duplicates: bool = False) -> str:  # noqa: ANN401
    """Return where a value has another form than its schema says; empty if nowhere.

    Args:
        value: A part of an object.
        schema: Of the part.
        path: Of the part, for the message.
        duplicates: Keyed lists and sets may have several items of one name.
    """
    if value is None:
        return ""
    declared = schema.get("type")
    if declared == "object":
        return _map_misfit(value, schema, path, duplicates=duplicates)
    if declared == "array":
        return _list_misfit(value, schema, path, duplicates=duplicates)
    if declared is None:
        return ""
    good = {
        # A text of some format is taken for anything.
        "string": isinstance(value, _SCALARS if schema.get("format", "byte") != "byte" else str),
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, (int, float)) and not isinstance(value, bool),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
    }[declared]
    return "" if good else f"{path}: expected {declared}"


def _map_misfit(value: Any, schema: Schema, path: str, *, duplicates: bool) -> str:  # noqa: ANN401
    if not isinstance(value, dict):
        return f"{path}: expected map"
    for key, inner in value.items():
        found = below(schema, key)
        if found is None:
            return f"{path}.{key}: field not declared in schema"
        if problem := misfit(inner, found, f"{path}.{key}", duplicates=duplicates):
            return problem
    return ""


def _list_misfit(value: Any, schema: Schema, path: str, *, duplicates: bool) -> str:  # noqa: ANN401
    if not isinstance(value, list):
        return f"{path}: expected list"
    shape = shape_of(schema, value)
    for at, item in enumerate(value):
        if shape == "keyed" and (not isinstance(item, dict) or item_step(schema, item) == "k:{}"):
            return f"{path}: element {at}: has none of the keys"
        if shape == "set" and not isinstance(item, _SCALARS):
            return f"{path}: element {at}: is no scalar"
        if problem := misfit(item, items_of(schema), f"{path}[{at}]", duplicates=duplicates):
            return problem
    if shape in {"keyed", "set"} and not duplicates:
        steps = [item_step(schema, item) for item in value]
        if len(set(steps)) < len(steps):
            return f"{path}: duplicate entries"
    return ""
