"""Ctrl-C: the end of a process, at once and in one line. Little is imported, so that a program can begin with it."""

import os
import signal
from contextlib import suppress

__all__ = ["INTERRUPTED", "end_on_interrupt"]

INTERRUPTED = 128 + signal.SIGINT
"""The exit code, as shells have it."""
_SHOW_CURSOR = b"\x1b[?25h"


def end_on_interrupt() -> None:
    """End this process from now on when it is interrupted, unless whoever started it keeps interrupts from it.

    Python would raise KeyboardInterrupt wherever the program happens to be: in an event loop that then waits for its
    tasks, in a destructor that cannot pass it on, in an import that another library turns into an error of its own.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


def _end(*_: object) -> None:
    with suppress(OSError):  # closed, or nobody reads it
        if os.isatty(1):
            os.write(1, _SHOW_CURSOR)  # a live table hides it
        os.write(2, b"interrupted\n")
    os._exit(INTERRUPTED)
