"""Writing to a file descriptor without ever waiting for whoever reads from it."""

import contextlib
import os
import select
import time
from collections import deque
from collections.abc import Callable

__all__ = ["Pen"]


class Pen:
    """Writes lines; keeps some while the reader is slow, loses and counts the rest, and gives up on one that is gone.

    The descriptor itself stays blocking: others share it. So it is asked before each piece whether that piece fits; a
    pipe that says yes takes at least ``PIPE_BUF`` bytes.

    Args:
        fd: Where to; the pen closes it.
        notice: Makes the line that says how many were lost.
        most: Bytes that are kept at the most.
    """

    def __init__(self, fd: int, notice: Callable[[int], bytes], *, most: int = 1 << 20) -> None:
        self._fd = fd
        self._notice = notice
        self._most = most
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._lost = 0
        self._gone = False
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

    def write(self, line: bytes) -> None:
        """Write a line, or keep it for later. Never raises."""
        self._flush()
        if self._lost and not self._kept:
            self._keep(self._notice(self._lost))
            self._lost = 0
        # Once something is lost, all is until everything kept is out: what is read has one gap, at its notice.
        if self._lost or self._size + len(line) > self._most:
            self._lost += 1
            return
        self._keep(line)
        self._flush()

    def close(self, patience: float = 1.0) -> None:
        """Write what is kept, as far as that goes within so many seconds."""
        end = time.monotonic() + patience
        while self._kept and not self._gone and time.monotonic() < end:
            self._flush(wait=0.05)
        if self._lost and not self._kept:
            self._keep(self._notice(self._lost))
            self._flush()
        self._give_up()
        with contextlib.suppress(OSError):
            os.close(self._fd)

    def _keep(self, line: bytes) -> None:
        if not self._gone:
            self._kept.append(line)
            self._size += len(line)

    def _flush(self, wait: float = 0.0) -> None:
        try:
            while self._kept and self._poll.poll(wait * 1000.0):
                count = os.write(self._fd, self._kept[0][: select.PIPE_BUF])
                self._size -= count
                rest = self._kept.popleft()[count:]
                if rest:
                    self._kept.appendleft(rest)
        except BlockingIOError:
            return  # somebody made it non-blocking all the same, and it is full
        except OSError:
            self._give_up()

    def _give_up(self) -> None:
        """There is nobody to write to; there is nobody to tell either."""
        self._gone = True
        self._kept.clear()
        self._size = self._lost = 0
