"""How an instance goes: every state of the deletion table in docs/deletion.md, to its end."""

from datetime import timedelta

import pytest

from openmcp_provider.domain.errors import Unavailable
from openmcp_provider.domain.objects import PLATFORM, Ref
from openmcp_provider.domain.plan import Create, Delete, Patch, ReadKubeconfig, ReadPlane
from openmcp_provider.domain.snapshot import Guarded, Invalid, Missing
from openmcp_provider.provider import Problem
from tests.core.ocm_world import OcmWorld, config

BLOCKER = Guarded(Ref("mcp", "delivery.ocm.software/v1alpha1", "Repository", "mirror", "team-a"))
LEFTOVER = Ref("mcp", "v1", "Secret", "sh.helm.release.v1.ocm-k8s-toolkit.v1", "ocm-k8s-toolkit-system")
OWN = {"OCIRepository", "HelmRelease", "AccessRequest"}


def both_secrets() -> OcmWorld:
    """Return a Ready OCM whose pull secret is also copied to the control plane."""
    return OcmWorld(settings=config(manager_secret="privateregcred")).until_ready()


def deleted(world: OcmWorld) -> OcmWorld:
    """Delete the instance and go on until nothing more can be done."""
    world.user_deletes()
    world.settle()
    return world


def left(world: OcmWorld) -> set[tuple[str, str]]:
    """Return what of ours is on platform and control plane."""
    ours = {(kind, name) for kind, name in world.refs(PLATFORM) if kind in OWN or name.startswith("sp-ocm-")}
    return ours | {(kind, name) for kind, name in world.refs("mcp") if kind != "Namespace"}


def assert_gone(world: OcmWorld) -> None:
    """Assert that the instance is gone and nothing of ours is left."""
    assert world.gone
    assert not left(world)


def message(world: OcmWorld) -> str:
    """Return what the tenant reads."""
    assert world.status["phase"] == "Terminating"
    assert ("False", "Terminating") == world.condition("Ready")
    return str(next(item["message"] for item in world.status["conditions"] if item["type"] == "Ready"))


def deleted_kinds(world: OcmWorld) -> list[str]:
    """Return the kinds that were deleted, in order."""
    return [step.ref.kind for step in world.log if isinstance(step, Delete)]


def test_a_control_plane_that_never_existed_lets_the_instance_go_at_once() -> None:
    """Where no control plane ever was, nothing was written and nothing is waited for."""
    world = OcmWorld()
    world.settle()
    world.instance["metadata"]["finalizers"] = ["ocm.services.openmcp.cloud/finalizer"]
    deleted(world)
    assert_gone(world)
    assert not [step for step in world.log if isinstance(step, Delete)]


@pytest.mark.parametrize("phase", ["", "Pending", "Denied"])
def test_access_that_was_never_granted_is_dropped(phase: str) -> None:
    """Without a grant nothing was installed: the AccessRequest goes, then the instance."""
    world = OcmWorld()
    world.control_plane()
    world.settle()
    if phase:
        world.grant(phase)
    world.settle()
    assert_gone(deleted(world))


def test_access_that_is_terminating_already_is_let_go() -> None:
    """Without a release an AccessRequest on its way out loses our finalizer."""
    world = OcmWorld()
    world.control_plane()
    world.settle()
    world.objects[world.access_ref]["metadata"]["deletionTimestamp"] = "2026-06-01T12:00:00Z"
    assert_gone(deleted(world))


def test_a_release_that_never_tried_needs_no_access() -> None:
    """A HelmRelease with an empty storageNamespace goes first, and is waited for."""
    world = OcmWorld().until_written()
    world.release["metadata"]["finalizers"] = ["finalizers.fluxcd.io"]
    world.drop(world.access_ref)
    deleted(world)
    assert not world.gone
    assert ["HelmRelease"] == deleted_kinds(world)
    world.flux_lets_go()
    world.settle()
    assert_gone(world)


def test_without_a_release_a_granted_control_plane_is_read_before_access_goes() -> None:
    """Copies may be there although no release is: they go before the access does."""
    world = OcmWorld(settings=config(manager_secret="privateregcred")).until_written()
    world.drop(world.release_ref)
    deleted(world)
    assert_gone(world)
    kinds = deleted_kinds(world)
    assert ["Secret", "OCIRepository", "Secret", "AccessRequest"] == kinds


def test_without_a_release_an_unreachable_control_plane_keeps_the_access() -> None:
    """What may be on a control plane that does not answer is not forgotten."""
    world = OcmWorld(settings=config(manager_secret="privateregcred")).until_written()
    world.drop(world.release_ref)
    world.dead["mcp"] = Unavailable("no route")
    deleted(world)
    assert "cannot be reached" in message(world)
    assert ("AccessRequest", world.access_ref.name) in left(world)
    world.dead.clear()
    world.pass_time(30)
    world.settle()
    assert_gone(world)


def test_a_reachable_control_plane_is_cleaned_in_order() -> None:
    """Release, what it installed, copies there, source, copies here, access, finalizer: in this order."""
    world = deleted(both_secrets())
    assert ["HelmRelease"] == deleted_kinds(world)
    assert "waiting for HelmRelease" in message(world)
    world.leftovers = (LEFTOVER,)
    world.drop(world.release_ref)
    world.settle()
    assert ["HelmRelease"] == deleted_kinds(world)
    world.leftovers = ()
    world.pass_time(10)
    world.settle()
    world.flux_lets_go()
    world.settle()
    assert_gone(world)
    assert ["HelmRelease", "Secret", "OCIRepository", "Secret", "AccessRequest"] == deleted_kinds(world)


def test_guard_objects_block_and_are_looked_at_again() -> None:
    """The release stays while objects need it, and goes once they are gone."""
    world = both_secrets()
    world.guarded = (BLOCKER,)
    deleted(world)
    assert "Repository team-a/mirror" in message(world)
    assert [] == deleted_kinds(world)
    plan = world.settle()
    assert plan.look is not None
    assert plan.look <= timedelta(seconds=10)
    world.guarded = ()
    world.pass_time(10)
    world.settle()
    assert ["HelmRelease"] == deleted_kinds(world)


def test_guard_kinds_that_cannot_be_listed_block() -> None:
    """Not knowing is not the same as none."""
    world = both_secrets()
    world.unlisted = ("components.delivery.ocm.software",)
    deleted(world)
    assert "could not list components.delivery.ocm.software" in message(world)
    assert [] == deleted_kinds(world)


def test_the_release_goes_only_on_a_fresh_look_and_a_kubeconfig_that_is_there() -> None:
    """Before the DELETE the kubeconfig is read again, and so is the control plane."""
    world = both_secrets()
    world.pass_time(3600)
    deleted(world)
    kinds = [type(step).__name__ for step in world.log if isinstance(step, (ReadKubeconfig, Delete))]
    assert ["ReadKubeconfig", "ReadKubeconfig", "Delete"] == kinds[-3:]


def test_a_missing_access_is_asked_for_again() -> None:
    """A release is not deleted without a kubeconfig: Flux would orphan what it installed without a word."""
    world = both_secrets()
    world.drop(world.access_ref)
    deleted(world)
    assert "Waiting for the platform to grant access" in message(world)
    assert [] == deleted_kinds(world)
    assert ("AccessRequest", world.access_ref.name) in left(world)
    world.grant()
    world.settle()
    assert ["HelmRelease"] == deleted_kinds(world)


def test_a_terminating_access_is_let_go_and_asked_for_again() -> None:
    """An AccessRequest on its way out cannot be used: a new one follows."""
    world = both_secrets()
    world.objects[world.access_ref]["metadata"]["deletionTimestamp"] = "2026-06-01T12:00:00Z"
    deleted(world)
    assert [] == deleted_kinds(world)
    assert isinstance(world.log[-1], Create)
    assert "AccessRequest" == world.log[-1].ref.kind


def test_a_missing_kubeconfig_is_waited_for() -> None:
    """A grant whose Secret is gone says who must act."""
    world = both_secrets()
    world.drop(Ref(PLATFORM, "v1", "Secret", "kc-mcp", world.home))
    world.pass_time(40)
    deleted(world)
    assert "does not exist" in message(world)
    assert "platform operator" in message(world)
    assert [] == deleted_kinds(world)


def test_denied_access_after_an_installation_orphans_nothing() -> None:
    """A denial keeps everything in place and names who must act."""
    world = both_secrets()
    world.objects[world.access_ref]["status"]["phase"] = "Denied"
    deleted(world)
    assert "denied access" in message(world)
    assert [] == deleted_kinds(world)


def test_an_unreachable_control_plane_after_an_installation_orphans_nothing() -> None:
    """A control plane that does not answer is tried again, and everything stays in place."""
    world = both_secrets()
    world.dead["mcp"] = Unavailable("no route")
    deleted(world)
    assert "cannot be reached" in message(world)
    assert [] == deleted_kinds(world)
    assert not [step for step in world.log if isinstance(step, ReadPlane)]


def test_a_suspended_release_is_waited_for() -> None:
    """What a person suspended is not deleted, since Flux would skip the uninstallation."""
    world = both_secrets()
    world.release["spec"]["suspend"] = True
    deleted(world)
    assert "suspended by a person" in message(world)
    assert ("True", "Suspended") == world.condition("DeletionBlocked")
    assert [] == deleted_kinds(world)
    world.release["spec"]["suspend"] = False
    world.settle()
    assert ["HelmRelease"] == deleted_kinds(world)


def gone_control_plane(world: OcmWorld) -> None:
    """Make the control plane vanish with its request."""
    world.drop(Ref(PLATFORM, "clusters.openmcp.cloud/v1alpha1", "ClusterRequest", world.name, world.home))
    world.dead["mcp"] = Unavailable("no route")
    world.cluster_exists = False


def abandon(world: OcmWorld) -> None:
    """Have a person give up what is installed."""
    world.dead["mcp"] = Unavailable("no route")
    world.instance["metadata"]["annotations"] = {"ocm.services.openmcp.cloud/abandon": "true"}


@pytest.mark.parametrize(("end", "reason"), [(gone_control_plane, "ControlPlaneGone"), (abandon, "Abandoned")])
def test_a_control_plane_that_is_gone_or_given_up_is_let_go(end: object, reason: str) -> None:
    """The release is deleted, then suspended so that Flux lets go, and an event lists what stays."""
    world = both_secrets()
    assert callable(end)
    end(world)
    deleted(world)
    assert ["HelmRelease"] == deleted_kinds(world)
    assert world.release["spec"]["suspend"] is True
    patches = [step for step in world.log if isinstance(step, Patch) and step.ref.kind == "HelmRelease"]
    assert 1 == len(patches)
    told = [event for event in world.events if event.reason == reason]
    assert 1 == len(told)
    assert "ocm-k8s-toolkit" in told[0].message
    world.flux_lets_go()
    world.settle()
    world.flux_lets_go()
    world.settle()
    assert world.gone
    assert not {name for kind, name in world.refs(PLATFORM) if kind in OWN}
    assert 1 == len([event for event in world.events if event.reason == reason])


def test_a_control_plane_whose_cluster_still_exists_is_not_given_up() -> None:
    """A missing ClusterRequest alone proves nothing."""
    world = both_secrets()
    gone_control_plane(world)
    world.cluster_exists = True
    deleted(world)
    assert [] == deleted_kinds(world)
    assert [step for step in world.log if isinstance(step, ReadPlane)]
    assert "cannot be reached" in message(world)


def test_a_leftover_is_waited_for_and_never_deleted() -> None:
    """What uninstalling left behind is named, and `abandon` ends the wait."""
    world = deleted(both_secrets())
    world.leftovers = (LEFTOVER,)
    world.drop(world.release_ref)
    world.settle()
    assert ("True", "ReleaseLeftovers") == world.condition("DeletionBlocked")
    assert LEFTOVER.name in message(world)
    world.instance["metadata"]["annotations"] = {"ocm.services.openmcp.cloud/abandon": "true"}
    world.settle()
    world.flux_lets_go()
    world.settle()
    assert_gone(world)


def test_deletion_needs_neither_config_nor_a_spec_that_can_be_read() -> None:
    """A broken ProviderConfig or spec holds nobody back from going."""
    world = both_secrets()
    world.config = Missing()
    world.spec = Invalid((Problem("spec.version", "is a number", "text"),))
    deleted(world)
    assert ["HelmRelease"] == deleted_kinds(world)
    world.drop(world.release_ref)
    world.settle()
    world.flux_lets_go()
    world.settle()
    assert_gone(world)


def test_what_is_not_ours_survives() -> None:
    """A tenant's own Secret of the same name, and a HelmRelease of somebody else, stay."""
    world = OcmWorld(settings=config(manager_secret="privateregcred"))
    theirs = Ref("mcp", "v1", "Secret", "privateregcred", "ocm-k8s-toolkit-system")
    world.put(
        theirs,
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": theirs.name, "namespace": theirs.namespace}},
        manager="kubectl",
    )
    world.until_written()
    deleted(world)
    world.flux_lets_go()
    world.settle()
    assert world.gone
    assert {("Secret", "privateregcred")} == left(world)


def test_copies_that_an_older_program_wrote_meanwhile_are_found() -> None:
    """A look for unmarked copies from before the deletion does not count: somebody may have gone back for a while."""
    world = both_secrets()
    first = Ref(PLATFORM, "v1", "Secret", "sp-ocm-former", world.home)
    metadata = {"name": first.name, "namespace": first.namespace}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"x": "eA=="}}
    for ref in (world.release_ref, world.source_ref):
        world.objects[ref]["metadata"]["managedFields"] = []
        world.put(ref, world.objects[ref], manager="service-provider-ocm")
    world.put(first, secret, manager="service-provider-ocm")
    world.settle()
    assert first not in world.objects
    world.put(first, secret, manager="service-provider-ocm")
    world.pass_time(3600)
    deleted(world)
    world.drop(world.release_ref)
    world.settle()
    world.flux_lets_go()
    world.settle()
    assert_gone(world)
