"""A provider unlike the first goes through the same functions: a workload cluster, no Flux, a ConfigMap copy."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from openmcp_provider.domain.desired import desired
from openmcp_provider.domain.errors import Unavailable
from openmcp_provider.domain.objects import PLATFORM, Ref
from openmcp_provider.domain.plan import Apply, Create, Delete
from openmcp_provider.domain.reconcile import tenant_of
from openmcp_provider.domain.snapshot import Invalid, Valid
from openmcp_provider.provider import Copy, Item, Problem, Tenant
from tests.core.second import Beacon, BeaconConfig, BeaconSpec
from tests.core.world import SYSTEM, World


def beacon(config: BeaconConfig | None = None) -> World:
    """Return a world with a control plane and the bundle that is copied."""
    world = World(Beacon(), BeaconSpec(replicas=2), config)
    bundle = (config or BeaconConfig()).bundle
    metadata = {"name": bundle, "namespace": SYSTEM}
    world.put(
        Ref(PLATFORM, "v1", "ConfigMap", bundle, SYSTEM),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": "certificate"}},
    )
    world.control_plane()
    world.settle()
    return world


def shining(config: BeaconConfig | None = None) -> World:
    """Return a world whose instance is Ready."""
    world = beacon(config)
    world.grant()
    world.settle()
    world.objects[deployment(world)]["status"] = {"readyReplicas": 2}
    world.pass_time(61)
    world.settle()
    assert world.status["phase"] == "Ready"
    return world


def deployment(world: World) -> Ref:
    """Return where the Deployment is."""
    return Ref("workload", "apps/v1", "Deployment", f"beacon-{world.name}", "beacon")


def test_it_is_small() -> None:
    """An author supplies at most 80 lines, all told."""
    assert len(Path(__file__).with_name("second.py").read_text(encoding="utf-8").splitlines()) <= 80


def test_a_cluster_of_its_own_is_asked_for_first() -> None:
    """The ClusterRequest of a workload cluster comes before the AccessRequests, and each cluster gets one of those."""
    world = beacon()
    created = [step.ref for step in world.log if isinstance(step, Create)]
    assert ["ClusterRequest", "AccessRequest", "AccessRequest"] == [ref.kind for ref in created]
    assert created[0].name == created[2].name
    request = world.objects[created[2]]
    assert {"name": created[0].name, "namespace": world.home} == request["spec"]["requestRef"]


def test_it_works_without_a_config() -> None:
    """Where the author's check does not ask for a ProviderConfig none is needed, and none is told as missing."""
    world = shining()
    assert ("", "") == world.condition("ProviderConfigValid")
    assert ("True", "Running") == world.condition("Installed")
    assert ("True", "Copied") == world.condition("ConfigMapsReady")
    assert world.status["replicas"] == 2
    assert "installedVersion" not in world.status


def test_it_writes_copy_before_item() -> None:
    """Namespace, copy, item: in this order, marked on the workload cluster with the instance they belong to."""
    world = shining()
    written = [
        step.ref.kind for step in world.log if isinstance(step, (Create, Apply)) and step.ref.cluster == "workload"
    ]
    assert ["Namespace", "ConfigMap", "Deployment"] == written
    labels = world.objects[deployment(world)]["metadata"]["labels"]
    assert {
        "openmcp.cloud/managed-by": Beacon.edition.access_controller,
        "openmcp.cloud/onboarding-name": "mcp-01",
        "openmcp.cloud/onboarding-namespace": "default",
    } == labels


def test_a_missing_config_map_is_told_as_such() -> None:
    """The words for a ConfigMap are not those for a pull secret."""
    world = beacon()
    world.drop(Ref(PLATFORM, "v1", "ConfigMap", "ca-bundle", SYSTEM))
    world.grant()
    world.settle()
    assert ("False", "ConfigMapNotFound") == world.condition("ConfigMapsReady")
    message = next(item["message"] for item in world.status["conditions"] if item["type"] == "Ready")
    assert message.startswith('ConfigMap "ca-bundle", named by ProviderConfig "beacon", is missing on the platform.')


def test_a_renamed_bundle_replaces_the_old_copy() -> None:
    """What is no longer wanted is pruned on a tenant cluster, too."""
    world = shining()
    metadata = {"name": "other", "namespace": SYSTEM}
    world.put(
        Ref(PLATFORM, "v1", "ConfigMap", "other", SYSTEM),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}},
    )
    world.config = Valid(BeaconConfig(bundle="other"))
    world.settle()
    assert ("ConfigMap", "other") in world.refs("workload")
    assert ("ConfigMap", "ca-bundle") not in world.refs("workload")


def test_an_unreachable_workload_cluster_keeps_the_instance() -> None:
    """Deletion needs every cluster on which something may be; the other one does not stand in for it."""
    world = shining()
    world.dead["workload"] = Unavailable("no route")
    world.user_deletes()
    world.settle()
    message = next(item["message"] for item in world.status["conditions"] if item["type"] == "Ready")
    assert message.startswith("Workload cluster default/mcp-01 cannot be reached.")
    assert not [step for step in world.log if isinstance(step, Delete)]


def test_it_goes_with_everything_it_made() -> None:
    """Items, copies, both accesses and the ClusterRequest go; the namespace stays."""
    world = shining()
    world.user_deletes()
    world.settle(limit=20)
    assert world.gone
    assert {("Namespace", "beacon")} == world.refs("workload")
    assert not {kind for kind, name in world.refs(PLATFORM) if kind == "AccessRequest" or name.endswith("--wl")}


def test_desired_is_the_same_twice() -> None:
    """Desired state is a function: equal inputs, equal output."""
    world = beacon()
    tenant = tenant_of(world.provider, world.snapshot())
    assert desired(world.provider, tenant) == desired(world.provider, tenant)


class Keeping(Beacon):
    """A provider whose items stay when the instance goes."""

    def desired(self, tenant: Tenant[BeaconSpec, BeaconConfig]) -> Iterable[Item | Copy]:
        """Want the same, but keep the Deployment."""
        for item in super().desired(tenant):
            yield replace(item, on_delete="orphan") if isinstance(item, Item) else item


def test_what_an_author_wants_kept_stays() -> None:
    """An item that is to be orphaned outlives the instance, without config or spec being asked."""
    world = World(Keeping(), BeaconSpec(replicas=2), None)
    metadata = {"name": "ca-bundle", "namespace": SYSTEM}
    world.put(
        Ref(PLATFORM, "v1", "ConfigMap", "ca-bundle", SYSTEM),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {}},
    )
    world.control_plane()
    world.settle()
    world.grant()
    world.settle()
    world.spec = Invalid((Problem("spec", "is broken", "mend it"),))
    world.user_deletes()
    world.settle(limit=20)
    assert world.gone
    assert {("Namespace", "beacon"), ("Deployment", "beacon-mcp-01")} == world.refs("workload")
