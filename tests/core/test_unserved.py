"""Kinds that a tenant cluster does not serve (yet): nothing of them is there, and their definition comes first."""

from collections.abc import Iterable

from openmcp_provider.domain.objects import dig
from openmcp_provider.domain.plan import ReadCluster
from openmcp_provider.provider import Copy, Item, Owned, Tenant
from tests.core.second import Beacon, BeaconConfig, BeaconSpec
from tests.core.world import World

LAMPS, DEFINITIONS = "lamps.example.org/v1", "apiextensions.k8s.io/v1"


class Lighthouse(Beacon):
    """Defines a kind, and makes an object of it."""

    owns: tuple[Owned, ...] = (
        Owned("workload", DEFINITIONS, "CustomResourceDefinition", "customresourcedefinitions"),
        Owned("workload", LAMPS, "Lamp", "lamps"),
    )
    defines = True

    def desired(self, tenant: Tenant[BeaconSpec, BeaconConfig]) -> Iterable[Item | Copy]:
        """Define lamps, and light one."""
        if self.defines:
            names = {"kind": "Lamp", "plural": "lamps"}
            metadata = {"name": "lamps.lamps.example.org"}
            spec = {"group": "lamps.example.org", "names": names}
            kind = "CustomResourceDefinition"
            yield Item(
                cluster="workload",
                manifest={"apiVersion": DEFINITIONS, "kind": kind, "metadata": metadata, "spec": spec},
            )
        lamp = {"apiVersion": LAMPS, "kind": "Lamp", "metadata": {"name": tenant.name, "namespace": "default"}}
        yield Item(cluster="workload", manifest={**lamp, "spec": {"lit": True}}, wave=1)


class Dark(Lighthouse):
    """Makes an object of a kind that somebody else is to define."""

    defines = False


def begun(provider: Beacon) -> World:
    """Return a world whose clusters are granted and do not serve lamps."""
    world = World(provider, BeaconSpec(replicas=1), None)
    world.unserved = {(LAMPS, "Lamp")}
    world.control_plane()
    world.settle()
    for obj in world.objects.values():
        if obj["kind"] == "ClusterRequest":
            obj["status"] = {"phase": "Granted", "observedGeneration": 1}
    world.grant()
    world.settle()
    return world


def message(world: World) -> str:
    """Return what the tenant reads."""
    return str(next(item["message"] for item in world.status["conditions"] if item["type"] == "Ready"))


def test_a_definition_is_written_before_its_objects() -> None:
    """The definition goes first; the object follows within seconds of being served, and no error is told (case 6.7)."""
    world = begun(Lighthouse())
    assert {("CustomResourceDefinition", "lamps.lamps.example.org")} == world.refs("workload")
    assert ("False", "Reconciling") == world.condition("Ready")
    assert message(world).startswith(f"Waiting for the workload cluster to serve Lamp ({LAMPS})")
    world.unserved.clear()
    world.pass_time(1)
    world.settle()
    assert ("Lamp", "mcp-01") in world.refs("workload")
    assert ("True", "ReconcileSuccess") == world.condition("Ready")
    assert not [event for event in world.events if event.type == "Warning" and event.reason != "ControlPlaneNotFound"]


def test_a_kind_that_stays_unserved_is_asked_for_ever_less_often() -> None:
    """Where a definition is written and never served, the looks come at twice the time, at last 30 s (case 6.7)."""
    world = begun(Lighthouse())
    before = len(world.log)
    for _ in range(600):
        world.pass_time(1)
        world.settle()
    assert 10 < len([step for step in world.log[before:] if isinstance(step, ReadCluster)]) < 30


def test_a_kind_that_nobody_defines_is_told_as_what_it_is() -> None:
    """A 404 of a kind is told as such, not as silence, and the object is written once it is served (case 6.7)."""
    world = begun(Dark())
    assert ("False", "ReconcileError") == world.condition("Ready")
    assert ("True", "Granted") == world.condition("ControlPlaneAccess")
    assert message(world).startswith("Lamp default/mcp-01 cannot be written: the workload cluster does not serve Lamp")
    world.unserved.clear()
    world.pass_time(30)
    world.settle()
    assert ("True", "ReconcileSuccess") == world.condition("Ready")


def test_a_kind_that_is_not_served_does_not_hold_up_deletion() -> None:
    """Where the kind is not served, nothing of it is left to delete (case 6.7)."""
    for provider in (Lighthouse(), Dark()):
        world = begun(provider)
        world.user_deletes()
        world.settle(limit=20)
        assert world.gone, dig(world.instance, "status", "conditions")
