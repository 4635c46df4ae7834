"""JSON values: copies that share nothing, equality that tells true from 1, and what is not there at all."""

import json
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["MISSING", "alike", "clone", "compact", "get_path", "is_settled", "same", "settled"]


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""Stands for a field that is not there, as opposed to one that is null."""


_PLAIN = frozenset({str, int, float, bool, type(None)})
_EXACT = 2**63


def clone(value: Any) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return a copy that shares nothing changeable with `value`: plain dicts and lists.

    Raises:
        TypeError: it holds something that JSON has not.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind is dict:
        return {key: inner if type(inner) in _PLAIN else clone(inner) for key, inner in value.items()}
    if kind is list or kind is tuple:
        return [inner if type(inner) in _PLAIN else clone(inner) for inner in value]
    if isinstance(value, Mapping):
        return {str(key): clone(inner) for key, inner in value.items()}
    if isinstance(value, (str, int, float)):
        return json.loads(json.dumps(value))
    raise TypeError(f"not JSON: {kind.__name__}")


def compact(value: object) -> str:
    """Return the one text that stands for a JSON value: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def same(one: object, other: object) -> bool:
    """Tell whether two JSON values are equal; unlike Python, true is not 1 and 1 is not 1.0."""
    if one is other:
        return True
    return bool(one == other) and compact(one) == compact(other)


def get_path(value: Any, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return what lies at a path of keys, `MISSING` where there is nothing."""
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value


def alike(one: object, other: object) -> bool:
    """Tell whether two JSON values are equal where 1 is 1.0, though true is not 1."""
    return one is other or bool(one == other and same(settled(one), settled(other)))


def settled(value: Any) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return a value as it is when it was stored: with 1 in the stead of 1.0."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if isinstance(value, dict):
        return {key: settled(inner) for key, inner in value.items()}
    return [settled(inner) for inner in value] if isinstance(value, list) else value


def is_settled(value: object) -> bool:
    """Tell whether nothing in a value is null or another number when it was stored."""
    if isinstance(value, dict):
        return all(is_settled(inner) for inner in value.values())
    if isinstance(value, list):
        return all(is_settled(inner) for inner in value)
    return value is not None and not isinstance(value, float)
