"""A platform on which Flux is not installed, or not any more."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from openmcp_adapters.emulation import Landscape, run
from openmcp_adapters.emulation.schemas import NEIGHBOURS, Neighbour
from openmcp_provider.domain.objects import PLATFORM
from openmcp_provider.ports import Resource
from service_provider_ocm import PROVIDER
from tests.runtime.stage import Stage

CRDS = Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
FLUX = [neighbour for neighbour in NEIGHBOURS if neighbour.crd["spec"]["group"].endswith("fluxcd.io")]
MISSING = "Flux is not installed on the platform"


async def remove(stage: Stage) -> None:
    """Have the operator remove the kinds of Flux."""
    person = stage.landscape.client("operator-person")
    for neighbour in FLUX:
        await person.delete(CRDS, neighbour.crd["metadata"]["name"])


def install(stage: Stage) -> None:
    """Have the operator install the kinds of Flux."""
    for neighbour in FLUX:
        assert isinstance(neighbour, Neighbour)
        stage.landscape.platform.install(neighbour.crd, immutable=neighbour.immutable)


def play(story: Callable[[Stage], Awaitable[None]]) -> None:
    """Play a story on a platform without Flux."""

    async def told() -> None:
        async with Landscape(seed=0, crds=PROVIDER.crds) as landscape:
            stage = Stage(landscape)
            await remove(stage)
            stage.start()
            try:
                await story(stage)
            finally:
                await stage.stop()
            assert not stage.watcher.crashes

    run(told, seed=0)


def test_a_platform_without_flux() -> None:
    """Every OCM says that Flux is missing, nothing of its kinds is written, and all goes on with it (case 3.4)."""

    async def story(stage: Stage) -> None:
        await stage.configure(imagePullSecret={"name": "privateregcred"})
        await stage.pull_secret()
        await stage.tenant("a")
        await stage.tenant("b")
        for name in ("a", "b"):
            status = await stage.told(name, MISSING, within=60.0)
            assert status["phase"] == "Progressing"
        assert not [line for line in stage.requests() if line[:2] == (PLATFORM, "apply")]
        install(stage)
        await stage.ready("a", "b", within=120.0)

    play(story)


def test_flux_that_is_removed_later() -> None:
    """What runs stays Ready; a deletion waits, since nobody can see whether anything is left (case 3.4)."""

    async def story(stage: Stage) -> None:
        install(stage)
        await stage.configure(imagePullSecret={"name": "privateregcred"})
        await stage.pull_secret()
        await stage.tenant("a")
        await stage.ready("a")
        await stage.stop()
        await remove(stage)
        stage.start()
        await stage.delete("a")
        await stage.told("a", f"deletion blocked: {MISSING}", within=60.0)
        await asyncio.sleep(300.0)
        assert await stage.status("a")
        install(stage)
        await stage.gone("a", within=900.0)

    play(story)


@pytest.mark.parametrize("ask", [False, True])
def test_an_instance_without_access_goes_without_flux(ask: bool) -> None:
    """Where nothing was ever written, nothing is waited for (case 3.4)."""

    async def story(stage: Stage) -> None:
        await stage.configure()
        if ask:
            await stage.landscape.create_control_plane("a")
        await stage.ocm("a")
        await stage.told("a", MISSING, within=60.0)
        await stage.delete("a")
        await stage.gone("a", within=60.0)

    play(story)
