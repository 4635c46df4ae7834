"""What a tenant reads when the access cannot even be asked for, or does not go."""

import pytest

from openmcp_provider.domain.errors import Forbidden, NotFound, PortError, TooManyRequests
from openmcp_provider.domain.plan import Create, Delete, Patch
from tests.core.ocm_world import OcmWorld

PROVIDER = "clusters.openmcp.cloud/finalizer"


def message(world: OcmWorld) -> str:
    """Return what the tenant reads."""
    return str(next(item["message"] for item in world.status["conditions"] if item["type"] == "Ready"))


def asking() -> OcmWorld:
    """Return an OCM whose control plane is there, while nothing was asked for yet."""
    world = OcmWorld("0.6.0")
    world.control_plane()
    return world


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Forbidden("not allowed to create accessrequests"), "ReconcileError"),
        (NotFound('namespaces "mcp--x" not found'), "ReconcileError"),
        (TooManyRequests("slow down"), "Reconciling"),
    ],
)
def test_an_access_request_that_cannot_be_created_is_not_pending(error: PortError, reason: str) -> None:
    """The failed write is what is told: object, and the server's words (case 5.2)."""
    world = asking()
    world.fail[Create] = error
    for _ in range(3):
        world.step()
    assert f"Writing {world.access_ref} on the platform failed ({error.reason}: {error.message})" in message(world)
    assert ("False", reason) == world.condition("Ready")
    assert ("False", f"Write{error.reason}") == world.condition("ControlPlaneAccess")
    warned = [event.reason for event in world.events if event.type == "Warning"]
    assert warned == ([] if reason == "Reconciling" else [f"Write{error.reason}"])
    world.fail.clear()
    world.settle()
    assert "AccessRequest is Pending" in message(world)


def test_an_instance_whose_finalizer_is_denied() -> None:
    """Without the finalizer nothing is written, and the tenant reads why (case 5.2)."""
    world = asking()
    world.fail[Patch] = Forbidden("not allowed to patch ocms")
    world.step()
    world.step()
    assert "Writing OCM default/mcp-01 on the onboarding cluster failed (Forbidden: not allowed to patch" in message(
        world
    )
    assert ("False", "ReconcileError") == world.condition("Ready")
    assert not [item for item in world.status["conditions"] if "Pending" in item["message"]]


def test_an_access_request_that_does_not_go() -> None:
    """Its finalizers are named, what runs stays Ready, and the platform is to act (case 5.2)."""
    world = OcmWorld().until_ready()
    world.objects[world.access_ref]["metadata"]["finalizers"] = [PROVIDER]
    world._delete(world.access_ref)
    world.settle()
    assert ("True", "ReconcileSuccess") == world.condition("Ready")
    world.pass_time(60)
    world.settle()
    assert ("True", "ReconcileSuccess") == world.condition("Ready")
    assert ("True", "HeldByFinalizer") == world.condition("DeletionBlocked")
    held = next(item["message"] for item in world.status["conditions"] if item["type"] == "DeletionBlocked")
    assert held == (
        f'{world.access_ref} was deleted at 2026-06-01T12:00:00Z but does not go: finalizer "{PROVIDER}" is left. '
        f"The platform removes {PROVIDER}: ask the platform operator [{world.access_ref}]. "
        "Access is requested again once it is gone."
    )
    assert 1 == len([event for event in world.events if event.reason == "HeldByFinalizer"])


def test_a_new_instance_waits_for_an_access_request_that_does_not_go() -> None:
    """Where nothing runs yet, that is the message (case 5.2)."""
    world = asking()
    world.settle()
    world.objects[world.access_ref]["metadata"]["finalizers"].append(PROVIDER)
    world._delete(world.access_ref)
    world.settle()
    assert "(AccessRequest is being deleted, and requested again)." in message(world)
    world.pass_time(10)
    world.settle()
    assert message(world).startswith(f"Waiting for {world.access_ref} to go: it was deleted at")


def test_a_failed_write_leads_while_deleting() -> None:
    """A deletion that is not allowed is told, in place of what would be waited for (case 5.2)."""
    world = OcmWorld().until_ready()
    world.fail[Delete] = Forbidden("not allowed to delete helmreleases")
    world.user_deletes()
    for _ in range(3):
        world.step()
    assert message(world).startswith(f"Writing {world.release_ref} on the platform failed (Forbidden: not allowed")


@pytest.mark.parametrize("deleting", [False, True])
def test_a_platform_that_lost_flux(deleting: bool) -> None:
    """What runs stays Ready, a deletion is blocked, and both name the kinds and who acts (case 3.4)."""
    world = OcmWorld("0.6.0").until_ready()
    world.unserved = {("source.toolkit.fluxcd.io/v1", "OCIRepository")}
    if deleting:
        world.user_deletes()
    world.settle()
    told = next(item for item in world.status["conditions"] if item["reason"] == "KindsNotServed")
    assert told["message"].endswith(
        "Flux is not installed on the platform, which does not serve OCIRepository (source.toolkit.fluxcd.io/v1). "
        "Only the platform operator can install it; the rest then continues automatically."
    )
    assert told["type"] == ("DeletionBlocked" if deleting else "Installed")
    assert ("False" if deleting else "True") == world.condition("Ready")[0]
    assert [] == [step for step in world.log if isinstance(step, Delete)]


def test_a_platform_without_flux() -> None:
    """Nothing is written while Flux is not there (case 3.4)."""
    world = asking()
    world.unserved = {("source.toolkit.fluxcd.io/v1", "OCIRepository")}
    world.settle()
    assert message(world).startswith("Flux is not installed on the platform")
    assert ("False", "ReconcileError") == world.condition("Ready")
    assert [] == world.log
