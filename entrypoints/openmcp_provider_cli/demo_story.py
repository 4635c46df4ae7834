"""The story of a demo: tenants ask for what the provider installs, get it, perhaps give it up; who is told of it.

The controller is the real one. Everything around it is in memory and in virtual time, and follows from the seed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from openmcp_adapters.emulation import Landscape
from openmcp_provider.provider import Provider
from openmcp_provider_cli.demo_clusters import Clusters, Remains, definitions, everything
from openmcp_provider_cli.demo_inputs import Cast
from openmcp_provider_cli.demo_progress import Row, View
from openmcp_provider_cli.demo_stage import Requests, Stage

__all__ = ["Played", "play"]

S = TypeVar("S")
C = TypeVar("C")

STEADY = 600.0
"""Virtual seconds in which nothing happens, once all are Ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of it.

    Attributes:
        rows: The tenants as last seen, in the order given.
        failed: Those that did not get there, as they were when they were given up.
        ready: How many became Ready, and in how many virtual seconds.
        gone: How many went after their deletion, and in how many virtual seconds; None without deletion.
        requests: What the provider sent.
        steady: For how many virtual seconds nothing happened, and what it sent then; None where not all became Ready.
        clusters: What lies on the clusters at the end.
        remains: What is left there; None without deletion.
        mistakes: What went wrong inside the program.
        seconds: Virtual ones.
    """

    rows: tuple[Row, ...]
    failed: tuple[Row, ...]
    ready: tuple[int, float]
    gone: tuple[int, float] | None
    requests: Requests
    steady: tuple[float, Requests] | None
    clusters: Clusters
    remains: Remains | None
    mistakes: tuple[str, ...]
    seconds: float

    @property
    def well(self) -> bool:
        """Whether every tenant got there, and nothing was forgotten."""
        return not (self.failed or self.mistakes or (self.remains and self.remains.left))


async def play(
    provider: Provider[S, C],
    cast: Cast,
    view: View,
    *,
    seed: int = 0,
    delete: bool = False,
    prepare: Callable[[Landscape], None] = lambda _: None,
) -> Played:
    """Play the story, on the virtual loop that runs.

    Args:
        provider: Whose.
        cast: Who writes what.
        view: Told of it.
        seed: Decides all chance.
        delete: Whether tenants give up what they got.
        prepare: Makes something go wrong.

    Raises:
        WrongInput: a cluster refuses what is written.
    """
    landscape = Landscape(seed=seed, crds=definitions(provider), provider=cast.config_name, system=cast.namespace)
    prepare(landscape)
    stage = Stage(provider, cast, landscape, view)
    async with landscape, stage.running():
        await stage.write()
        ready = await stage.reach("Ready")
        missed = {row.key: row for row in stage.rows if not row.ready}
        steady = None if missed else (STEADY, await stage.wait(STEADY))
        gone = left = None
        if delete:
            await stage.delete()
            gone = await stage.reach("Gone")
            left = await stage.settle()
            missed |= {row.key: row for row in stage.rows if not stage.progress.reached(row)}
        return Played(
            rows=stage.rows,
            failed=tuple(missed[row.key] for row in stage.rows if row.key in missed),
            ready=ready,
            gone=gone,
            requests=stage.requests(),
            steady=steady,
            clusters=everything(landscape),
            remains=left,
            mistakes=stage.mistakes,
            seconds=landscape.clock.monotonic(),
        )
