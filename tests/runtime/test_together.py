"""A ControlPlane and an instance that are created together."""

import asyncio

from openmcp_provider.domain.objects import ONBOARDING
from openmcp_provider.ports import Resource
from tests.runtime.stage import Stage, play

EVENTS = Resource("events.k8s.io/v1", "Event", "events")


async def warnings(stage: Stage) -> list[str]:
    """Return the reasons of Warning Events."""
    page = await stage.landscape.client("tenant", ONBOARDING).list(EVENTS, namespace="default")
    return [event["reason"] for event in page.items if event["type"] == "Warning"]


def test_an_instance_that_is_there_first_is_no_warning() -> None:
    """Both in one kubectl apply: the control plane is waited for, without a Warning (case 5.6)."""

    async def story(stage: Stage) -> None:
        await stage.configure()
        await stage.ocm("a")
        await stage.told("a", "Waiting for control plane default/a to be created. Nothing to do.")
        await asyncio.sleep(1.0)
        await stage.landscape.create_control_plane("a")
        await stage.ready("a")
        assert [] == await warnings(stage)

    play(story)


def test_a_control_plane_that_does_not_come_is_a_warning() -> None:
    """After some seconds the tenant reads what is missing, though nothing happens (case 5.6)."""

    async def story(stage: Stage) -> None:
        await stage.configure()
        await stage.ocm("a")
        await asyncio.sleep(12.0)
        await stage.told("a", 'No control plane "a" in namespace "default".', within=1.0)
        assert ["ControlPlaneNotFound"] == await warnings(stage)

    play(story)
