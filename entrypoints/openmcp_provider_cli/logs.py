"""Logs: lines on standard error, by the flags and with the keys of every openMCP program.

Own code logs through `Log`. What libraries log comes out in the same form from warnings on, and never below: their
debug lines hold headers. Standard error may be slow, closed or gone; the program goes on all the same.
"""

import logging
import os
import sys
from asyncio import AbstractEventLoop
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any, Literal, Self, TypeVar

from openmcp_provider.domain.errors import PortError
from openmcp_provider_cli.logs_lines import Entry, as_json, as_text, clean, named, story
from openmcp_provider_cli.logs_pen import Pen

__all__ = ["Log", "Settings", "bind", "bound", "configure", "on_loop_error"]

T = TypeVar("T")

ROOT = "openmcp"
"""The logger above all of our own."""

LEVELS = {"error": logging.ERROR, "info": logging.INFO, "debug": logging.DEBUG}
NAMES = {logging.DEBUG: "debug", logging.INFO: "info", logging.WARNING: "warn"}
RESERVED = frozenset({"ts", "level", "logger", "caller", "msg", "error", "stacktrace"})
FOREIGN_LIMIT = 500

_BOUND: ContextVar[Mapping[str, object]] = ContextVar("_BOUND", default={})  # noqa: B039 - replaced, never changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is logged, and how.

    Attributes:
        verbosity: The least that is logged.
        format: For programs or for people.
        colour: Colour the level where standard error is a terminal.
        timestamp: Say when.
        caller: Say where in the code.
        stacktrace: Say how an unexpected error came about.
    """

    verbosity: Literal["error", "info", "debug"] = "info"
    format: Literal["json", "text"] = "json"
    colour: bool = False
    timestamp: bool = True
    caller: bool = False
    stacktrace: bool = True

    @classmethod
    def of(
        cls,
        *,
        verbosity: str = "",
        format: str = "",  # noqa: A002 - the flag's name
        dev: bool = False,
        cli: bool = False,
        disable_stacktrace: bool | None = None,
        disable_caller: bool | None = None,
        disable_timestamp: bool | None = None,
    ) -> Self:
        """Return the settings that flags mean; what is empty or None was not given.

        Raises:
            ValueError: verbosity or format is none that there is.
        """
        return cls(
            verbosity=_choice("--verbosity", verbosity.lower() or ("debug" if dev else "info"), _VERBOSITIES),
            format=_choice("--format", format.lower() or ("text" if dev or cli else "json"), _FORMATS),
            colour=cli,
            timestamp=not (cli if disable_timestamp is None else disable_timestamp),
            caller=dev if disable_caller is None else not disable_caller,
            stacktrace=not disable_stacktrace,
        )


_VERBOSITIES: Mapping[str, Literal["error", "info", "debug"]] = {"error": "error", "info": "info", "debug": "debug"}
_FORMATS: Mapping[str, Literal["json", "text"]] = {"json": "json", "text": "text"}


def _choice(flag: str, given: str, choices: Mapping[str, T]) -> T:
    if given not in choices:
        raise ValueError(f"{flag}: one of {', '.join(choices)} is wanted")
    return choices[given]


class Log:
    """Logs under a name.

    Args:
        name: Of the part of the program.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{ROOT}.{name}")

    def debug(self, message: str, error: BaseException | None = None, /, **fields: object) -> None:
        """Log what only somebody who looks for a mistake wants to know."""
        self._log(logging.DEBUG, message, error, fields)

    def info(self, message: str, error: BaseException | None = None, /, **fields: object) -> None:
        """Log what happened."""
        self._log(logging.INFO, message, error, fields)

    def warn(self, message: str, error: BaseException | None = None, /, **fields: object) -> None:
        """Log what somebody may have to look at."""
        self._log(logging.WARNING, message, error, fields)

    def error(self, message: str, error: BaseException | None = None, /, **fields: object) -> None:
        """Log what failed; of an error that is none of the port's also how it came about."""
        self._log(logging.ERROR, message, error, fields)

    def _log(self, level: int, message: str, error: BaseException | None, fields: Mapping[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, message, stacklevel=3, extra={"told": (error, fields)})


def bind(**fields: object) -> None:
    """Add fields to every line of the present task from now on, and of the tasks that it makes."""
    _BOUND.set({**_BOUND.get(), **fields})


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add fields to every line within a block."""
    token = _BOUND.set({**_BOUND.get(), **fields})
    try:
        yield
    finally:
        _BOUND.reset(token)


def on_loop_error(_: AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """Log what an event loop met that nobody awaits; for `loop.set_exception_handler`."""
    Log("loop").error(str(context.get("message", "")), context.get("exception"))


@contextmanager
def configure(settings: Settings, fd: int | None = None) -> Iterator[None]:
    """Log within a block; at its end write what is kept, and leave logging as it was before.

    Args:
        settings: What, and how.
        fd: Where to, by default standard error.
    """
    root, own = logging.getLogger(), logging.getLogger(ROOT)
    handlers, levels = root.handlers[:], (root.level, own.level)
    handler = _handler(settings, fd)
    least = LEVELS[settings.verbosity]
    root.handlers[:] = [handler]
    root.setLevel(max(least, logging.WARNING))
    own.setLevel(least)
    logging.captureWarnings(capture=True)
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(levels[0])
        own.setLevel(levels[1])
        handler.close()


def _handler(settings: Settings, fd: int | None) -> logging.Handler:
    if fd is None and sys.stderr is None:  # closed before we began: its number may be a socket's by now
        return logging.NullHandler()
    try:
        return _Handler(settings, os.dup(2 if fd is None else fd))
    except OSError:
        return logging.NullHandler()


class _Handler(logging.Handler):
    """Turns records into lines."""

    def __init__(self, settings: Settings, fd: int) -> None:
        super().__init__()
        self._settings = settings
        self._colour = settings.colour and os.isatty(fd)
        self._pen = Pen(fd, self._notice)
        self.addFilter(_ours_or_warning)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            line = self._written(self._entry(record))
        except Exception as error:  # noqa: BLE001 - a line that cannot be made must not stop what it tells of
            line = self._written(
                {"level": "error", "logger": record.name, "msg": "a line is lost", "error": named(error)}
            )
        self._pen.write(line)

    def close(self) -> None:
        """Write what is kept."""
        self._pen.close()
        super().close()

    def _written(self, entry: Entry) -> bytes:
        return as_json(entry) if self._settings.format == "json" else as_text(entry, colour=self._colour)

    def _notice(self, lost: int) -> bytes:
        msg = f"{lost} log lines are lost: standard error was not read"
        return self._written(self._beginning("error", f"{ROOT}.logs", datetime.now(UTC)) | {"msg": msg})

    def _beginning(self, level: str, logger: str, moment: datetime) -> dict[str, object]:
        entry: dict[str, object] = {}
        if self._settings.timestamp:
            entry["ts"] = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return entry | {"level": level, "logger": logger}

    def _entry(self, record: logging.LogRecord) -> Entry:
        moment = datetime.fromtimestamp(record.created, UTC)
        entry = self._beginning(NAMES.get(record.levelno, "error"), record.name, moment)
        if self._settings.caller:
            path = PurePath(record.pathname)
            entry["caller"] = f"{path.parent.name}/{path.name}:{record.lineno}"
        told: tuple[BaseException | None, Mapping[str, object]] | None = getattr(record, "told", None)
        if told is not None:
            (error, fields), message = told, record.getMessage()
        else:
            error, fields = record.exc_info[1] if record.exc_info else None, {}
            # asyncio goes on with the representations of whatever was involved.
            message = record.getMessage().partition("\n")[0][:FOREIGN_LIMIT]
        entry["msg"] = clean(message)
        for key, value in {**_BOUND.get(), **fields}.items():
            entry[f"{key}_" if key in RESERVED else key] = clean(value)
        if error is not None:
            entry["error"] = clean(named(error))
            if self._settings.stacktrace and not isinstance(error, PortError):
                entry["stacktrace"] = clean(story(error))
        return entry


def _ours_or_warning(record: logging.LogRecord) -> bool:
    """Let only warnings and errors of libraries pass, also of those that set levels of their own."""
    return record.levelno >= logging.WARNING or record.name.startswith(f"{ROOT}.")
