"""A mistake in the ProviderConfig touches nobody who is Ready."""

import asyncio

import pytest

from openmcp_provider.domain.objects import ONBOARDING
from openmcp_provider.ports import Resource
from tests.runtime.stage import CONFIGS, Stage, play
from tests.runtime.test_states import condition

EVENTS = Resource("events.k8s.io/v1", "Event", "events")


async def reasons(stage: Stage) -> list[str]:
    """Return the reasons of the tenants' Warning Events."""
    page = await stage.landscape.client("tenant", ONBOARDING).list(EVENTS, namespace="default")
    return [event["reason"] for event in page.items if event["type"] == "Warning"]


@pytest.mark.parametrize("wrong", ["invalid", "deleted"])
def test_who_is_ready_stays_ready(wrong: str) -> None:
    """An interval that is none, or no ProviderConfig: only who is not Ready gets an Event (case 5.5)."""

    async def story(stage: Stage) -> None:
        await stage.configure()
        await stage.tenant("a")
        await stage.ready("a")
        before = (await stage.status("a"))["conditions"]
        if wrong == "invalid":
            await stage.configure(pollInterval="1 day")
        else:
            await stage.landscape.client("operator-person").delete(CONFIGS, "ocm")
        await asyncio.sleep(30.0)
        status = await stage.status("a")
        assert ("Ready", "False") == (status["phase"], condition(status, "ProviderConfigValid")[0])
        ready = [{item["type"]: item for item in found}["Ready"] for found in (before, status["conditions"])]
        assert ready[0] == ready[1]
        assert [] == await reasons(stage)
        await stage.tenant("b")
        await asyncio.sleep(30.0)
        status = await stage.status("b")
        assert ("Progressing", ("False", "ReconcileError")) == (status["phase"], condition(status, "Ready"))
        assert 1 == len([reason for reason in await reasons(stage) if reason.startswith("ProviderConfig")])
        await stage.configure(pollInterval="1m")
        await stage.ready("a", "b")
        assert condition(await stage.status("a"), "ProviderConfigValid")[0] == "True"

    play(story)
