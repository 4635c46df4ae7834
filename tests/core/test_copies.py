"""Copies of Secrets and ConfigMaps: equality without sight, and what makes a source unusable."""

import base64
import copy
import json
import pickle
import traceback
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain.copies import DOCKER_CONFIG, Sealed, Source, digest_of, source_of, unusable
from openmcp_provider.domain.errors import Invalid
from openmcp_provider.domain.objects import PLATFORM, Ref
from openmcp_provider.domain.plan import Apply, Failed, Plan, explain

SECRET = "c2VjcmV0LWJ5dGVz"
PARTS = {"data": {"password": SECRET}, "binaryData": {"blob": SECRET}}

Entries = dict[str, str]

entries = st.dictionaries(st.text("abc.-", min_size=1, max_size=4), st.text("ABCDEFab=", max_size=6), max_size=4)


def secret(data: dict[str, str] | None, kind: str | None = None, **metadata: object) -> dict[str, Any]:
    """Return a Secret."""
    obj: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "pull", **metadata}}
    return {**obj, **({} if data is None else {"data": data}), **({} if kind is None else {"type": kind})}


def pull_secret(content: bytes | str) -> Source:
    """Return the source made of a pull secret; text stands for base64, right or wrong."""
    text = content if isinstance(content, str) else base64.b64encode(content).decode()
    return source_of(secret({".dockerconfigjson": text}, DOCKER_CONFIG))


@pytest.mark.parametrize("shown", [repr, str, format, ascii, "{0:}".format])
def test_no_text_shows_the_data(shown: Callable[[object], str]) -> None:
    """Whichever way a Sealed is turned into text, neither keys nor values show."""
    text = shown(Sealed(PARTS))

    assert SECRET not in text
    assert "password" not in text


def test_whatever_holds_it_does_not_show_it() -> None:
    """Sources, steps, plans and failures with sealed data in them can be printed."""
    source = source_of(secret({"password": SECRET}, uid="u1"))
    step = Apply(ref=Ref(PLATFORM, "v1", "Secret", "pull", "home"), manifest={"metadata": {}}, sealed=source.sealed)
    plan = Plan(steps=(step,))

    for holder in (source, step, plan, Failed(step, Invalid("no")), explain(plan)):
        assert SECRET not in repr(holder)


def test_no_error_about_it_shows_it() -> None:
    """The report of an error about a Sealed shows nothing of it, not even with local variables."""
    sealed = Sealed(PARTS)
    for fail in (lambda: sealed + 1, lambda: sealed["data"], lambda: int(sealed), lambda: sealed.parts):  # type: ignore[operator,index,call-overload,attr-defined]
        with pytest.raises((TypeError, AttributeError)) as caught:
            fail()
        report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)

        assert SECRET not in "".join(report.format())


def test_it_cannot_be_pickled_in_an_error_or_alone() -> None:
    """An error that carries sealed data along is not written down with it."""
    for holder in (Sealed(PARTS), ValueError("no", Sealed(PARTS)), source_of(secret({"password": SECRET}))):
        with pytest.raises(TypeError, match="Sealed") as caught:
            pickle.dumps(holder)

        assert SECRET not in str(caught.value)


def test_a_copy_of_it_is_itself() -> None:
    """It never changes, so that a deep copy of what holds it needs no second one."""
    sealed = Sealed(PARTS)

    assert copy.deepcopy({"held": sealed})["held"] is sealed
    assert copy.copy(sealed) is sealed


@given(entries, entries, st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(data: Entries, binary: Entries, random: Random) -> None:
    """Two objects with the same entries in any order are equal, and so are their digests and hashes."""
    shuffled = list(data.items())
    random.shuffle(shuffled)
    one, other = (
        Sealed({"data": data, "binaryData": binary}),
        Sealed({"binaryData": binary, "data": dict(shuffled)}),
    )

    assert one == other
    assert one.digest == other.digest
    assert hash(one) == hash(other)


@given(entries, entries, entries, entries)
def test_equal_digests_mean_equal_entries(data: Entries, binary: Entries, data2: Entries, binary2: Entries) -> None:
    """Two are equal exactly where both parts hold the same entries; what moves from part to part counts."""
    one, other = Sealed({"data": data, "binaryData": binary}), Sealed({"data": data2, "binaryData": binary2})

    assert (one == other) == ((data, binary) == (data2, binary2))
    assert (one.digest == other.digest) == (one == other)


@given(entries, entries)
def test_what_is_revealed_is_what_was_sealed(data: Entries, binary: Entries) -> None:
    """Revealing gives back every entry of both parts; a part without entries is not written at all."""
    expected = {key: part for key, part in (("data", data), ("binaryData", binary)) if part}

    assert expected == Sealed({"data": data, "binaryData": binary}).reveal()


def test_what_is_revealed_is_a_copy() -> None:
    """Neither changing what was revealed nor what was given changes what is sealed."""
    given_parts = copy.deepcopy(PARTS)
    sealed = Sealed(given_parts)
    given_parts["data"]["password"] = "other"
    sealed.reveal()["data"]["password"] = "other"

    assert sealed.reveal() == PARTS


def test_it_equals_nothing_else() -> None:
    """It is not equal to its digest or to its data."""
    sealed = Sealed(PARTS)

    assert sealed != sealed.digest
    assert sealed != PARTS


@given(entries)
def test_a_copy_written_from_a_source_has_its_digest(data: Entries) -> None:
    """A live object that holds what was revealed has the digest of its source, whatever else it bears."""
    source = source_of(secret(data, "Opaque", uid="u1", labels={"team": "a"}))
    live = {
        **secret(None, "Opaque", uid="u2", labels={"ours": "yes"}, resourceVersion="7"),
        **source.sealed.reveal(),
    }

    assert source.sealed.digest == digest_of(live)


@given(entries, entries)
def test_another_entry_is_another_digest(one: Entries, other: Entries) -> None:
    """Digests of live objects are equal exactly where the data are."""
    assert (digest_of(secret(one)) == digest_of(secret(other))) == (one == other)


def test_data_that_is_null_is_no_data() -> None:
    """A Secret without data, with none and with null are the same."""
    empty = {**secret(None), "data": None}

    assert digest_of(secret({})) == digest_of(secret(None)) == digest_of(empty)


def test_name_uid_and_type_are_read() -> None:
    """A source says its kind, name, uid and type, and nothing of its labels."""
    source = source_of(secret({"a": "YQ=="}, "example.org/type", uid="u1", labels={"team": "a"}))

    assert (
        source.kind,
        source.name,
        source.uid,
        source.type,
        source.flaw,
    ) == ("Secret", "pull", "u1", "example.org/type", "")


def test_a_secret_without_type_is_opaque() -> None:
    """The server's default counts where a file gives no type; a Secret of a file has no uid."""
    source = source_of(secret({}))

    assert (source.type, source.uid) == ("Opaque", "")


def test_a_config_map_offers_text_and_bytes_and_has_no_type() -> None:
    """Both parts of a ConfigMap are copied, and a change of either is noticed."""
    config_map = {"kind": "ConfigMap", "metadata": {"name": "ca"}, "data": {"a": "text"}, "binaryData": {"b": "AA=="}}
    source = source_of(config_map)

    assert (source.kind, source.type, source.flaw) == ("ConfigMap", "", "")
    assert source.sealed.reveal() == {"data": {"a": "text"}, "binaryData": {"b": "AA=="}}
    assert source.sealed.digest != digest_of({**config_map, "binaryData": {"b": "AB=="}})
    assert source.sealed.digest != digest_of({**config_map, "binaryData": {}})


def test_a_pull_secret_with_an_object_serves() -> None:
    """A pull secret whose key holds a JSON object has no flaw, also where a file has its base64 in lines."""
    assert unusable(pull_secret(b'{"auths":{}}'), DOCKER_CONFIG) == ""
    assert unusable(pull_secret("eyJhdXRo\r\ncyI6e319\n"), DOCKER_CONFIG) == ""


@pytest.mark.parametrize(
    ("source", "flaw"),
    [
        (source_of(secret({}, DOCKER_CONFIG)), 'it has no key ".dockerconfigjson"'),
        (source_of(secret(None, DOCKER_CONFIG)), 'it has no key ".dockerconfigjson"'),
        (source_of(secret({"config.json": SECRET}, DOCKER_CONFIG)), 'it has no key ".dockerconfigjson"'),
        (pull_secret("not base64!"), 'the value of ".dockerconfigjson" is not JSON'),
        (pull_secret("e3!0="), 'the value of ".dockerconfigjson" is not JSON'),
        (pull_secret("w\xe4rter"), 'the value of ".dockerconfigjson" is not JSON'),
        (pull_secret(b"{"), 'the value of ".dockerconfigjson" is not JSON'),
        (pull_secret(b""), 'the value of ".dockerconfigjson" is not JSON'),
        (pull_secret(b"\xff\xfe\xfd"), 'the value of ".dockerconfigjson" is not JSON'),
        (pull_secret(b"[" * 100_000), 'the value of ".dockerconfigjson" is not JSON'),
        (pull_secret(b"[]"), 'the value of ".dockerconfigjson" is not a JSON object'),
        (pull_secret(b"null"), 'the value of ".dockerconfigjson" is not a JSON object'),
    ],
)
def test_a_flawed_pull_secret_serves_nobody(source: Source, flaw: str) -> None:
    """A pull secret that a server would refuse, or a puller could not read, says why, whatever type is wanted."""
    assert flaw == unusable(source, DOCKER_CONFIG)
    assert flaw == unusable(source, "")


@given(st.binary(max_size=40) | st.text(max_size=10).map(lambda text: json.dumps(text).encode()))
def test_a_flaw_never_quotes_the_value(content: bytes) -> None:
    """Whatever is in a pull secret, a flaw is one of three sentences, and there is none only for an object."""
    flaw = pull_secret(content).flaw

    assert flaw in {
        "",
        'the value of ".dockerconfigjson" is not JSON',
        'the value of ".dockerconfigjson" is not a JSON object',
    }
    assert (flaw == "") == _is_object(content)


def test_another_type_is_named() -> None:
    """A source of another type than wanted says both types, before anything else."""
    source = source_of(secret({}, "Opaque"))

    assert (
        unusable(source, DOCKER_CONFIG) == 'it is of type "Opaque" and must be of type "kubernetes.io/dockerconfigjson"'
    )


def test_any_type_serves_where_none_is_wanted() -> None:
    """Without a wanted type a source only needs to be without flaw."""
    assert unusable(source_of(secret({}, "example.org/own")), "") == ""


def test_only_pull_secrets_are_looked_into() -> None:
    """An opaque Secret may hold what it likes under the key of a pull secret."""
    assert source_of(secret({".dockerconfigjson": "not base64!"}, "Opaque")).flaw == ""


def _is_object(content: bytes) -> bool:
    try:
        return isinstance(json.loads(content), dict)
    except ValueError:
        return False
