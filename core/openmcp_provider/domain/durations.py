"""Durations as Go reads and writes them: ``1m``, ``1h30m0.5s``, ``-2s``; canonical ``1m0s``.

Whole nanoseconds inside, so that text to text loses nothing. A value beyond 64-bit nanoseconds is an error, as in Go.
"""

import re

__all__ = ["GO_LIMIT", "MILLISECOND", "MINUTE", "NANOSECONDS", "SECOND", "format_duration", "parse_duration"]

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "\N{MICRO SIGN}s": 1_000,
    "\N{GREEK SMALL LETTER MU}s": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
MILLISECOND, SECOND, MINUTE = NANOSECONDS["ms"], NANOSECONDS["s"], NANOSECONDS["m"]
GO_LIMIT = 2**63

_TERM = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)")


def parse_duration(text: str) -> int:
    """Return the nanoseconds that Go's ``time.ParseDuration`` reads in `text`.

    Raises:
        ValueError: Go would refuse it; the message says what would be right.
    """
    sign, body = 1, text
    if body[:1] in ("+", "-"):
        sign = -1 if body[0] == "-" else 1
        body = body[1:]
    if body == "0":
        return 0
    total, at = 0, 0
    while at < len(body):
        term = _TERM.match(body, at)
        if term is None or not (term[1] or term[2]):
            break
        unit = NANOSECONDS[term[3]]
        total += int(term[1] or "0") * unit
        if term[2]:
            total += _fraction(term[2], unit)
        at = term.end()
    if not body or at < len(body):
        msg = f'"{text}" is not a duration: write numbers with units h, m, s or ms, such as "1m" or "1m30s"'
        raise ValueError(msg)
    if total > GO_LIMIT or (total == GO_LIMIT and sign > 0):
        msg = f'"{text}" is too long for a duration: the most is about 292 years, "2562047h47m16s"'
        raise ValueError(msg)
    return sign * total


def _fraction(digits: str, unit: int) -> int:
    """Return what Go makes of a fraction: digits as long as they fit, multiplied as floating point."""
    value, scale = 0, 1.0
    for digit in digits:
        longer = value * 10 + int(digit)
        if value > (GO_LIMIT - 1) // 10 or longer > GO_LIMIT:
            break
        value, scale = longer, scale * 10
    return int(float(value) * (unit / scale))


def format_duration(nanoseconds: int) -> str:
    """Return the canonical text of Go's ``Duration.String``: ``1m0s``, ``1.5s``, ``500ms``, ``0s``."""
    if nanoseconds == 0:
        return "0s"
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest < SECOND:
        unit = next(name for name in ("ms", "\N{MICRO SIGN}s", "ns") if rest >= NANOSECONDS[name])
        return sign + _decimal(rest, NANOSECONDS[unit]) + unit
    hours, rest = divmod(rest, NANOSECONDS["h"])
    minutes, rest = divmod(rest, MINUTE)
    seconds = _decimal(rest, SECOND) + "s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else sign + seconds


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{fraction:0{digits}d}".rstrip("0") if fraction else str(whole)
