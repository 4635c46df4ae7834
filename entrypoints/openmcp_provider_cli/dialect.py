"""YAML and JSON the way kubectl reads them, less what is never meant: keys given twice, and keys that are no text.

kubectl's YAML is that of Go: ``yes``, ``on`` and ``y`` are booleans, ``0777`` is octal, ``1e3`` a number, while dates
and ``12:30`` are text. Numbers remember how they were written, so that a message can quote ``1.10`` and not ``1.1``.

Nothing here recurses without a limit, and no error repeats a value: it may be secret.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import yaml
from yaml import events

from openmcp_provider_cli.numerals import ANY_NUMBER, FIRST_LETTERS, NO_NUMBER, Float, Integer, number_of

__all__ = ["Unreadable", "dump", "load", "plain"]

DEPTH_LIMIT = 100
ALIAS_LIMIT = 10_000
"""Values that aliases of one document may repeat."""

_WORDS: dict[str, bool | None] = (
    dict.fromkeys(("", "~", "null", "Null", "NULL"))
    | dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True)
    | dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False)
)
_TAG = "tag:yaml.org,2002:"


class Unreadable(ValueError):
    """A text is neither YAML nor JSON that can be used.

    Args:
        why: What is wrong.
        want: What would be right.
        line: Where, counted from 1; 0 if that is not known.
    """

    def __init__(self, why: str, want: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {why}; {want}" if line else f"{why}; {want}")


class _Dumper(yaml.CSafeDumper):
    """Quotes every text that Go's YAML would take for something else."""


_Dumper.add_implicit_resolver(f"{_TAG}float", ANY_NUMBER, list(FIRST_LETTERS))
_Dumper.add_implicit_resolver(f"{_TAG}bool", re.compile(r"[yYnN]$"), list("yYnN"))


def load(text: str) -> Iterator[object]:
    """Yield the documents of a text, None for an empty one.

    Raises:
        Unreadable: at the document that cannot be read.
    """
    if text.lstrip()[:1] in ("{", "["):
        try:
            yield from [_checked(value) for value in _load_json(text)]
        except json.JSONDecodeError:
            pass  # the braces of YAML
        else:
            return
    try:
        yield from map(_checked, _Builder(text).documents())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = str(getattr(error, "problem", None) or "it has characters that no text has")
        line = min(mark.line, text.count("\n", 0, -1)) + 1 if mark else 0
        raise Unreadable(f"is not YAML: {why}", "check quotes and indentation there", line) from None


def dump(value: object) -> str:
    """Return plain JSON as one YAML document, in its own order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=2**31 - 1)


def plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a copy of JSON in the plainest types, sharing nothing."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    return next(kind(value) for kind in (int, float, str) if isinstance(value, kind))


class _Builder:
    """Makes values of YAML events.

    Args:
        text: The whole text.
    """

    def __init__(self, text: str) -> None:
        self._events = iter(yaml.parse(text, Loader=yaml.CSafeLoader))
        self._anchors: dict[str, tuple[object, int]] = {}
        self._made = 0
        self._repeated = 0

    def documents(self) -> Iterator[object]:
        for event in self._events:
            if isinstance(event, events.DocumentStartEvent):
                self._anchors, self._made, self._repeated = {}, 0, 0
                yield self._value(next(self._events), 0)

    def _value(self, event: events.Event, depth: int) -> object:
        if isinstance(event, events.AliasEvent):
            return self._alias(event)
        if depth > DEPTH_LIMIT:
            raise _unreadable(event, "is nested too deeply", f"write at most {DEPTH_LIMIT} levels")
        before = self._made
        self._made += 1
        value: object
        if isinstance(event, events.ScalarEvent):
            value = _scalar(event)
        elif isinstance(event, events.SequenceStartEvent):
            _check_tag(event, "seq")
            value = [self._value(item, depth + 1) for item in iter(self._next, None)]
        else:
            event = cast("events.MappingStartEvent", event)
            _check_tag(event, "map")
            value = self._mapping(depth)
        if event.anchor:
            self._anchors[event.anchor] = (value, self._made - before)
        return value

    def _next(self) -> events.Event | None:
        event = next(self._events)
        return None if isinstance(event, events.CollectionEndEvent) else event

    def _alias(self, event: events.AliasEvent) -> object:
        if event.anchor not in self._anchors:
            raise _unreadable(event, "has an alias without an anchor before it", "write the value itself")
        value, size = self._anchors[event.anchor]
        self._made += size
        self._repeated += size
        if self._repeated > ALIAS_LIMIT:
            raise _unreadable(event, "repeats too much by aliases", f"repeat at most {ALIAS_LIMIT} values a document")
        return value

    def _mapping(self, depth: int) -> dict[str, object]:
        merged: dict[str, object] = {}
        own: dict[str, object] = {}
        for event in iter(self._next, None):
            merge = isinstance(event, events.ScalarEvent) and event.value == "<<" and event.implicit[0]
            key = self._value(event, depth + 1)
            value = self._value(next(self._events), depth + 1)
            if merge:
                merged = _merge(event, value) | merged
            elif not isinstance(key, str):
                raise _unreadable(event, "has a key that is no text", "write the key in quotes")
            elif key in own:
                raise _unreadable(event, f'has the key "{key}" twice', "write each key once")
            else:
                own[key] = value
        return {**merged, **own}


def _merge(event: events.Event, value: object) -> dict[str, object]:
    parts = value if isinstance(value, list) else [value]
    merged: dict[str, object] = {}
    for part in parts:
        if not isinstance(part, dict):
            raise _unreadable(event, 'has a "<<" without objects to merge', "merge an alias of an object")
        merged = part | merged
    return merged


def _scalar(event: events.ScalarEvent) -> object:
    if event.implicit[0]:
        return _resolved(event)
    if event.implicit[1] or event.tag == f"{_TAG}str":
        return event.value
    kinds: dict[str, tuple[type, ...]] = {
        "null": (type(None),),
        "bool": (bool,),
        "int": (Integer,),
        "float": (Integer, Float),
    }
    value = _resolved(event)
    if not isinstance(value, kinds.get((event.tag or "").removeprefix(_TAG), ())):
        raise _unreadable(event, "has a tag that is not known or does not fit", "write the value without a tag (!...)")
    return value


def _resolved(event: events.ScalarEvent) -> object:
    text = event.value
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in FIRST_LETTERS:
        return text
    if NO_NUMBER.fullmatch(text):
        raise _unreadable(
            event, "has a number that JSON does not know", "write an ordinary number, or the text in quotes"
        )
    number = number_of(text)
    return text if number is None else number


def _check_tag(event: events.SequenceStartEvent | events.MappingStartEvent, name: str) -> None:
    if not event.implicit and event.tag != _TAG + name:
        raise _unreadable(event, "has a tag that is not known", "write the value without a tag (!...)")


def _unreadable(event: events.Event, why: str, want: str) -> Unreadable:
    return Unreadable(why, want, event.start_mark.line + 1 if event.start_mark else 0)


def _load_json(text: str) -> Iterator[object]:
    decoder = json.JSONDecoder(
        object_pairs_hook=_pairs, parse_int=_json_number, parse_float=_json_number, parse_constant=_json_number
    )
    at = _skip_blanks(text, 0)
    while at < len(text):
        try:
            value, end = decoder.raw_decode(text, at)
        except RecursionError:
            raise Unreadable("is nested too deeply", f"write at most {DEPTH_LIMIT} levels") from None
        yield value
        at = _skip_blanks(text, end)


def _skip_blanks(text: str, at: int) -> int:
    while text[at : at + 1].isspace():
        at += 1
    return at


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise Unreadable(f'has the key "{key}" twice', "write each key once")
        found[key] = value
    return found


def _json_number(text: str) -> Integer | Float:
    number = number_of(text)
    if number is None:
        raise Unreadable(
            "has a number that is too big or none at all", "write an ordinary number, or the text in quotes"
        )
    return number


def _checked(value: object, depth: int = 0) -> object:
    """Return a value after checking what a parser may have let pass: depth by aliases, escapes of half a character."""
    if depth > DEPTH_LIMIT:
        raise Unreadable("is nested too deeply", f"write at most {DEPTH_LIMIT} levels")
    inner = value if isinstance(value, list) else ()
    if isinstance(value, dict):
        inner = [*value, *value.values()]
    for item in inner:
        _checked(item, depth + 1)
    if isinstance(value, str) and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Unreadable("has an escape of half a character (\\ud800 to \\udfff)", "write the whole character")
    return value
