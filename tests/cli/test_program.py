import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import openmcp_provider_cli
import service_provider_ocm_cli
from openmcp_provider_cli import main
from service_provider_ocm import PROVIDER
from tests.cli.running import CONFIG, OCM, WORKED, Run, stream


def program(*argv: str, stdout: int = subprocess.PIPE, code: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own, in a locale that knows only ASCII."""
    start = ["-c", code] if code else ["-m", "service_provider_ocm_cli"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C", "PYTHONUTF8": "0"}
    return subprocess.run(
        [sys.executable, *start, *argv],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env=environment,
        check=False,
    )


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["rendr"],
        ["--flag"],
        ["render"],
        ["render", "-f"],
        ["render", "-f", "a", "-o", "table"],
        ["render", "-f", "a", "--show"],
        ["render", "--files", "a"],
        ["init", "more"],
        ["run", "--leader-elect", "more"],
        ["run", "--metrics"],
    ],
)
def test_wrong_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What is no command or no flag ends with code 2 and the usage; no beginning of a flag is guessed."""
    code = main(PROVIDER, argv)
    out, err = capsys.readouterr()

    assert (code, out) == (2, "")
    assert err.startswith("usage: service-provider-ocm")


@pytest.mark.parametrize("argv", [["--help"], ["render", "--help"]])
def test_help(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help is no error."""
    assert main(PROVIDER, argv) == 0
    assert "render" in capsys.readouterr().out


def test_runs_as_a_module() -> None:
    """The program can be started by its package's name, with the arguments of the process, in any locale."""
    found = program("render", "-f", str(WORKED), "-o", "json")

    assert (found.returncode, found.stderr) == (0, "")
    assert found.stdout.startswith("[")


def test_prints_utf8_in_any_locale(tmp_path: Path) -> None:
    """Output is UTF-8 whatever the terminal says; messages never fail for a character."""
    good, bad = tmp_path / "good", tmp_path / "bad-ä"
    good.write_text(stream(CONFIG.replace("spec: {}", "spec: {values: {a: ä€}}"), OCM), encoding="utf-8")
    bad.write_text(stream(CONFIG, OCM.replace("mcp-01", "ä")), encoding="utf-8")

    assert "a: ä€" in program("render", "-f", str(good)).stdout
    assert program("render", "-f", str(bad)).returncode == 2


def test_a_reader_that_goes_away() -> None:
    """Whoever pipes into head gets no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    found = program("render", "-f", str(WORKED), stdout=writer)
    os.close(writer)

    assert (found.returncode, found.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk() -> None:
    """What could not be written is said in one line."""
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        found = program("render", "-f", str(WORKED), stdout=full.fileno())

    assert (found.returncode, found.stderr) == (1, "cannot write: No space left on device\n")


def test_without_the_extra() -> None:
    """Installed without extras, the program says which one it needs."""
    code = (
        "import sys; sys.modules['yaml'] = None; import service_provider_ocm_cli as program; sys.exit(program.main())"
    )
    found = program("render", "-f", str(WORKED), code=code)

    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == 'yaml is not installed: pip install "service-provider-ocm[controller]"\n'


def test_interrupted(render: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control-C ends the program in one line, also where somebody else runs it in a process of theirs (case 7)."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("openmcp_provider_cli.inputs.gather", interrupt)

    assert render({"a": OCM}) == (130, "", "interrupted\n")


def test_entry_point(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The installed script runs the first provider with the arguments of the process."""
    monkeypatch.setattr(sys, "argv", ["service-provider-ocm", "render", "-f", str(WORKED)])
    before = signal.getsignal(signal.SIGINT)

    try:
        assert service_provider_ocm_cli.main() == 0
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().out.startswith("# cluster: platform\n")
    assert openmcp_provider_cli.main is main
