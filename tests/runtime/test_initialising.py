"""Definitions and registration, as `init` brings them about, under virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from openmcp_adapters.emulation import Landscape, run
from openmcp_provider.domain.definitions import SCHEMA, cluster_of
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, dig
from openmcp_provider.ports import Forbidden, Unavailable
from openmcp_provider.runtime.initialising import NotInitialised, install_definition, register
from openmcp_provider.runtime.resources import CRDS, SERVICE_PROVIDERS
from openmcp_testing.faults import FaultyCluster, before
from service_provider_ocm import PROVIDER

GO = "service-provider-ocm"
INSTANCES, CONFIGS = PROVIDER.crds


class Initial:
    """A landscape without our definitions, and what was told."""

    def __init__(self, landscape: Landscape) -> None:
        self.landscape = landscape
        self.told: list[str] = []
        self.clusters: dict[str, Any] = {
            PLATFORM: FaultyCluster(landscape.client("provider")),
            ONBOARDING: FaultyCluster(landscape.client("provider", ONBOARDING)),
        }

    async def install(self, crd: Json) -> None:
        """Install a definition."""
        await install_definition(crd, self.clusters, manager=GO, clock=self.landscape.clock, told=self.told.append)

    async def register(self, name: str = "ocm") -> None:
        """Register the kind."""
        await register(
            PROVIDER.edition, self.clusters[PLATFORM], name, clock=self.landscape.clock, told=self.told.append
        )

    async def live(self, crd: Json) -> Json:
        """Return a definition as it is."""
        return await self.landscape.client("person", cluster_of(crd)).get(CRDS, crd["metadata"]["name"])

    def writes(self) -> int:
        """Return how often something was written."""
        return sum(call.writes for cluster in self.clusters.values() for call in cluster.calls)


def play(story: Callable[[Initial], Awaitable[None]]) -> None:
    """Play a story on a fresh landscape."""

    async def told() -> None:
        async with Landscape() as landscape:
            await story(Initial(landscape))

    run(told)


def numbered(crd: Json, number: str) -> Json:
    """Return a definition with another number."""
    return {**crd, "metadata": {**crd["metadata"], "annotations": {SCHEMA: number}}}


def test_each_definition_goes_where_it_belongs_and_is_written_once() -> None:
    """Both are served afterwards; a second time nothing is written."""

    async def story(found: Initial) -> None:
        for _ in range(2):
            for crd in PROVIDER.crds:
                await found.install(crd)
        assert 2 == found.writes()
        for crd in PROVIDER.crds:
            live = await found.live(crd)
            assert "True" == {one["type"]: one["status"] for one in live["status"]["conditions"]}["Established"]
        assert ["was created on the onboarding cluster", "was created on the platform cluster"] == [
            text.partition("openmcp.cloud ")[2] for text in found.told if "created" in text
        ]

    play(story)


def test_the_go_programs_definitions_are_replaced() -> None:
    """What v0.1.1 wrote by PUT becomes ours, and so it does again after its `init` ran once more."""

    async def story(found: Initial) -> None:
        go = found.landscape.client(GO, ONBOARDING)
        old = numbered(INSTANCES, "0")
        old = {**old, "spec": {**old["spec"], "versions": [_bare(INSTANCES)]}}
        await go.create(CRDS, old, manager=GO)
        await found.install(INSTANCES)
        assert dig(await found.live(INSTANCES), "spec", "versions")[0]["additionalPrinterColumns"]
        await go.update(CRDS, {**await found.live(INSTANCES), "spec": old["spec"]}, manager=GO)
        await found.install(INSTANCES)
        assert dig(await found.live(INSTANCES), "spec", "versions")[0]["additionalPrinterColumns"]

    play(story)


def _bare(crd: Json) -> Json:
    (version,) = crd["spec"]["versions"]
    return {key: value for key, value in version.items() if key != "additionalPrinterColumns"}


def test_a_newer_definition_stays() -> None:
    """An older program leaves a definition with a higher number as it is, and says so."""

    async def story(found: Initial) -> None:
        await found.install(numbered(INSTANCES, "7"))
        before_ = await found.live(INSTANCES)
        await found.install(INSTANCES)
        assert before_ == await found.live(INSTANCES)
        assert found.told[-1].endswith("is of a newer program and stays as it is")

    play(story)


def test_a_cluster_that_is_away_is_waited_for() -> None:
    """An answer that does not come is no failure yet; it is told once."""

    async def story(found: Initial) -> None:
        found.clusters[PLATFORM].plan.append(before(lambda _: True, lambda: Unavailable("away"), times=5))
        await found.install(CONFIGS)
        assert 1 == sum("waiting for" in text and "Unavailable: away" in text for text in found.told)

    play(story)


def test_what_is_forbidden_fails_at_once() -> None:
    """Asking again cannot help, and the message says what was forbidden where."""

    async def story(found: Initial) -> None:
        found.clusters[PLATFORM].plan.append(before(lambda _: True, lambda: Forbidden("no patch"), times=0))
        with pytest.raises(NotInitialised, match=r"providerconfigs.* on the platform cluster: Forbidden: no patch"):
            await found.install(CONFIGS)
        assert 1.0 > asyncio.get_running_loop().time()

    play(story)


def test_what_never_comes_fails_after_five_minutes() -> None:
    """The wait has an end, and the message says what was waited for."""

    async def story(found: Initial) -> None:
        found.clusters[PLATFORM].plan.append(before(lambda _: True, lambda: Unavailable("away"), times=0))
        with pytest.raises(NotInitialised, match=r"after 5 minutes: Unavailable: away"):
            await found.install(CONFIGS)

    play(story)


def test_the_kind_is_registered_once() -> None:
    """The ServiceProvider names our kind and no other, the operator's fields stay, and a second time writes nothing."""

    async def story(found: Initial) -> None:
        await found.register()
        await found.register()
        live = await found.landscape.client("person").get(SERVICE_PROVIDERS, "ocm")
        kind = {"group": "ocm.services.openmcp.cloud", "version": "v1alpha1", "kind": "OCM"}
        assert [kind] == live["status"]["resources"]
        assert "Progressing" == live["status"]["phase"]
        assert 1 == found.writes()

    play(story)


def test_the_registration_waits_for_the_operators_status() -> None:
    """Until the operator has written a status the server would refuse ours."""

    async def story(found: Initial) -> None:
        operator = found.landscape.client("operator")
        fresh = {
            "apiVersion": SERVICE_PROVIDERS.api_version,
            "kind": SERVICE_PROVIDERS.kind,
            "metadata": {"name": "late"},
            "spec": {"image": "x"},
        }
        await operator.create(SERVICE_PROVIDERS, fresh)
        registering = asyncio.get_running_loop().create_task(found.register("late"))
        await asyncio.sleep(20.0)
        assert not registering.done()
        status = {"status": {"observedGeneration": 1, "phase": "Progressing"}}
        await operator.patch(SERVICE_PROVIDERS, "late", kind="merge", body=status, subresource="status")
        await registering
        assert "has no status yet" in found.told[0]

    play(story)


def test_an_unknown_service_provider_is_a_failure() -> None:
    """The name may be wrong, so the message names the flag."""

    async def story(found: Initial) -> None:
        with pytest.raises(NotInitialised, match=r"ServiceProvider nobody, named by --provider-name, does not exist"):
            await found.register("nobody")

    play(story)
