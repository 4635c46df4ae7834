"""Copies and items that cannot simply be written: fixed types, immutable data, objects that somebody deletes."""

from typing import Any

import pytest

from openmcp_provider.domain.objects import PLATFORM, Ref, annotations
from openmcp_provider.domain.ownership import INPUTS
from openmcp_provider.domain.plan import Apply, Delete, Patch
from service_provider_ocm.api import OcmConfig
from tests.core.ocm_world import OcmWorld, config

ROTATED = "eyJhdXRocyI6eyJuZXciOnt9fX0="


def copy_ref(world: OcmWorld) -> Ref:
    """Return where the chart's pull secret is copied to."""
    return Ref(PLATFORM, "v1", "Secret", "sp-ocm-privateregcred", world.home)


def kinds(world: OcmWorld, since: int) -> list[tuple[str, str]]:
    """Return the steps since then: what was done to which kind."""
    return [
        (type(step).__name__, step.ref.kind) for step in world.log[since:] if isinstance(step, (Apply, Delete, Patch))
    ]


@pytest.mark.parametrize("change", [{"type": "Opaque"}, {"immutable": True}])
def test_a_copy_that_cannot_be_changed_is_made_anew(change: dict[str, Any]) -> None:
    """A wrong type, and data that is immutable and stale, are no error for ever: delete, create, and tell Flux."""
    world = OcmWorld().until_ready()
    old = world.objects[copy_ref(world)]
    old.update(change)
    world.source("privateregcred", ROTATED)
    since = len(world.log)
    world.settle()
    made = world.objects[copy_ref(world)]
    assert made["metadata"]["uid"] != old["metadata"]["uid"]
    assert ("kubernetes.io/dockerconfigjson", ROTATED) == (made["type"], made["data"][".dockerconfigjson"])
    assert [("Delete", "Secret"), ("Apply", "Secret"), ("Patch", "OCIRepository")] == kinds(world, since)


def test_an_immutable_copy_that_is_right_stays() -> None:
    """What needs no change needs not be made anew."""
    world = OcmWorld().until_ready()
    world.objects[copy_ref(world)]["immutable"] = True
    since = len(world.log)
    world.settle()
    assert [] == kinds(world, since)


def test_a_rotated_secret_pokes_what_reads_it_once() -> None:
    """Copy, then one patch that sets the token and asks Flux to look; the same again changes nothing."""
    world = OcmWorld().until_ready()
    before = annotations(world.oci)[INPUTS]
    world.source("privateregcred", ROTATED)
    since = len(world.log)
    world.settle()
    assert [("Apply", "Secret"), ("Patch", "OCIRepository")] == kinds(world, since)
    notes = annotations(world.oci)
    assert before != notes[INPUTS] == notes["reconcile.fluxcd.io/requestedAt"]
    assert world.oci["metadata"]["generation"] == 1


def test_a_poke_survives_a_crash_before_it() -> None:
    """It follows from what is observed: a copy that was written without its poke is told later."""
    world = OcmWorld().until_ready()
    world.source("privateregcred", ROTATED)
    world.objects[copy_ref(world)]["data"] = {".dockerconfigjson": ROTATED}
    since = len(world.log)
    world.settle()
    assert [("Patch", "OCIRepository")] == kinds(world, since)


@pytest.mark.parametrize("which", ["copy", "source", "release"])
def test_an_object_that_somebody_deletes_is_waited_for(which: str) -> None:
    """What is on its way out is neither repaired nor adopted; it is made anew once it is gone."""
    world = OcmWorld().until_ready()
    ref = {"copy": copy_ref(world), "source": world.source_ref, "release": world.release_ref}[which]
    metadata = world.objects[ref]["metadata"]
    metadata["deletionTimestamp"], metadata["finalizers"] = "2026-06-01T12:00:00Z", ["finalizers.fluxcd.io"]
    since = len(world.log)
    world.settle()
    assert [] == kinds(world, since)
    message = next(item["message"] for item in world.status["conditions"] if item["type"] == "Ready")
    assert f"{ref} is being deleted by somebody." in message
    assert "Reconciling" == world.condition("Ready")[1]
    world.drop(ref)
    world.settle()
    assert ref in world.objects


@pytest.mark.parametrize(
    ("after", "gone"),
    [(config(chart_secret="other"), True), (config(chart_secret=""), True), (config(poll_interval="5m"), False)],
)
def test_a_copy_that_nobody_wants_any_more_is_pruned(after: OcmConfig, gone: bool) -> None:
    """A pull secret that was renamed or dropped in the config leaves the platform, once nothing refers to it."""
    world = OcmWorld().until_ready()
    world.source("other")
    world.config_is(after)
    since = len(world.log)
    world.settle()
    assert (copy_ref(world) not in world.objects) == gone
    done = kinds(world, since)
    if gone:
        assert done.index(("Apply", "OCIRepository")) < done.index(("Delete", "Secret"))


def test_an_object_that_only_bears_our_mark_is_not_pruned() -> None:
    """Labels get copied: without an entry of ours in managedFields nothing is deleted."""
    world = OcmWorld().until_ready()
    stranger = Ref(PLATFORM, "v1", "Secret", "sp-ocm-stranger", world.home)
    labels = dict(world.objects[copy_ref(world)]["metadata"]["labels"])
    metadata = {"name": stranger.name, "namespace": stranger.namespace, "labels": labels}
    world.put(stranger, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}, manager="kubectl")
    world.settle()
    assert stranger in world.objects


def test_a_name_that_somebody_else_holds_is_a_condition() -> None:
    """A HelmRelease of somebody else under our name is neither changed nor deleted, and the operator is named."""
    world = OcmWorld()
    metadata = {"name": "sp-ocm-k8s-toolkit", "namespace": world.home}
    theirs = {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "metadata": metadata, "spec": {"x": 1}}
    world.put(world.release_ref, theirs, manager="kubectl")
    world.until_written()
    assert ("False", "NameTaken") == world.condition("Installed")
    message = next(item["message"] for item in world.status["conditions"] if item["type"] == "Ready")
    assert "is not managed by this provider" in message
    assert "platform operator" in message
    assert {"x": 1} == world.release["spec"]
