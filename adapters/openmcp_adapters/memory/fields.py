"""Sets of fields: what managedFields say that somebody owns.

A set holds paths of fieldsV1 keys (``f:name``, ``k:{"type":"Ready"}``, ``v:"text"``); on the wire it is a tree in which
``.`` marks an inner node that belongs to the set itself.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from openmcp_adapters.memory.structure import ANYTHING, Schema, below, declares, item_step, items_of, shape_of
from openmcp_adapters.memory.values import MISSING, alike

__all__ = ["Comparison", "FieldSet", "Path", "compare", "decode", "dotted", "encode", "fields_of", "with_named"]

Path = tuple[str, ...]
FieldSet = frozenset[Path]


class Comparison(NamedTuple):
    """What changed between two objects."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    def without(self, roots: frozenset[str]) -> "Comparison":
        """Return the comparison less everything below the given top-level steps."""
        return Comparison(*(frozenset(path for path in part if path[0] not in roots) for part in self))


def decode(tree: Any) -> FieldSet:  # noqa: ANN401 - JSON has no narrower type
    """Return the set that a fieldsV1 tree stands for.

    Raises:
        ValueError: it is no such tree.
    """
    return frozenset(_decode(tree, ()))


def _decode(tree: object, path: Path) -> Iterator[Path]:
    if not isinstance(tree, dict):
        raise ValueError("fieldsV1 is no tree of objects")  # noqa: TRY004 - the value is wrong, not the program
    for step, inner in tree.items():
        if step == ".":
            yield path
        elif step[:2] not in {"f:", "k:", "v:", "i:"}:
            raise ValueError(f"fieldsV1 has the key {step!r}")
        elif inner:
            yield from _decode(inner, (*path, step))
        else:
            yield (*path, step)


def encode(fields: FieldSet) -> dict[str, Any]:
    """Return the fieldsV1 tree of a set, its keys in order."""
    tree: dict[str, Any] = {}
    for path in sorted(fields):
        node = tree
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    return _without_dots_on_leaves(tree)


def _without_dots_on_leaves(tree: dict[str, Any]) -> dict[str, Any]:
    return {
        step: {} if step == "." or list(inner) == ["."] else _without_dots_on_leaves(inner)
        for step, inner in sorted(tree.items())
    }


def dotted(path: Path) -> str:
    """Return a path as people read it: ``.spec.items[name="a"].value``."""
    text = ""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            text += f".{rest}"
        elif kind == "k":
            text += f"[{rest.strip('{}').replace(chr(34) + ':', '=').replace(',' + chr(34), ',').lstrip(chr(34))}]"
        else:
            text += f"[={rest}]"
    return text


def fields_of(value: object, schema: Schema) -> FieldSet:
    """Return the fields that an applied configuration claims."""
    return frozenset(_claimed(value, schema, ()))


def _claimed(value: Any, schema: Schema, path: Path) -> Iterator[Path]:  # noqa: ANN401
    shape = shape_of(schema, value)
    if shape == "leaf":
        yield path
    elif shape == "map" and isinstance(value, dict):
        for key, inner in value.items():
            step = (*path, f"f:{key}")
            yield from _claimed(inner, below(schema, key) or ANYTHING, step)
            if inner is None or inner == {} or not declares(schema, key):
                yield step
    elif isinstance(value, list):
        for name, items in _by_step(value, schema).items():
            if len(items) == 1:
                yield from _claimed(items[0], items_of(schema), (*path, name))
            yield (*path, name)


def _by_step(value: Any, schema: Schema) -> dict[str, list[Any]]:  # noqa: ANN401
    """Return the items of a list by what names them; several of one name are owned together, as one leaf."""
    found: dict[str, list[Any]] = {}
    for item in value if isinstance(value, list) else ():
        found.setdefault(item_step(schema, item), []).append(item)
    return found


def compare(old: object, new: object, schema: Schema) -> Comparison:
    """Return which fields `new` adds to `old`, changes and removes."""
    added: set[Path] = set()
    modified: set[Path] = set()
    removed: set[Path] = set()
    _Walk(added, modified, removed).walk(old, new, schema, ())
    return Comparison(frozenset(added), frozenset(modified), frozenset(removed))


class _Walk(NamedTuple):
    added: set[Path]
    modified: set[Path]
    removed: set[Path]

    def walk(self, old: Any, new: Any, schema: Schema, path: Path) -> None:  # noqa: ANN401
        """Compare two values, of which one may be missing."""
        shape = shape_of(schema, new if old is MISSING or old is None else old)
        if old is not MISSING and new is not MISSING and new is not None and shape_of(schema, new) != shape:
            # A part without schema turned from a map into something else, or back: both sides are listed in full.
            self._children(old, MISSING, schema, path, shape)
            self._children(MISSING, new, schema, path, shape_of(schema, new))
            self.modified.add(path)
            return
        if shape == "leaf" or (not old and not new):
            if old is not MISSING and new is not MISSING and alike(old, new):
                return
            self._mark(old, new, path, self.modified)
            return
        self._children(old, new, schema, path, shape)
        self._mark(old, new, path, None)

    def _mark(self, old: object, new: object, path: Path, changed: set[Path] | None) -> None:
        if not path:
            return
        if old is MISSING:
            self.added.add(path)
        elif new is MISSING:
            self.removed.add(path)
        elif changed is not None:
            changed.add(path)

    def _children(self, old: Any, new: Any, schema: Schema, path: Path, shape: str) -> None:  # noqa: ANN401
        if shape == "map":
            before = old if isinstance(old, dict) else {}
            after = new if isinstance(new, dict) else {}
            for key in before | after:
                inner = below(schema, key) or ANYTHING
                self.walk(before.get(key, MISSING), after.get(key, MISSING), inner, (*path, f"f:{key}"))
        elif shape != "leaf":
            earlier, later = _by_step(old, schema), _by_step(new, schema)
            for step in earlier | later:
                self._items(earlier.get(step, []), later.get(step, []), items_of(schema), (*path, step))

    def _items(self, old: list[Any], new: list[Any], schema: Schema, path: Path) -> None:
        """Compare the items of one name; there is more than one only where an update wrote duplicates."""
        if len(old) <= 1 and len(new) <= 1:
            self.walk(old[0] if old else MISSING, new[0] if new else MISSING, schema, path)
        elif len(old) > 1 and len(new) > 1:
            if not alike(old, new):
                self.modified.add(path)
        elif len(old) > 1:
            if new:
                self.walk(MISSING, new[0], schema, path)
            self.removed.add(path)
        else:
            if old:
                self.walk(old[0], MISSING, schema, path)
            self.added.add(path)


def with_named(fields: FieldSet, schema: Schema) -> FieldSet:
    """Return the set together with every named field that has members below it."""
    found = set(fields)
    for path in fields:
        at: Schema = schema
        for depth, step in enumerate(path[:-1], 1):
            if step.startswith("f:"):
                if declares(at, step[2:]):
                    found.add(path[:depth])
                at = below(at, step[2:]) or ANYTHING
            else:
                at = items_of(at)
    return frozenset(found)
