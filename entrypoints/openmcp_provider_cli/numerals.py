"""Numbers in YAML as Go reads them, which remember how they were written."""

import re

__all__ = ["ANY_NUMBER", "FIRST_LETTERS", "NO_NUMBER", "Float", "Integer", "number_of"]

_INTEGER = re.compile(r"[-+]?(?:0[bB][01]+|0[oO]?[0-7]+|0[xX][0-9a-fA-F]+|[1-9][0-9]*|0)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
ANY_NUMBER = re.compile(rf"(?:{_INTEGER.pattern}|{_FLOAT.pattern}|[-+.0-9][-+.0-9a-fA-FoOxX]*_[-+.0-9a-fA-FoOxX_]*)$")
"""Every text that is a number, and some with underscores that are none."""
NO_NUMBER = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
"""Numbers that JSON does not know."""
FIRST_LETTERS = "-+.0123456789"
"""What a number begins with."""
_BEYOND = 2**64
_EXACT = 2**53


class Integer(int):
    """A whole number and its text."""

    written: str


class Float(float):
    """A number and its text."""

    written: str


def number_of(text: str) -> Integer | Float | None:
    """Return what Go reads, None if it is no number: whole ones of 64 bits exactly, others as floating point."""
    digits = text.replace("_", "")
    number: Integer | Float
    if _INTEGER.fullmatch(digits) and len(digits) <= _BEYOND.bit_length() + 3:
        sign = -1 if digits[0] == "-" else 1
        bare = digits.lstrip("+-")
        octal = bare[0] == "0" and bare.isdigit()
        number = Integer(sign * (int(bare, 8) if octal else int(bare, 0)))
        if abs(number) < _BEYOND:
            number.written = text
            return number
    if not _FLOAT.fullmatch(digits):
        return None
    real = float(digits)
    if abs(real) == float("inf"):
        return None
    number = Integer(real) if real.is_integer() and abs(real) < _EXACT else Float(real)
    number.written = text
    return number
