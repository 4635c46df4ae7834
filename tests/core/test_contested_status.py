"""What a tenant reads while somebody changes what is written each time."""

from typing import Any

from tests.core.ocm_world import OcmWorld


def mirrored(obj: dict[str, Any]) -> None:
    """Rewrite the chart's repository, as a policy of the platform."""
    if obj["kind"] == "OCIRepository":
        obj["spec"]["url"] = "oci://mirror.example.org/chart"


def test_a_field_that_a_policy_rewrites_is_named() -> None:
    """A new tenant is not called Ready: object and field are named, and who must look (case 1.1)."""
    world = OcmWorld()
    world.policy = mirrored
    world.until_written()
    assert ("False", "FieldContested") == world.condition("Stable")
    assert ("False", "ReconcileError") == world.condition("Ready")
    assert ("Warning", "FieldContested") in [(event.type, event.reason) for event in world.events]


def test_a_ready_instance_stays_ready_while_a_field_is_contested() -> None:
    """The condition tells, and Ready keeps its words (case 1.1)."""
    world = OcmWorld().until_ready()
    world.policy = mirrored
    mirrored(world.oci)
    world.settle()
    assert ("False", "FieldContested") == world.condition("Stable")
    assert ("True", "ReconcileSuccess") == world.condition("Ready")
    ready = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    assert ready["message"].endswith("is installed and ready.")
