"""Somebody changes what we write each time: it is written ever more rarely, and told. Under virtual time."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.objects import PLATFORM, Json, dig, generation
from openmcp_provider.ports import Resource
from openmcp_provider.provider import Copy, Item, Owned, Provider, Tenant
from service_provider_ocm import PROVIDER
from service_provider_ocm.api import OcmConfig, OcmSpec
from service_provider_ocm.provider import OcmProvider
from tests.runtime import stage as staging
from tests.runtime.stage import ACCESS, RELEASES, SOURCES, Stage, play

NAME = "sp-ocm-k8s-toolkit"
DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments")
MIRROR = "oci://mirror.example.org/chart"
Mutation = Callable[[dict[str, Any]], dict[str, Any]]
WRITES = frozenset({"apply", "patch", "create", "update", "delete"})


async def begun(stage: Stage) -> None:
    """Write everything that a tenant needs."""
    await stage.pull_secret()
    await stage.configure(imagePullSecret={"name": "privateregcred"})
    await stage.tenant("a")


def writes(stage: Stage, kind: str, since: float, until: float = float("inf")) -> int:
    """Return how often the provider wrote objects of a kind."""
    lines = stage.landscape.traffic.log
    return sum(
        line.client == "provider" and line.verb in WRITES and line.kind == kind and since <= line.time < until
        for line in lines
    )


def conditions_of(status: Json) -> dict[str, Json]:
    """Return the conditions by type."""
    return {item["type"]: item for item in status.get("conditions", ())}


async def warnings(stage: Stage) -> list[str]:
    """Return the reasons of the Warnings on the instance, in order."""
    events = Resource("events.k8s.io/v1", "Event", "events")
    found = (await stage.landscape.client("tenant", "onboarding").list(events)).items
    return [event["reason"] for event in found if event["type"] == "Warning"]


def platform(stage: Stage) -> MemoryCluster:
    """Return the platform's server."""
    server = stage.landscape.world.memory(PLATFORM)
    assert isinstance(server, MemoryCluster)
    return server


def rewriting(kind: str, *path: str, value: object) -> Mutation:
    """Return a policy that sets a field of a kind, or drops it."""

    def mutate(obj: dict[str, Any]) -> dict[str, Any]:
        *above, last = path
        at = dig(obj, *above)
        if obj.get("kind") == kind and isinstance(at, dict) and last in at:
            if value is None:
                del at[last]
            else:
                at[last] = value
        return obj

    return mutate


@pytest.mark.parametrize(
    ("resource", "path", "value"),
    [
        (SOURCES, ("spec", "url"), MIRROR),
        (RELEASES, ("spec", "interval"), "7m0s"),
        (RELEASES, ("spec", "install"), None),
        (
            ACCESS,
            ("spec", "token", "permissions"),
            [{"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}],
        ),
    ],
)
def test_a_policy_that_rewrites_a_field_costs_few_writes(
    resource: Resource, path: tuple[str, ...], value: object
) -> None:
    """At most 12 writes in the first minute, then one in five minutes; the field is named, no value is (case 1.1)."""

    async def story(stage: Stage) -> None:
        platform(stage).admit(rewriting(resource.kind, *path, value=value))
        began = stage.landscape.clock.monotonic()
        await begun(stage)
        await asyncio.sleep(60.0)
        assert writes(stage, resource.kind, began) <= 12
        status = await stage.status("a")
        found = conditions_of(status)
        assert ("False", "FieldContested") == (found["Stable"]["status"], found["Stable"]["reason"])
        assert ("False", "ReconcileError") == (found["Ready"]["status"], found["Ready"]["reason"])
        assert "Progressing" == status["phase"]
        assert f"{resource.kind} {stage.landscape.home('a')}/" in found["Stable"]["message"]
        assert ".".join(path) in found["Stable"]["message"]
        assert "each time it is written" in found["Stable"]["message"]
        assert "mirror.example.org" not in found["Stable"]["message"]
        await asyncio.sleep(600.0)
        later = stage.landscape.clock.monotonic()
        await asyncio.sleep(1200.0)
        assert 1 <= writes(stage, resource.kind, later) <= 4
        assert (await warnings(stage)).count("FieldContested") in {1, 2}  # again where it leads only later

    play(story)


def test_a_policy_that_comes_later_leaves_a_ready_tenant_ready() -> None:
    """What runs is not touched by it: Ready stays True, the condition tells, and goes with the policy (case 1.1)."""

    async def story(stage: Stage) -> None:
        await begun(stage)
        await stage.ready("a")
        platform(stage).admit(rewriting("HelmRelease", "spec", "interval", value="7m0s"))
        person = stage.landscape.client("operator-person")
        home = stage.landscape.home("a")
        body = {"spec": {"interval": "8m0s"}}
        await person.patch(RELEASES, NAME, home, kind="merge", body=body, manager="kubectl")
        await asyncio.sleep(30.0)
        for _ in range(2):
            found = conditions_of(await stage.status("a"))
            assert "FieldContested" == found["Stable"]["reason"]
            assert ("True", "ReconcileSuccess") == (found["Ready"]["status"], found["Ready"]["reason"])
            assert found["Ready"]["message"].endswith("is installed and ready.")
            await stage.stop()
            stage.start()
            await asyncio.sleep(30.0)
        platform(stage).admit(lambda obj: obj)
        await asyncio.sleep(1000.0)
        found = conditions_of(await stage.status("a"))
        assert "Stable" not in found
        assert "True" == found["Ready"]["status"]

    play(story)


def test_a_program_that_writes_against_us_is_met_ever_more_rarely() -> None:
    """Somebody who answers each of our writes with one of their own is told and backed off from (case 1.1, 6.8)."""

    async def story(stage: Stage) -> None:
        await begun(stage)
        await stage.ready("a")
        home = stage.landscape.home("a")

        async def fight() -> None:
            rival = stage.landscape.client("rival")
            while True:
                body = {"spec": {"interval": "9m0s"}}
                await rival.patch(RELEASES, NAME, home, kind="merge", body=body, manager="rival")
                await asyncio.sleep(0.25)

        began = stage.landscape.clock.monotonic()
        task = asyncio.get_running_loop().create_task(fight())
        await asyncio.sleep(60.0)
        assert writes(stage, "HelmRelease", began) <= 12
        found = conditions_of(await stage.status("a"))
        assert "FieldContested" == found["Stable"]["reason"]
        assert "spec.interval" in found["Stable"]["message"]
        assert "True" == found["Ready"]["status"]
        await asyncio.sleep(600.0)
        later = stage.landscape.clock.monotonic()
        await asyncio.sleep(900.0)
        assert writes(stage, "HelmRelease", later) <= 3
        task.cancel()
        await asyncio.sleep(1000.0)
        found = conditions_of(await stage.status("a"))
        assert "Stable" not in found
        assert "True" == found["Ready"]["status"]
        release = await stage.get(RELEASES, NAME, home)
        assert "9m0s" != dig(release, "spec", "interval")

    play(story)


def test_one_change_by_hand_is_undone_and_not_told() -> None:
    """A person who changes a field once is no fight: it is written back within seconds (case 1.1)."""

    async def story(stage: Stage) -> None:
        await begun(stage)
        await stage.ready("a")
        home = stage.landscape.home("a")
        person = stage.landscape.client("operator-person")
        body = {"spec": {"interval": "9m0s"}}
        await person.patch(RELEASES, NAME, home, kind="merge", body=body, manager="kubectl")
        await asyncio.sleep(5.0)
        assert "9m0s" != dig(await stage.get(RELEASES, NAME, home), "spec", "interval")
        assert "Stable" not in conditions_of(await stage.status("a"))
        assert not await warnings(stage)

    play(story)


@pytest.mark.parametrize(
    ("resource", "name"), [(staging.SECRETS, "sp-ocm-privateregcred"), (ACCESS, "ocm.services.openmcp.cloud--a--mcp")]
)
def test_somebody_who_deletes_what_we_make_is_told(resource: Resource, name: str) -> None:
    """An object that is deleted each time is made ever more rarely (case 1.1)."""

    async def story(stage: Stage) -> None:
        await begun(stage)
        await stage.ready("a")
        home = stage.landscape.home("a")

        async def sweep() -> None:
            rival = stage.landscape.client("rival")
            while True:
                if await stage.get(resource, name, home):
                    await rival.delete(resource, name, home)
                await asyncio.sleep(0.2)

        began = stage.landscape.clock.monotonic()
        task = asyncio.get_running_loop().create_task(sweep())
        await asyncio.sleep(60.0)
        task.cancel()
        made = writes(stage, resource.kind, began)
        assert made <= 24, made  # of an AccessRequest each costs two: its finalizer is taken off
        assert (
            f"deletes {resource.kind} {home}/{name} each time"
            in conditions_of(await stage.status("a"))["Stable"]["message"]
        )

    play(story)


class Fuller(OcmProvider):
    """The provider with one object more on the control plane."""

    def desired(self, tenant: Tenant[OcmSpec, OcmConfig]) -> Iterable[Item | Copy]:
        """Have a Deployment that a server stores otherwise."""
        yield from super().desired(tenant)
        metadata = {"name": "extra", "namespace": "default"}
        container = {
            "name": "main",
            "image": "example.org/main",
            "env": [{"name": "EMPTY", "value": ""}],
            "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}},
        }
        pod = {"containers": [container], "initContainers": []}
        labels = {"app": "extra"}
        spec = {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        }
        yield Item(
            cluster="mcp", manifest={"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
        )


def typed(obj: dict[str, Any]) -> dict[str, Any]:
    """Store a Deployment as a real server's types do."""
    if obj.get("kind") == "Deployment" and obj["metadata"]["name"] == "extra":
        pod = obj["spec"]["template"]["spec"]
        if not pod.get("initContainers"):
            pod.pop("initContainers", None)
        for container in pod["containers"]:
            container["terminationMessagePath"] = "/dev/termination-log"
            container["resources"]["requests"] = {"cpu": "500m", "memory": "1Gi"}
            for entry in container["env"]:
                if not entry.get("value"):
                    entry.pop("value", None)
    return obj


def test_what_a_server_stores_otherwise_is_no_difference() -> None:
    """Quantities in one form, what is empty left out: Ready, and no write but one after a restart (case 1.1)."""
    fuller: Provider[Any, Any] = Fuller(owns=(*PROVIDER.owns, Owned("mcp", "apps/v1", "Deployment", "deployments")))

    async def story(stage: Stage) -> None:
        await stage.pull_secret()
        await stage.configure(imagePullSecret={"name": "privateregcred"}, pollInterval="1m")
        await stage.landscape.create_control_plane("a")
        server = next(iter(link for name, link in stage.landscape.world.links.items() if name.startswith("mcp-")), None)
        await stage.ocm("a")
        while server is None or server.memory is None:
            await asyncio.sleep(0.1)
            server = next((link for name, link in stage.landscape.world.links.items() if name.startswith("mcp-")), None)
        server.memory.admit(typed)
        await stage.ready("a")
        assert writes(stage, "Deployment", 0.0) <= 1
        later = stage.landscape.clock.monotonic()
        await asyncio.sleep(600.0)
        assert 0 == writes(stage, "Deployment", later)
        await stage.stop()
        stage.start()
        await asyncio.sleep(600.0)
        assert writes(stage, "Deployment", later) <= 1
        found = conditions_of(await stage.status("a"))
        assert "Stable" not in found
        assert "True" == found["Ready"]["status"]
        deployment = next(obj for obj in server.memory.objects(DEPLOYMENTS) if obj["metadata"]["name"] == "extra")
        assert 0 == deployment["spec"]["replicas"]
        assert 1 == generation(deployment)

    play(story, stage={"provider": fuller})
