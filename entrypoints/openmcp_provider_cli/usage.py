"""Reading a command line: what typed flags take, whose usage is shown, and the program's version. Needs no extra."""

import argparse
import math
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["DISTRIBUTION", "Parser", "Version", "at_least_one", "number", "truth", "version", "whole"]

DISTRIBUTION = "service-provider-ocm"
"""What is installed; programs of other providers are built on it."""

_YES = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_NO = frozenset({"0", "f", "F", "FALSE", "false", "False"})


class Parser(argparse.ArgumentParser):
    """A parser whose commands complain of what they do not know themselves, so that it is their usage that is shown."""

    def parse_known_args(  # type: ignore[override]  # all overloads at once
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Return the arguments, after complaining of what is not known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


class Version(argparse.Action):
    """Prints name and version of a program, and ends it."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, dest=argparse.SUPPRESS, default=argparse.SUPPRESS, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Do it."""
        library = "" if parser.prog == DISTRIBUTION else f"on {DISTRIBUTION} "
        print(f"{parser.prog} {library}{version()}")
        parser.exit()


def version() -> str:
    """Return the version of what is installed, by the metadata of its wheel."""
    from importlib import metadata  # noqa: PLC0415 - takes longer than all else that help and usage need

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "unknown"


def at_least_one(text: str) -> int:
    """Return a whole number from 1.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    found = _whole(text)
    if found is None or found < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return found


def whole(text: str) -> int:
    """Return a whole number.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    found = _whole(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return found


def number(text: str) -> float:
    """Return a number.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return found


def truth(text: str) -> bool:
    """Return whether a word means yes, as Go's flag library reads it.

    Raises:
        argparse.ArgumentTypeError: it means neither.
    """
    if text in _YES or text in _NO:
        return text in _YES
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def _whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
