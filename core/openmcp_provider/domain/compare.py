"""Equality of JSON values, and whether a live object already has every field that is wanted."""

import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fractions import Fraction

from openmcp_provider.domain.objects import MAPPING

__all__ = ["departure", "difference", "patched", "same"]

_ABSENT = object()
"""Stands for a field that is not there, as opposed to one that is null."""

_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i)|([numkMGTPE])|[eE]([+-]?\d{1,3}))?", re.ASCII)
_BINARY = "KMGTPE"
_DECIMAL = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


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


def departure(wanted: object, live: object, answer: object, path: str = "") -> str:
    """Return, as `difference`, the first field that is neither as wanted nor as the server stores what is wanted.

    A server drops what is empty, writes quantities in one form, fills in what was sent as null and lets others add to
    lists. What it answered to the very same request, and still has, shows which of that it did here. Any other value
    in the stead of ours is a change by somebody.

    Args:
        wanted: What was sent.
        live: What is there.
        answer: What the server answered.
        path: Of the value.
    """
    if isinstance(wanted, MAPPING) and isinstance(live, MAPPING):
        known = answer if isinstance(answer, MAPPING) else {}
        for key, value in wanted.items():
            below = f"{path}.{key}" if path else key
            if found := departure(value, live.get(key, _ABSENT), known.get(key, _ABSENT), below):
                return found
        return ""
    if isinstance(wanted, (list, tuple)) and isinstance(live, (list, tuple)) and len(wanted) == len(live):
        items = answer if isinstance(answer, (list, tuple)) and len(answer) == len(live) else [_ABSENT] * len(live)
        triples = enumerate(zip(wanted, live, items, strict=True))
        return next((found for at, each in triples if (found := departure(*each, f"{path}[{at}]"))), "")
    if same(wanted, live) or (same(live, answer) and _stored(wanted, live)):
        return ""
    return path or "."


def patched(patch: object, live: object) -> bool:
    """Tell whether a value is as a JSON merge patch makes it."""
    if not isinstance(patch, MAPPING):
        return same(patch, live)
    if not isinstance(live, MAPPING):
        return False
    return all(
        live.get(key) is None if value is None else patched(value, live.get(key)) for key, value in patch.items()
    )


def _stored(wanted: object, live: object) -> bool:
    """Tell whether a server may store the one as the other."""
    if wanted is None:
        return True
    if live is _ABSENT:
        return _empty(wanted)
    if isinstance(wanted, (list, tuple)) and isinstance(live, (list, tuple)):
        return all(any(not departure(item, other, other) for other in live) for item in wanted)
    quantity = _quantity(wanted)
    return quantity is not None and quantity == _quantity(live)


def _empty(value: object) -> bool:
    return all(map(_empty, value.values())) if isinstance(value, MAPPING) else not value


def _quantity(value: object) -> Fraction | None:
    """Return the number that a Kubernetes quantity such as ``0.5``, ``500m`` or ``1Gi`` is, None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        return None
    number, binary, decimal, exponent = found.groups()
    power = _DECIMAL[decimal] if decimal else int(exponent or 0)
    factor = (
        Fraction(1024 ** (1 + _BINARY.index(binary[0])))
        if binary
        else Fraction(10 ** max(power, 0), 10 ** max(-power, 0))
    )
    return Fraction(number) * factor


def _field(wanted: Mapping[str, object], live: Mapping[str, object], key: str, path: str) -> str:
    below = f"{path}.{key}" if path else key
    if key not in live:
        return below or "."
    return difference(wanted[key], live[key], below)
