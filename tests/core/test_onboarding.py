"""The provider's own access to the onboarding cluster: what is asked for and how far the answer is."""

import copy
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain.onboarding import Progress, Standing, onboarding_access, progress_of
from tests.core.second import ALL, GROUP, Beacon

NAME, SPACE = f"beacon.{GROUP}--onboarding-run", "openmcp-system"
MARK = "openmcp.cloud/managed-by"
WANTED = onboarding_access(Beacon.edition, "onboarding-run", SPACE, ALL)

Answer = dict[str, Any]


def answered(asked: Any, phase: str = "Granted", **more: object) -> Answer:
    """Return an object as the platform has it once it was answered."""
    found: Answer = copy.deepcopy(asked)
    found["metadata"] |= {"generation": 2, "uid": "u1"}
    return {**found, "status": {"phase": phase, "observedGeneration": 2, **more}}


def request(phase: str = "Granted") -> Answer:
    """Return the answered ClusterRequest."""
    return answered(WANTED.request, phase)


def access(phase: str = "Granted") -> Answer:
    """Return the answered AccessRequest."""
    return answered(WANTED.access, phase, secretRef={"name": "kubeconfig"})


def standing(request: Answer | None, access: Answer | None) -> Standing:
    """Return how far the access is."""
    return progress_of(WANTED, request, access)


def test_what_is_asked_for_is_what_the_older_program_asked_for() -> None:
    """Both objects have the name, namespace and label under which an older grant is found; neither has a finalizer."""
    metadata = {"name": NAME, "namespace": SPACE, "labels": {MARK: f"beacon.{GROUP}"}}

    assert WANTED.request == {
        "apiVersion": "clusters.openmcp.cloud/v1alpha1",
        "kind": "ClusterRequest",
        "metadata": metadata,
        "spec": {"purpose": "onboarding"},
    }
    assert WANTED.access == {
        "apiVersion": "clusters.openmcp.cloud/v1alpha1",
        "kind": "AccessRequest",
        "metadata": metadata,
        "spec": {
            "requestRef": {"name": NAME, "namespace": SPACE},
            "token": {"permissions": [{"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}]},
        },
    }


def test_first_the_cluster_is_asked_for_then_the_access() -> None:
    """What does not exist yet is named, the ClusterRequest first, and access only once that is granted."""
    assert standing(None, None) == Standing(Progress.ABSENT, f"ClusterRequest {SPACE}/{NAME} does not exist yet")
    assert standing(None, access()).progress is Progress.ABSENT
    assert standing(request("Pending"), None).progress is Progress.WAITING
    assert standing(request(), None) == Standing(Progress.ABSENT, f"AccessRequest {SPACE}/{NAME} does not exist yet")


def test_a_grant_names_its_secret() -> None:
    """Once both are granted the Secret is the one that the AccessRequest names."""
    assert standing(request(), access()) == Standing(
        Progress.GRANTED, "access to the onboarding cluster is granted", "kubeconfig"
    )


@pytest.mark.parametrize("phase", ["", "Pending", "Unheard"])
def test_an_answer_that_is_none_is_waited_for(phase: str) -> None:
    """Whatever phase is neither a grant nor a denial is waited for, and told; an empty one is Pending."""
    told = phase or "Pending"

    assert standing(request(phase), None) == Standing(Progress.WAITING, f"ClusterRequest {SPACE}/{NAME} is {told}")
    assert standing(request(), access(phase)) == Standing(Progress.WAITING, f"AccessRequest {SPACE}/{NAME} is {told}")


def test_an_object_that_was_just_made_is_waited_for() -> None:
    """An object without status is Pending."""
    assert standing(dict(WANTED.request), None).progress is Progress.WAITING
    assert standing(request(), dict(WANTED.access)).progress is Progress.WAITING


def test_a_denial_is_an_end_and_says_who_can_help() -> None:
    """A denial of either is told as such, and is never taken for a grant without a Secret."""
    for what, found in (
        ("ClusterRequest", (request("Denied"), access())),
        ("AccessRequest", (request(), access("Denied"))),
    ):
        assert standing(*found) == Standing(
            Progress.DENIED, f"{what} {SPACE}/{NAME} was denied; ask the platform operator"
        )


@pytest.mark.parametrize("phase", ["Granted", "Denied"])
@pytest.mark.parametrize("seen", [1, None])
def test_an_answer_to_an_older_generation_is_no_answer(phase: str, seen: int | None) -> None:
    """A grant or a denial of what was asked before is waited out, for either object."""
    old_request, old_access = request(phase), access(phase)
    for found in (old_request, old_access):
        found["status"]["observedGeneration"] = seen

    assert standing(old_request, access()).progress is Progress.WAITING
    assert standing(request(), old_access) == Standing(Progress.WAITING, f"AccessRequest {SPACE}/{NAME} is Pending")


def test_a_grant_without_a_secret_is_waited_out() -> None:
    """A granted AccessRequest that names no Secret yet is no grant."""
    status = {"phase": "Granted", "observedGeneration": 2}
    for said in (status, {**status, "secretRef": None}, {**status, "secretRef": {}}):
        found = {**access(), "status": said}

        assert standing(request(), found).progress is Progress.WAITING


@pytest.mark.parametrize("label", [None, "somebody.else", f"beacon.{GROUP}x"])
def test_somebody_elses_object_is_an_end(label: str | None) -> None:
    """An object of ours in name only is not used, however granted it is, and the label that is missing is told."""
    foreign = {"metadata": {**WANTED.request["metadata"], "labels": {MARK: label} if label else {}}}
    for what, found in (
        ("ClusterRequest", ({**request(), **foreign}, access())),
        ("AccessRequest", (request(), {**access(), **foreign})),
    ):
        assert standing(*found) == Standing(
            Progress.DENIED, f"{what} {SPACE}/{NAME} belongs to somebody else: its label {MARK} is not ours"
        )


def test_what_is_being_deleted_is_waited_out() -> None:
    """A grant whose object is on its way out is about to end; a new one follows once it is gone."""
    for what, position in (("ClusterRequest", 0), ("AccessRequest", 1)):
        found = [request(), access()]
        found[position]["metadata"]["deletionTimestamp"] = "2026-06-01T12:00:00Z"

        assert standing(*found) == Standing(Progress.WAITING, f"{what} {SPACE}/{NAME} is being deleted")


@given(st.text("abc.", min_size=1, max_size=63) | st.text("abc", min_size=64, max_size=90))
def test_a_long_controller_name_is_shortened_in_names_and_labels(controller: str) -> None:
    """Name and label fit a server's limits, and a label written whole, as older programs did, is still ours."""
    edition = dataclasses.replace(Beacon.edition, onboarding_controller=controller)
    asked = onboarding_access(edition, "onboarding-init", SPACE, ())
    metadata = asked.request["metadata"]

    assert len(metadata["name"]) <= 63
    assert len(metadata["labels"][MARK]) <= 63

    whole = answered(asked.request, "Pending")
    whole["metadata"]["labels"] = {MARK: controller}

    assert progress_of(asked, whole, None).progress is Progress.WAITING
