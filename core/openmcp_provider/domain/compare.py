"""Equality of JSON values, and whether a live object already has every field that is wanted."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass

from openmcp_provider.domain.objects import MAPPING

__all__ = ["difference", "same"]


def same(one: object, other: object) -> bool:
    """Tell whether two JSON values are equal, as a server sees it: true is not 1, though 1 is 1.0.

    Dataclasses that hold such values are compared field by field.
    """
    if one is other:
        return True
    if isinstance(one, MAPPING):
        return (
            isinstance(other, MAPPING)
            and len(one) == len(other)
            and all(key in other and same(value, other[key]) for key, value in one.items())
        )
    if isinstance(one, (list, tuple)):
        return isinstance(other, (list, tuple)) and len(one) == len(other) and all(map(same, one, other))
    if is_dataclass(one):
        return type(one) is type(other) and all(
            same(getattr(one, at.name), getattr(other, at.name)) for at in fields(one)
        )
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def difference(wanted: object, live: object, path: str = "") -> str:
    """Return the dotted path of the first wanted field that the live value lacks or has otherwise; empty if none.

    Fields of others do not count. Objects compare field by field, lists item by item and by length, since a server may
    add defaults inside items. Values are never part of the answer.
    """
    if isinstance(wanted, MAPPING):
        if not isinstance(live, MAPPING):
            return path or "."
        return next((found for key in wanted if (found := _field(wanted, live, key, path))), "")
    if isinstance(wanted, (list, tuple)):
        if not isinstance(live, (list, tuple)) or len(wanted) != len(live):
            return path or "."
        pairs = enumerate(zip(wanted, live, strict=True))
        return next((found for at, (one, other) in pairs if (found := difference(one, other, f"{path}[{at}]"))), "")
    return "" if same(wanted, live) else path or "."


def _field(wanted: Mapping[str, object], live: Mapping[str, object], key: str, path: str) -> str:
    below = f"{path}.{key}" if path else key
    if key not in live:
        return below or "."
    return difference(wanted[key], live[key], below)
