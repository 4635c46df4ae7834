"""Making a sequence shorter, one thing at a time."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from openmcp_testing.conformance.requests import Edited, Op

__all__ = ["smaller"]

_KEPT = frozenset({"apiVersion", "kind", "metadata", "op", "path", "from", "value"})
_PLAIN: dict[str, Any] = {"uid": "", "resource_version": "", "labels": "", "fields": "", "limit": 0}
_DEEP = 2


def smaller(ops: tuple[Op, ...]) -> Iterator[tuple[Op, ...]]:
    """Yield sequences with something left out: first as many requests as may be, then parts of one."""
    size = len(ops) // 2
    while size:
        for at in range(0, len(ops), size):
            yield ops[:at] + ops[at + size :]
        size //= 2
    for at, op in enumerate(ops):
        for plainer in _plainer(op):
            yield (*ops[:at], plainer, *ops[at + 1 :])


def _plainer(op: Op) -> Iterator[Op]:
    for body in _less(op.body):
        yield replace(op, body=body)
    for name, plain in _PLAIN.items():
        if getattr(op, name) != plain:
            yield replace(op, **{name: plain})


def _less(value: Any, depth: int = 0) -> Iterator[Any]:  # noqa: ANN401 - JSON has no narrower type
    """Yield values with one part left out; a whole object keeps its head, and what is deep in it does not get empty."""
    if isinstance(value, Edited):
        yield from (replace(value, edits=edits) for edits in _fewer_edits(value.edits))
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in _KEPT and _may_lose(value, depth):
                yield {name: part for name, part in value.items() if name != key}
            for part in _less(inner, depth + 1):
                yield {**value, key: part}
    elif isinstance(value, (list, tuple)):
        for at, inner in enumerate(value):
            if _may_lose(value, depth):
                yield type(value)([*value[:at], *value[at + 1 :]])
            for part in _less(inner, depth + 1):
                yield type(value)([*value[:at], part, *value[at + 1 :]])


def _may_lose(value: dict[str, Any] | list[Any] | tuple[Any, ...], depth: int) -> bool:
    # Empty labels and the like are not what sequences are made of, see `Values`.
    return len(value) > 1 or depth < _DEEP


def _fewer_edits(edits: tuple[tuple[tuple[str, ...], Any], ...]) -> Iterator[tuple[tuple[tuple[str, ...], Any], ...]]:
    for at, (path, inner) in enumerate(edits):
        yield edits[:at] + edits[at + 1 :]
        for part in _less(inner):
            yield (*edits[:at], (path, part), *edits[at + 1 :])
