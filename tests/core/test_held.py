"""What a tenant reads while finalizers hold something that is being deleted."""

from datetime import timedelta

import pytest

from openmcp_provider.domain.errors import Unavailable
from openmcp_provider.domain.objects import PLATFORM, Ref
from tests.core.ocm_world import OcmWorld, config
from tests.core.world import START

FOREIGN = "example.com/hold"
FLUX = "finalizers.fluxcd.io"
PROVIDER = "clusters.openmcp.cloud/finalizer"
SINCE = "2026-06-01T12:00:00Z"
ABANDON = {"ocm.services.openmcp.cloud/abandon": "true"}


def ready() -> OcmWorld:
    """Return a Ready OCM with copies on both clusters."""
    return OcmWorld(settings=config(manager_secret="privateregcred")).until_ready()


def source(world: OcmWorld) -> Ref:
    """Return the OCIRepository."""
    return world.source_ref


def release(world: OcmWorld) -> Ref:
    """Return the HelmRelease."""
    return world.release_ref


def access(world: OcmWorld) -> Ref:
    """Return the AccessRequest."""
    return world.access_ref


def copied(world: OcmWorld) -> Ref:
    """Return the copy of the pull secret on the platform."""
    return next(ref for ref in world.objects if ref.namespace == world.home and ref.name.startswith("sp-ocm-"))


def copied_there(world: OcmWorld) -> Ref:
    """Return the copy of the pull secret on the control plane."""
    return next(ref for ref in world.objects if ref.cluster == "mcp" and ref.kind == "Secret")


def hold(world: OcmWorld, ref: Ref, finalizer: str = FOREIGN) -> None:
    """Have somebody set a finalizer."""
    world.objects[ref]["metadata"].setdefault("finalizers", []).append(finalizer)


def flux_uninstalls(world: OcmWorld) -> None:
    """Have Flux take its finalizers off what is being deleted, and whoever sets no other see it go."""
    for ref in (world.release_ref, world.source_ref):
        metadata = world.objects.get(ref, {}).get("metadata", {})
        if metadata.get("deletionTimestamp"):
            metadata["finalizers"] = [name for name in metadata["finalizers"] if name != FLUX]
            if not metadata["finalizers"]:
                world.drop(ref)


def delete(world: OcmWorld) -> None:
    """Have the tenant delete the OCM, and go on until something holds it up."""
    world.user_deletes()
    for _ in range(4):
        world.settle()
        flux_uninstalls(world)


def message(world: OcmWorld) -> str:
    """Return what the tenant reads."""
    return str(next(item["message"] for item in world.status["conditions"] if item["type"] == "Ready"))


def trues(world: OcmWorld) -> set[str]:
    """Return the types of the conditions that are True."""
    return {item["type"] for item in world.status["conditions"] if item["status"] == "True"}


@pytest.mark.parametrize("which", [source, release, access, copied, copied_there])
def test_a_foreign_finalizer_is_named(which: object) -> None:
    """After some seconds the message names object, finalizer, since when and who acts (case 5.1)."""
    world = ready()
    assert callable(which)
    ref = which(world)
    hold(world, ref)
    delete(world)
    assert FOREIGN not in message(world)
    plan = world.settle()
    assert plan.look is not None
    assert plan.look <= timedelta(seconds=10)
    world.pass_time(10)
    world.settle()
    where = "" if ref.cluster == PLATFORM else " on the control plane"
    assert message(world) == (
        f'Waiting for {ref}{where} to go: it was deleted at {SINCE}, and finalizer "{FOREIGN}" is left. '
        f"Whoever set {FOREIGN} must remove it [{ref}]. The rest continues automatically."
    )
    assert ("True", "HeldByFinalizer") == world.condition("DeletionBlocked")
    world.objects[ref]["metadata"]["finalizers"].remove(FOREIGN)
    if not world.objects[ref]["metadata"]["finalizers"]:
        world.drop(ref)
    world.pass_time(10)
    for _ in range(4):
        world.settle()
        flux_uninstalls(world)
    assert world.gone


def test_a_foreign_finalizer_is_announced_after_a_minute() -> None:
    """Within a minute no event warns, then one does, and never again (case 5.1)."""
    world = ready()
    hold(world, world.source_ref)
    delete(world)
    for seconds in (10, 20, 30, 3600, 3600):
        world.pass_time(seconds)
        world.settle()
    warned = [event.message for event in world.events if event.reason == "DeletionBlocked"]
    assert [
        (
            f"deletion blocked: {world.source_ref} was deleted at {SINCE} but does not go: "
            f'finalizer "{FOREIGN}" is left. Whoever set {FOREIGN} must remove it [{world.source_ref}]. '
            "The rest continues automatically."
        )
    ] == warned
    assert warned[0] == message(world)


def test_conditions_of_what_is_gone_go() -> None:
    """While the access is held, nothing says that access, chart or copies are there (case 5.1)."""
    world = ready()
    hold(world, world.access_ref)
    delete(world)
    world.pass_time(10)
    world.settle()
    assert trues(world) == {"DeletionBlocked", "ProviderConfigValid", "SpecValid"}
    assert ("Unknown", "Terminating") == world.condition("Installed")
    kinds = {item["type"] for item in world.status["conditions"]}
    assert not kinds & {"ChartAvailable", "ControlPlaneAccess", "PullSecretsReady"}


def test_a_source_that_flux_does_not_let_go() -> None:
    """Where Flux's own finalizer is left, the platform operator looks at Flux (case 5.1)."""
    world = ready()
    world.user_deletes()
    world.settle()
    world.drop(world.release_ref)
    world.settle()
    world.pass_time(60)
    world.settle()
    assert message(world) == (
        f'deletion blocked: {world.source_ref} was deleted at {SINCE} but does not go: finalizer "{FLUX}" is left. '
        f"Flux removes {FLUX}: the platform operator must check that Flux runs, and what it says about this object "
        f"[{world.source_ref}]. The rest continues automatically."
    )


def test_a_release_has_time_to_be_uninstalled() -> None:
    """While Flux uninstalls, it is not said to hold anything up; after ten minutes it is (case 5.1)."""
    world = ready()
    world.user_deletes()
    world.settle()
    world.pass_time(599)
    world.settle()
    assert "Uninstalling OCM K8s Toolkit: waiting for" in message(world)
    world.pass_time(1)
    world.settle()
    assert f"Flux removes {FLUX}" in message(world)


def test_a_provider_that_cannot_revoke_the_access() -> None:
    """The finalizer of openMCP is the platform's, and what was abandoned stays told meanwhile (case 5.1)."""
    world = ready()
    hold(world, world.access_ref, PROVIDER)
    world.dead["mcp"] = Unavailable("no route")
    world.instance["metadata"]["annotations"] = ABANDON
    delete(world)
    world.pass_time(60)
    world.settle()
    assert f"The platform removes {PROVIDER}: ask the platform operator [{world.access_ref}]." in message(world)
    installed = next(item for item in world.status["conditions"] if item["type"] == "Installed")
    assert ("Unknown", "Abandoned") == (installed["status"], installed["reason"])
    assert "Helm release ocm-k8s-toolkit-system/ocm-k8s-toolkit (0.4.0)" in installed["message"]
    assert 1 == len([event for event in world.events if event.reason == "Abandoned"])


def test_what_was_given_up_stays_told_to_the_end() -> None:
    """Once everything on the platform but the access is gone, the message still is what was abandoned (case 5.1)."""
    world = ready()
    hold(world, world.access_ref, PROVIDER)
    world.dead["mcp"] = Unavailable("no route")
    world.instance["metadata"]["annotations"] = ABANDON
    delete(world)
    assert message(world).startswith("What is installed on control plane default/mcp-01 is given up")
    assert ("False", "Abandoned") == world.condition("DeletionBlocked")


def test_something_that_somebody_deleted_is_held() -> None:
    """Also of an OCM that stays: what somebody deleted and does not go is named, with its finalizers (case 5.1)."""
    world = ready()
    hold(world, world.source_ref)
    world._delete(world.source_ref)
    flux_uninstalls(world)
    world.settle()
    assert "Nothing to do" in message(world)
    world.pass_time(60)
    world.settle()
    assert message(world) == (
        f'{world.source_ref} was deleted at {SINCE} but does not go: finalizer "{FOREIGN}" is left. '
        f"Whoever set {FOREIGN} must remove it [{world.source_ref}]. It is created again once it is gone."
    )
    assert ("True", "HeldByFinalizer") == world.condition("DeletionBlocked")
    assert 1 == len([event for event in world.events if event.reason == "HeldByFinalizer"])
    world.drop(world.source_ref)
    world.settle()
    assert ("", "") == world.condition("DeletionBlocked")
    assert world.now - START == timedelta(minutes=1)
