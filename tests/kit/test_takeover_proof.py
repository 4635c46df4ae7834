"""What audit logs prove about a take-over: each promise holds for a made-up log that keeps it, else it is missed."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from openmcp_provider.domain.objects import Json
from tests.cluster.takeover_proof import Due, History, foretold

BEGAN = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
OURS, GO = "service-provider-ocm/1.0", "go-program"
FIELDS = [{"op": "test", "path": "/metadata/resourceVersion"}, {"op": "replace", "path": "/metadata/managedFields"}]


def event(version: int, agent: str = OURS, *, code: int = 200, home: str = "home", **more: Any) -> dict[str, Any]:
    """Return the event of a write of a HelmRelease, at as many seconds as its resourceVersion says."""
    metadata = {"name": "one", "namespace": home, "uid": home, "generation": 1, "finalizers": ["flux"]}
    return {
        "stage": "ResponseComplete",
        "verb": more.pop("verb", "patch"),
        "userAgent": agent,
        "requestURI": f"/one?fieldManager=x{more.pop('force', '')}",
        "requestReceivedTimestamp": f"2026-01-01T00:00:{version:02}.000000Z",
        "stageTimestamp": f"2026-01-01T00:00:{version:02}.100000Z",
        "responseStatus": {"code": code},
        "objectRef": {"resource": "helmreleases", "apiGroup": "helm.toolkit.fluxcd.io"},
        "requestObject": more.pop("body", {}),
        "responseObject": {"metadata": {**metadata, "resourceVersion": str(version), **more}},
    }


def history(*events: Json) -> History:
    """Return the history of one that the Go program made."""
    return History({"platform": [event(1, GO, verb="create"), *events]}, BEGAN)


def taken(version: int, **more: Any) -> list[dict[str, Any]]:
    """Return a take-over and the apply that follows it."""
    return [event(version, body=FIELDS, **more), event(version + 1, force="&force=true", **more)]


def test_a_take_over_that_keeps_everything_is_fine() -> None:
    """Nothing is held against it, and what was written is told in the words of a plan."""
    found = history(*taken(11))

    assert [] == found.grown() + found.let_go() + found.useless() + list(found.refused)
    due = ("platform", "helmreleases", "home", "one")
    assert Counter([Due("takeover", *due), Due("apply", *due)]) == found.done()


def test_a_new_generation_is_found() -> None:
    """Also one that the write before had, if that was somebody else's."""
    changed = history(event(11, body=FIELDS, generation=2))
    flux = history(event(11, "flux", generation=2), event(12, body=FIELDS, generation=2))

    assert ["generation 1 became 2"] == [line.rpartition(": ")[2] for line in changed.grown()]
    assert [] == flux.grown()


def test_a_lost_finalizer_is_found() -> None:
    """By its name."""
    found = history(event(11, body=FIELDS, finalizers=[]))

    assert ["lost ['flux']"] == [line.rpartition(": ")[2] for line in found.let_go()]


def test_a_useless_write_is_found() -> None:
    """One that leaves the version."""
    assert 1 == len(history(event(11), event(11)).useless())


def test_refusals_are_found_and_failed_reads_are_not() -> None:
    """A read may well ask whether something is there."""
    found = history(event(11, code=409), event(12, code=404, verb="get"))

    assert {"409 patch helmreleases": 1} == found.refused


def test_only_what_came_after_the_beginning_counts() -> None:
    """What the program wrote earlier is no part of the take-over."""
    assert Counter() == history(*taken(5)).done()


def test_the_course_is_told() -> None:
    """When each tenant began, how long it took, and how much was written in the busiest second."""
    found = history(*taken(15), *taken(11, home="other"))

    assert [11, 15] == [moment.second for moment in found.begun()]
    assert [1.0, 1.0] == found.lasted()
    assert 1 == found.busiest("platform")
    assert BEGAN.replace(second=1) == found.moment("platform", "helmreleases", "home")
    assert None is found.moment("platform", "helmreleases", "nowhere")


def test_a_plan_is_read() -> None:
    """In the same words as what is done."""
    due = {"action": "takeover", "cluster": "platform", "kind": "HelmRelease", "namespace": "home", "name": "one"}

    assert Counter([Due("takeover", "platform", "helmreleases", "home", "one")]) == foretold(
        {"tenants": [{"writes": [due]}, {"writes": []}]}
    )
