"""Logs: the keys and flags of openMCP programs, nothing secret, no harm from a standard error that is slow or gone."""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import pty
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.objects import Ref
from openmcp_provider.domain.plan import Create, Done, Failed, Plan
from openmcp_provider.domain.report import Report
from openmcp_provider.ports import Conflict, Forbidden, PortError, Unavailable
from openmcp_provider.runtime.cache import Key
from openmcp_provider_cli.logs import Log, Settings, bind, bound, configure, on_loop_error
from openmcp_provider_cli.logs_lines import scrubbed
from openmcp_provider_cli.logs_pen import Pen
from openmcp_provider_cli.narrator import Narrator
from tests.docs.pages import DOCS, cells, spans

E = TypeVar("E", bound=BaseException)

SECRET = "hunter2-is-no-word"
OURS = Log("test")


def logged(act: Callable[[], object], settings: Settings | None = None) -> list[str]:
    """Return the lines that come out while something happens."""
    with tempfile.TemporaryFile() as file:
        with configure(settings or Settings(), file.fileno()):
            act()
        file.seek(0)
        return file.read().decode().splitlines()


def entries(act: Callable[[], object], settings: Settings | None = None) -> list[dict[str, Any]]:
    """Return the lines, read as JSON."""
    return [json.loads(line) for line in logged(act, settings)]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, Settings()),
        ({"verbosity": "INFO"}, Settings()),
        ({"verbosity": "Error", "format": "TEXT"}, Settings(verbosity="error", format="text")),
        ({"dev": True}, Settings(verbosity="debug", format="text", caller=True)),
        ({"cli": True}, Settings(format="text", colour=True, timestamp=False)),
        (
            {"dev": True, "cli": True},
            Settings(verbosity="debug", format="text", colour=True, timestamp=False, caller=True),
        ),
        ({"dev": True, "format": "json", "verbosity": "info"}, Settings(caller=True)),
        ({"cli": True, "disable_timestamp": False}, Settings(format="text", colour=True)),
        ({"dev": True, "disable_caller": True}, Settings(verbosity="debug", format="text")),
        ({"disable_timestamp": True, "disable_caller": False}, Settings(timestamp=False, caller=True)),
        ({"disable_stacktrace": True}, Settings(stacktrace=False)),
        ({"disable_stacktrace": False}, Settings()),
    ],
)
def test_flags(flags: dict[str, Any], expected: Settings) -> None:
    """Flags mean what they mean in the Go program; what is given counts more than what follows from another flag."""
    assert expected == Settings.of(**flags)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"verbosity": "warn"}, "--verbosity: one of error, info, debug is wanted"),
        ({"format": "xml"}, "--format: one of json, text is wanted"),
    ],
)
def test_wrong_flags(flags: dict[str, Any], told: str) -> None:
    """A word that is none of those is refused, with what would be right."""
    with pytest.raises(ValueError, match=told):
        Settings.of(**flags)


def test_json() -> None:
    """A line is a JSON object with the keys of every openMCP program, then the fields given."""
    (line,) = logged(lambda: OURS.info("it's done", count=3, ref=("a", None)), Settings(caller=True))
    entry = json.loads(line)

    assert ["ts", "level", "logger", "caller", "msg", "count", "ref"] == list(entry)
    assert timedelta(seconds=60) > datetime.now(UTC) - datetime.fromisoformat(entry["ts"])
    assert entry["ts"].endswith("Z")
    assert ("info", "openmcp.test", "it's done") == (entry["level"], entry["logger"], entry["msg"])
    assert entry["caller"].startswith("cli/test_logs.py:")
    assert (3, ["a", None]) == (entry["count"], entry["ref"])


def test_text() -> None:
    """For people a line has columns; a message cannot begin another line or column."""
    settings = Settings(format="text", timestamp=False)

    assert ['info\topenmcp.test\ta\\nb\\tc\\x1b[0m\t{"at": "d\\ne"}'] == logged(
        lambda: OURS.info("a\nb\tc\x1b[0m", at="d\ne"), settings
    )


def test_a_failure_as_text() -> None:
    """How an unexpected error came about stands below its line, for people."""
    lines = logged(lambda: OURS.error("oh", failing(ValueError(SECRET))), Settings(format="text"))

    assert "Traceback (most recent call last):" == lines[1]
    assert "ValueError" == lines[-1]


def test_colours_are_for_terminals() -> None:
    """Levels are coloured on a terminal, and nowhere else."""
    ours, theirs = pty.openpty()
    with configure(Settings(format="text", colour=True, timestamp=False), theirs):
        OURS.error("oh")
    shown = os.read(ours, 1000).decode()
    os.close(ours)
    os.close(theirs)

    assert "\x1b[31merror\x1b[0m\topenmcp.test\toh\r\n" == shown
    assert ["error\topenmcp.test\toh"] == logged(
        lambda: OURS.error("oh"), Settings(format="text", colour=True, timestamp=False)
    )


@pytest.mark.parametrize(
    ("verbosity", "levels"),
    [("error", ["error"]), ("info", ["info", "warn", "error"]), ("debug", ["debug", "info", "warn", "error"])],
)
def test_verbosity(verbosity: str, levels: list[str]) -> None:
    """Nothing below the verbosity is logged."""

    def act() -> None:
        for say in (OURS.debug, OURS.info, OURS.warn, OURS.error):
            say("x")

    assert levels == [entry["level"] for entry in entries(act, Settings.of(verbosity=verbosity))]


def test_bound_fields() -> None:
    """Fields that are bound are on every line of that task and of those it makes, and on no other."""

    async def child() -> None:
        OURS.info("child")

    async def tenant(name: str) -> None:
        bind(namespace="default", name=name)
        with bound(name="inner"):
            OURS.info("inner")
        await asyncio.create_task(child())
        OURS.info("outer", extra=1)

    async def story() -> None:
        await asyncio.gather(tenant("a"), tenant("b"))
        OURS.info("main")

    found = entries(lambda: asyncio.run(story()))
    told = sorted(
        (entry["msg"], entry.get("name"), entry.get("namespace")) for entry in found if entry["msg"] != "main"
    )

    assert told == sorted(
        (msg, "inner" if msg == "inner" else name, "default") for name in "ab" for msg in ("inner", "child", "outer")
    )
    assert {"ts", "level", "logger", "msg"} == set(found[-1])


def test_fields_keep_out_of_the_way() -> None:
    """A field cannot take the place of a key that every line has."""
    (entry,) = entries(lambda: OURS.info("true", level="x", ts="y", msg="false"))

    assert ("info", "true", "x", "y", "false") == (
        entry["level"],
        entry["msg"],
        entry["level_"],
        entry["ts_"],
        entry["msg_"],
    )


class Awkward:
    """Something whose representation fails, or tells too much."""

    def __repr__(self) -> str:
        """Fail."""
        raise RuntimeError(SECRET)


def circle() -> list[Any]:
    """Return a list that holds itself."""
    found: list[Any] = []
    found.append(found)
    return found


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Awkward(), "<Awkward>"),
        (b"bytes", "<bytes>"),
        (float("nan"), "nan"),
        (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00"),
        (MappingProxyType({1: {"a"}}), {"1": ["a"]}),
        ("\ud800", "\\ud800"),
    ],
)
def test_any_value(value: object, shown: object) -> None:
    """Whatever a field is, the line is JSON; what JSON has no word for is shown as what it is called."""
    (entry,) = entries(lambda: OURS.info("x", field=value))

    assert shown == (entry["field"] if value != "\ud800" else entry["field"].encode("unicode_escape").decode())


def test_circles_end() -> None:
    """A value that holds itself is cut."""
    (line,) = logged(lambda: OURS.info("x", field=circle()))

    assert "<list>" in line


def failing(error: E, *, depth: int = 2) -> E:
    """Return an error as raised some calls deep, by code that holds secrets."""
    password = SECRET
    try:
        if depth:
            failing(error, depth=depth - 1)
        raise error  # noqa: TRY301 - to have been raised
    except BaseException:  # noqa: BLE001 - any
        assert password
    return error


def test_errors_of_the_port() -> None:
    """An error of the port is told with its message, and without a stack trace: it is no mistake of the program."""
    (entry,) = entries(lambda: OURS.error("oh", failing(Forbidden("not yours"))))

    assert "Forbidden: not yours" == entry["error"]
    assert "stacktrace" not in entry


def test_unexpected_errors() -> None:
    """Any other error is told with its name and how it came about: files, lines, functions, code."""
    (entry,) = entries(lambda: OURS.error("oh", failing(KeyError(SECRET))))

    assert "KeyError" == entry["error"]
    assert "in failing\n    raise error  # noqa: TRY301" in entry["stacktrace"]
    assert entry["stacktrace"].endswith("\nKeyError")
    assert "stacktrace" not in entries(lambda: OURS.error("oh", failing(KeyError())), Settings(stacktrace=False))[0]


def test_deep_errors() -> None:
    """Of an error that comes from far down the end is told."""
    (entry,) = entries(lambda: OURS.error("oh", failing(ValueError(), depth=200)))

    assert "frames left out)" in entry["stacktrace"].splitlines()[1]
    assert 110 > entry["stacktrace"].count("\n")


def test_chains_and_groups() -> None:
    """Causes, what was being dealt with, and every error of a group are told."""

    def act() -> None:
        try:
            try:
                raise Unavailable("gone")
            except PortError as error:
                raise LookupError(SECRET) from error
        except LookupError:
            try:
                raise ExceptionGroup(SECRET, [failing(ValueError(SECRET)), failing(Conflict("changed"))])  # noqa: TRY301
            except ExceptionGroup as error:
                OURS.error("oh", error)

    (entry,) = entries(act)
    story = entry["stacktrace"]

    assert "ExceptionGroup (ValueError, Conflict: changed)" == entry["error"]
    order = [
        "Unavailable: gone",
        "which led to:",
        "LookupError",
        "while that was dealt with:",
        "-- 1 of 2:",
        "-- 2 of 2:",
    ]
    assert sorted(order, key=story.index) == order
    assert SECRET not in json.dumps(entry)


@st.composite
def errors(draw: st.DrawFn, depth: int = 3) -> BaseException:
    """Return an error of any kind, with others behind and within it."""
    kind: type[Exception] = draw(st.sampled_from([KeyError, ValueError, OSError, RuntimeError, UnicodeError]))
    made: BaseException = kind(SECRET)
    if depth and draw(st.booleans()):
        made = BaseExceptionGroup(SECRET, draw(st.lists(errors(depth=depth - 1), min_size=1, max_size=3)))
    made = failing(made, depth=draw(st.integers(0, 3)))
    if depth and draw(st.booleans()):
        made.__cause__ = draw(errors(depth=depth - 1))
    if depth and draw(st.booleans()):
        made.__context__ = draw(errors(depth=depth - 1))
    made.add_note(SECRET)
    return made


@given(error=errors(), form=st.sampled_from(["json", "text"]))
def test_no_word_of_an_unexpected_error(error: BaseException, form: str) -> None:
    """Neither the message, the notes nor the local values of any unexpected error are ever logged."""
    assert SECRET not in "\n".join(logged(lambda: OURS.error("oh", error), Settings.of(format=form)))


TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Authorization: Bearer {TOKEN}", "Authorization: Bearer (removed)"),
        ("authorization: basic dXNlcjpwYXNzd29yZA==", "authorization: basic (removed)"),
        ("Bearer 0123456789abcdef", "Bearer (removed)"),
        ("https://user:pa$$@host/path", "https://(removed)@host/path"),
        ("https://host/p?a=1&X-Amz-Signature=abc&b=2", "https://host/p?a=1&(removed)&b=2"),
        (f"x {TOKEN} y", "x (removed) y"),
        ("a\n-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nb", "a\n(removed)\nb"),
        ("-----BEGIN CERTIFICATE-----\nMIIB", "(removed)"),
        ("the bearer token is too old", "the bearer token is too old"),
        ("Secret openmcp-system/privateregcred", "Secret openmcp-system/privateregcred"),
    ],
)
def test_a_net_for_secrets(text: str, shown: str) -> None:
    """What looks like a secret is taken out of whatever is logged, and nothing else is."""
    assert shown == scrubbed(text)
    (entry,) = entries(lambda: OURS.info(text, field=[{"a": text}]))
    assert (shown, [{"a": shown}]) == (entry["msg"], entry["field"])


@pytest.mark.parametrize("name", ["aiohttp.client", "httpx2", "asyncio", "kubernetes.client.rest"])
@pytest.mark.parametrize("verbosity", ["info", "debug"])
def test_libraries_are_heard_from_warnings_on(name: str, verbosity: str) -> None:
    """A library's warning comes out in our form; its debug lines, which hold headers, never do."""
    logger = logging.getLogger(name)

    def act() -> None:
        logger.setLevel(logging.DEBUG)
        try:
            logger.debug("headers: %s", {"Authorization": f"Bearer {SECRET}"})
            logger.info("request with %s", SECRET)
            logger.warning("connection pool is %s", "full")
        finally:
            logger.setLevel(logging.NOTSET)

    (entry,) = entries(act, Settings.of(verbosity=verbosity))

    assert ("warn", name, "connection pool is full") == (entry["level"], entry["logger"], entry["msg"])


def test_what_asyncio_shows_of_a_lost_error() -> None:
    """What asyncio says of an error that nobody awaited stays, the representations of what was involved go."""

    async def lost() -> None:
        raise ValueError(SECRET)

    async def story() -> None:
        _ = asyncio.create_task(lost())  # noqa: RUF006 - it shall be lost
        await asyncio.sleep(0.01)

    async def handled() -> None:
        asyncio.get_running_loop().set_exception_handler(on_loop_error)
        await story()

    for play, logger in ((story, "asyncio"), (handled, "openmcp.loop")):
        (entry,) = entries(lambda play=play: asyncio.run(play()))  # type: ignore[misc]
        assert ("error", logger) == (entry["level"], entry["logger"])
        assert ("Task exception was never retrieved", "ValueError") == (entry["msg"], entry["error"])
        assert SECRET not in json.dumps(entry)


def test_warnings_of_python() -> None:
    """A warning of Python is a line as well, or else standard error would not be JSON."""

    def act() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(capture=False)
            logging.captureWarnings(capture=True)
            warnings.warn("old", DeprecationWarning, stacklevel=1)

    (entry,) = entries(act)

    assert ("warn", "py.warnings") == (entry["level"], entry["logger"])
    assert entry["msg"].endswith("DeprecationWarning: old")


def test_a_line_that_cannot_be_made() -> None:
    """A library that logs nonsense costs its line, and nothing else."""
    (entry,) = entries(lambda: logging.getLogger("httpx2").error("%d", SECRET))

    assert {"level": "error", "logger": "httpx2", "msg": "a line is lost", "error": "TypeError"} == entry


def test_logging_is_left_as_it_was() -> None:
    """After the block, loggers have their handlers and levels again."""
    root, own = logging.getLogger(), logging.getLogger("openmcp")
    before = root.handlers[:], root.level, own.level

    logged(lambda: None, Settings(verbosity="debug"))

    assert before == (root.handlers[:], root.level, own.level)


# -- standard error that is slow, closed or gone -----------------------------------------------------------------------


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Give a pipe, and close what is left of it."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            with contextlib.suppress(OSError):
                os.close(end)


def notice(lost: int) -> bytes:
    """Return the line that says how many were lost."""
    return f"lost {lost}\n".encode()


def drained(fd: int) -> bytes:
    """Read what there is."""
    os.set_blocking(fd, False)
    pieces = []
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(fd, 1 << 16):
            pieces.append(piece)
    return b"".join(pieces)


def test_nobody_waits_for_a_reader() -> None:
    """A reader that reads nothing holds nobody up; once it reads, it gets what was kept, and one notice of the rest."""
    with pipe() as (read, write):
        pen = Pen(os.dup(write), notice, most=10_000)
        began = time.monotonic()
        for number in range(100_000):
            pen.write(b"%d\n" % number)
        took = time.monotonic() - began
        first = drained(read)
        pen.write(b"after\n")
        rest = drained(read)
        pen.write(b"and on\n")
        pen.close()
        lines = (first + rest + drained(read)).decode().splitlines()

    assert took < 30.0
    gap = next(at for at, line in enumerate(lines) if line.startswith("lost"))
    assert [str(number) for number in range(gap)] == lines[:gap]
    assert [f"lost {100_000 - gap}", "after", "and on"] == lines[gap:]


@given(st.lists(st.one_of(st.integers(0, 9000), st.just("read")), max_size=60))
def test_what_is_read(steps: list[int | str]) -> None:
    """Whatever is written and read when: lines are read whole and in order, or counted where they are missing."""
    written, got = 0, b""
    with pipe() as (read, write):
        pen = Pen(os.dup(write), notice, most=20_000)
        for step in steps:
            if isinstance(step, int):
                pen.write(b"%d " % written + b"x" * step + b"\n")
                written += 1
            else:
                got += drained(read)
        while piece := drained(read):
            got += piece
            pen._flush()
        pen.close()
        got += drained(read)

    at = 0
    for line in got.decode().splitlines():
        first, rest = line.split(" ")
        if first == "lost":
            at += int(rest)
        else:
            assert at == int(first)
            at += 1
    assert written == at
    assert got.endswith(b"\n") or not got


def test_the_end_tells_of_what_is_lost() -> None:
    """Who reads to the end reads also how many lines are missing there."""
    with pipe() as (read, write):
        os.write(write, b"x" * fcntl.fcntl(write, fcntl.F_GETPIPE_SZ))
        pen = Pen(os.dup(write), notice, most=10)
        for number in range(4):
            pen.write(b"line %d\n" % number)
        drained(read)
        pen.close()
        assert b"line 0\nlost 3\n" == drained(read)


def test_somebody_else_fills_the_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer may take the room that there was: the line is kept for the next time."""
    with pipe() as (read, write):
        pen = Pen(os.dup(write), notice)
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", blocked)
            pen.write(b"kept\n")
        pen.write(b"next\n")
        assert b"kept\nnext\n" == drained(read)
        pen.close()


def blocked(*_: object) -> int:
    """Write nothing."""
    raise BlockingIOError


def test_a_reader_that_left() -> None:
    """Nobody reads any more: nothing is raised, and nothing is kept."""
    with pipe() as (read, write):
        pen = Pen(os.dup(write), notice)
        os.close(read)
        for _ in range(10):
            pen.write(b"x\n")
        assert (True, 0) == (pen._gone, pen._size)
        pen.close()


def test_somebody_made_it_non_blocking() -> None:
    """Another process with the same descriptor may have made it non-blocking; a full pipe is then no error either."""
    with pipe() as (read, write):
        os.set_blocking(write, False)
        pen = Pen(os.dup(write), notice, most=1 << 20)
        for _ in range(20):
            pen.write(b"x" * 4095 + b"\n")
        pen.write(b"end\n")
        content = drained(read)
        pen.close()
        content += drained(read)

    assert b"x" * 4095 + b"\nend\n" == content[-4100:]
    assert 20 * 4096 + 4 == len(content)


def test_no_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a standard error nothing is logged: its number may be a socket's by now."""
    monkeypatch.setattr(sys, "stderr", None)
    with configure(Settings()):
        OURS.error("oh")


def test_a_closed_descriptor() -> None:
    """A descriptor that is none is no reason to fail."""
    read, write = os.pipe()
    os.close(read)
    os.close(write)
    with configure(Settings(), write):
        OURS.error("oh")


def test_standard_error_is_where_it_goes(capfd: pytest.CaptureFixture[str]) -> None:
    """By default lines go to standard error."""
    with configure(Settings()):
        OURS.info("here")
    out, err = capfd.readouterr()

    assert ("", "here") == (out, json.loads(err)["msg"])


# -- the narrator ------------------------------------------------------------------------------------------------------

KEY = Key("default", "mcp-01")
DEBUG = Settings(verbosity="debug")
NAMESPACE = Create(
    ref=Ref("platform", "v1", "Namespace", "mcp--1"),
    manifest={"kind": "Namespace"},
    why="the first object in it is missing",
)


def narrated(act: Callable[[Narrator], object], settings: Settings | None = None) -> list[dict[str, Any]]:
    """Return what a narrator logs of one pass."""

    async def story() -> None:
        narrator = Narrator("ocm")
        narrator.began(KEY)
        act(narrator)
        narrator.ended(KEY)

    return entries(lambda: asyncio.run(story()), settings)


def test_tenant_and_pass_are_named() -> None:
    """Every line of a pass names the tenant and the pass, and each pass has another name."""
    lines = [narrated(lambda narrator: narrator.late(KEY))[0] for _ in range(2)]

    assert {("ocm", "default", "mcp-01", "error")} == {
        (line["controller"], line["namespace"], line["name"], line["level"]) for line in lines
    }
    assert 2 == len({line["reconcileID"] for line in lines})


def test_what_a_tenant_is_told_is_logged() -> None:
    """What turns up in a tenant's events is in the log, warnings as such."""
    told = Report(events=(Event("Normal", "Ready", "It runs."), Event("Warning", "AccessDenied", "Denied.")))
    lines = narrated(lambda narrator: narrator.passed(KEY, Plan(), Done(), told))

    assert [("info", "It runs.", "Ready"), ("warn", "Denied.", "AccessDenied")] == [
        (line["level"], line["msg"], line["reason"]) for line in lines
    ]


def test_steps_are_for_who_looks_for_a_mistake() -> None:
    """A pass is told step by step, at debug."""
    plan = Plan(steps=(NAMESPACE,), look=timedelta(seconds=30))
    (line,) = narrated(lambda narrator: narrator.passed(KEY, plan, Done(), Report()), DEBUG)

    assert ("debug", "pass done", 30.0, False) == (line["level"], line["msg"], line["look"], line["writesStatus"])
    assert ["create Namespace mcp--1 on platform: the first object in it is missing"] == line["steps"]
    assert [] == narrated(lambda narrator: narrator.passed(KEY, plan, Done(), Report()))


@pytest.mark.parametrize(("error", "level"), [(Unavailable("no answer"), "error"), (Conflict("it changed"), "debug")])
def test_failed_steps(error: PortError, level: str) -> None:
    """A step that failed is an error, unless the next pass mends it without a word."""
    failed = Failed(NAMESPACE, error)
    lines = narrated(lambda narrator: narrator.passed(KEY, Plan(steps=(NAMESPACE,)), failed, Report()), DEBUG)

    assert ["pass failed", "a step failed"] == [line["msg"] for line in lines]
    assert (level, f"{type(error).__name__}: {error.message}") == (lines[1]["level"], lines[1]["error"])
    assert lines[1]["step"].startswith("create Namespace mcp--1")


def test_every_key_is_on_the_page() -> None:
    """docs/metrics.md has every key of the lines about tenants, and no other."""
    table = (DOCS / "metrics.md").read_text(encoding="utf-8").partition("\n## Logs")[2].partition("\n\n| verbosity")[0]
    listed = {key for row in cells(table) for key in spans(row[0])}

    def act(narrator: Narrator) -> None:
        told = Report(events=(Event("Normal", "Ready", "It runs."),))
        narrator.passed(KEY, Plan(steps=(NAMESPACE,)), Failed(NAMESPACE, Unavailable()), told)
        narrator.crashed(KEY, KeyError())
        narrator.watch_failed("platform", "Secret", Unavailable())

    lines = narrated(act, Settings.of(verbosity="debug", disable_caller=False))
    assert listed == {key for line in lines for key in line}


def test_mistakes_and_broken_watches() -> None:
    """A mistake in the program comes with how it came about, a broken watch and an unwritten status with why."""

    def act(narrator: Narrator) -> None:
        narrator.crashed(KEY, ZeroDivisionError(SECRET))
        narrator.untold(KEY, Forbidden("no"))
        narrator.watch_failed("platform", "Secret", Unavailable("gone"))
        narrator.changed(KEY, None, {"kind": "OCM"})
        narrator.changed(KEY, {"kind": "OCM"}, {"kind": "OCM"})
        narrator.changed(KEY, {"kind": "OCM"}, None)

    lines = narrated(act, DEBUG)

    assert [
        ("error", "a mistake in the program ended the pass", "ZeroDivisionError"),
        ("error", "the status could not be written", "Forbidden: no"),
        ("warn", "a watch failed", "Unavailable: gone"),
        ("debug", "instance found", None),
        ("debug", "instance gone", None),
    ] == [(line["level"], line["msg"], line.get("error")) for line in lines]
    assert "stacktrace" in lines[0]
    assert ("platform", "Secret") == (lines[2]["cluster"], lines[2]["kind"])
