"""Taking over from the Go program: what it wrote is found, kept without a new generation, and owned from then on."""

import asyncio
from typing import Any

from openmcp_provider.domain.names import access_request_name, managed_labels
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, dig, generation
from openmcp_provider.ports import Resource
from service_provider_ocm import pull_secret_copy_name
from tests.runtime.stage import ACCESS, OCMS, RELEASES, SECRETS, SOURCES, Stage, play

GO = "service-provider-ocm"
FLUX = "sp-ocm-k8s-toolkit"
TOOLKIT = "ocm-k8s-toolkit-system"
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
SPEC: dict[str, Any] = {
    "imagePullSecret": {"name": "privateregcred"},
    "values": {"manager": {"imagePullSecrets": [{"name": "privateregcred"}]}},
}


async def gone_by(stage: Stage) -> None:
    """Leave everything as v0.1.1 does: written by POST and PUT, without any mark; then let Flux make it Ready."""
    await stage.stop()
    await stage.configure(**SPEC)
    await stage.pull_secret()
    await stage.pull_secret("former")
    await stage.tenant("a")
    await stage.landscape.ready("a")
    home = stage.landscape.home("a")
    platform, onboarding = stage.landscape.client(GO), stage.landscape.client(GO, ONBOARDING)
    name = access_request_name("ocm.services.openmcp.cloud", "a")
    instance = await onboarding.get(OCMS, "a", "default")
    metadata = {**instance["metadata"], "finalizers": ["ocm.services.openmcp.cloud/finalizer"]}
    await onboarding.update(OCMS, {**instance, "metadata": metadata}, manager=GO)
    labels = managed_labels("ocm.services.openmcp.cloud", "a", "default")
    rules = [{"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}]
    await platform.create(
        ACCESS,
        {
            "apiVersion": ACCESS.api_version,
            "kind": "AccessRequest",
            "metadata": {
                "name": name,
                "namespace": home,
                "labels": labels,
                "finalizers": ["clusters.openmcp.cloud/clusteraccess"],
            },
            "spec": {
                "requestRef": {"name": "a", "namespace": home},
                "token": {"permissions": rules, "roleRefs": [{"kind": "ClusterRole", "name": "cluster-admin"}]},
            },
        },
        manager=GO,
    )

    async def granted() -> bool:
        return bool(dig(await stage.get(ACCESS, name, home), "status", "phase") == "Granted")

    await stage.until(granted)
    request = await platform.get(ACCESS, name, home)
    for copy in ("privateregcred", "former"):
        await _copy(stage, copy, pull_secret_copy_name(copy), home, PLATFORM)
    there = stage.landscape.cluster_of("a")
    await stage.landscape.client(GO, there).create(
        NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TOOLKIT}}, manager=GO
    )
    await _copy(stage, "privateregcred", "privateregcred", TOOLKIT, there)
    await platform.create(SOURCES, _source(home), manager=GO)
    await platform.create(RELEASES, _release(home, request), manager=GO)

    async def deployed() -> bool:
        found = await stage.get(RELEASES, FLUX, home)
        return any(
            item["type"] == "Ready" and item["status"] == "True" for item in dig(found, "status", "conditions") or ()
        )

    await stage.until(deployed)


async def _copy(stage: Stage, source: str, name: str, namespace: str, cluster: str) -> None:
    found = await stage.get(SECRETS, source, "openmcp-system")
    assert found is not None
    copied = {"apiVersion": "v1", "kind": "Secret", "type": found["type"], "data": found["data"]}
    await stage.landscape.client(GO, cluster).create(
        SECRETS, {**copied, "metadata": {"name": name, "namespace": namespace}}, manager=GO
    )


def _source(home: str) -> Json:
    return {
        "apiVersion": SOURCES.api_version,
        "kind": SOURCES.kind,
        "metadata": {"name": FLUX, "namespace": home},
        "spec": {
            "interval": "1m0s",
            "url": "oci://ghcr.io/open-component-model/kubernetes/controller/chart",
            "ref": {"tag": "0.6.0"},
            "secretRef": {"name": "sp-ocm-privateregcred"},
        },
    }


def _release(home: str, request: Json) -> Json:
    return {
        "apiVersion": RELEASES.api_version,
        "kind": RELEASES.kind,
        "metadata": {"name": FLUX, "namespace": home},
        "spec": {
            "releaseName": "ocm-k8s-toolkit",
            "interval": "1m0s",
            "targetNamespace": TOOLKIT,
            "storageNamespace": TOOLKIT,
            "chartRef": {"kind": "OCIRepository", "name": FLUX, "namespace": home},
            "kubeConfig": {"secretRef": {"name": request["status"]["secretRef"]["name"], "key": "kubeconfig"}},
            "install": {"crds": "Create", "createNamespace": True, "remediation": {"retries": 3}},
            "upgrade": {
                "crds": "CreateReplace",
                "cleanupOnFail": True,
                "remediation": {"retries": 3, "strategy": "rollback"},
            },
            "values": SPEC["values"],
        },
    }


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


def managers(obj: Json) -> set[tuple[str, str]]:
    """Return our managers of an object's fields, status apart."""
    entries = dig(obj, "metadata", "managedFields") or ()
    return {
        (entry["manager"], entry["operation"])
        for entry in entries
        if entry["manager"] == GO and not entry.get("subresource")
    }


def test_a_ready_tenant_is_taken_over_without_a_new_generation() -> None:
    """Everything is marked and owned, nothing is installed anew, and a copy that nobody wants any more is pruned."""

    async def story(stage: Stage) -> None:
        await gone_by(stage)
        await tenants_own(stage)
        stage.start()
        await stage.ready("a")
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
        await gone_by(stage)
        stage.start()
        await stage.ready("a")
        await stage.configure(values={"manager": {"replicas": 1}})

        async def dropped() -> bool:
            source, release = await flux_objects(stage)
            return "secretRef" not in source["spec"] and release["spec"]["values"] == {"manager": {"replicas": 1}}

        await stage.until(dropped)
        await stage.ready("a")
        home = stage.landscape.home("a")
        assert await stage.get(SECRETS, "sp-ocm-privateregcred", home) is None
        assert await stage.get(SECRETS, "privateregcred", TOOLKIT, stage.landscape.cluster_of("a")) is None

    play(story)


def test_a_field_that_the_go_program_adds_later_goes_again() -> None:
    """Somebody went back to Go for a while: its PUT is taken over once more."""

    async def story(stage: Stage) -> None:
        await gone_by(stage)
        stage.start()
        await stage.ready("a")
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
        await gone_by(stage)
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
