import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_adapters.wire import DecodeError, child, decode
from openmcp_provider.provider import Problem
from service_provider_ocm import OcmConfig, OcmSpec, SecretReference
from tests.adapters.forms import FORMS, Shelf, Thing


class Number(float):
    """A number that remembers how it was written."""

    written = "1.10"


def problems(cls: type, value: object, path: str = "spec") -> list[str]:
    """Return what decoding complains about, nothing if it succeeds."""
    try:
        decode(cls, value, path)
    except DecodeError as error:
        return str(error).split("\n")
    return []


def test_everything_at_once() -> None:
    """Fields get their values, in the author's types, by their wire names."""
    value = {
        "title": "a",
        "manyWords": "b",
        "otherURL": "c",
        "count": 1,
        "weight": 2,
        "open": True,
        "mode": "fast",
        "shelf": {"name": "d"},
        "shelves": [{"name": "e", "width": 3}],
        "sizes": [1, 2],
        "labels": {"f": "g"},
        "raw": {"h": [None, 1.5, {"i": False}]},
    }

    assert decode(Thing, value) == Thing(
        title="a",
        many_words="b",
        other_name="c",
        count=1,
        weight=2.0,
        open=True,
        mode="fast",
        shelf=Shelf(name="d"),
        shelves=(Shelf(name="e", width=3),),
        sizes=(1, 2),
        labels={"f": "g"},
        raw={"h": [None, 1.5, {"i": False}]},
    )


def test_defaults_and_null() -> None:
    """What is absent or null has its default, as on an API server."""
    nulls = dict.fromkeys(("manyWords", "otherURL", "count", "shelf", "shelves", "labels", "raw", "unknown"))

    assert decode(Thing, {"title": "a", **nulls}) == Thing(title="a")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ["spec: is missing; must be an object"]),
        ([], ["spec: is a list; must be an object"]),
        ("x", ["spec: is text; must be an object"]),
        ({}, ["spec.title: is missing; write title: ..."]),
        ({"title": None}, ["spec.title: is missing; write title: ..."]),
        ({"title": 0.4}, ['spec.title: is a number; write it in quotes: title: "0.4"']),
        ({"title": 4}, ['spec.title: is a number; write it in quotes: title: "4"']),
        ({"title": Number(1.1)}, ['spec.title: is a number; write it in quotes: title: "1.10"']),
        ({"title": True}, ['spec.title: is a boolean; write it in quotes: title: "true"']),
        ({"title": {}}, ["spec.title: is an object; must be text"]),
        ({"title": ["a"]}, ["spec.title: is a list; must be text"]),
        ({"title": "a", "hinted": 5}, ["spec.hinted: is a number; write a colour"]),
        ({"title": "a", "otherURL": 5}, ['spec.otherURL: is a number; write it in quotes: otherURL: "5"']),
        ({"title": "a", "count": "5"}, ["spec.count: is text; must be a whole number"]),
        ({"title": "a", "count": 5.0}, ["spec.count: is a number with a fraction; must be a whole number"]),
        ({"title": "a", "count": True}, ["spec.count: is a boolean; must be a whole number"]),
        ({"title": "a", "weight": "5"}, ["spec.weight: is text; must be a number"]),
        ({"title": "a", "weight": False}, ["spec.weight: is a boolean; must be a number"]),
        ({"title": "a", "open": "yes"}, ["spec.open: is text; must be true or false"]),
        ({"title": "a", "open": 1}, ["spec.open: is a number; must be true or false"]),
        ({"title": "a", "mode": "medium"}, ['spec.mode: is none of the known values; write one of "slow", "fast"']),
        ({"title": "a", "shelf": "b"}, ["spec.shelf: is text; must be an object"]),
        ({"title": "a", "shelf": {}}, ["spec.shelf.name: is missing; write name: ..."]),
        ({"title": "a", "shelves": {}}, ["spec.shelves: is an object; must be a list"]),
        ({"title": "a", "shelves": "bc"}, ["spec.shelves: is text; must be a list"]),
        ({"title": "a", "shelves": [None]}, ["spec.shelves[0]: is null; must be an object"]),
        ({"title": "a", "sizes": 5}, ["spec.sizes: is a number; must be a list"]),
        ({"title": "a", "sizes": [1, "2"]}, ["spec.sizes[1]: is text; must be a whole number"]),
        ({"title": "a", "labels": []}, ["spec.labels: is a list; must be an object"]),
        ({"title": "a", "labels": {"b": 1}}, ['spec.labels.b: is a number; write it in quotes: "1"']),
        ({"title": "a", "labels": {"b.c/d": None}}, ['spec.labels["b.c/d"]: is null; must be text']),
        ({"title": "a", "raw": []}, ["spec.raw: is a list; must be an object"]),
        ({"title": "a", "many_words": "b"}, ["spec.many_words: is not a known field; did you mean manyWords?"]),
        ({"title": "a", "otherUrl": "b"}, ["spec.otherUrl: is not a known field; did you mean otherURL?"]),
        (
            {"title": "a", "shelf": {"name": "b", "x": 1}},
            ["spec.shelf.x: is not a known field; known are: name, width"],
        ),
    ],
)
@pytest.mark.parametrize("form", FORMS)
def test_strict(form: type, value: object, expected: list[str]) -> None:
    """Nothing is coerced or passed over: the problem says where, what is wrong and what is right (case 6.6)."""
    assert problems(form, value) == expected


@pytest.mark.parametrize("form", FORMS)
def test_all_problems_at_once(form: type) -> None:
    """Every problem is told, however deep, with the paths that a person wrote (case 6.6)."""
    value = {"title": 1, "shelves": [{"name": "a"}, {"nam": "b"}, {"name": "c", "width": "d"}], "modes": 1}

    assert problems(form, value, "items[3].spec") == [
        'items[3].spec.title: is a number; write it in quotes: title: "1"',
        "items[3].spec.shelves[1].name: is missing; write name: ...",
        "items[3].spec.shelves[1].nam: is not a known field; did you mean name?",
        "items[3].spec.shelves[2].width: is text; must be a whole number",
        "items[3].spec.modes: is not a known field; did you mean mode?",
    ]


@pytest.mark.parametrize("form", FORMS)
def test_no_value_is_told(form: type) -> None:
    """A text in the wrong place may be secret: it is never repeated."""
    secret = "hunter2-hunter2"
    value = {"title": [secret], "mode": secret, "shelf": secret, "shelves": secret, "sizes": [secret], "open": secret}

    assert problems(form, value)
    assert secret not in "".join(problems(form, value))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["title", "count", "shelf", "shelves", "name", "raw", "labels", "mode"])
                | st.text(max_size=3),
                inner,
            )
        ),
    )
)
def test_any_json_is_decoded_or_refused(value: object) -> None:
    """Whatever comes in, there is a value or there are problems, each with a path below the one given."""
    found = problems(Thing, value)

    assert all(text.startswith("spec") for text in found)


def test_provider_types() -> None:
    """The first provider's types are read: an empty reference, empty values and null all keep their meaning."""
    assert decode(OcmSpec, {"version": "0.4.0"}) == OcmSpec(version="0.4.0")
    assert decode(OcmConfig, {}) == OcmConfig()
    assert decode(OcmConfig, {"imagePullSecret": {}, "values": {}}) == OcmConfig(
        image_pull_secret=SecretReference(), values={}
    )
    assert decode(OcmConfig, {"imagePullSecret": {"name": ""}}).pull_secret == ""
    assert decode(OcmConfig, {"imagePullSecret": None, "values": None}) == OcmConfig()


def test_values_are_not_touched() -> None:
    """What the operator wrote for Helm is passed on as the very same object."""
    values = {"manager": {"replicas": None}}

    assert decode(OcmConfig, {"values": values}).values is values


def test_a_number_as_interval() -> None:
    """A field may say itself what would be right."""
    assert problems(OcmConfig, {"pollInterval": 60}) == [
        'spec.pollInterval: is a number; write a duration in quotes, with its unit: "1m"'
    ]


def test_paths() -> None:
    """Paths read as a person would write them."""
    assert child("data", ".dockerconfigjson") == 'data[".dockerconfigjson"]'
    assert child("spec", "chartURL") == "spec.chartURL"
    assert child("items", 3) == "items[3]"
    assert child("", "spec") == "spec"
    assert str(Problem("a", "b", "c")) == "a: b; c"
