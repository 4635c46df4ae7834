"""What a change costs that meets a hundred tenants at once, and a chart that cannot be rendered."""

import asyncio
from collections import Counter
from typing import Any

from openmcp_adapters.emulation import Chart, Registry
from openmcp_adapters.emulation.charts import ocm_chart
from openmcp_provider.domain.objects import ONBOARDING, Json, conditions
from openmcp_provider.runtime.resources import EVENTS
from tests.runtime.stage import OCMS, RELEASES, SOURCES, Stage, play

MANY = 100
NAMES = [f"t-{number:03}" for number in range(MANY)]


async def begun(stage: Stage) -> None:
    """Have a hundred tenants Ready."""
    await stage.pull_secret()
    await stage.configure(imagePullSecret={"name": "privateregcred"}, pollInterval="10m")
    for name in NAMES:
        await stage.tenant(name)
    await stage.ready(*NAMES, within=1200.0)


async def events(stage: Stage) -> "Counter[tuple[str, str]]":
    """Count what tenants were told, by reason and words."""
    reader, found, token = stage.landscape.client("tenant", ONBOARDING), Counter[tuple[str, str]](), ""
    while True:
        page = await reader.list(EVENTS, token=token)
        found.update((event["reason"], event["note"]) for event in page.items)
        if not (token := page.token):
            return found


def test_a_rotated_pull_secret_is_told_to_nobody() -> None:
    """Copies are renewed: no status is written, no Event recorded, and Ready never leaves True (case 2.4)."""

    async def story(stage: Stage) -> None:
        await begun(stage)
        await asyncio.sleep(60.0)
        before, since = await events(stage), stage.landscape.clock.monotonic()
        await stage.pull_secret(auth="b3RoZXI=")
        for _ in range(240):
            assert {"Ready"} == {(await stage.status(name))["phase"] for name in NAMES}
            await asyncio.sleep(0.25)
        made = stage.requests(since)
        assert MANY == made["platform", "apply", "Secret"]
        assert not [line for line in made if line[0] == ONBOARDING]
        assert before == await events(stage)

    play(story)


def test_a_hundred_upgrades_are_a_hundred_words_from_and_to() -> None:
    """Each tenant hears once that it is upgraded, from which version to which, and once that it is Ready (case 2.2)."""

    async def story(stage: Stage) -> None:
        await begun(stage)
        before = await events(stage)
        for name in NAMES:
            await stage.ocm(name, "0.7.0")
        await stage.told(NAMES[-1], "0.7.0 is installed", within=1200.0)
        await stage.ready(*NAMES, within=1200.0)
        told = await events(stage) - before
        assert MANY == sum(count for (reason, _), count in told.items() if reason == "Upgrading")
        assert all("from 0.6.0 to 0.7.0" in words for reason, words in told if reason == "Upgrading")
        assert MANY == sum(count for (reason, _), count in told.items() if reason == "Ready")
        assert {"Upgrading", "Ready"} == {reason for reason, _ in told}

    play(story)


def test_a_changed_interval_is_over_when_flux_is_done() -> None:
    """Both Flux objects change; all are Ready at most three seconds after Flux is done with them (case 3.1)."""

    async def story(stage: Stage) -> float:
        await begun(stage)
        await asyncio.sleep(60.0)
        await stage.configure(imagePullSecret={"name": "privateregcred"}, pollInterval="20m")
        await asyncio.sleep(0.25)

        async def at_rest(resource: Any) -> bool:
            name = "sp-ocm-k8s-toolkit"
            found = [await stage.get(resource, name, stage.landscape.home(tenant)) for tenant in NAMES]
            return all(one and _rests(one) for one in found)

        async def flux_is_done() -> bool:
            return await at_rest(SOURCES) and await at_rest(RELEASES)

        done = await stage.until(flux_is_done)
        return await stage.ready(*NAMES) - done

    assert play(story) <= 3.0


def _rests(obj: Json) -> bool:
    ready = conditions(obj).get("Ready") or {}
    current = obj["status"]["observedGeneration"] == obj["metadata"]["generation"]
    return bool(obj["spec"]["interval"] == "20m0s" and current and ready["status"] == "True")


TEMPLATE = 'execution error at (chart/templates/a.yaml:1:4): "manager.host" is required'


def _refusing(version: str) -> Chart:
    chart = ocm_chart(version)
    words = TEMPLATE if version == "0.7.0" else ""
    return Chart(
        version=version,
        app_version=version,
        selector=chart.selector,
        crds=chart.crds,
        rejects=lambda values: words,  # noqa: ARG005 - whatever they are
    )


def test_an_upgrade_that_cannot_be_rendered_says_who_can_change_that() -> None:
    """What is installed stays, the cause is Helm's, and the way back to the version before works (case 5.4)."""

    async def story(stage: Stage) -> None:
        await stage.pull_secret()
        await stage.configure(imagePullSecret={"name": "privateregcred"}, pollInterval="10m")
        await stage.tenant("a")
        await stage.ready("a")
        await stage.ocm("a", "0.7.0")
        status = await stage.told("a", "Upgrade to 0.7.0 failed.")
        found = conditions({"status": status})
        assert '"manager.host" is required' in found["Ready"]["message"]
        assert "Set spec.version to a version that accepts the configured values" in found["Ready"]["message"]
        assert "ReconcileError" == found["Ready"]["reason"]
        assert ("True", "0.6.0") == (found["Installed"]["status"], status["installedVersion"])
        await stage.ocm("a", "0.6.0")
        await stage.ready("a")
        assert "0.6.0" == ((await stage.get(OCMS, "a", "default", ONBOARDING)) or {})["status"]["installedVersion"]

    play(story, registry=Registry(chart=_refusing))
