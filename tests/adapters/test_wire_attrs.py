"""An attrs class is read as the dataclass with the same fields is."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_adapters.wire import DecodeError, check_type, decode
from tests.adapters.forms import AttrsShelf, AttrsThing, Shelf, Thing


class Shape(NamedTuple):
    """A class to be made: of each field name, type (a shape is another class), whether it is required, metadata."""

    fields: tuple[tuple[str, Any, bool, Mapping[str, str]], ...]


def made(kind: Any, forms: str) -> Any:
    """Return the type with every class in it made; `forms` says of each depth whether by (a)ttrs or as (d)ataclass."""
    if isinstance(kind, tuple) and not isinstance(kind, Shape):
        word, inner = kind
        part: Any = made(inner, forms)
        return {"optional": part | None, "list": tuple[part, ...], "mapping": Mapping[str, part]}[word]
    if not isinstance(kind, Shape):
        return kind
    form, rest = forms[0], forms[1:] + forms[0]
    fields = [(name, made(inner, rest), needed, data) for name, inner, needed, data in kind.fields]
    if form == "d":
        absent = dataclasses.MISSING
        made_of = [
            (name, inner, dataclasses.field(default=absent if needed else None, metadata=data))
            for name, inner, needed, data in fields
        ]
        return dataclasses.make_dataclass("Made", made_of, frozen=True, kw_only=True)
    attributes = {
        name: attrs.field(type=inner, default=attrs.NOTHING if needed else None, metadata=dict(data))
        for name, inner, needed, data in fields
    }
    return attrs.make_class("Made", attributes, frozen=True, kw_only=True)


def plain(value: object) -> object:
    """Return a decoded value with every object in it as a mapping by Python's names."""
    cls: Any = type(value)
    if attrs.has(cls):
        return {at.name: plain(getattr(value, at.name)) for at in attrs.fields(cls)}
    if dataclasses.is_dataclass(value):
        return {at.name: plain(getattr(value, at.name)) for at in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return (type(value), value)


def outcome(cls: type, value: object) -> object:
    """Return what decoding comes to: the value, or every problem."""
    try:
        return plain(decode(cls, value))
    except DecodeError as error:
        return error.problems


NAMES = ["size", "many_words", "_hidden", "class_"]
SCALARS = st.sampled_from([str, int, float, bool, Literal["a", 1, True], Mapping[str, Any]])
METADATA = st.sampled_from([{}, {"want": "write a colour"}, {"wire": "otherURL", "want": "write a place"}])


def shapes(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Shape]:
    """Return shapes with fields of these types, at most one of them renamed."""
    parts = st.lists(
        st.tuples(st.sampled_from(NAMES), inner, st.booleans(), METADATA),
        max_size=4,
        unique_by=(lambda part: part[0], lambda part: part[3].get("wire", part[0])),
    )
    return parts.map(lambda found: Shape(tuple(found)))


KINDS = st.recursive(
    SCALARS,
    lambda inner: st.tuples(st.sampled_from(["optional", "list", "mapping"]), inner) | shapes(inner),
    max_leaves=6,
)
KEYS = st.sampled_from(["size", "manyWords", "otherURL", "hidden", "class", "many_words"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
)


@given(shapes(KINDS), st.sampled_from(["a", "ad", "da", "aad"]), JSON)
def test_both_forms_are_read_alike(shape: Shape, forms: str, value: object) -> None:
    """Whatever the fields, whatever came in: equal values or equal problems, and each problem understood (case 6.6)."""
    plainly, otherwise = made(shape, "d"), made(shape, forms)
    assert [*check_type(plainly, "spec")] == [*check_type(otherwise, "spec")] == []
    found = outcome(otherwise, value)
    assert found == outcome(plainly, value)
    assert "cannot be read" not in str(found)


def test_values_are_equal() -> None:
    """Names and values of both forms are the same (case 6.6)."""
    value = {"title": "a", "otherURL": "c", "mode": "fast", "shelf": {"name": "d"}, "shelves": [{"name": "e"}]}
    assert decode(AttrsThing, value) == AttrsThing(
        title="a", other_name="c", mode="fast", shelf=AttrsShelf(name="d"), shelves=(AttrsShelf(name="e"),)
    )
    assert plain(decode(AttrsThing, value)) == plain(decode(Thing, value))


def test_what_an_authors_class_raises_is_no_value_that_is_told() -> None:
    """A validator or a converter of the author's that refuses is told by its type alone (case 6.6)."""

    def refuse(_: object, __: object, value: str) -> None:
        raise LookupError(f"no {value}")

    @attrs.frozen
    class Refusing:
        name: str = attrs.field(validator=refuse)

    with pytest.raises(DecodeError, match=r"^spec: cannot be read; write a legal value \(LookupError\)$"):
        decode(Refusing, {"name": "hunter2"})


@attrs.define
class Loose:
    """Not frozen."""

    name: str


@dataclasses.dataclass
class LooseToo:
    """Not frozen either, and holds one."""

    part: Loose


@attrs.frozen
class Wrong:
    """Everything that cannot be decoded."""

    anything: Any
    values: list[str]
    pair: tuple[str, int]
    either: str | int
    number: complex
    bare: dict  # type: ignore[type-arg]
    keys: Mapping[int, str]
    choice: Literal["a", b"b"]
    deep: tuple[Mapping[str, bytes | None], ...]
    fine: Shelf
    chart_url: str = attrs.field(metadata={"wire": "anything"})


@dataclasses.dataclass(frozen=True)
class Tree:
    """Holds itself."""

    leaves: "tuple[Tree, ...]" = ()


@dataclasses.dataclass(frozen=True)
class Lost:
    """Names what there is not."""

    part: "Nowhere"  # type: ignore[name-defined] # noqa: F821


def flaws(cls: object) -> list[str]:
    """Return paths and reasons."""
    return [f"{problem.path}: {problem.why}" for problem in check_type(cls, "spec")]


@pytest.mark.parametrize("cls", [Shelf, Thing, AttrsShelf, AttrsThing, Tree])
def test_what_can_be_decoded(cls: type) -> None:
    """Every type that is documented passes."""
    assert flaws(cls) == []


@pytest.mark.parametrize("cls", [int, "Thing", None, list[Thing], Mapping[str, Any], Mapping])
def test_what_is_no_class_of_fields(cls: object) -> None:
    """A spec is a dataclass or an attrs class (case 6.4)."""
    (flaw,) = check_type(cls, "spec")
    assert "cannot be decoded" in flaw.why
    assert "frozen dataclass or attrs class" in flaw.want


def test_every_field_that_cannot_be_decoded() -> None:
    """Each is named with its path, and its type (case 6.4)."""
    assert flaws(Wrong) == [
        "spec.anything: is typing.Any, which cannot be decoded",
        "spec.values: is list[str], which cannot be decoded",
        "spec.pair: is tuple[str, int], which cannot be decoded",
        "spec.either: is str | int, which cannot be decoded",
        "spec.number: is complex, which cannot be decoded",
        "spec.bare: is dict, which cannot be decoded",
        "spec.keys: is collections.abc.Mapping[int, str], which cannot be decoded",
        "spec.choice: is typing.Literal['a', b'b'], which cannot be decoded",
        "spec.deep[][]: is bytes, which cannot be decoded",
        "spec.chart_url: is written anything, as spec.anything is",
    ]


def test_classes_that_are_not_frozen() -> None:
    """Their values are shared by everything in a pass (case 6.4)."""
    assert flaws(LooseToo) == [
        "spec: is LooseToo, which is not frozen",
        "spec.part: is Loose, which is not frozen",
    ]


def test_a_type_that_cannot_be_resolved() -> None:
    """It is told, not raised (case 6.4)."""
    assert flaws(Lost) == ["spec: has a field whose type cannot be resolved (NameError)"]


@given(st.recursive(st.from_type(type) | st.integers() | st.text(), lambda inner: st.tuples(inner, inner)))
def test_any_annotation_is_looked_at(kind: object) -> None:
    """Whatever stands as the type of a field, there are problems or none (case 6.4)."""
    cls = dataclasses.make_dataclass("Made", [("part", kind)], frozen=True)
    assert all(problem.path.startswith("spec") for problem in check_type(cls, "spec"))
