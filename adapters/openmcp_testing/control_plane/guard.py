"""Runs one server and stops it when whoever started it is gone, however it went.

A script of its own, run by path: the standard library alone, nothing of this project.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE = 5.0
"""Seconds between asking a server to stop and stopping it."""


def _stop_when_orphaned(server: subprocess.Popen[bytes]) -> None:
    """Wait for the end of standard input, which comes when the parent closes it or dies; then stop the server."""
    while os.read(0, 1024):  # not sys.stdin, whose lock would be held when the server ends first
        pass
    server.terminate()
    server.send_signal(signal.SIGCONT)  # a frozen one could not do as it is asked
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(GRACE)
        return
    server.kill()


def main() -> int:
    """Run the command that the arguments give; its pid is the first line written."""
    server = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603
    print(server.pid, flush=True)  # noqa: T201 - read by the parent
    threading.Thread(target=_stop_when_orphaned, args=(server,), daemon=True).start()
    return server.wait()


if __name__ == "__main__":
    sys.exit(main())
