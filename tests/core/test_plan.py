"""A plan in words, and which of its steps change something."""

from datetime import timedelta

import pytest

from openmcp_provider.domain.conditions import FALSE, Condition, Finding
from openmcp_provider.domain.copies import Sealed
from openmcp_provider.domain.objects import PLATFORM, Ref
from openmcp_provider.domain.plan import (
    Apply,
    Create,
    Delete,
    Patch,
    Plan,
    ReadCluster,
    ReadKubeconfig,
    ReadPlane,
    Step,
    TakeOver,
    explain,
)

SECRET = "c2VjcmV0LWJ5dGVz"
REF = Ref(PLATFORM, "v1", "Secret", "pull", "home")
THERE = Ref("mcp", "v1", "Namespace", "beacon")
SEALED = Sealed({"data": {"password": SECRET}})

WORDS: list[tuple[Step, str]] = [
    (Create(ref=THERE, manifest={}, why="Secret beacon/pull needs it"), "create Namespace beacon on mcp"),
    (Apply(ref=REF, manifest={}, sealed=SEALED, why="data is not as wanted"), "apply Secret home/pull on platform"),
    (TakeOver(ref=REF, uid="u1", why="an older program wrote it"), "take over Secret home/pull on platform"),
    (
        Patch(ref=REF, uid="u1", kind="merge", body={"data": SECRET}, why="changed"),
        "patch Secret home/pull on platform",
    ),
    (Delete(ref=REF, uid="u1", why="no longer wanted"), "delete Secret home/pull on platform"),
    (ReadKubeconfig(cluster="mcp", ref=REF, grant="u1/2", why="granted"), "read Secret home/pull on platform"),
    (ReadCluster(cluster="mcp", sweep=True, guards=True, why="nobody looked yet"), "read cluster mcp"),
    (ReadPlane(cluster="mcp", why="it is gone"), "read ClusterRequest and Cluster of mcp"),
]
STEPS = [step for step, _ in WORDS]


@pytest.mark.parametrize(("step", "words"), WORDS)
def test_a_step_is_told_as_what_where_and_why(step: Step, words: str) -> None:
    """A step's line says what is done to which object on which cluster, and why."""
    assert explain(Plan(steps=(step,))) == (f"{words}: {step.why}",)


def test_a_step_without_a_reason_is_told_without_one() -> None:
    """Where no reason was given, none is hinted at."""
    assert explain(Plan(steps=(Delete(ref=REF, uid="u1"),))) == ("delete Secret home/pull on platform",)


def test_a_plan_is_a_line_a_step_in_order_then_what_was_found() -> None:
    """Steps come first, in the order in which they are done, then the findings with condition and message."""
    condition = Condition("PullSecretsReady", FALSE, "PullSecretNotFound", "in the condition")
    plan = Plan(steps=tuple(STEPS), findings=(Finding(condition=condition, message="It is missing."),))
    lines = explain(plan)

    assert lines[:-1] == tuple(f"{words}: {step.why}" for step, words in WORDS)
    assert lines[-1] == "found PullSecretsReady=False PullSecretNotFound: It is missing."
    assert not any("\n" in line for line in lines)


def test_an_explained_plan_shows_no_byte_of_a_secret() -> None:
    """Neither what is sealed nor what a patch carries is told."""
    assert SECRET not in "".join(explain(Plan(steps=tuple(STEPS))))


def test_a_plan_of_nothing_is_no_line() -> None:
    """A steady state has nothing to tell."""
    assert explain(Plan(look=timedelta(minutes=1))) == ()


def test_what_changes_something_is_told_from_what_reads() -> None:
    """Writes are all steps but the reads, in their order."""
    assert Plan(steps=tuple(reversed(STEPS))).writes == tuple(reversed(STEPS[:5]))


def test_the_body_of_a_copy_is_put_together_only_to_be_sent() -> None:
    """What is sent of a copy has its data; the step's own manifest has not, and without a copy it is sent as it is."""
    manifest = {"kind": "Secret", "type": "Opaque"}
    step = Apply(ref=REF, manifest=manifest, sealed=SEALED)

    assert step.body() == {**manifest, "data": {"password": SECRET}}
    assert manifest == {"kind": "Secret", "type": "Opaque"}
    assert Apply(ref=REF, manifest=manifest).body() == manifest
