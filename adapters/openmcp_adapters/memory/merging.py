"""Laying an applied configuration over an object, and taking dropped fields out of it."""

from typing import Any

from openmcp_adapters.memory.fields import FieldSet, encode
from openmcp_adapters.memory.structure import ANYTHING, Schema, below, item_step, items_of, shape_of
from openmcp_adapters.memory.values import MISSING, clone

__all__ = ["merge", "remove"]


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
    left, right = ([item_step(schema, item) for item in items] for items in (live, config))
    # Of several items of one name the server does not know which to merge with, and takes the configuration's alone.
    before = {step: item if left.count(step) == 1 else None for step, item in zip(left, live, strict=True)}
    after = dict(zip(right, config, strict=True))
    shared = [step for step in right if step in before]
    done: set[str] = set()
    found: list[Any] = []

    def take() -> None:
        step = right[len(done)]
        done.add(step)
        found.append(merge(before.get(step, MISSING), after[step], items_of(schema)))
        if shared and shared[0] == step:
            del shared[0]

    for at, step in enumerate(left):
        if step not in after:
            found.append(clone(live[at]))
        elif step in done:
            # A duplicate of what was merged goes; the server's loop then takes the next item of the configuration.
            if not shared and len(done) < len(right):
                take()
        elif shared[0] == step:
            while step not in done:
                take()
    while len(done) < len(right):
        take()
    return found


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
