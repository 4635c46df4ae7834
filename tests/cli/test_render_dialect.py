import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from openmcp_provider_cli.dialect import Unreadable, dump, load, plain

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text("-+.01789eExXoObB_:aFyYnN", min_size=1, max_size=7),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


def one(text: str) -> object:
    """Return the one document of a text."""
    (found,) = load(text)
    return plain(found)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("on", True),
        ("y", True),
        ("TRUE", True),
        ("No", False),
        ("n", False),
        ("OFF", False),
        ("tRue", "tRue"),
        ("~", None),
        ("Null", None),
        ('"~"', "~"),
        ("'yes'", "yes"),
        ("0777", 511),
        ("-0777", -511),
        ("0o17", 15),
        ("0o8", "0o8"),
        ("08", 8),
        ("0x1F", 31),
        ("0X1F", 31),
        ("-0x1f", -31),
        ("0x", "0x"),
        ("0b11", 3),
        ("0b12", "0b12"),
        ("1_000", 1000),
        ("1_", 1),
        ("_1", "_1"),
        ("+5", 5),
        ("-0", 0),
        ("1.", 1),
        ("1.0", 1),
        ("1.10", 1.1),
        (".5", 0.5),
        ("+.5e1", 5),
        ("1e3", 1000),
        ("-1e-3", -0.001),
        ("123_456e3", 123456000),
        ("1e", "1e"),
        (".", "."),
        (".e1", ".e1"),
        ("1e400", "1e400"),
        ("18446744073709551615", 18446744073709551615),
        ("99999999999999999999", 1e20),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("0.4.0", "0.4.0"),
        ("=", "="),
        ("<<", "<<"),
        ("nan", "nan"),
        ("!!str 1", "1"),
        ("!!int 5", 5),
        ("!!float 5", 5),
        ("!!bool yes", True),
        ("|-\n  a\n  b", "a\nb"),
    ],
)
def test_scalars_as_kubectl_reads_them(text: str, value: object) -> None:
    """Observed with kubectl 1.32, which reads the YAML of Go."""
    found = one(f"a: {text}\n")

    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


@pytest.mark.parametrize("text", ["1.10", "0777", "1e3", "08", "1_000", "0.40"])
def test_numbers_remember_their_text(text: str) -> None:
    """A message can quote what was written."""
    for document in (f"a: {text}", f'{{"a": {text}}}'):
        (found,) = load(document)
        assert isinstance(found, dict)
        assert found["a"].written == text


def test_anchors_and_merges() -> None:
    """Aliases repeat a value, and << merges objects: own keys win, then the first of several."""
    text = "a: &a {p: 1, q: 2}\nb: &b {q: 3, r: 4}\nc: {<<: [*a, *b], p: 5}\nd: *a\ne: {<<: *b}\n"

    assert one(text) == {
        "a": {"p": 1, "q": 2},
        "b": {"q": 3, "r": 4},
        "c": {"p": 5, "q": 2, "r": 4},
        "d": {"p": 1, "q": 2},
        "e": {"q": 3, "r": 4},
    }


@pytest.mark.parametrize(
    ("text", "why", "line"),
    [
        ("a: 1\nb: 2\na: 3", 'key "a" twice', 3),
        ('{"a": 1, "a": 2}', 'key "a" twice', 0),
        ("1: a", "key that is no text", 1),
        ("on: a", "key that is no text", 1),
        ("y: a", "key that is no text", 1),
        ("~: a", "key that is no text", 1),
        ("? [a]\n: b", "key that is no text", 1),
        ("a: b: c", "not YAML", 1),
        ("a: [1, 2", "not YAML", 1),
        ("a: 'b", "not YAML", 1),
        ("\ta: b", "not YAML", 1),
        ("a: \x01", "not YAML", 0),
        ("a: .inf", "number that JSON does not know", 1),
        ("a: .NaN", "number that JSON does not know", 1),
        ('{"a": NaN}', "too big or none", 0),
        ('{"a": 1e999}', "too big or none", 0),
        ("a: *b", "without an anchor|not YAML", 1),
        ("a: &a [*a]", "without an anchor", 1),
        ("a: {<<: 1}", "without objects", 1),
        ("a: !x 1", "tag", 1),
        ("a: !!binary aGk=", "tag", 1),
        ("a: !!int b", "tag", 1),
        ("a: !!set {b}", "tag", 1),
        ('{"a": "\\ud800"}', "half a character", 0),
        ('{"\\udfff": 1}', "half a character", 0),
    ],
)
def test_what_cannot_be_read(text: str, why: str, line: int) -> None:
    """The error says in which line, why, and what would be right."""
    with pytest.raises(Unreadable, match=why) as caught:
        list(load(text))

    assert str(caught.value).startswith(f"line {line}: ") == bool(line)
    assert "; " in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 300_000,
        "- " * 300_000 + "a",
        '{"a":' * 200_000,
        "[" * 150 + "]" * 150,
        '{"a":' * 150 + "1" + "}" * 150,
        "a: &a " + "[" * 80 + "]" * 80 + "\nb: " + "[" * 80 + "*a" + "]" * 80,
    ],
)
def test_depth_is_limited(text: str) -> None:
    """No input makes the program recurse until it dies."""
    with pytest.raises(Unreadable, match=r"nested too deeply|not YAML"):
        list(load(text))


def test_aliases_are_limited() -> None:
    """A small file cannot blow up to a large one."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]

    with pytest.raises(Unreadable, match="repeats too much"):
        list(load("\n".join(lines)))


def test_documents_before_an_error_are_read() -> None:
    """Problems of the first documents can be told together with the one that stops the reader."""
    documents = load("a: 1\n---\nb: 2\n---\nc: [")

    assert [plain(next(documents)), plain(next(documents))] == [{"a": 1}, {"b": 2}]
    with pytest.raises(Unreadable, match="line 5"):
        next(documents)


def test_braces_of_yaml() -> None:
    """What begins like JSON and is none may still be YAML."""
    assert one("{a: b}") == {"a": "b"}
    assert [plain(found) for found in load('{"a": 1}\n---\n{b: 2}')] == [{"a": 1}, {"b": 2}]


@given(json_values)
@example("-_0")
@example("0_x1F")
@example("123_456e3")
def test_round_trip(value: object) -> None:
    """What is printed as YAML or JSON is read again as the same."""
    for text in (dump({"a": value}), json.dumps({"a": value})):
        found = one(text)
        assert isinstance(found, dict)
        assert same(found["a"], value)


def same(found: object, value: object) -> bool:
    """Tell whether two JSON values are the same to an API server: texts as texts, numbers as numbers."""
    if isinstance(value, dict):
        return (
            isinstance(found, dict)
            and found.keys() == value.keys()
            and all(same(found[key], value[key]) for key in value)
        )
    if isinstance(value, list):
        return isinstance(found, list) and len(found) == len(value) and all(map(same, found, value))
    if isinstance(value, float):
        return isinstance(found, (int, float)) and math.isclose(found, value, rel_tol=0, abs_tol=0)
    return type(found) is type(value) and found == value


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever a file holds, there are documents or there is an error that says why."""
    try:
        found = list(load(text))
    except Unreadable:
        return
    json.dumps([plain(value) for value in found], allow_nan=False)
