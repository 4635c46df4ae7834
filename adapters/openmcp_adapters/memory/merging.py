"""Laying an applied configuration over an object, and taking dropped fields out of it."""

from typing import Any

from openmcp_adapters.memory.fields import FieldSet, encode
from openmcp_adapters.memory.structure import ANYTHING, Schema, below, item_step, items_of, shape_of
from openmcp_adapters.memory.values import MISSING, clone

__all__ = ["merge", "misfit", "remove"]


def misfit(config: Any, schema: Schema, path: str = "") -> str:  # noqa: ANN401 - JSON has no narrower type
    """Return why a configuration cannot be laid over an object of this schema; empty if it can."""
    shape = shape_of(schema, config)
    if shape == "leaf" or config is None:
        return ""
    if shape == "map":
        if not isinstance(config, dict):
            return f"{path}: expected map"
        for key, inner in config.items():
            found = below(schema, key)
            if found is None:
                return f"{path}.{key}: field not declared in schema"
            if problem := misfit(inner, found, f"{path}.{key}"):
                return problem
        return ""
    if not isinstance(config, list):
        return f"{path}: expected list"
    steps = [item_step(schema, item) for item in config]
    if len(set(steps)) < len(steps):
        return f"{path}: duplicate entries"
    return next(filter(None, (misfit(item, items_of(schema), f"{path}[{at}]") for at, item in enumerate(config))), "")


def merge(live: Any, config: Any, schema: Schema) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return `live` with `config` laid over it."""
    if config is MISSING:
        return clone(live)
    shape = shape_of(schema, live if config is None and live is not MISSING else config)
    if live is MISSING or shape == "leaf" or shape != shape_of(schema, live) or not (config or live):
        return clone(config)
    if shape == "map":
        before, after = live or {}, config or {}
        return {
            key: merge(before.get(key, MISSING), after.get(key, MISSING), below(schema, key) or ANYTHING)
            for key in before | after
        }
    return _merge_items(live or [], config or [], schema)


def _merge_items(live: list[Any], config: list[Any], schema: Schema) -> list[Any]:
    """Merge lists: items that only `live` has stay where they are, all others take the order of `config`."""
    before = {item_step(schema, item): item for item in live}
    after = {item_step(schema, item): item for item in config}
    waiting = list(after)
    order: list[str] = []
    for step in before:
        if step not in after:
            order.append(step)
        elif step == next((candidate for candidate in waiting if candidate in before), None):
            upto = waiting.index(step) + 1
            order += waiting[:upto]
            del waiting[:upto]
    return [merge(before.get(step, MISSING), after.get(step, MISSING), items_of(schema)) for step in order + waiting]


def remove(value: Any, fields: FieldSet, schema: Schema) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return the value without the given fields and without all that lies below them.

    What is empty afterwards but stays itself is null, as on a real server.
    """
    return _remove(value, encode(fields), schema)


def _remove(value: Any, tree: dict[str, Any], schema: Schema) -> Any:  # noqa: ANN401
    shape = shape_of(schema, value)
    if shape == "map" and isinstance(value, dict):
        kept = {}
        for key, inner in value.items():
            node = tree.get(f"f:{key}")
            if node is None:
                kept[key] = inner
            elif node and "." not in node:
                kept[key] = _remove(inner, node, below(schema, key) or ANYTHING)
        return kept or None
    if shape in {"keyed", "set"} and isinstance(value, list):
        items = []
        for item in value:
            node = tree.get(item_step(schema, item))
            if node is None:
                items.append(item)
            elif node and "." not in node:
                items.append(_remove(item, node, items_of(schema)))
        return items or None
    return value
