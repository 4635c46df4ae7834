"""What the command line says of itself and of what is typed wrong."""

from importlib import metadata

import pytest

from openmcp_provider_cli import main
from service_provider_ocm import PROVIDER
from tests.cli.test_program import program
from tests.core.second import Beacon

COMMANDS = ("init", "run", "plan", "render", "demo")
TYPED = [
    ("demo", "--tenants", "x", "'x' is not a whole number of at least 1"),
    ("demo", "--tenants", "0", "'0' is not a whole number of at least 1"),
    ("demo", "--tenants", "1.5", "'1.5' is not a whole number of at least 1"),
    ("demo", "--seed", "x", "'x' is not a whole number"),
    *((command, "--kube-api-burst", "1.5", "'1.5' is not a whole number") for command in ("run", "plan")),
    *((command, "--kube-api-qps", "many", "'many' is not a number") for command in ("run", "plan")),
    *((command, "--kube-api-qps", "nan", "'nan' is not a number") for command in ("run", "plan")),
    *((command, "--metrics-secure=x", "", "'x' is neither true nor false") for command in ("run", "plan")),
    *((command, "--dev=x", "", "'x' is neither true nor false") for command in ("init", "run", "plan")),
]


@pytest.mark.parametrize(("command", "flag", "value", "told"), TYPED)
def test_typed_flags_say_what_they_take(
    command: str, flag: str, value: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value of the wrong type is answered with what the flag takes, not with a function of the program (case 7)."""
    assert main(PROVIDER, [command, flag, *([value] if value else [])]) == 2

    out, err = capsys.readouterr()
    name = flag.partition("=")[0]
    assert ("", f"service-provider-ocm {command}: error: argument {name}: {told}") == (out, err.splitlines()[-1])


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_flag_shows_the_usage_of_its_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who mistypes a flag sees the flags of that command, on standard error (case 7)."""
    given = ["-f", "a"] if command == "render" else []

    assert main(PROVIDER, [command, *given, "--wrong=1", "word"]) == 2

    out, err = capsys.readouterr()
    last = f"service-provider-ocm {command}: error: unrecognized arguments: --wrong=1 word"
    assert ("", last) == (out, err.splitlines()[-1])
    assert err.startswith(f"usage: service-provider-ocm {command} ")


def test_an_unknown_flag_before_the_command_shows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """A flag where a command is wanted is answered with the usage of the whole program (case 7)."""
    assert main(PROVIDER, ["--wrong", "run"]) == 2
    assert capsys.readouterr().err.startswith("usage: service-provider-ocm [-h] [--version] COMMAND ...\n")


def test_version() -> None:
    """`--version` prints name and version of the installed program on standard output, and ends with 0 (case 7)."""
    found = program("--version")

    told = f"service-provider-ocm {metadata.version('service-provider-ocm')}\n"
    assert (0, told, "") == (found.returncode, found.stdout, found.stderr)


def test_version_of_another_provider(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that is built on the library names both, since the version is the library's (case 7)."""
    assert main(Beacon(), ["--version"]) == 0

    library = f"service-provider-ocm {metadata.version('service-provider-ocm')}"
    assert (f"service-provider-beacon on {library}\n", "") == capsys.readouterr()


def test_version_of_sources(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Sources that were never installed have no version, and say so instead of failing (case 7)."""

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)

    assert main(PROVIDER, ["--version"]) == 0
    assert ("service-provider-ocm unknown\n", "") == capsys.readouterr()
