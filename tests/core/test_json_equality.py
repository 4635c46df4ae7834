"""JSON equality: Python's `==` takes true for 1, a server does not."""

import itertools
from datetime import UTC, datetime

import pytest

from openmcp_provider.domain.compare import same
from openmcp_provider.domain.ownership import Live, owns_beyond
from openmcp_provider.domain.status import status_patch

VALUES = [None, False, True, 0, 1, 2.5, "", "1", [], [1], [True], {}, {"a": 1}, {"a": True}, {"b": 1}, [{"a": 1}]]
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_no_two_values_are_taken_for_each_other() -> None:
    """Every value is itself and none of the others, whatever Python says of true and 1 (case 6.3)."""
    assert all(same(value, value) for value in VALUES)
    assert not [pair for pair in itertools.permutations(VALUES, 2) if same(*pair)]


def test_whole_numbers_are_one_number() -> None:
    """A server stores 1.0 as 1, so they are the same; so are a tuple of an author's and a list (case 6.3)."""
    assert same({"a": [1.0, ("x",)]}, {"a": [1, ["x"]]})


def test_a_status_that_turns_from_one_to_true_is_written() -> None:
    """The patch of a status has what JSON calls a change (case 6.3)."""
    assert {"flags": [True]} == status_patch({"flags": [1], "same": 1}, {"flags": [True], "same": 1.0})


@pytest.mark.parametrize(("one", "other", "alike"), [(1, True, False), (1, 1.0, True)])
def test_what_a_cache_keeps_is_compared_as_json(one: object, other: object, alike: bool) -> None:
    """A cache that takes true for 1 wakes nobody (case 6.3)."""
    pair = [Live(object={"metadata": {"uid": "u"}, "spec": {"on": value}}, applied=NOW) for value in (one, other)]
    assert alike == same(*pair)


def test_an_item_of_a_set_is_compared_as_json() -> None:
    """An owned item true of a set is not the wanted item 1 (case 6.3)."""
    assert "spec.set.true" == owns_beyond([("f:spec", "f:set", "v:true")], {"spec": {"set": [1]}})
