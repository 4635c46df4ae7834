import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.provider import Problem
from service_provider_ocm import PROVIDER, OcmConfig, OcmSpec, SecretReference, chart_url, check_chart_url
from service_provider_ocm import pull_secret_copy_name as copy_name
from tests.vectors import vectors


@pytest.mark.parametrize(("args", "expected"), vectors("pull_secret_copy_name"))
def test_copy_name_vector(args: list[str], expected: str) -> None:
    """The platform's copies are called what the older program called them."""
    assert expected == copy_name(*args)


def test_no_secret_has_no_copy() -> None:
    """Without a name there is no copy, and so no name for one."""
    assert not copy_name("")


@pytest.mark.parametrize(("args", "expected"), vectors("chart_url"))
def test_chart_url_vector(args: list[str], expected: str) -> None:
    """The scheme is added as the older program added it."""
    assert expected == chart_url(*args)


@pytest.mark.parametrize(
    "text",
    [
        "ghcr.io/open-component-model/kubernetes/controller/chart",
        "oci://ghcr.io/open-component-model/kubernetes/controller/chart",
        "localhost:5000/chart",
        "oci://10.0.0.1:443/a/b_c-d.e",
        "chart",
        "ghcr.io/a--b/c__d",
        "a" * 255,
        "oci://" + "a" * 255,
    ],
)
def test_good_chart_url(text: str) -> None:
    """A chart can lie there: with or without scheme, with or without port."""
    check_chart_url(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("oci://", "is empty"),
        ("  ", "is empty"),
        ("https://example.com/chart", "scheme"),
        ("http://example.com/chart", "scheme"),
        ("oci://https://example.com/chart", "scheme"),
        ("oci://oci://example.com/chart", "scheme"),
        ("OCI://example.com/chart", "scheme"),
        ("example.com/chart:0.4.0", "tag"),
        ("oci://example.com:5000/chart:0.4.0", "tag"),
        ("example.com:5000", "tag"),
        ("example.com/chart@sha256:0123", "digest"),
        ("user:password@example.com/chart", "user name"),
        ("Example.com/chart", "upper case"),
        ("example.com/Chart", "upper case"),
        ("example.com/chärt", "strange"),
        ("example.com/chart?x=1", "strange"),
        ("example.com/a chart", "blanks"),
        (" example.com/chart", "blanks"),
        ("example.com/chart\n", "blanks"),
        ("example.com/chart/", "empty part"),
        ("example.com//chart", "empty part"),
        ("/chart", "empty part"),
        ("example.com:port/chart", "colon"),
        ("example.com/a:1/chart", "colon"),
        ("oci:/x", "colon"),
        ("example.com/" + "a" * 250, "262 characters"),
    ],
)
def test_bad_chart_url(text: str, why: str) -> None:
    """The error says what is wrong and what would be right; in the config it stands at its path."""
    with pytest.raises(ValueError, match=why) as caught:
        check_chart_url(text)

    assert "; " in str(caught.value)
    assert "password" not in str(caught.value)
    if text:
        (problem,) = PROVIDER.check_config(OcmConfig(chart_url=text))
        assert problem.path == "spec.chartURL"
        assert f"{problem.why}; {problem.want}" == str(caught.value)


@given(st.text())
def test_chart_url_never_fails_otherwise(text: str) -> None:
    """Any text is a chart URL or a ValueError, and the scheme makes no difference."""
    try:
        check_chart_url(text)
    except ValueError:
        if not text.startswith("oci://"):
            with pytest.raises(ValueError, match="; "):
                check_chart_url("oci://" + text)
    else:
        check_chart_url(chart_url(text))


@pytest.mark.parametrize("version", ["0.4.0", "0.14.0-rc.1", "main", "v1", "_", "A" * 128, "1.0.0_build.1"])
def test_good_version(version: str) -> None:
    """Every tag that a registry can have is a version."""
    assert not [*PROVIDER.check_spec(OcmSpec(version=version))]


@pytest.mark.parametrize(
    ("version", "why", "want"),
    [
        ("", "is empty", "such as"),
        ("  ", "is empty", "such as"),
        (" 0.4.0", "blank", 'write "0.4.0"'),
        ("0.4.0\n", "blank", 'write "0.4.0"'),
        ("0.4.0+build", '"+"', '"_" for "+"'),
        ("sha256:0123", "no tag", "up to 128"),
        (".4", "no tag", "at the start"),
        ("-rc", "no tag", "at the start"),
        ("0.4 .0", "no tag", "up to 128"),
        ("0.4.ö", "no tag", "up to 128"),
        ("a" * 129, "no tag", "up to 128"),
    ],
)
def test_bad_version(version: str, why: str, want: str) -> None:
    """A version that no chart can have is refused before Flux tries."""
    (problem,) = PROVIDER.check_spec(OcmSpec(version=version))

    assert problem.path == "spec.version"
    assert why in problem.why
    assert want in problem.want


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a duration"),
        ("1 day", "not a duration"),
        ("1d", "not a duration"),
        ("60", "not a duration"),
        ("1m: x", "not a duration"),
        ("2562048h", "too long"),
        ("1us", "below one millisecond"),
        ("0.9ms", "below one millisecond"),
    ],
)
def test_bad_poll_interval(text: str, why: str) -> None:
    """A text that Go or Flux would not read is a problem, though the API server accepts some."""
    (problem,) = PROVIDER.check_config(OcmConfig(poll_interval=text))

    assert problem.path == "spec.pollInterval"
    assert why in problem.why
    assert problem.want


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({"manager": []}, [""]),
        ({"manager": "x"}, [""]),
        ({"manager": {"imagePullSecrets": {}}}, [".imagePullSecrets"]),
        ({"manager": {"imagePullSecrets": "login"}}, [".imagePullSecrets"]),
        ({"manager": {"imagePullSecrets": ["login"]}}, [".imagePullSecrets[0]"]),
        ({"manager": {"imagePullSecrets": [None]}}, [".imagePullSecrets[0]"]),
        ({"manager": {"imagePullSecrets": [{}]}}, [".imagePullSecrets[0].name"]),
        ({"manager": {"imagePullSecrets": [{"name": None}]}}, [".imagePullSecrets[0].name"]),
        ({"manager": {"imagePullSecrets": [{"name": ""}]}}, [".imagePullSecrets[0].name"]),
        ({"manager": {"imagePullSecrets": [{"name": "Login"}]}}, [".imagePullSecrets[0].name"]),
        (
            {"manager": {"imagePullSecrets": [{"name": 1}, {"name": "a"}, {"name": "a/b"}, 5]}},
            [".imagePullSecrets[0].name", ".imagePullSecrets[2].name", ".imagePullSecrets[3]"],
        ),
    ],
)
def test_bad_values(values: dict[str, object], paths: list[str]) -> None:
    """Pull secrets of the wrong shape are named one by one, each with its path."""
    problems = [*PROVIDER.check_config(OcmConfig(values=values))]

    assert [f"spec.values.manager{path}" for path in paths] == [problem.path for problem in problems]
    assert all(problem.why and problem.want for problem in problems)


@pytest.mark.parametrize("name", ["Login", "a_b", "-a", "a-", "a..b", "a" * 254, "a/b", "a b"])
def test_bad_pull_secret(name: str) -> None:
    """A name that no Secret can have is a problem."""
    (problem,) = PROVIDER.check_config(OcmConfig(image_pull_secret=SecretReference(name=name)))

    assert problem.path == "spec.imagePullSecret.name"


def test_every_problem_is_told_at_once() -> None:
    """One mistake does not hide the others."""
    config = OcmConfig(
        poll_interval="soon",
        chart_url="https://x",
        image_pull_secret=SecretReference(name="X"),
        values={"manager": 5},
    )

    assert [problem.path for problem in PROVIDER.check_config(config)] == [
        "spec.pollInterval",
        "spec.chartURL",
        "spec.imagePullSecret.name",
        "spec.values.manager",
    ]


def test_without_a_config_nothing_can_be_installed() -> None:
    """The ProviderConfig must exist, though all of it may be left to defaults."""
    (problem,) = PROVIDER.check_config(None)

    assert Problem("ProviderConfig", "is missing", problem.want) == problem
    assert not [*PROVIDER.check_config(OcmConfig())]


def test_a_key_that_cannot_be_applied_is_refused() -> None:
    """A server reads what is applied as YAML, which takes keys of at most 1,024 characters (case 6.2)."""
    config = OcmConfig(values={"a": [{"k" * 1022: 1}, {"k" * 1023: 1}]})
    assert [f"spec.values.a[1].{'k' * 20}..."] == [problem.path for problem in PROVIDER.check_config(config)]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("registry..example.org/chart", "has a host that can be none"),
        ("-registry.example.org/chart", "has a host that can be none"),
        ("registry-.example.org/chart", "has a host that can be none"),
        ("registry.example.org:0/chart", "has a port that can be none"),
        ("registry.example.org:99999/chart", "has a port that can be none"),
        ("-registry/chart", "has a part that no repository can have"),
        ("registry.example.org/../chart", "has a part that no repository can have"),
        ("registry.example.org/team..a/chart", "has a part that no repository can have"),
        ("registry.example.org/-chart", "has a part that no repository can have"),
    ],
)
def test_a_registry_that_can_be_none_is_refused(url: str, why: str) -> None:
    """What can be no name of a host, and ports that there are not, are told before Flux is asked (case 7)."""
    for text in (url, chart_url(url)):
        with pytest.raises(ValueError, match=why):
            check_chart_url(text)
