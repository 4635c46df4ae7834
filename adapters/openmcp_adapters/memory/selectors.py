"""Label and field selectors."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from openmcp_adapters.memory.values import MISSING, get_path
from openmcp_provider.domain.errors import Invalid

__all__ = ["Predicate", "field_selector", "label_selector"]

Predicate = Callable[[Mapping[str, Any]], bool]
"""Tells whether an object is selected."""

_Term = Callable[[Mapping[str, str]], bool]

_SET = re.compile(r"\s*([^\s!=<>,()]+)\s+(in|notin)\s*\(([^()]*)\)\s*")
_EQUAL = re.compile(r"\s*([^\s!=<>,()]+)\s*(==|=|!=)\s*([^\s!=<>,()]*)\s*")
_ORDER = re.compile(r"\s*([^\s!=<>,()]+)\s*(<|>)\s*(-?\d+)\s*")
_EXISTS = re.compile(r"\s*(!?)\s*([^\s!=<>,()]+)\s*")


def label_selector(text: str) -> Predicate:
    """Return the predicate of a label selector.

    Raises:
        Invalid: it cannot be read.
    """
    terms = []
    at = 0
    while text.strip() and at <= len(text):
        for pattern, make in _FORMS:
            found = pattern.match(text, at)
            if found and (found.end() == len(text) or text[found.end()] == ","):
                terms.append(make(*found.groups()))
                at = found.end() + 1
                break
        else:
            raise Invalid(f"unable to parse the label selector {text!r} at character {at}")

    def matches(obj: Mapping[str, Any]) -> bool:
        labels = obj["metadata"].get("labels") or {}
        return all(term(labels) for term in terms)

    return matches


def _set(key: str, operator: str, values: str) -> _Term:
    wanted = {value.strip() for value in values.split(",")}
    if operator == "in":
        return lambda labels: labels.get(key) in wanted
    return lambda labels: labels.get(key) not in wanted


def _equal(key: str, operator: str, value: str) -> _Term:
    if operator == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value


def _order(key: str, operator: str, value: str) -> _Term:
    def term(labels: Mapping[str, str]) -> bool:
        try:
            found = int(labels[key])
        except (KeyError, ValueError):
            return False
        return found > int(value) if operator == ">" else found < int(value)

    return term


def _exists(absent: str, key: str) -> _Term:
    return (lambda labels: key not in labels) if absent else (lambda labels: key in labels)


_FORMS: tuple[tuple[re.Pattern[str], Callable[..., _Term]], ...] = (
    (_SET, _set),
    (_ORDER, _order),
    (_EQUAL, _equal),
    (_EXISTS, _exists),
)


def field_selector(text: str, supported: Mapping[str, tuple[str, ...]]) -> tuple[Predicate, str]:
    """Return the predicate of a field selector, and the name that it asks for, if any.

    Args:
        text: The selector.
        supported: The fields that may be selected by, and where each lies.

    Raises:
        Invalid: it cannot be read, or selects by another field.
    """
    terms = []
    name = ""
    for part in text.split(",") if text else ():
        found = re.fullmatch(r"([^!=]*?)(==|=|!=)([^!=]*)", part)
        if not found:
            raise Invalid(f"invalid selector: {text!r}; can't understand {part!r}")
        field, operator, value = found.groups()
        if field not in supported:
            raise Invalid(f"field label not supported: {field}")
        terms.append((supported[field], operator != "!=", value))
        if field == "metadata.name" and operator != "!=":
            name = value

    def matches(obj: Mapping[str, Any]) -> bool:
        return all((_text(get_path(obj, path)) == value) is wanted for path, wanted, value in terms)

    return matches, name


def _text(value: object) -> str:
    """Return a field as selectors see it: what is missing is empty."""
    if value is MISSING or value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
