import pytest

from openmcp_provider.domain.legal import check_label, check_subdomain


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a--b", "a" * 63])
def test_labels(name: str) -> None:
    """A DNS label is a DNS subdomain too."""
    assert not [*check_label("p", name), *check_subdomain("p", name)]


@pytest.mark.parametrize("name", ["a.b", "1.2.3.4", "a" * 64, ".".join(["a" * 60] * 4)])
def test_subdomains(name: str) -> None:
    """A DNS subdomain may have dots and more characters than a label."""
    assert not [*check_subdomain("p", name)]
    assert [*check_label("p", name)]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        ("a" * 254, "is 254 characters long"),
        ("A", "is no legal name"),
        ("ä", "is no legal name"),
        ("a_b", "is no legal name"),
        ("-a", "is no legal name"),
        ("a-", "is no legal name"),
        (".a", "is no legal name"),
        ("a.", "is no legal name"),
        ("a..b", "is no legal name"),
        ("a.-b", "is no legal name"),
        ("a\n", "is no legal name"),
        ("a b", "is no legal name"),
    ],
)
def test_illegal_names(name: str, why: str) -> None:
    """One problem says where, why, and what would be right; it does not repeat the name."""
    for check in (check_label, check_subdomain):
        (problem,) = check("metadata.name", name)
        assert (problem.path, problem.why) == ("metadata.name", why)
        assert problem.want.startswith("write 1 to ")
