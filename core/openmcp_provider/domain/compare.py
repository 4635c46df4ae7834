"""Whether a live object already has every field that is wanted. Fields of others do not count."""

from collections.abc import Mapping

from openmcp_provider.domain.objects import MAPPING

__all__ = ["difference"]


def difference(wanted: object, live: object, path: str = "") -> str:
    """Return the dotted path of the first wanted field that the live value lacks or has otherwise; empty if none.

    Objects compare field by field, lists item by item and by length, since a server may add defaults inside items.
    Values
    are never part of the answer.
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
    same = wanted == live and isinstance(wanted, bool) == isinstance(live, bool)
    return "" if same else path or "."


def _field(wanted: Mapping[str, object], live: Mapping[str, object], key: str, path: str) -> str:
    below = f"{path}.{key}" if path else key
    if key not in live:
        return below or "."
    return difference(wanted[key], live[key], below)
