"""Kubeconfigs that come late, change, move or go away, and clusters that are replaced under their names."""

import asyncio

import pytest

from openmcp_adapters.emulation.schemas import DEPLOYMENTS
from openmcp_provider.domain.objects import ONBOARDING, Json, dig
from openmcp_provider.runtime.resources import EVENTS
from tests.runtime.stage import ACCESS, RELEASES, SECRETS, Stage, play


def conditions(status: Json) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition."""
    return {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}


@pytest.mark.parametrize("seed", range(4))
def test_an_instance_made_anew_right_after_its_end_becomes_ready(seed: int) -> None:
    """The new AccessRequest gets a token and a Secret of its own, whatever becomes of the former one's (case 4.4)."""

    async def story(stage: Stage) -> None:
        await stage.configure()
        await stage.tenant("a")
        await stage.ready("a")
        await stage.delete("a")
        await stage.gone("a")
        await asyncio.sleep(0.2 * seed)
        await stage.ocm("a")
        await stage.ready("a", within=120.0)
        (request,) = (await stage.landscape.client("tenant").list(ACCESS)).items
        secret = await stage.get(SECRETS, dig(request, "status", "secretRef", "name"), request["metadata"]["namespace"])
        assert secret is not None
        assert [request["metadata"]["uid"]] == [owner["uid"] for owner in secret["metadata"]["ownerReferences"]]

    play(story, seed=seed)


def secret_reads(stage: Stage, since: float) -> int:
    """Count how often the provider read a kubeconfig Secret."""
    return stage.requests(since)[("platform", "get", "Secret")]


@pytest.mark.parametrize("how", ["token", "missing", "missing for long"])
def test_a_kubeconfig_that_only_flux_fails_with_is_read_again(how: str) -> None:
    """While Flux does not get in, the Secret is read every 30 s; a new one has Flux look at once (case 4.1)."""

    async def story(stage: Stage) -> None:
        await stage.configure()
        await stage.tenant("a")
        await stage.ready("a")
        home, person = stage.landscape.home("a"), stage.landscape.client("operator-person")
        (request,) = (await person.list(ACCESS)).items
        name = dig(request, "status", "secretRef", "name")

        async def release_says(status: str) -> bool:
            found = await stage.get(RELEASES, "sp-ocm-k8s-toolkit", home)
            ready = [item["status"] for item in dig(found, "status", "conditions") if item["type"] == "Ready"]
            return ready == [status]

        loop = asyncio.get_running_loop()
        stage.landscape.revoke_tokens("a")
        old = await person.get(SECRETS, name, home)
        if how != "token":
            await person.delete(SECRETS, name, home)
        await stage.until(lambda: release_says("False"), 1200.0)
        begun = loop.time()
        await asyncio.sleep(5.0 if how == "missing" else 3000.0)
        assert secret_reads(stage, begun) <= 2 + (loop.time() - begun) / 30.0
        if how != "token":
            metadata = {"name": name, "namespace": home, "ownerReferences": old["metadata"]["ownerReferences"]}
            await person.create(SECRETS, {**old, "metadata": metadata})
            missing = conditions(await stage.status("a"))["ControlPlaneAccess"]
            assert how != "missing for long" or missing == ("False", "KubeconfigMissing")
        await stage.landscape.rotate("a")
        begun = loop.time()
        await stage.until(lambda: release_says("True"), 40.0)
        await stage.ready("a", within=20.0)
        await asyncio.sleep(60.0)
        begun = loop.time()
        await asyncio.sleep(1200.0)
        assert 0 == secret_reads(stage, begun)

    play(story)


def test_a_kubeconfig_that_changes_in_deletion_is_followed() -> None:
    """Uninstalling goes on within seconds after a Secret with a token that is accepted was found (case 4.1)."""

    async def story(stage: Stage) -> None:
        await stage.configure()
        await stage.tenant("a")
        await stage.ready("a")
        home = stage.landscape.home("a")

        async def uninstalls() -> bool:
            return "deletionTimestamp" in dig(await stage.get(RELEASES, "sp-ocm-k8s-toolkit", home), "metadata")

        await stage.delete("a")
        await stage.until(uninstalls, 60.0)
        stage.landscape.revoke_tokens("a")
        await asyncio.sleep(3000.0)
        assert await stage.get(RELEASES, "sp-ocm-k8s-toolkit", home) is not None
        await stage.landscape.rotate("a")
        await stage.gone("a", within=60.0)

    play(story)


async def replace_cluster(stage: Stage) -> None:
    """Delete the control plane with no care for its services, and make it anew under its name."""
    await stage.landscape.destroy_control_plane("a")
    await asyncio.sleep(5.0)
    await stage.landscape.create_control_plane("a")
    await stage.landscape.ready("a")


async def deployments(stage: Stage) -> int:
    """Count what runs on the control plane."""
    there = stage.landscape.client("tenant", stage.landscape.cluster_of("a"))
    return len((await there.list(DEPLOYMENTS)).items)


@pytest.mark.parametrize("copies", [True, False])
@pytest.mark.parametrize("asleep", [True, False])
def test_a_cluster_made_anew_under_its_name_is_installed_anew(*, copies: bool, asleep: bool) -> None:
    """What was installed on the former cluster counts for nothing; access is asked for anew (case 2.7)."""

    async def story(stage: Stage) -> None:
        manager = {"manager": {"imagePullSecrets": [{"name": "privateregcred"}]}}
        await stage.configure(**({"imagePullSecret": {"name": "privateregcred"}, "values": manager} if copies else {}))
        await stage.pull_secret()
        await stage.tenant("a")
        await stage.ready("a")
        (old,) = (await stage.landscape.client("tenant").list(ACCESS)).items
        if asleep:
            await stage.stop()
        await replace_cluster(stage)
        if asleep:
            stage.start()
            await asyncio.sleep(0.5)

        async def installed_anew() -> bool:
            ready: bool = (await stage.status("a"))["phase"] == "Ready"
            assert await deployments(stage) or not ready
            return ready

        assert not await installed_anew()
        await stage.until(installed_anew, 120.0)
        events = (await stage.landscape.client("tenant", ONBOARDING).list(EVENTS, namespace="default")).items
        told = [event for event in events if event["reason"] == "ClusterReplaced"]
        assert len(told) == asleep  # else the ClusterRequest that is not there, or not granted, is told
        assert "0.6.0" == (await stage.status("a"))["installedVersion"]
        (new,) = (await stage.landscape.client("tenant").list(ACCESS)).items
        assert old["metadata"]["uid"] != new["metadata"]["uid"]
        await asyncio.sleep(600.0)
        assert [new] == (await stage.landscape.client("tenant").list(ACCESS)).items
        await stage.delete("a")
        await stage.gone("a", within=120.0)
        assert 0 == await deployments(stage)

    play(story)


@pytest.mark.parametrize("first", ["deleted", "replaced"])
def test_deletion_ends_where_the_cluster_was_made_anew(first: str) -> None:
    """An instance goes although what it had installed went with the former cluster (case 2.7)."""

    async def story(stage: Stage) -> None:
        await stage.configure()
        await stage.tenant("a")
        await stage.ready("a")
        if first == "deleted":
            await stage.stop()
            await stage.delete("a")
        else:
            stage.landscape.kill("a")
        await replace_cluster(stage)
        if first == "deleted":
            stage.start()
        else:
            await stage.delete("a")
            stage.landscape.revive("a")
        await stage.gone("a", within=300.0)
        assert not (await stage.landscape.client("tenant").list(ACCESS)).items

    play(story)
