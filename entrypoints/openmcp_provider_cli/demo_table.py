"""A demo as a live table on a terminal, at a pace that a person can follow."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from openmcp_provider_cli.demo_progress import GONE, READY, WAITING, Progress, Row

__all__ = ["Screen"]

FRAME = 0.1
"""Real seconds between two frames."""
PACE = 0.6
"""Virtual seconds between two frames, where somebody waits for something to happen."""
PATIENCE = 90.0
"""Virtual seconds after which nobody wants to watch any longer, and time runs as fast as it can."""
MOST_ROWS = 20
_AROUND = 9  # lines around the rows
_STYLES = {WAITING: "dim", "Progressing": "yellow", READY: "green", "Terminating": "magenta", GONE: "dim"}
_AIMS = {READY: "are Ready", "steady": "of ten minutes with nothing to do", GONE: "are gone"}


class Screen:
    """Draws frames; a context.

    Args:
        console: Where.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
        self._began = self._drawn = time.perf_counter()
        self._shown = -PACE
        self._aim = ""

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def changed(self, progress: Progress, row: Row) -> None:
        """Do nothing: the next frame shows it."""

    def passed(self, progress: Progress) -> None:
        """Draw a frame when it is time for one; wait for it where a person would miss something."""
        now = progress.now()
        last = progress.done >= 1 or progress.aim != self._aim
        slowly = not progress.lasts and now - progress.began < PATIENCE
        if slowly and now - self._shown < PACE and not last:
            return
        wait = self._drawn + FRAME - time.perf_counter()
        if wait > 0 and slowly:
            time.sleep(wait)
        elif wait > 0 and not last:
            return
        self._shown, self._aim = now, progress.aim
        self._live.update(self.frame(progress), refresh=True)
        self._drawn = time.perf_counter()

    def frame(self, progress: Progress) -> Group:
        """Return what is to be seen now."""
        real = time.perf_counter() - self._began
        minutes, seconds = divmod(progress.now(), 60.0)
        head = Table.grid(expand=True)
        head.add_column(ratio=1)
        head.add_column(justify="right")
        head.add_row(
            Text.assemble((progress.title, "bold"), f" for {len(progress.rows)} tenants"),
            f"{progress.requests:,} requests   virtual {minutes:02.0f}:{seconds:04.1f}   real {real:.1f} s",
        )
        phases = progress.phases
        order = (*_STYLES, *sorted(phases.keys() - _STYLES.keys()))
        counts = Text("   ").join(Text(f"{phase} {phases[phase]}", _style(phase)) for phase in order if phases[phase])
        line = Table.grid(expand=True, padding=(0, 2))
        line.add_column(no_wrap=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True, justify="right")
        bar = ProgressBar(total=1.0, completed=progress.done)
        line.add_row(counts, bar, f"{progress.done:4.0%} {_AIMS[progress.aim]}")
        return Group(head, line, "", *self._rows(progress))

    def _rows(self, progress: Progress) -> tuple[Table | Text, ...]:
        rows = list(progress.rows.values())
        shown = rows[: max(1, min(MOST_ROWS, self._console.height - _AROUND))]
        table = Table(box=None, expand=True, header_style="dim", pad_edge=False)
        table.add_column("tenant", no_wrap=True, max_width=40)
        table.add_column("phase", no_wrap=True, min_width=11)
        table.add_column("for", no_wrap=True, justify="right", min_width=5)
        table.add_column("runs", no_wrap=True, min_width=7)
        table.add_column("message", no_wrap=True, ratio=1)
        for row in shown:
            age = f"{progress.now() - row.since:.0f} s"
            table.add_row(row.name, Text(row.phase, _style(row.phase)), age, row.version, Text(row.message, "dim"))
        more = len(rows) - len(shown)
        return (table, Text(f"and {more:,} more", "dim")) if more else (table,)


def _style(phase: str) -> str:
    return _STYLES.get(phase, "")
