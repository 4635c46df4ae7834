"""Whether a live object has what is wanted: the laws of `difference`."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain.compare import difference

Spot = tuple[str | int, ...]
Value = Any  # a JSON value

MARK = "geheim"
"""In every drawn text value and in no key, so that a value in an answer shows."""

keys = st.text("abcxyz./", max_size=4)
leaves = st.none() | st.booleans() | st.integers(-3, 3) | st.text("01", max_size=3).map(lambda text: MARK + text)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3), max_leaves=12
)
manifests = st.dictionaries(keys, values, max_size=4)


def spots(value: Value, at: Spot = ()) -> Iterator[Spot]:
    """Yield where every field and every item is."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*at, key)
        yield from spots(inner, (*at, key))


def held(value: Value, spot: Spot) -> Value:
    """Return what is at a spot."""
    for key in spot:
        value = value[key]
    return value


def dotted(spot: Spot) -> str:
    """Return a spot as people write it."""
    text = ""
    for key in spot:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text or "."


def grown(value: Value) -> Value:
    """Return the value with a foreign field in each of its objects, at every depth."""
    if isinstance(value, dict):
        return {"foreign": {"field": 1}, **{key: grown(inner) for key, inner in value.items()}}
    return [grown(inner) for inner in value] if isinstance(value, list) else value


@given(values)
def test_nothing_differs_from_itself(value: Value) -> None:
    """Every value has what it itself asks for."""
    assert difference(value, copy.deepcopy(value)) == ""


@given(manifests)
def test_fields_of_others_never_matter(wanted: Value) -> None:
    """Whatever others add to objects, at any depth and inside list items, is no difference."""
    assert difference(wanted, grown(wanted)) == ""


@given(st.data())
def test_a_missing_field_is_noticed_and_named(data: st.DataObject) -> None:
    """Taking away any wanted field, at any depth, is answered with the path of just that field."""
    wanted = data.draw(manifests.filter(bool))
    spot = data.draw(st.sampled_from([spot for spot in spots(wanted) if isinstance(spot[-1], str)]))
    live = grown(wanted)
    del held(live, spot[:-1])[spot[-1]]

    assert dotted(spot) == difference(wanted, live)


@given(st.data())
def test_a_changed_value_is_noticed_and_named(data: st.DataObject) -> None:
    """Another value in any place is answered with the path of just that place."""
    wanted = data.draw(manifests.filter(bool))
    spot = data.draw(st.sampled_from(list(spots(wanted))))
    live = grown(wanted)
    held(live, spot[:-1])[spot[-1]] = object()

    assert dotted(spot) == difference(wanted, live)


@given(st.data())
def test_a_list_is_compared_as_a_whole(data: st.DataObject) -> None:
    """An item too many or too few is answered with the path of the list: order and length are wanted too."""
    wanted = {"list": data.draw(st.lists(values, min_size=1, max_size=3))}
    more, fewer = {"list": [*wanted["list"], 1]}, {"list": wanted["list"][1:]}

    assert difference(wanted, more) == "list"
    assert difference(wanted, fewer) == "list"


@given(manifests, manifests)
def test_an_answer_names_fields_and_never_values(wanted: Value, live: Value) -> None:
    """No value shows in an answer, be it wanted or live."""
    assert MARK not in difference(wanted, live)


@given(manifests, manifests)
def test_no_difference_both_ways_is_equality(one: Value, other: Value) -> None:
    """Two values that lack nothing of each other are the same."""
    alike = not difference(one, other) and not difference(other, one)

    assert alike == (repr(_sorted(one)) == repr(_sorted(other)))


@pytest.mark.parametrize(("flag", "number"), [(True, 1), (False, 0)])
def test_a_flag_is_no_number(flag: bool, number: int) -> None:
    """JSON tells true from 1, and so does the comparison, though Python does not."""
    assert difference({"on": flag}, {"on": number}) == "on"
    assert difference({"on": number}, {"on": flag}) == "on"
    assert difference([flag], [number]) == "[0]"


@pytest.mark.parametrize(
    ("wanted", "live"), [({"a": 1}, [1]), ([1], {"a": 1}), ({}, "text"), ([], "text"), ("text", ["t"]), (None, 0)]
)
def test_another_shape_differs(wanted: object, live: object) -> None:
    """An object, a list and a plain value are never alike, not even empty ones; the whole is called a dot."""
    assert difference(wanted, live) == "."


def test_a_tuple_is_a_list() -> None:
    """An author may write tuples where JSON has lists."""
    assert difference({"args": ("a", "b")}, {"args": ["a", "b"]}) == ""


def _sorted(value: Value) -> Value:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(inner) for inner in value] if isinstance(value, list) else value
