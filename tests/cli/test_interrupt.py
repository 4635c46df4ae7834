"""Ctrl-C: whatever the program is at, it ends at once, in one line, with the exit code that shells know it by."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from openmcp_adapters.interrupt import INTERRUPTED

IMPORTED = (
    "openmcp_provider_cli",
    "openmcp_provider.provider",
    "service_provider_ocm",
    "openmcp_adapters.wire",
    "openmcp_adapters.memory",
    "openmcp_provider_cli.demo",
)
"""Modules in the order in which `demo` comes to need them."""
KUBECONFIG = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}


@contextmanager
def started(*argv: str, python: Sequence[str] = (), **environment: str) -> Iterator[subprocess.Popen[str]]:
    """Start the program; it is killed at the end of the block, should it still be there."""
    command = [sys.executable, *python, "-m", "service_provider_ocm_cli", *argv]
    pipe = subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def interrupted(process: subprocess.Popen[str]) -> list[str]:
    """Interrupt a program that runs; return what it has on standard error from then on."""
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert INTERRUPTED == process.returncode, err
    return str(err).splitlines()


@pytest.mark.parametrize("lines", range(1, 21))
def test_in_the_middle_of_a_demo(lines: int) -> None:
    """After however many lines, a demo ends with one line on standard error and 130 (case 7)."""
    with started("demo", "--tenants", "25", "--delete", "--seed", str(lines)) as process:
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()

        assert ["interrupted"] == interrupted(process)


@pytest.mark.parametrize("module", IMPORTED)
def test_while_it_is_loaded(module: str) -> None:
    """While modules are imported it ends in the same way (case 7)."""
    with started("demo", "--tenants", "25", python=("-X", "importtime")) as process:
        assert process.stderr is not None
        for line in process.stderr:  # pragma: no branch - it comes
            if line.rpartition("|")[2].strip() == module:
                break

        rest = interrupted(process)
        assert ["interrupted"] == [line for line in rest if not line.startswith("import time:")]


def test_while_it_reads() -> None:
    """`render` that waits for the end of standard input ends in the same way (case 7)."""
    with started("render", "-f", "-", python=("-X", "importtime")) as process:
        assert process.stderr is not None
        for line in process.stderr:  # pragma: no branch - it comes
            if line.endswith(" openmcp_provider_cli.render\n"):
                break

        rest = interrupted(process)
        assert ["interrupted"] == [line for line in rest if not line.startswith("import time:")]


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """Listen where a program looks for its platform."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        yield listener


@contextmanager
def working(command: str, server: socket.socket, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a command whose platform takes connections and says nothing; go on once it has said that it starts."""
    kubeconfig = folder / "kubeconfig"
    clusters = [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.getsockname()[1]}"}}]
    kubeconfig.write_text(json.dumps(KUBECONFIG | {"clusters": clusters}))
    flags = ["--provider-name=ocm"] + ([] if command == "init" else ["--health-probe-bind-address=0"])
    with started(command, *flags, KUBECONFIG=str(kubeconfig), POD_NAMESPACE="openmcp-system") as process:
        assert process.stderr is not None
        assert f"starting {command} of" in process.stderr.readline()
        yield process


@pytest.mark.parametrize("command", ["init", "run", "plan"])
def test_while_a_command_starts(command: str, server: socket.socket, tmp_path: Path) -> None:
    """Whether or not it has come to hear signals in its own way, it ends in one line with 130 (case 7)."""
    with working(command, server, tmp_path) as process:
        (line,) = interrupted(process)

        assert line == "interrupted" or json.loads(line)["msg"] == "stopping"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["init", "run", "plan"])
def test_while_a_command_works(command: str, number: signal.Signals, server: socket.socket, tmp_path: Path) -> None:
    """Only `run`, and only told to stop, has done what it was asked to: a Job would take 0 for done (case 7)."""
    with working(command, server, tmp_path) as process, server.accept()[0]:
        process.send_signal(number)
        _, err = process.communicate(timeout=30)

        told = json.loads(err)
        assert ("stopping", number.name) == (told["msg"], told["signal"])
        assert process.returncode == (0 if (command, number) == ("run", signal.SIGTERM) else 128 + number)


def test_whoever_ignores_interrupts_goes_on_to_do_so() -> None:
    """What a shell started in the background keeps out of its terminal's way (case 7)."""
    code = (
        "import signal, os; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from openmcp_adapters.interrupt import end_on_interrupt; end_on_interrupt()\n"
        "os.kill(os.getpid(), signal.SIGINT)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    assert 0 == subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_a_live_table_gives_the_cursor_back() -> None:
    """On a terminal the cursor, which a live table hides, is there again (case 7)."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"}
    master, slave = os.openpty()
    argv = [sys.executable, "-m", "service_provider_ocm_cli", "demo", "--tenants", "5"]
    with subprocess.Popen(argv, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal says that nobody is at the other end any more
            while more := os.read(master, 65536):
                if b"Progressing" in more and b"Progressing" not in shown:
                    process.send_signal(signal.SIGINT)
                shown += more
    os.close(master)

    assert INTERRUPTED == process.returncode
    assert b"\x1b[?25l" in shown
    assert shown.rpartition(b"\x1b[?25l")[2].endswith(b"\x1b[?25hinterrupted\r\n")
    assert b"Traceback" not in shown
