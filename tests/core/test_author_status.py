"""What a tenant reads where the provider's own code is wrong, cannot decide, or wants nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from openmcp_provider.domain.author import ProviderMistake, Undecided
from openmcp_provider.domain.plan import Delete
from openmcp_provider.provider import Problem, Provider
from service_provider_ocm.provider import OcmProvider
from tests.core.ocm_world import OcmWorld
from tests.core.test_deletion import assert_gone, deleted
from tests.core.test_status import READY, announced, reads

MISTAKE = (
    "The provider of OCM K8s Toolkit has a mistake: its function {} raised KeyError ({}, line {}). "
    "Ask the platform operator, who can update the provider or report this to its authors."
)
WAITING = " Until then nothing is written or removed; this is retried automatically."
NOTHING = (
    "Nothing of OCM K8s Toolkit is wanted for this spec and ProviderConfig, so nothing is installed. "
    "If that is not meant, change the spec or ask the platform operator."
)
REMOVING = "Nothing of OCM K8s Toolkit is wanted for this spec and ProviderConfig any more: what is there is removed."
DECIDING = ("check_spec", "check_config", "desired", "poll", "unmarked")
TELLING = ("version", "advise", "status")


def failing() -> Any:
    """Raise what an author's code may raise."""
    raise KeyError("hunter2")


LINE = failing.__code__.co_firstlineno + 2


def provider(function: str, answer: Callable[[], Any] = failing) -> Provider[Any, Any]:
    """Return the provider with one function that answers otherwise."""
    made: Provider[Any, Any] = type("Broken", (OcmProvider,), {function: lambda *_: answer()})()
    return made


def mistake(function: str) -> str:
    """Return what is told of a function that fails."""
    return MISTAKE.format(function, "test_author_status.py", LINE)


@pytest.mark.parametrize("function", DECIDING)
def test_a_mistake_in_what_decides_is_told_and_nothing_is_written(function: str) -> None:
    """A new tenant reads whose mistake it is; nothing is written for it (case 6.4)."""
    world = OcmWorld()
    world.provider = provider(function)
    world.control_plane()
    plan = world.settle()

    assert not world.log
    assert isinstance(plan.no_answer, ProviderMistake)
    reads(world, "Progressing", "False", "ReconcileError", mistake(function) + WAITING)
    assert ("True", "Raised") == world.condition("ProviderError")
    announced(world, "Warning", "ProviderError")


@pytest.mark.parametrize("function", DECIDING)
def test_what_runs_stays_ready_until_something_is_asked_that_cannot_be_decided(function: str) -> None:
    """A Ready tenant stays Ready with a condition; another version of it is never Ready by the old word (case 6.4)."""
    world = OcmWorld().until_ready()
    written = len(world.log)
    world.provider = provider(function)
    world.settle()

    reads(world, "Ready", "True", "ReconcileSuccess", READY, "0.4.0")
    assert ("True", "Raised") == world.condition("ProviderError")
    assert "ProviderError" not in {event.reason for event in world.events}

    world.instance["metadata"]["generation"] += 1
    world.settle()

    reads(world, "Progressing", "False", "ReconcileError", mistake(function) + WAITING, "0.4.0")
    assert len(world.log) == written

    world.provider = OcmProvider()
    world.settle()

    reads(world, "Ready", "True", "ReconcileSuccess", READY, "0.4.0")
    assert ("", "") == world.condition("ProviderError")


@pytest.mark.parametrize("function", TELLING)
def test_a_mistake_in_what_only_tells_stops_nothing(function: str) -> None:
    """What is left out of the status is told as a mistake; the rest is as it should be (case 6.4)."""
    world = OcmWorld()
    world.provider = provider(function)
    world.until_ready()

    assert ("True", "Raised") == world.condition("ProviderError")
    assert ("True", "Deployed") == world.condition("Installed")
    found = next(item for item in world.status["conditions"] if item["type"] == "ProviderError")
    assert mistake(function) == found["message"]
    _, told = world.step()
    assert told.mistake is not None


def test_nonsense_is_told_as_what_it_is() -> None:
    """A bad answer is named by what was wrong with it (case 6.4)."""
    world = OcmWorld()
    world.provider = provider("desired", lambda: 1)
    world.control_plane()
    world.settle()

    assert ("True", "BadAnswer") == world.condition("ProviderError")
    found = next(item for item in world.status["conditions"] if item["type"] == "Ready")
    assert (
        "its function desired returned what cannot be used: a int rather than something to go through"
        in (found["message"])
    )


@pytest.mark.parametrize("function", [*DECIDING, *TELLING])
def test_deletion_needs_no_code_of_the_authors(function: str) -> None:
    """Everything goes in its order, whatever of the author's code fails (case 6.4)."""
    world = OcmWorld().until_ready()
    world.provider = provider(function)
    deleted(world)
    for _ in range(2):  # the HelmRelease, then the OCIRepository
        world.flux_lets_go()
        world.settle()

    assert_gone(world)


def undecided() -> Any:
    """Say that nothing can be decided."""
    yield from ()
    yield Problem("spec.version", "cannot be looked up", "wait until the catalogue answers")


UNDECIDED = (
    "What OCM K8s Toolkit needs cannot be decided: spec.version cannot be looked up (wait until the catalogue answers)."
)


def test_what_cannot_be_decided_writes_and_prunes_nothing() -> None:
    """A lookup that failed takes nothing away; a Ready tenant stays Ready and reads why it waits (case 2.8)."""
    world = OcmWorld().until_ready()
    written = len(world.log)
    world.provider = provider("desired", undecided)
    plan = world.settle()

    assert len(world.log) == written
    assert isinstance(plan.no_answer, Undecided)
    reads(world, "Ready", "True", "ReconcileSuccess", READY, "0.4.0")
    assert ("False", "Undecided") == world.condition("Decided")

    world.instance["metadata"]["generation"] += 1
    world.settle()

    reads(world, "Progressing", "False", "ReconcileError", UNDECIDED + WAITING, "0.4.0")


def test_what_cannot_be_decided_is_told_to_a_new_tenant() -> None:
    """Nothing is written before it is known what (case 2.8)."""
    world = OcmWorld()
    world.provider = provider("desired", undecided)
    world.control_plane()
    world.settle()

    assert not world.log
    reads(world, "Progressing", "False", "ReconcileError", UNDECIDED + WAITING)
    announced(world, "Warning", "Undecided")


def test_nothing_wanted_is_not_ready() -> None:
    """Who wants nothing has nothing installed, and is never told that it is installed and ready (case 2.8)."""
    world = OcmWorld()
    world.provider = provider("desired", tuple)
    world.control_plane()
    world.settle()
    world.grant()
    world.settle()

    reads(world, "Progressing", "False", "Reconciling", NOTHING)
    assert ("False", "NothingWanted") == world.condition("Installed")
    announced(world, "Warning", "NothingWanted")


def test_what_is_wanted_no_more_is_removed_and_told_so() -> None:
    """While it goes, Installed is not False; once it is gone nothing is wanted (case 2.8)."""
    world = OcmWorld().until_ready()
    world.provider = provider("desired", tuple)
    world.step()

    assert [step.ref.kind for step in world.log if isinstance(step, Delete)]
    reads(world, "Progressing", "False", "Reconciling", REMOVING, "0.4.0")
    assert ("Unknown", "BeingRemoved") == world.condition("Installed")

    for _ in range(2):  # the HelmRelease, then the OCIRepository
        world.flux_lets_go()
        world.settle()

    reads(world, "Progressing", "False", "Reconciling", NOTHING)
