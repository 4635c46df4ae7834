"""The landscape as a whole, without a provider: many tenants come and go, and every run of a seed is the same."""

import asyncio
import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from openmcp_adapters.emulation import LOST, SeededRandomness
from openmcp_adapters.emulation.control_planes import until
from openmcp_adapters.emulation.schemas import (
    ACCESS_REQUESTS,
    CRDS,
    HELM_RELEASES,
    NAMESPACES,
    OCI_REPOSITORIES,
    SERVICE_PROVIDERS,
)
from openmcp_provider.domain.objects import PLATFORM, Json
from openmcp_provider.ports import Conflict, PortError, TooManyRequests, Unavailable
from tests.emulation.stage import ACCESS, NAME, Stage, is_ready, play, quick

TENANTS = [f"mcp-{number:02}" for number in range(6)]


async def _away(stage: Stage, tenant: str) -> None:
    """Delete what a tenant has, in the right order, and its control plane."""
    home = stage.landscape.home(tenant)
    await stage.delete_release(tenant)
    await stage.release_gone(tenant)
    await stage.platform.delete(OCI_REPOSITORIES, NAME, home)
    await stage.platform.delete(ACCESS_REQUESTS, ACCESS, home)
    await until(stage.platform, ACCESS_REQUESTS, ACCESS, home)
    await stage.landscape.delete_control_plane(tenant)


async def _everything(stage: Stage) -> list[str]:
    """Let tenants come, stay a while, and go; return the log."""
    await asyncio.gather(*(stage.installed(name=tenant) for tenant in TENANTS))
    await stage.sleep(150)
    await asyncio.gather(*(_away(stage, tenant) for tenant in TENANTS))
    return stage.landscape.traffic.lines()


def test_tenants_come_and_go() -> None:
    """Afterwards the landscape is as it was."""

    async def story(stage: Stage) -> None:
        def all_objects() -> list[tuple[str, str]]:
            found = (*stage.landscape.platform.objects(), *stage.landscape.onboarding.objects())
            return [(obj["kind"], obj["metadata"]["name"]) for obj in found]

        before = all_objects()
        await _everything(stage)
        await stage.sleep(2)
        assert before == all_objects()

    play(story)


def test_equal_seeds_give_equal_logs() -> None:
    """Byte by byte, with times; another seed gives another order of things."""
    one, same, other = (play(_everything, seed=seed) for seed in (1, 1, 2))

    assert one == same
    assert one != other
    assert [line.split(" ", 1)[1] for line in one] != [line.split(" ", 1)[1] for line in other]


def test_logs_do_not_depend_on_the_process() -> None:
    """Nothing follows the order of a set of texts, which Python chooses anew for each process."""
    program = "from tests.emulation.test_landscape import log_digest\nprint(log_digest())\n"
    found = set()
    for salt in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": salt, "PYTHONPATH": os.pathsep.join(map(str, sys.path))}
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=root, env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)

    assert found == {log_digest() + "\n"}


def log_digest() -> str:
    """Return what stands for the log of a run."""
    return hashlib.sha256("\n".join(play(_everything, seed=7)).encode()).hexdigest()


@pytest.mark.parametrize("how", ["refused", "frozen"])
def test_dead_control_planes_delay_nobody(how: str) -> None:
    """The others are ready at the very same moments as without."""

    async def story(stage: Stage, dead: list[str]) -> dict[str, float]:
        for tenant in dead:
            stage.landscape.kill(tenant, how=how)  # type: ignore[arg-type]
        ready: dict[str, float] = {}

        async def one(tenant: str) -> None:
            if tenant not in dead:
                await stage.installed(name=tenant)
                ready[tenant] = round(stage.now, 6)
            else:
                await stage.control_plane(tenant)
                await stage.access(tenant)
                await stage.source(name=tenant)
                await stage.release(tenant)

        await asyncio.gather(*(one(tenant) for tenant in TENANTS))
        return ready

    alive = play(lambda stage: story(stage, []))
    others = play(lambda stage: story(stage, TENANTS[:2]))

    assert others.keys() == set(TENANTS[2:])
    assert all(abs(alive[tenant] - moment) < 0.05 for tenant, moment in others.items())


@pytest.mark.parametrize("seed", range(5))
def test_actors_survive_chaos(seed: int) -> None:
    """With every tenth of their requests to the platform failing or losing its answer, tenants come and go."""
    numbers = itertools.count()
    errors = (Unavailable("chaos"), Conflict("chaos"), TooManyRequests("chaos"), LOST)

    def faults(client: str, cluster: str, *_: str) -> PortError | Literal["lost answer"] | None:
        chance = SeededRandomness(seed, f"{next(numbers)}").random()
        spared = cluster != PLATFORM or client in {"provider", "operator"}
        return errors[int(chance * 40)] if chance < 0.1 and not spared else None

    async def story(stage: Stage) -> None:
        stage.landscape.traffic.faults = faults
        await asyncio.gather(*(stage.installed(name=tenant) for tenant in TENANTS))
        await asyncio.gather(*(_away(stage, tenant) for tenant in TENANTS))
        assert not any(link.memory for name, link in stage.landscape.world.links.items() if name.startswith("mcp-"))

    play(story, seed=seed, delays=quick())


def test_a_platform_that_is_gone_for_a_while() -> None:
    """Every actor finds its way back, with what changed meanwhile."""

    async def story(stage: Stage) -> None:
        await stage.installed("0.12.0")
        stage.landscape.kill_cluster("platform")
        await stage.sleep(300)
        with pytest.raises(Unavailable):
            await stage.read(HELM_RELEASES)
        stage.landscape.revive_cluster("platform")
        await stage.source("0.13.0")
        await stage.see(HELM_RELEASES, lambda obj: is_ready(obj) and len(obj["status"]["history"]) == 2)

    play(story)


def test_histories_that_are_forgotten() -> None:
    """After a compaction actors list again, and notice what went meanwhile."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        for _ in range(3):
            stage.landscape.platform.compact()
            stage.landscape.platform.end_watches()
            await stage.sleep(30)
        await _away(stage, "mcp-01")

    play(story)


def test_the_provider_is_announced() -> None:
    """There is a ServiceProvider with a status, the namespace of the platform's programs, and each neighbour's kind."""

    async def story(stage: Stage) -> Json:
        crds = [obj["metadata"]["name"] for obj in stage.landscape.platform.objects(CRDS)]
        assert sorted(crds) == [
            "accessrequests.clusters.openmcp.cloud",
            "clusterrequests.clusters.openmcp.cloud",
            "clusters.clusters.openmcp.cloud",
            "helmreleases.helm.toolkit.fluxcd.io",
            "ocirepositories.source.toolkit.fluxcd.io",
            "serviceproviders.openmcp.cloud",
        ]
        await stage.platform.get(NAMESPACES, "openmcp-system")
        return await stage.platform.get(SERVICE_PROVIDERS, "ocm")

    assert play(story)["status"] == {"observedGeneration": 1, "phase": "Progressing"}
