import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain import names
from tests.naming import labels, subdomains
from tests.vectors import VECTORS, vectors

FUNCTIONS = (
    "name_hash",
    "name_uuid",
    "shorten",
    "tenant_namespace",
    "request_name",
    "access_request_name",
    "managed_purpose",
    "managed_labels",
    "kubeconfig_secret_name",
)
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN = re.compile(rf"{LABEL.pattern}(\.{LABEL.pattern})*")


@pytest.mark.parametrize(
    ("function", "args", "expected"), [(name, *row) for name in FUNCTIONS for row in vectors(name)]
)
def test_golden_vector(function: str, args: list[str], expected: object) -> None:
    """Names are byte-identical to those that other programs compute."""
    call = getattr(names, function)

    if expected is ValueError:
        with pytest.raises(ValueError, match=r"name|cannot shorten"):
            call(*args)
    else:
        assert expected == call(*args)


def test_every_vector_belongs_to_a_function() -> None:
    """No row of the file goes unused: the rest belongs to the provider and to the emulated landscape."""
    assert {*FUNCTIONS, "note", "pull_secret_copy_name", "chart_url", "generate_cluster_name"} == set(VECTORS)


@pytest.mark.parametrize("function", ["name_hash", "name_uuid"])
def test_parts_are_joined(function: str) -> None:
    """Parts count as if a slash stood between them, so the order of name and namespace matters."""
    call = getattr(names, function)

    assert call("a/b") == call("a", "b")
    assert call("a", "b") != call("b", "a")


@given(st.text(), st.integers(11, 80))
def test_shortened_text_fits(text: str, limit: int) -> None:
    """A shortened text has at most the bytes allowed, and a text that fits stays as it is."""
    short = names.shorten(text, limit)

    assert len(short.encode()) <= limit
    assert (short == text) == (len(text.encode()) <= limit)


@given(subdomains, labels)
def test_names_made_of_legal_names_are_legal(name: str, namespace: str) -> None:
    """Every object that is written for a legally named instance has a legal name and legal labels."""
    access = names.access_request_name("ocm.services.openmcp.cloud", name)
    marks = names.managed_labels("ocm.services.openmcp.cloud", name, namespace)

    assert LABEL.fullmatch(names.tenant_namespace(name, namespace))
    assert SUBDOMAIN.fullmatch(access)
    assert len(access) <= 63
    assert SUBDOMAIN.fullmatch(names.kubeconfig_secret_name(access))
    assert len(names.kubeconfig_secret_name(access)) <= 63
    assert all(re.fullmatch(r"[a-z0-9]([-_.a-z0-9]*[a-z0-9])?", value) and len(value) <= 63 for value in marks.values())


@given(st.lists(st.tuples(subdomains, labels), min_size=2, max_size=10, unique=True))
def test_tenants_never_share_a_namespace(tenants: list[tuple[str, str]]) -> None:
    """Two control planes have two namespaces, whatever their names."""
    assert len(tenants) == len({names.tenant_namespace(name, namespace) for name, namespace in tenants})


@given(st.lists(subdomains, min_size=2, max_size=10, unique=True))
def test_instances_never_share_access(instances: list[str]) -> None:
    """Two instances have two AccessRequests, also when their names are too long and begin alike."""
    found = {names.access_request_name("ocm.services.openmcp.cloud", "x" * 60 + name) for name in instances}

    assert len(instances) == len(found)
