"""Which ClusterRequest an AccessRequest is about: one that was deleted and made anew under its name is another."""

from dataclasses import replace
from datetime import timedelta

import pytest

from openmcp_provider.domain.desired import ACCESS_API
from openmcp_provider.domain.objects import PLATFORM, Ref
from openmcp_provider.domain.standing import Stage, stage_of
from tests.core.ocm_world import OcmWorld
from tests.core.world import START


@pytest.mark.parametrize(
    ("asked", "made", "token", "stage"),
    [
        (0, 100, 50, Stage.REPLACED),
        (0, 100, 150, Stage.GRANTED),  # an older program asked first, or the token was renewed since
        (200, 100, 50, Stage.GRANTED),  # the cluster provider's clock is behind
        (200, 100, 250, Stage.GRANTED),
        (100, 100, 50, Stage.GRANTED),
    ],
)
def test_both_dates_must_tell(asked: int, made: int, token: int, stage: Stage) -> None:
    """Neither an early AccessRequest nor a clock that is behind is taken for another cluster (case 2.7)."""
    world = OcmWorld().until_ready()
    request = world.objects[world.access_ref]
    cluster = world.objects[Ref(PLATFORM, ACCESS_API, "ClusterRequest", world.name, world.home)]
    for obj, seconds in ((request, asked), (cluster, made)):
        obj["metadata"]["creationTimestamp"] = (START + timedelta(seconds=seconds)).isoformat()
    world.kubeconfigs["mcp"] = replace(world.kubeconfigs["mcp"], created=START + timedelta(seconds=token))
    assert stage is stage_of(world.accesses["mcp"], world.snapshot())


def test_a_request_that_names_another_cluster_is_given_up() -> None:
    """An AccessRequest keeps the Cluster that was filled in, so it never leads to a later one (case 2.7)."""
    world = OcmWorld().until_ready()
    request = world.objects[world.access_ref]
    cluster = world.objects[Ref(PLATFORM, ACCESS_API, "ClusterRequest", world.name, world.home)]
    request["metadata"]["creationTimestamp"] = START.isoformat()
    request["spec"]["clusterRef"] = {"name": "old", "namespace": world.home}
    cluster["metadata"]["creationTimestamp"] = (START + timedelta(hours=1)).isoformat()
    cluster["status"]["cluster"] = {"name": "new", "namespace": world.home}
    assert Stage.REPLACED is stage_of(world.accesses["mcp"], world.snapshot())
