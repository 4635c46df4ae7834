"""The program as a Deployment has it: replicas that are started again whenever they end, and what they cost."""

import asyncio
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from openmcp_provider.domain.objects import Json
from openmcp_testing.control_plane.process import free_port
from tests.cluster.stage import Stage

__all__ = ["Ended", "Figures", "Replica", "figures"]

PAUSE = 2.0  # seconds until an ended process is started again
TICKS = os.sysconf("SC_CLK_TCK")


class Figures(NamedTuple):
    """What a process has used.

    Attributes:
        pid: Of the process.
        memory: MiB resident now.
        peak: The most MiB that ever were.
        cpu: Seconds since it began.
        files: Descriptors open now.
        threads: That run now.
    """

    pid: int
    memory: float
    peak: float
    cpu: float
    files: int
    threads: int

    def __str__(self) -> str:
        return f"{self.memory:.1f} MiB, {self.cpu:.1f} s of CPU, {self.files} files, {self.threads} threads"


def figures(pid: int) -> Figures:
    """Return what a process has used.

    Raises:
        FileNotFoundError: there is none.
        ProcessLookupError: it ends just now.
    """
    place = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
    fields = (place / "stat").read_text().rpartition(") ")[2].split()
    return Figures(
        pid=pid,
        memory=int(status["VmRSS"].split()[0]) / 1024,
        peak=int(status["VmHWM"].split()[0]) / 1024,
        cpu=(int(fields[11]) + int(fields[12])) / TICKS,
        files=len(list((place / "fd").iterdir())),
        threads=int(status["Threads"]),
    )


class Ended(NamedTuple):
    """The end of a process: when, in seconds since the epoch, and with which exit code."""

    moment: float
    pid: int
    code: int


class Replica:
    """One pod. Its log is one file, however often the program is started.

    Args:
        stage: Where it runs.
        pod: The pod's name.
        folder: For the log.

    Attributes:
        ends: Of each process that ended by itself, or was killed.
    """

    def __init__(self, stage: Stage, pod: str, folder: Path) -> None:
        self.pod = pod
        self.ends: list[Ended] = []
        self._stage = stage
        self._log = folder / f"{pod}.log"
        self._flags = [
            *("--leader-elect=true", "--metrics-secure=false", "--verbosity=debug"),
            f"--metrics-bind-address=127.0.0.1:{free_port()}",
            f"--health-probe-bind-address=127.0.0.1:{free_port()}",
        ]
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process that runs; 0 = none does now."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else 0

    async def run(self) -> None:
        """Keep the program running until cancelled; then have it stop.

        Raises:
            AssertionError: it did not end well when it was told to.
        """
        try:
            while True:
                self._process = await self._stage.start("run", *self._flags, pod=self.pod, log=self._log)
                code = await self._process.wait()
                self.ends.append(Ended(time.time(), self._process.pid, code))
                await asyncio.sleep(PAUSE)
        finally:
            await self._stop()

    async def _stop(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(30.0):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"{self.pod} did not end within 30 seconds") from None
        assert not code, f"{self.pod} ended with {code}"

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill()

    def figures(self) -> Figures | None:
        """Return what the process that runs has used; None = none runs."""
        with suppress(FileNotFoundError, ProcessLookupError):
            if pid := self.pid:
                return figures(pid)
        return None

    def lines(self) -> list[Json]:
        """Return the log. What is no JSON is a line of its own, of level error."""
        found: list[Json] = []
        for text in self._log.read_text().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                line = {"level": "error", "ts": "", "msg": text}
            found.append({**line, "pod": self.pod})
        return found
