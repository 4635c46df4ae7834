"""What a log line may say: errors without foreign words, values without what looks like a secret; as JSON or as text.

Objects are shown as what they are called, never by their own representation, which could hold anything.
"""

import json
import math
import re
import traceback
from collections.abc import Iterator, Mapping
from datetime import datetime

from openmcp_provider.domain.errors import PortError

__all__ = ["Entry", "as_json", "as_text", "clean", "named", "scrubbed", "story"]

Entry = Mapping[str, object]
"""One line: key to value, in order."""

REMOVED = "(removed)"
LEADING = ("ts", "level", "logger", "caller", "msg")
STACK = "stacktrace"
COLOURS = {"debug": 35, "info": 34, "warn": 33, "error": 31}

_DEPTH = 6
_FRAMES = 50
_SECRETS = (
    re.compile(r"-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(?:-----END [A-Z0-9 ]+-----|$)"),
    re.compile(r"\beyJ[\w-]{8,}\.[\w-]*(?:\.[\w-]*)?"),  # a JSON web token
    re.compile(r"(?i)(?<=\bbearer )[\w.~+/=-]{8,}|(?<=\bbasic )[\w.~+/=-]{8,}"),
    re.compile(r"(?<=://)[^\s/@]+(?=@)"),  # the user of a URL
    re.compile(r"(?i)(?<=[?&;])(?:[\w-]*(?:token|sig|signature|secret|password|credential|key))=[^\s&;\"']*"),
)


def scrubbed(text: str) -> str:
    """Return a text without what looks like a secret. A net under what never should come this far."""
    for pattern in _SECRETS:
        text = pattern.sub(REMOVED, text)
    return text


def clean(value: object, depth: int = _DEPTH) -> object:
    """Return a value as JSON can say it."""
    match value:
        case None | bool() | int():
            return value
        case str():
            return scrubbed(str(value))
        case float():
            return value if math.isfinite(value) else str(value)
        case datetime():
            return value.isoformat()
        case Mapping() if depth:
            return {str(key): clean(item, depth - 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset() if depth:
            return [clean(item, depth - 1) for item in value]
        case _:
            return f"<{type(value).__name__}>"


def named(error: BaseException) -> str:
    """Return the name of an error, and its message where nothing secret can be in it.

    The port's errors come with messages that are safe to show. Others quote what they met: the key that is missing, the
    text that is no number.
    """
    name = type(error).__name__
    if isinstance(error, PortError):
        return f"{name}: {error.message}" if error.message else name
    if isinstance(error, BaseExceptionGroup):
        return f"{name} ({', '.join(map(named, error.exceptions))})"
    return name


def story(error: BaseException) -> str:
    """Return how an error came about, as Python tells it, without the values of anything."""
    return "\n".join(_story(error, set()))


def _story(error: BaseException, seen: set[int]) -> Iterator[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        yield from _story(before, seen)
        yield "which led to:" if error.__cause__ else "while that was dealt with:"
    yield "Traceback (most recent call last):"
    frames = traceback.extract_tb(error.__traceback__)
    if len(frames) > _FRAMES:
        yield f"  ({len(frames) - _FRAMES} frames left out)"
    for frame in frames[-_FRAMES:]:
        yield f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}'
        if frame.line:
            yield f"    {frame.line}"
    yield named(error)
    if isinstance(error, BaseExceptionGroup):
        for at, inner in enumerate(error.exceptions, start=1):
            if id(inner) not in seen:
                yield f"-- {at} of {len(error.exceptions)}:"
                yield from _story(inner, seen)


def as_json(entry: Entry) -> bytes:
    """Return an entry as one line of JSON."""
    text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
    return f"{text}\n".encode(errors="backslashreplace")


def as_text(entry: Entry, *, colour: bool = False) -> bytes:
    """Return an entry for people: a line with columns, the fields as JSON at its end, then how an error came about."""
    columns = [_plain(str(entry[key])) for key in LEADING if key in entry]
    level = str(entry["level"])
    if colour:
        columns[columns.index(level)] = f"\x1b[{COLOURS.get(level, 0)}m{level}\x1b[0m"
    rest = {key: value for key, value in entry.items() if key not in (*LEADING, STACK)}
    if rest:
        columns.append(json.dumps(rest, ensure_ascii=False))
    text = "\t".join(columns)
    if STACK in entry:
        text += f"\n{entry[STACK]}"
    return f"{text}\n".encode(errors="backslashreplace")


def _plain(text: str) -> str:
    """Return a text that stays within its line and column, whatever it says."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
