"""Requests fail, answers get lost, the process dies: in the end everything is as if nothing had happened."""

import asyncio
from collections.abc import Callable, Sized
from typing import Any

import pytest

from openmcp_adapters.emulation import LOST
from openmcp_adapters.emulation.traffic import chance
from openmcp_provider.domain.objects import ONBOARDING, dig, generation
from openmcp_provider.ports import Conflict, Forbidden, PortError, TooManyRequests, Unavailable
from tests.runtime.stage import ACCESS, CONFIGS, OCMS, RELEASES, SECRETS, SOURCES, Stage, play

SPEC: dict[str, Any] = {
    "imagePullSecret": {"name": "privateregcred"},
    "values": {"manager": {"imagePullSecrets": [{"name": "privateregcred"}]}},
}
NAMES = ["a", "b", "c"]
Fault = PortError | str | None


async def begun(stage: Stage) -> None:
    """Write everything that tenants need, and their OCMs."""
    await stage.configure(**SPEC)
    await stage.pull_secret()
    for name in NAMES:
        await stage.tenant(name)


async def end_of(stage: Stage) -> dict[str, Any]:
    """Return what the tenants read and how often their Flux objects changed."""
    told: dict[str, Any] = {}
    for name in NAMES:
        status = await stage.status(name)
        home = stage.landscape.home(name)
        told[name] = [(item["type"], item["status"], item["reason"]) for item in status["conditions"]]
        for resource in (SOURCES, RELEASES):
            found = await stage.get(resource, "sp-ocm-k8s-toolkit", home)
            assert found is not None
            assert generation(found) == 1
    return told


def swarm(seed: int) -> Callable[..., Any]:
    """Return faults that hit a third of the provider's requests, each kind of fault in turn."""
    kinds: list[Any] = [Unavailable("500"), TooManyRequests("429", 1.0), Conflict("409"), LOST]
    numbers = iter(range(10**9))

    def fault(client: str, cluster: str, verb: str, kind: str, name: str) -> Any:  # noqa: ARG001
        if client != "provider" or verb == "watch":
            return None
        drawn = chance(seed, "fault", next(numbers))
        return kinds[int(drawn * 12)] if drawn < len(kinds) / 12 else None

    return fault


@pytest.mark.parametrize("seed", range(3))
def test_a_swarm_of_faults_changes_nothing_in_the_end(seed: int) -> None:
    """With a third of all requests failing or losing their answer the end is that of a quiet run, written once."""

    async def quiet(stage: Stage) -> dict[str, Any]:
        await begun(stage)
        await stage.ready(*NAMES)
        return await end_of(stage)

    async def stormy(stage: Stage) -> dict[str, Any]:
        await begun(stage)
        await stage.ready(*NAMES, within=3600.0)
        stage.landscape.traffic.faults = None
        await asyncio.sleep(400.0)
        told = await end_of(stage)
        for name in NAMES:
            await stage.delete(name)
        stage.landscape.traffic.faults = swarm(seed + 100)
        await stage.gone(*NAMES, within=7200.0)
        assert not (await stage.landscape.client("tenant").list(ACCESS)).items
        return told

    assert play(quiet, seed=seed) == play(stormy, seed=seed, faults=swarm(seed))


@pytest.mark.parametrize("seed", range(3))
def test_a_process_that_dies_at_any_time_is_taken_up_again(seed: int) -> None:
    """Killed every few seconds, from creation to gone, the controller loses and doubles nothing."""

    async def story(stage: Stage) -> None:
        await begun(stage)
        for turn in range(20):
            await asyncio.sleep(0.05 + 2.0 * chance(seed, "kill", turn))
            await stage.stop()
            stage.start()
        await stage.ready(*NAMES)
        await end_of(stage)
        for name in NAMES:
            await stage.delete(name)
        for turn in range(20):
            await asyncio.sleep(0.05 + chance(seed, "kill again", turn))
            await stage.stop()
            stage.start()
        await stage.gone(*NAMES, within=1200.0)
        for name in NAMES:
            there = stage.landscape.client("tenant", stage.landscape.cluster_of(name))
            assert not (await there.list(SECRETS, namespace="ocm-k8s-toolkit-system")).items

    play(story, seed=seed)


def test_a_status_that_could_not_be_written_is_written_later() -> None:
    """A failing status patch is tried again although nothing else happens any more."""
    left = 5

    def fault(client: str, cluster: str, verb: str, kind: str, name: str) -> Fault:  # noqa: ARG001
        nonlocal left
        if client == "provider" and kind == "OCM/status" and left:
            left -= 1
            return Unavailable("500")
        return None

    async def story(stage: Stage) -> None:
        await stage.configure(**SPEC)
        await stage.pull_secret()
        await stage.ocm("a")
        await stage.told("a", "No control plane", within=120.0)

    play(story, faults=fault)
    assert left == 0


def test_a_config_whose_watch_fails_is_not_forgotten() -> None:
    """While the platform refuses to tell about ProviderConfigs, tenants stay as they are."""
    failing = False

    def fault(client: str, cluster: str, verb: str, kind: str, name: str) -> Fault:  # noqa: ARG001
        return Forbidden("no") if failing and client == "provider" and kind == "ProviderConfig" else None

    async def story(stage: Stage) -> None:
        nonlocal failing
        await begun(stage)
        await stage.ready(*NAMES)
        failing = True
        stage.landscape.platform.end_watches(Unavailable("cut"))
        versions = [
            dig(await stage.get(OCMS, name, "default", ONBOARDING), "metadata", "resourceVersion") for name in NAMES
        ]
        await asyncio.sleep(600.0)
        after = [
            dig(await stage.get(OCMS, name, "default", ONBOARDING), "metadata", "resourceVersion") for name in NAMES
        ]
        assert versions == after
        failing = False
        await stage.configure(**SPEC, chartURL="ghcr.io/other/chart")

        async def followed() -> bool:
            source = await stage.get(SOURCES, "sp-ocm-k8s-toolkit", stage.landscape.home("a"))
            return bool(dig(source, "spec", "url") == "oci://ghcr.io/other/chart")

        await stage.until(followed)

    play(story, faults=fault)


def test_the_operator_reads_what_is_wrong_with_the_config() -> None:
    """An invalid ProviderConfig says so itself, with every problem; tenants stay as they are and recover at once."""

    async def story(stage: Stage) -> None:
        await begun(stage)
        await stage.ready("a")
        await stage.configure(pollInterval="1 day", chartURL="https://example.com/x")

        async def told() -> bool:
            status = dig(await stage.get(CONFIGS, "ocm"), "status", "conditions") or ()
            return any("spec.pollInterval" in item["message"] and "spec.chartURL" in item["message"] for item in status)

        await stage.until(told)

        async def known() -> bool:
            status = await stage.status("a")
            found = {item["type"]: item["reason"] for item in status["conditions"]}
            return (status["phase"], found.get("ProviderConfigValid")) == ("Ready", "ProviderConfigInvalid")

        await stage.until(known)
        await stage.configure(**SPEC)
        await stage.ready("a")

        async def valid() -> bool:
            status = dig(await stage.get(CONFIGS, "ocm"), "status", "conditions") or ()
            return any((item["type"], item["status"]) == ("Valid", "True") for item in status)

        await stage.until(valid)

    play(story)


def test_a_changed_config_reaches_every_tenant() -> None:
    """Not only the one that happens to be looked at: each writes without waiting for a poll."""

    async def story(stage: Stage) -> float:
        await stage.configure(**SPEC, pollInterval="1h")
        await stage.pull_secret()
        for name in NAMES:
            await stage.tenant(name)
        await stage.ready(*NAMES)
        await asyncio.sleep(5.0)
        began = stage.landscape.clock.monotonic()
        await stage.configure(**SPEC, pollInterval="2h")

        async def everywhere() -> bool:
            found = [await stage.get(SOURCES, "sp-ocm-k8s-toolkit", stage.landscape.home(name)) for name in NAMES]
            return all(dig(one, "spec", "interval") == "2h0m0s" for one in found)

        return await stage.until(everywhere) - began

    assert play(story) < 5.0


def test_nothing_is_remembered_of_what_is_gone() -> None:
    """An instance that went leaves nothing behind in the process, whatever was under way when it did."""

    async def story(stage: Stage) -> list[int]:
        await begun(stage)
        await stage.ready(*NAMES)
        for name in NAMES:
            await stage.delete(name)
        await stage.gone(*NAMES)
        await asyncio.sleep(60.0)
        controller = stage.controller
        kept: tuple[Sized, ...] = (
            controller._reads,
            controller._met,
            controller._sources._uses,
            controller._takeovers._having,
            controller._homes,
            controller._holds._holds,
        )
        return [len(controller.caches.sources), len(controller._tenants), len(controller._takeovers), *map(len, kept)]

    configs = 1  # what the ProviderConfig names is watched all the same
    assert play(story) == [configs, 0, 0, 0, 0, configs, 0, 0, 0]


def test_a_name_that_stays_taken_is_looked_at_once_a_minute() -> None:
    """A foreign object under the name of a copy is remembered for a minute each time, not looked at in every pass."""

    async def story(stage: Stage) -> int:
        await stage.configure(**SPEC)
        await stage.pull_secret()
        await stage.landscape.create_control_plane("a")
        await stage.landscape.ready("a")
        home = stage.landscape.home("a")
        metadata = {"name": "sp-ocm-privateregcred", "namespace": home}
        theirs = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
        await stage.landscape.client("operator-person").apply(SECRETS, theirs, manager="kubectl")
        await stage.ocm("a")
        await stage.told("a", "is not managed by this provider")
        began = stage.landscape.clock.monotonic()
        tenant = stage.landscape.client("tenant", ONBOARDING)
        for turn in range(60):
            body = {"metadata": {"annotations": {"turn": str(turn)}}}
            await tenant.patch(OCMS, "a", "default", kind="merge", body=body)
            await asyncio.sleep(10.0)
        return stage.requests(began)["platform", "get", "Secret"]

    assert play(story) <= 12
