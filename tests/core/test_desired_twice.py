"""An author who yields one object twice."""

from collections.abc import Iterable

from openmcp_provider.domain.plan import Apply
from openmcp_provider.provider import Copy, Item, Tenant
from tests.core.second import SPACE, Beacon, BeaconConfig, BeaconSpec
from tests.core.world import World


class Twice(Beacon):
    """Yields one ConfigMap in two versions."""

    def desired(self, tenant: Tenant[BeaconSpec, BeaconConfig]) -> Iterable[Item | Copy]:
        """Yield both, the second in an earlier wave."""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}}
        yield Item(cluster="workload", manifest=namespace)
        for wave, value in ((1, "first"), (0, "second")):
            metadata = {"name": "settings", "namespace": SPACE}
            manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"is": value}}
            yield Item(cluster="workload", manifest=manifest, wave=wave)


def test_the_first_of_two_items_for_one_object_counts() -> None:
    """Writing both would go on for ever, each undoing the other (case 1.1)."""
    world = World(Twice(), BeaconSpec(replicas=1), None)
    world.control_plane()
    world.settle()
    world.grant()
    world.settle()
    world.pass_time(3600)
    world.settle()
    assert 1 == sum(isinstance(step, Apply) for step in world.log)
    settings = world.find("ConfigMap", "workload")
    assert settings is not None
    assert {"is": "first"} == settings["data"]
