"""openMCP's own controllers: scheduler, access controller, cluster provider, operator, garbage collector."""

import asyncio
import base64
from typing import Any

import pytest

from openmcp_adapters.emulation import START
from openmcp_adapters.emulation.charts import custom_resource
from openmcp_adapters.emulation.control_planes import until
from openmcp_adapters.emulation.schemas import (
    ACCESS_REQUESTS,
    CLUSTER_REQUESTS,
    CLUSTERS,
    NAMESPACES,
    SECRETS,
    SERVICE_PROVIDERS,
)
from openmcp_provider.domain.names import name_hash
from openmcp_provider.domain.objects import ONBOARDING, Json, deleting, dig, generation, labels
from openmcp_provider.ports import Invalid, NotFound, PortError, Resource, Unauthorized, Unavailable
from tests.emulation.stage import ACCESS, Stage, granted, play

HOME = "mcp--4b6f2253-c68f-836b-927e-f2ee28e25584"
SERVICES = Resource("test.services.openmcp.cloud/v1alpha1", "Service", "services")


def _value(secret: Json, key: str) -> str:
    return base64.b64decode(secret["data"][key]).decode()


def _service(name: str, finalizers: list[str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "finalizers": finalizers}
    return {"apiVersion": SERVICES.api_version, "kind": SERVICES.kind, "metadata": metadata, "spec": {}}


# --- scheduler


def test_a_control_plane_gets_a_namespace_and_a_request() -> None:
    """The operator names and labels them as openMCP does."""

    async def story(stage: Stage) -> None:
        await stage.landscape.create_control_plane("mcp-01")
        namespace = await stage.platform.get(NAMESPACES, HOME)
        request = await stage.platform.get(CLUSTER_REQUESTS, "mcp-01", HOME)
        wanted = {
            "core.openmcp.cloud/mcp-name": "mcp-01",
            "core.openmcp.cloud/mcp-namespace": "default",
            "openmcp.cloud/managed-by": "ManagedControlPlane",
        }

        assert wanted.items() <= labels(namespace).items()
        assert wanted == labels(request)
        assert {"purpose": "mcp", "waitForClusterDeletion": True} == request["spec"]

    play(story)


def test_the_scheduler_grants_a_cluster_of_its_own() -> None:
    """An exclusive Cluster is named after the request, and the request is held by a finalizer."""

    async def story(stage: Stage) -> None:
        home = await stage.control_plane()
        request = await stage.platform.get(CLUSTER_REQUESTS, "mcp-01", home)
        name = "mcp-" + name_hash(home, "mcp-01")
        cluster = await stage.platform.get(CLUSTERS, name, home)

        assert ["clusters.openmcp.cloud/request"] == request["metadata"]["finalizers"]
        assert {"name": name, "namespace": home} == dig(request, "status", "cluster")
        assert generation(request) == dig(request, "status", "observedGeneration")
        assert dig(cluster, "spec", "tenancy") == "Exclusive"
        assert dig(cluster, "status", "phase") == "Ready"

    play(story)


def test_a_request_is_pending_first() -> None:
    """Until it is granted, its phase says so."""

    async def story(stage: Stage) -> None:
        await stage.landscape.create_control_plane("mcp-01")
        await stage.wait(CLUSTER_REQUESTS, "mcp-01", lambda obj: dig(obj, "status", "phase") == "Pending")
        await stage.wait(CLUSTER_REQUESTS, "mcp-01", granted)

    play(story)


def test_the_onboarding_cluster_is_shared() -> None:
    """Every request for it is granted the one cluster that is there, and access to it works."""

    async def story(stage: Stage) -> None:
        system = stage.landscape.world.system
        for name in ("a", "b"):
            manifest = {
                "apiVersion": CLUSTER_REQUESTS.api_version,
                "kind": "ClusterRequest",
                "metadata": {"name": name, "namespace": system},
                "spec": {"purpose": "onboarding"},
            }
            await stage.platform.create(CLUSTER_REQUESTS, manifest)
            found = await until(stage.platform, CLUSTER_REQUESTS, name, system, wanted=granted)
            assert dig(found, "status", "cluster") == {"name": "onboarding", "namespace": system}
        access = {
            "apiVersion": ACCESS_REQUESTS.api_version,
            "kind": "AccessRequest",
            "metadata": {"name": "a", "namespace": system},
            "spec": {"requestRef": {"name": "a", "namespace": system}, "token": {"permissions": [{"rules": []}]}},
        }
        await stage.platform.create(ACCESS_REQUESTS, access)
        await until(stage.platform, ACCESS_REQUESTS, "a", system, wanted=granted)
        secret = await stage.platform.get(SECRETS, "a.kubeconfig", system)
        client = stage.landscape.connect(base64.b64decode(secret["data"]["kubeconfig"]))
        await client.get(NAMESPACES, "default")

    play(story)


@pytest.mark.parametrize(("answer", "phase"), [("deny", "Denied"), ("never", "Pending")])
def test_a_request_may_be_denied_or_left(answer: Any, phase: str) -> None:
    """The script of a tenant says what comes of its ClusterRequest."""

    async def story(stage: Stage) -> str:
        stage.landscape.script("mcp-01").request = answer
        await stage.landscape.create_control_plane("mcp-01")
        await stage.sleep(3600)
        return str(dig(await stage.platform.get(CLUSTER_REQUESTS, "mcp-01", HOME), "status", "phase"))

    assert phase == play(story)


# --- access


def test_access_is_granted() -> None:
    """Labels, Cluster, finalizer, Secret, phase and generation are as contract 2 has them."""

    async def story(stage: Stage) -> None:
        home = await stage.control_plane()
        request = await stage.access()
        secret = await stage.secret()

        assert {"clusters.openmcp.cloud/provider", "clusters.openmcp.cloud/profile"} <= labels(request).keys()
        assert request["spec"]["clusterRef"] == {"name": stage.landscape.cluster_of("mcp-01"), "namespace": home}
        assert generation(request) == 2 == dig(request, "status", "observedGeneration")
        assert ["clusters.openmcp.cloud/finalizer"] == request["metadata"]["finalizers"]
        assert f"{ACCESS}.kubeconfig" == dig(request, "status", "secretRef", "name")
        owner = secret["metadata"]["ownerReferences"][0]
        assert (ACCESS, request["metadata"]["uid"], True) == (owner["name"], owner["uid"], owner["controller"])
        assert secret["data"].keys() == {"kubeconfig", "creationTimestamp", "expirationTimestamp"}
        created, expires = (int(_value(secret, key)) for key in ("creationTimestamp", "expirationTimestamp"))
        assert expires - created == 30 * 86_400
        assert 0 <= created - START.timestamp() <= stage.now

    play(story)


def test_the_kubeconfig_opens_the_control_plane() -> None:
    """Whoever reads it gets a client of that cluster."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        raw = base64.b64decode((await stage.secret())["data"]["kubeconfig"])
        client = stage.landscape.connect(raw)
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}})
        found = [obj["metadata"]["name"] for obj in stage.landscape.control_plane("mcp-01").objects(NAMESPACES)]
        assert "x" in found

    play(story)


def test_access_waits_for_its_cluster_request() -> None:
    """A request that comes too early is Pending, and granted once there is a cluster."""

    async def story(stage: Stage) -> None:
        client = stage.landscape.client("operator")
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}})
        await stage.ask()
        await stage.wait(ACCESS_REQUESTS, ACCESS, lambda obj: dig(obj, "status", "phase") == "Pending")
        await stage.landscape.create_control_plane("mcp-01")
        await stage.wait(ACCESS_REQUESTS, ACCESS, granted)

    play(story)


@pytest.mark.parametrize(("answer", "phase"), [("deny", "Denied"), ("never", "Pending")])
def test_access_may_be_denied_or_never_answered(answer: Any, phase: str) -> None:
    """The script of a tenant says what comes of its AccessRequest; there is no Secret then."""

    async def story(stage: Stage) -> Json:
        stage.landscape.script("mcp-01").access = answer
        await stage.control_plane()
        await stage.ask()
        await stage.sleep(3600)
        with pytest.raises(NotFound):
            await stage.secret()
        return await stage.platform.get(ACCESS_REQUESTS, ACCESS, HOME)

    found = play(story)

    assert phase == dig(found, "status", "phase")
    assert generation(found) == dig(found, "status", "observedGeneration")


def test_a_changed_request_is_granted_anew() -> None:
    """After a change the answer is for the new generation, and the Secret stays."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        before = await stage.secret()
        body = {"spec": {"token": {"permissions": [{"rules": [{"verbs": ["get"]}]}]}}}
        await stage.platform.patch(ACCESS_REQUESTS, ACCESS, HOME, kind="merge", body=body)
        request = await stage.wait(ACCESS_REQUESTS, ACCESS, lambda obj: granted(obj) and generation(obj) == 3)
        await stage.wait(ACCESS_REQUESTS, ACCESS, lambda obj: dig(obj, "status", "observedGeneration") == 3)
        assert before["data"] == (await stage.secret())["data"]
        assert request["metadata"]["uid"] == before["metadata"]["ownerReferences"][0]["uid"]

    play(story)


def test_its_references_never_change() -> None:
    """As the rules of openMCP's API have it."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        for name in ("requestRef", "clusterRef"):
            body = {"spec": {name: {"name": "other", "namespace": HOME}}}
            with pytest.raises(Invalid, match=name):
                await stage.platform.patch(ACCESS_REQUESTS, ACCESS, HOME, kind="merge", body=body)

    play(story)


def test_a_token_is_renewed_in_place_when_four_fifths_of_its_life_have_passed() -> None:
    """On day 24 the Secret gets a new one; the old one is accepted until day 30."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        old = await stage.secret()
        first = stage.landscape.connect(base64.b64decode(old["data"]["kubeconfig"]))
        await stage.sleep(24 * 86_400 - 60)
        assert old == await stage.secret()
        await stage.sleep(120)
        new = await stage.secret()
        second = stage.landscape.connect(base64.b64decode(new["data"]["kubeconfig"]))
        await first.get(NAMESPACES, "default")
        await stage.sleep(6 * 86_400)
        with pytest.raises(Unauthorized):
            await first.get(NAMESPACES, "default")
        await second.get(NAMESPACES, "default")

        assert old["metadata"]["uid"] == new["metadata"]["uid"]
        made = [int(_value(secret, "creationTimestamp")) for secret in (old, new)]
        assert made[1] - made[0] == pytest.approx(24 * 86_400, abs=5)

    play(story, hours=40 * 24, bookmark_seconds=86_400, watch_seconds=86_400)


def test_tokens_are_rotated_and_revoked_at_will() -> None:
    """A rotation writes a new token; a revocation ends those that were handed out."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        first = stage.landscape.connect(base64.b64decode((await stage.secret())["data"]["kubeconfig"]))
        await stage.landscape.rotate("mcp-01")
        second = stage.landscape.connect(base64.b64decode((await stage.secret())["data"]["kubeconfig"]))
        await first.get(NAMESPACES, "default")
        await second.get(NAMESPACES, "default")
        stage.landscape.revoke_tokens("mcp-01")
        for client in (first, second):
            with pytest.raises(Unauthorized):
                await client.get(NAMESPACES, "default")

    play(story)


def test_access_that_is_given_back_is_revoked_at_once() -> None:
    """With the AccessRequest go the token and, a little later, the Secret."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        client = stage.landscape.connect(base64.b64decode((await stage.secret())["data"]["kubeconfig"]))
        await stage.platform.delete(ACCESS_REQUESTS, ACCESS, HOME)
        await until(stage.platform, ACCESS_REQUESTS, ACCESS, HOME)
        with pytest.raises(Unauthorized):
            await client.get(NAMESPACES, "default")
        await until(stage.platform, SECRETS, f"{ACCESS}.kubeconfig", HOME)

    play(story)


def test_a_lost_kubeconfig_is_made_again_when_a_person_asks() -> None:
    """Nobody watches the Secret; the operation annotation has its AccessRequest looked at, and goes."""

    async def story(stage: Stage) -> None:
        home = await stage.control_plane()
        await stage.access()
        await stage.sleep(5)
        await stage.platform.delete(SECRETS, f"{ACCESS}.kubeconfig", home)
        await stage.sleep(3600)
        with pytest.raises(NotFound):
            await stage.secret()
        body = {"metadata": {"annotations": {"openmcp.cloud/operation": "reconcile"}}}
        request = await stage.platform.patch(ACCESS_REQUESTS, ACCESS, home, kind="merge", body=body)
        await stage.sleep(5)
        assert (await stage.secret())["data"]["kubeconfig"]
        after = await stage.platform.get(ACCESS_REQUESTS, ACCESS, home)
        assert "annotations" not in after["metadata"]
        assert generation(after) == generation(request)

    play(story)


def test_a_request_to_be_ignored_is_ignored() -> None:
    """As long as the operation annotation says so."""

    async def story(stage: Stage) -> None:
        home = await stage.control_plane()
        stage.landscape.script("mcp-01").delays.access = 5.0
        await stage.ask()
        body: dict[str, Any] = {"metadata": {"annotations": {"openmcp.cloud/operation": "ignore"}}}
        await stage.platform.patch(ACCESS_REQUESTS, ACCESS, home, kind="merge", body=body)
        await stage.sleep(3600)
        assert not granted(await stage.platform.get(ACCESS_REQUESTS, ACCESS, home))
        body = {"metadata": {"annotations": None}}
        await stage.platform.patch(ACCESS_REQUESTS, ACCESS, home, kind="merge", body=body)
        await stage.wait(ACCESS_REQUESTS, ACCESS, granted)

    play(story)


# --- deletion of control planes


async def _with_service(stage: Stage, finalizers: list[str]) -> None:
    """Have a control plane with a registered service."""
    await stage.control_plane()
    stage.landscape.onboarding.install(
        custom_resource("test.services.openmcp.cloud", "v1alpha1", "Service", "services", "Namespaced")
    )
    resources = [{"group": "test.services.openmcp.cloud", "version": "v1alpha1", "kind": "Service"}]
    body = {"status": {"resources": resources}}
    await stage.platform.patch(SERVICE_PROVIDERS, "ocm", kind="merge", body=body, subresource="status")
    tenant = stage.landscape.client("tenant", ONBOARDING)
    for name in ("mcp-01", "other"):
        await tenant.create(SERVICES, _service(name, finalizers))


def test_deleting_a_control_plane_deletes_its_services_first() -> None:
    """Those of its name, of every registered kind; then everything else of it goes."""

    async def story(stage: Stage) -> None:
        await _with_service(stage, [])
        await stage.landscape.delete_control_plane("mcp-01")
        left = [obj["metadata"]["name"] for obj in stage.landscape.onboarding.objects(SERVICES)]
        namespaces = [obj["metadata"]["name"] for obj in stage.landscape.platform.objects(NAMESPACES)]
        assert left == ["other"]
        assert HOME not in namespaces
        assert not list(stage.landscape.platform.objects(CLUSTERS))
        with pytest.raises(KeyError):
            stage.landscape.control_plane("mcp-01")

    play(story)


def test_a_service_that_stays_blocks_its_control_plane() -> None:
    """The operator waits for ever, and goes on as soon as the service is gone."""

    async def story(stage: Stage) -> None:
        await _with_service(stage, ["test.services.openmcp.cloud/finalizer"])
        tenant = stage.landscape.client("tenant", ONBOARDING)
        task = asyncio.get_running_loop().create_task(stage.landscape.delete_control_plane("mcp-01"))
        await stage.sleep(86_400)
        assert deleting(await tenant.get(SERVICES, "mcp-01", "default"))
        assert not deleting(await stage.platform.get(CLUSTER_REQUESTS, "mcp-01", HOME))
        assert not task.done()
        body = {"metadata": {"finalizers": None}}
        await tenant.patch(SERVICES, "mcp-01", "default", kind="merge", body=body)
        await task

    play(story, bookmark_seconds=3600, watch_seconds=3600)


def test_a_namespace_goes_with_everything_in_it() -> None:
    """What was left in a tenant's namespace goes with it."""

    async def story(stage: Stage) -> None:
        home = await stage.control_plane()
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "left", "namespace": home}}
        await stage.platform.create(SECRETS, manifest)
        await stage.landscape.delete_control_plane("mcp-01")
        assert not list(stage.landscape.platform.objects(SECRETS))

    play(story)


def test_a_control_plane_may_be_destroyed() -> None:
    """Its request and cluster go without a care for services; what else there is on the platform stays."""

    async def story(stage: Stage) -> None:
        home = await stage.control_plane()
        await stage.access()
        await stage.landscape.destroy_control_plane("mcp-01")
        for resource, name in ((CLUSTER_REQUESTS, "mcp-01"), (CLUSTERS, stage.landscape.cluster_of("mcp-01"))):
            with pytest.raises(NotFound):
                await stage.platform.get(resource, name, home)
        assert granted(await stage.platform.get(ACCESS_REQUESTS, ACCESS, home))
        await stage.platform.delete(ACCESS_REQUESTS, ACCESS, home)
        await until(stage.platform, ACCESS_REQUESTS, ACCESS, home)

    play(story)


@pytest.mark.parametrize("length", [63, 253])
def test_long_names_work(length: int) -> None:
    """Names as long as Kubernetes allows get a control plane, and lose it again."""
    name = ("long-name." * 26)[: length - 1] + "x"

    async def story(stage: Stage) -> None:
        await stage.control_plane(name)
        await stage.access(name)
        await stage.platform.delete(ACCESS_REQUESTS, ACCESS, stage.landscape.home(name))
        await stage.landscape.delete_control_plane(name)

    play(story)


def test_actors_survive_bad_requests() -> None:
    """With every tenth request failing all the same a control plane comes and goes."""
    calls = iter(range(10**9))

    def faults(client: str, *_: str) -> PortError | None:
        return Unavailable("chaos") if client != "provider" and next(calls) % 10 == 9 else None

    async def story(stage: Stage) -> None:
        stage.landscape.traffic.faults = faults
        while True:
            try:
                await stage.landscape.create_control_plane("mcp-01")
                break
            except PortError:
                continue
        await stage.landscape.ready("mcp-01")
        await stage.access()

    play(story)
