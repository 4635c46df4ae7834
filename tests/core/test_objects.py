"""Questions asked of plain JSON objects, and the errors of the port."""

import pickle
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain import errors, objects
from openmcp_provider.domain.errors import PortError, TooManyRequests
from openmcp_provider.domain.objects import PLATFORM, Ref, dig, ref_of, timestamp

ERRORS = [getattr(errors, name) for name in errors.__all__]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def test_a_reference_reads_as_people_name_objects() -> None:
    """A reference is told as kind, namespace and name, and without a slash where there is no namespace."""
    assert str(Ref(PLATFORM, "v1", "Secret", "pull", "team")) == "Secret team/pull"
    assert str(Ref("mcp", "v1", "Namespace", "team")) == "Namespace team"


def test_the_reference_of_an_object_says_where_it_is() -> None:
    """An object without namespace is cluster-scoped; everything else of the reference is read off the object."""
    manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "team"}}

    assert Ref("mcp", "apps/v1", "Deployment", "web", "team") == ref_of("mcp", manifest)

    bare = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}

    assert Ref(PLATFORM, "v1", "Namespace", "team") == ref_of(PLATFORM, bare)


@given(anything, st.lists(st.sampled_from("abc"), max_size=4))
def test_digging_finds_what_subscripts_find_and_nothing_else(value: object, path: list[str]) -> None:
    """Digging answers what nested subscripts answer, and None wherever those would fail."""
    expected: Any = value
    for key in path:
        expected = expected.get(key) if isinstance(expected, dict) else None

    assert expected == dig(value, *path)


@pytest.mark.parametrize(
    "obj",
    [{}, {"metadata": {}}, {"metadata": {"labels": None, "annotations": None, "uid": None, "generation": None}}],
)
def test_what_an_object_does_not_say_is_empty(obj: dict[str, Any]) -> None:
    """Labels, annotations, uid, generation and conditions have an empty value where the object is silent."""
    assert objects.labels(obj) == {}
    assert objects.annotations(obj) == {}
    assert objects.uid(obj) == ""
    assert objects.generation(obj) == 0
    assert not objects.deleting(obj)
    assert objects.conditions(obj) == {}


def test_what_an_object_says_is_read() -> None:
    """Labels, annotations, uid, generation and deletion are read from the metadata."""
    metadata = {
        "labels": {"a": "1"},
        "annotations": {"b": "2"},
        "uid": "u1",
        "generation": 3,
        "deletionTimestamp": "2026-06-01T12:00:00Z",
    }
    obj = {"metadata": metadata}

    assert objects.labels(obj) == {"a": "1"}
    assert objects.annotations(obj) == {"b": "2"}
    assert objects.uid(obj) == "u1"
    assert objects.generation(obj) == 3
    assert objects.deleting(obj)


def test_conditions_are_found_by_their_type() -> None:
    """Conditions come by type; an entry without one, which nobody could ask for, is left out."""
    ready = {"type": "Ready", "status": "True"}

    assert {"Ready": ready} == objects.conditions({"status": {"conditions": [ready, {"status": "False"}]}})
    assert objects.conditions({"status": {"conditions": "none"}}) == {}


@given(
    st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1)),  # noqa: DTZ001 - the zone is drawn
    st.integers(-14 * 60, 14 * 60),
)
def test_a_timestamp_is_the_moment_in_any_zone(moment: datetime, minutes: int) -> None:
    """A text in any zone names the same moment as its UTC text."""
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))

    assert there == timestamp(there.isoformat())
    assert there == timestamp(there.astimezone(UTC).isoformat().replace("+00:00", "Z"))


def test_a_timestamp_without_zone_is_utc() -> None:
    """A text without zone is read as UTC, so that every moment can be compared with every other."""
    assert datetime(2026, 6, 1, 12, tzinfo=UTC) == timestamp("2026-06-01T12:00:00")


@pytest.mark.parametrize("text", [None, 12, "", "yesterday", "2026-13-01T00:00:00Z", {}])
def test_what_is_no_timestamp_is_none(text: object) -> None:
    """Whatever is not a moment answers None and raises nothing."""
    assert timestamp(text) is None


@pytest.mark.parametrize("kind", ERRORS)
def test_every_port_error_is_one_and_names_its_reason(kind: type[PortError]) -> None:
    """Every error of the port is a PortError, keeps its message and says its kind in Kubernetes' words."""
    error = kind("no")

    assert isinstance(error, PortError)
    assert "no" == error.message == str(error)
    assert kind.__name__ == error.reason


@pytest.mark.parametrize("kind", ERRORS)
def test_every_port_error_survives_a_pickle(kind: type[PortError]) -> None:
    """An error that crosses a process boundary arrives as what it was."""
    back = pickle.loads(pickle.dumps(kind("no")))  # noqa: S301 - what was pickled here

    assert type(back) is kind
    assert back.message == "no"


def test_a_wait_survives_a_pickle() -> None:
    """The seconds that a server asks to wait belong to the error."""
    back = pickle.loads(pickle.dumps(TooManyRequests("slow", 2.5)))  # noqa: S301 - what was pickled here

    assert (back.message, back.retry_after) == ("slow", 2.5)
    assert TooManyRequests().retry_after is None


def test_what_working_together_brings_about_is_retried_silently() -> None:
    """Races and waits mend themselves unsaid; refusals and outages are told."""
    silent = {kind.__name__ for kind in ERRORS if kind.retried_silently}

    assert {"NotFound", "Conflict", "AlreadyExists", "Expired", "TooManyRequests"} == silent
