"""A demo in plain lines: one for each transition of a tenant or, where there are many, counts now and then."""

from collections.abc import Callable

from openmcp_provider_cli.demo_progress import GONE, READY, WAITING, Progress, Row

__all__ = ["Lines", "Quiet"]

MOST_ROWS = 30
"""With more tenants only counts are shown."""
EVERY = 5.0
"""Virtual seconds between counts."""


class Quiet:
    """Shows nothing."""

    def changed(self, progress: Progress, row: Row) -> None:
        """Do nothing."""

    def passed(self, progress: Progress) -> None:
        """Do nothing."""


class Lines:
    """Prints lines.

    Args:
        write: Prints a text.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._due = 0.0
        self._told = ""

    def changed(self, progress: Progress, row: Row) -> None:
        """Print what became of a tenant."""
        if len(progress.rows) <= MOST_ROWS:
            width = max(len(other.name) for other in progress.rows.values())
            line = f"{progress.now():7.2f} s  {row.name:<{width}}  {row.phase:<11}  {row.message}"
            self._write(f"{line.rstrip()}\n")

    def passed(self, progress: Progress) -> None:
        """Print how many tenants are where."""
        if len(progress.rows) <= MOST_ROWS or (progress.now() < self._due and progress.done < 1):
            return
        phases = progress.phases
        known = (WAITING, "Progressing", READY, "Terminating", GONE)
        order = [*known, *sorted(phases.keys() - set(known))]
        told = ", ".join(f"{phases[phase]} {phase}" for phase in order if phases[phase])
        if told != self._told:
            self._write(f"{progress.now():7.2f} s  {told}\n")
            self._told = told
            self._due = progress.now() + EVERY
