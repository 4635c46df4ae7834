"""Writes that change nothing of what runs: the tenant reads nothing of them."""

import asyncio

from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, Json, dig
from tests.go_objects import FLUX
from tests.runtime.go_program import gone_by, taken_over
from tests.runtime.stage import OCMS, RELEASES, SECRETS, SOURCES, Stage, play

SECRET = {"imagePullSecret": {"name": "privateregcred"}, "values": {"manager": {"imagePullSecrets": [{"name": "img"}]}}}


async def ready(stage: Stage, *names: str) -> float:
    """Have tenants Ready with a pull secret for the chart and one for the image; return when all is quiet."""
    await stage.configure(**SECRET)
    await stage.pull_secret()
    await stage.pull_secret("img")
    for name in names:
        await stage.tenant(name)
    await stage.ready(*names)
    await asyncio.sleep(180.0)
    return asyncio.get_running_loop().time()


def told(stage: Stage, since: float) -> dict[str, int]:
    """Count status writes and Events."""
    found = stage.requests(since)
    return {
        "status": sum(
            count for (where, _, kind), count in found.items() if (where, kind) == (ONBOARDING, "OCM/status")
        ),
        "events": sum(count for (where, _, kind), count in found.items() if (where, kind) == (ONBOARDING, "Event")),
    }


async def data_of(stage: Stage, name: str, home: str) -> object:
    """Return the data of a copy."""
    return dig(await stage.get(SECRETS, name, home), "data")


def test_a_rotated_pull_secret_is_not_told() -> None:
    """Copies are renewed and Flux is asked to look again: 20 Ready tenants read nothing of it (case 2.4)."""
    names = [f"t-{number:02}" for number in range(20)]

    async def story(stage: Stage) -> None:
        since = await ready(stage, *names)
        home = tenant_namespace(names[0], "default")
        before = await data_of(stage, "sp-ocm-privateregcred", home)
        await stage.pull_secret(auth="bmV3Om5ldw==")
        await stage.pull_secret("img", auth="bmV3Om5ldw==")
        await asyncio.sleep(120.0)
        assert await data_of(stage, "sp-ocm-privateregcred", home) != before
        for name in names:
            source = await stage.get(SOURCES, FLUX, tenant_namespace(name, "default"))
            assert dig(source, "metadata", "annotations", "reconcile.fluxcd.io/requestedAt")
        assert {"status": 0, "events": 0} == told(stage, since)

    play(story)


def test_a_finalizer_that_is_put_back_is_not_told() -> None:
    """Somebody takes our finalizer off: it comes back, and Ready stays (case 2.4)."""

    async def story(stage: Stage) -> None:
        since = await ready(stage, "a")
        body: Json = {"metadata": {"finalizers": None}}
        await stage.landscape.client("tenant", ONBOARDING).patch(OCMS, "a", "default", kind="merge", body=body)
        await asyncio.sleep(60.0)
        assert dig(await stage.get(OCMS, "a", "default", ONBOARDING), "metadata", "finalizers")
        assert {"status": 0, "events": 0} == told(stage, since)

    play(story)


def test_a_lost_mark_is_put_back_untold() -> None:
    """An annotation of ours that somebody changed on a HelmRelease changes nothing of what runs (case 2.4)."""

    async def story(stage: Stage) -> None:
        since = await ready(stage, "a")
        home = stage.landscape.home("a")
        body: Json = {"metadata": {"annotations": {"openmcp.cloud/wave": "9"}}}
        await stage.landscape.client("operator-person").patch(RELEASES, FLUX, home, kind="merge", body=body)
        await asyncio.sleep(60.0)
        found = await stage.get(RELEASES, FLUX, home)
        assert dig(found, "metadata", "annotations", "openmcp.cloud/wave") == "3"
        assert {"status": 0, "events": 0} == told(stage, since)

    play(story)


def test_adoption_never_makes_a_ready_tenant_not_ready() -> None:
    """What the Go program wrote becomes ours, and Ready is True since when it was before (case 2.4)."""

    async def story(stage: Stage) -> None:
        await gone_by(stage, "a")
        ready_since = {item["type"]: item for item in (await stage.status("a"))["conditions"]}["Ready"]
        assert ready_since["status"] == "True"
        stage.start()
        await taken_over(stage, "a")
        await asyncio.sleep(30.0)
        after = {item["type"]: item for item in (await stage.status("a"))["conditions"]}["Ready"]
        assert ("True", ready_since["lastTransitionTime"]) == (after["status"], after["lastTransitionTime"])

    play(story)


def test_a_change_of_what_runs_is_told() -> None:
    """The counterpart: a value that changes does make the tenant not Ready until Flux applied it (case 2.4)."""

    async def story(stage: Stage) -> None:
        since = await ready(stage, "a")
        await stage.configure(**{**SECRET, "values": {"manager": {"replicas": 2}}})
        await asyncio.sleep(0.5)
        assert (await stage.status("a"))["phase"] == "Progressing"
        await stage.ready("a")
        assert told(stage, since)["events"] > 0

    play(story)
