"""Kubeconfigs that come late, change, move or go away, and clusters that are replaced under their names."""

import asyncio

import pytest

from openmcp_provider.domain.objects import Json, dig
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
