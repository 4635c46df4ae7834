"""The command ``demo``: the whole controller at work on clusters in memory, watched and summed up."""

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from openmcp_adapters.emulation import Landscape, run
from openmcp_provider.provider import Provider
from openmcp_provider_cli.demo_inputs import cast, files_in
from openmcp_provider_cli.demo_lines import Lines, Quiet
from openmcp_provider_cli.demo_progress import View
from openmcp_provider_cli.demo_story import play
from openmcp_provider_cli.demo_summary import failures, summary, to_json

__all__ = ["demo", "files_in"]

S = TypeVar("S")
C = TypeVar("C")

Write = Callable[[str], None]


def demo(
    provider: Provider[S, C],
    arguments: Namespace,
    write: Write,
    prepare: Callable[[Landscape], None] = lambda _: None,
) -> list[str]:
    """Play a demo and tell of it.

    Args:
        provider: Whose.
        arguments: As `add_demo` defines them.
        write: Prints a text.
        prepare: Makes something go wrong in the landscape.

    Returns:
        What did not happen as it should, a line for each.

    Raises:
        WrongInput: something is wrong in the files; nothing was printed.
    """
    given = cast(provider, arguments.files, arguments.namespace, arguments.tenants)
    as_json = arguments.output == "json"
    began = time.perf_counter()
    with _quiet() if as_json else _watched(write) as view:
        played = run(
            lambda: play(provider, given, view, seed=arguments.seed, delete=arguments.delete, prepare=prepare),
            seed=arguments.seed,
        )
    real = time.perf_counter() - began
    write(to_json(played, real) if as_json else summary(played, real))
    return list(failures(played))


@contextmanager
def _quiet() -> Iterator[View]:
    yield Quiet()


@contextmanager
def _watched(write: Write) -> Iterator[View]:
    """Draw a table on a terminal that can show one, print lines anywhere else."""
    if sys.stdout.isatty():
        try:
            from rich.console import Console  # noqa: PLC0415 - for people who have extra `cli`

            from openmcp_provider_cli.demo_table import Screen  # noqa: PLC0415
        except ModuleNotFoundError:
            pass
        else:
            console = Console()
            if console.is_terminal and not console.is_dumb_terminal:
                with Screen(console) as screen:
                    yield screen
                return
    yield Lines(write)
