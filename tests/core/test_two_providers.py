"""Two providers that share a field manager: the mark tells whose an object is."""

import pytest

from openmcp_provider.domain.names import MANAGED_BY
from openmcp_provider.domain.plan import Apply, Delete, Patch
from tests.core.ocm_world import OcmWorld

THEIRS = "ocm.services.example.org"


@pytest.mark.parametrize("which", ["source", "release"])
def test_an_object_with_the_mark_of_another_provider_is_theirs(which: str) -> None:
    """It is neither written nor deleted, though managedFields name our manager, and NameTaken says so (case 6.8)."""
    world = OcmWorld().until_ready()
    ref = {"source": world.source_ref, "release": world.release_ref}[which]
    obj = world.objects[ref]
    obj["metadata"]["labels"][MANAGED_BY] = THEIRS
    obj["spec"]["interval"] = "9m0s"
    since = len(world.log)
    world.settle()
    world.pass_time(3600)
    world.settle()
    assert ("False", "NameTaken") == world.condition("Installed")
    message = next(item["message"] for item in world.status["conditions"] if item["type"] == "Ready")
    assert f"{ref} on the platform exists already and is not managed by this provider" in message
    world.user_deletes()
    world.settle()
    written = [step.ref for step in world.log[since:] if isinstance(step, (Apply, Delete, Patch))]
    assert ref not in written
    assert ref in world.objects


def test_an_object_without_a_mark_stays_ours() -> None:
    """Somebody who only takes the label off gives nothing away: it is put back (case 6.8)."""
    world = OcmWorld().until_ready()
    mark = world.release["metadata"]["labels"].pop(MANAGED_BY)
    world.settle()
    assert mark == world.release["metadata"]["labels"][MANAGED_BY]
