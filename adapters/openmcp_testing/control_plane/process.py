"""One server process: started under a guard, asked whether it is ready, stopped by pid."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["Process", "ServerFailed", "free_port"]

_GUARD = Path(__file__).with_name("guard.py")
_LAST_LINES = 15
_LOOKS = 0.05  # seconds between two looks whether a server is ready


class ServerFailed(RuntimeError):
    """A server of the control plane did not start or ended by itself; the message ends with its last words."""


class Process:
    """A server that runs.

    Args:
        name: What messages call it.
        command: Program and arguments.
        log: Where its standard error goes; appended to.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self._log = log
        with log.open("ab") as output:
            # -I -S: the guard needs the standard library alone, and starts in a fraction of the time.
            self._guard = subprocess.Popen(  # noqa: S603 - the command is the caller's
                [sys.executable, "-I", "-S", str(_GUARD), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,  # what is typed at the terminal is not for the servers
            )
        assert self._guard.stdout is not None  # noqa: S101 - a pipe was asked for
        line = self._guard.stdout.readline()
        if not line:
            self.stop()
            raise ServerFailed(f"{name} could not be started: {self._last_words()}")
        self.pid = int(line)

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return once it is ready.

        Raises:
            ServerFailed: it ended, or is not ready after so many seconds; it is stopped then.
        """
        end = time.monotonic() + seconds
        while not ready():
            ended = self._guard.poll() is not None
            if ended or time.monotonic() > end:
                self.stop()
                what = "ended" if ended else f"is not ready after {seconds:.0f} seconds"
                raise ServerFailed(f"{self.name} {what}. Its last words, of {self._log}:\n{self._last_words()}")
            time.sleep(_LOOKS)

    def freeze(self) -> None:
        """Stop it from doing anything; its connections stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, without its consent."""
        os.kill(self.pid, signal.SIGKILL)
        self.stop()

    def stop(self) -> None:
        """End it and wait for its end. Again does nothing."""
        assert self._guard.stdin is not None  # noqa: S101 - pipes were asked for
        assert self._guard.stdout is not None  # noqa: S101
        self._guard.stdin.close()
        self._guard.wait()
        self._guard.stdout.close()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LAST_LINES:]) or "(nothing)"


def free_port() -> int:
    """Return a port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
