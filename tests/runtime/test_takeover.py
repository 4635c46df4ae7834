"""Taking over from the Go program: what it wrote is found, kept without a new generation, and owned from then on."""

import asyncio

from openmcp_provider.domain.names import access_request_name
from openmcp_provider.domain.objects import Json, generation
from openmcp_provider.ports import Resource
from tests.go_objects import FLUX, GO, TOOLKIT
from tests.runtime.go_program import NAMESPACES, SPEC, gone_by, managers, taken_over
from tests.runtime.stage import ACCESS, RELEASES, SECRETS, SOURCES, Stage, play


async def tenants_own(stage: Stage) -> None:
    """Have the tenant keep Secrets of its own in the toolkit's namespace."""
    client = stage.landscape.client("tenant", stage.landscape.cluster_of("a"))
    metadata = {"name": "tenants-own", "namespace": TOOLKIT}
    await client.apply(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}, manager="kubectl")


async def flux_objects(stage: Stage) -> tuple[Json, Json]:
    """Return OCIRepository and HelmRelease."""
    home = stage.landscape.home("a")
    source, release = await stage.get(SOURCES, FLUX, home), await stage.get(RELEASES, FLUX, home)
    assert source is not None
    assert release is not None
    return source, release


def test_a_ready_tenant_is_taken_over_without_a_new_generation() -> None:
    """Everything is marked and owned, nothing is installed anew, and a copy that nobody wants any more is pruned."""

    async def story(stage: Stage) -> None:
        await gone_by(stage, "a")
        await tenants_own(stage)
        stage.start()
        await taken_over(stage, "a")
        await asyncio.sleep(5.0)
        for found in await flux_objects(stage):
            assert generation(found) == 1
            assert managers(found) == {(GO, "Apply")}
            assert found["metadata"]["labels"]["openmcp.cloud/managed-by"] == "ocm.services.openmcp.cloud"
        release = (await flux_objects(stage))[1]
        assert len(release["status"]["history"]) == 1
        home = stage.landscape.home("a")
        assert await stage.get(SECRETS, "sp-ocm-privateregcred", home) is not None
        assert await stage.get(SECRETS, "sp-ocm-former", home) is None
        assert await stage.get(SECRETS, "tenants-own", TOOLKIT, stage.landscape.cluster_of("a")) is not None

    play(story)


def test_fields_that_the_go_program_wrote_go_when_they_are_dropped() -> None:
    """After the take-over a value that leaves the ProviderConfig leaves the HelmRelease, and so does a secretRef."""

    async def story(stage: Stage) -> None:
        await gone_by(stage, "a")
        stage.start()
        await taken_over(stage, "a")
        await stage.configure(values={"manager": {"replicas": 1}})

        async def dropped() -> bool:
            source, release = await flux_objects(stage)
            return "secretRef" not in source["spec"] and release["spec"]["values"] == {"manager": {"replicas": 1}}

        await stage.until(dropped)
        await taken_over(stage, "a")
        home = stage.landscape.home("a")
        assert await stage.get(SECRETS, "sp-ocm-privateregcred", home) is None
        assert await stage.get(SECRETS, "privateregcred", TOOLKIT, stage.landscape.cluster_of("a")) is None

    play(story)


def test_a_field_that_the_go_program_adds_later_goes_again() -> None:
    """Somebody went back to Go for a while: its PUT is taken over once more."""

    async def story(stage: Stage) -> None:
        await gone_by(stage, "a")
        stage.start()
        await taken_over(stage, "a")
        await stage.stop()
        go = stage.landscape.client(GO)
        _, release = await flux_objects(stage)
        spec = {**release["spec"], "timeout": "1m0s"}
        await go.update(RELEASES, {**release, "spec": spec}, manager=GO)
        stage.start()

        async def removed() -> bool:
            return "timeout" not in (await flux_objects(stage))[1]["spec"]

        await stage.until(removed)
        assert managers((await flux_objects(stage))[1]) == {(GO, "Apply")}

    play(story)


def test_a_half_deleted_tenant_is_taken_over() -> None:
    """The Go program gave the access up while Flux was uninstalling: it is asked for again, and nothing is orphaned."""

    async def story(stage: Stage) -> None:
        await gone_by(stage, "a")
        await tenants_own(stage)
        stage.landscape.kill("a")
        await stage.delete("a")
        home = stage.landscape.home("a")
        go = stage.landscape.client(GO)
        await go.delete(SOURCES, FLUX, home)
        await go.delete(RELEASES, FLUX, home)
        name = access_request_name("ocm.services.openmcp.cloud", "a")
        stage.start()
        await asyncio.sleep(30.0)
        stage.landscape.revive("a")
        await stage.gone("a", within=1800.0)
        await asyncio.sleep(5.0)  # the garbage collector takes the kubeconfig
        assert await stage.get(RELEASES, FLUX, home) is None
        assert await stage.get(ACCESS, name, home) is None
        there = stage.landscape.cluster_of("a")
        client = stage.landscape.client("tenant", there)
        assert not (await client.list(Resource("apps/v1", "Deployment", "deployments"))).items
        secrets = [item["metadata"]["name"] for item in (await client.list(SECRETS, namespace=TOOLKIT)).items]
        assert secrets == ["tenants-own"]
        assert not (await stage.landscape.client("tenant").list(SECRETS, namespace=home)).items

    play(story)


def test_a_tenants_own_secret_of_the_same_name_survives() -> None:
    """What the tenant made under the name of a pull secret is neither changed nor deleted; the toolkit still runs."""

    async def story(stage: Stage) -> None:
        await stage.configure(**SPEC)
        await stage.pull_secret()
        await stage.landscape.create_control_plane("a")
        await stage.landscape.ready("a")
        there = stage.landscape.cluster_of("a")
        client = stage.landscape.client("tenant", there)
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TOOLKIT}})
        mine = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "privateregcred", "namespace": TOOLKIT}}
        made = await client.apply(SECRETS, {**mine, "data": {"mine": "eA=="}}, manager="kubectl")
        await stage.ocm("a")
        await stage.ready("a")
        conditions = {item["type"]: item["reason"] for item in (await stage.status("a"))["conditions"]}
        assert conditions["PullSecretsReady"] == "NameTaken"
        await asyncio.sleep(300.0)
        assert (await stage.status("a"))["phase"] == "Ready"
        await stage.delete("a")
        await stage.gone("a")
        left = await client.get(SECRETS, "privateregcred", TOOLKIT)
        assert left["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]

    play(story)
