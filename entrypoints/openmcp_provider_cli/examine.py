"""Finding every problem of a spec in one go: what is wrong in one field must not hide what is wrong in the others."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, NamedTuple, TypeVar

from openmcp_adapters.wire import DecodeError, child, decode
from openmcp_provider.provider import Problem

__all__ = ["Examined", "examine"]

T = TypeVar("T")

SPEC = "spec"
_STAND_IN = "0"


class Examined(NamedTuple, Generic[T]):
    """What came of a spec.

    Attributes:
        problems: Everything that is wrong with it.
        value: The spec or, with problems, one without them that passes the checks; None if there is none.
    """

    problems: tuple[Problem, ...]
    value: T | None


def examine(cls: type[T], check: Callable[[T], Iterable[Problem]], raw: object) -> Examined[T]:
    """Return every problem of a spec, and what can still be looked at.

    Args:
        cls: The spec's type.
        check: What the provider says of a decoded spec.
        raw: The spec as read.
    """
    problems: list[Problem] = []
    try:
        found: T | None = decode(cls, raw, SPEC)
    except DecodeError as error:
        problems += error.problems
        found = _without(cls, raw, problems)
    if found is None:
        return Examined(tuple(problems), None)
    told = tuple(problem.path for problem in problems)
    more = [problem for problem in check(found) if not any(_within(problem.path, path) for path in told)]
    problems += more
    if more:
        found = _without(cls, raw, problems)
    if problems and found is not None and [*check(found)]:
        found = None
    return Examined(tuple(problems), found)


def _without(cls: type[T], raw: object, problems: Iterable[Problem]) -> T | None:
    """Return the spec without the fields that have problems; required ones get a text that means nothing."""
    paths = [problem.path for problem in problems]
    given = raw.items() if isinstance(raw, Mapping) else ()
    rest = {key: value for key, value in given if not any(_within(path, child(SPEC, key)) for path in paths)}
    try:
        return decode(cls, rest, SPEC)
    except DecodeError as error:
        rest |= {problem.path.removeprefix(f"{SPEC}."): _STAND_IN for problem in error.problems}
    try:
        return decode(cls, rest, SPEC)
    except DecodeError:
        return None


def _within(path: str, outer: str) -> bool:
    return path == outer or path.startswith((f"{outer}.", f"{outer}["))
