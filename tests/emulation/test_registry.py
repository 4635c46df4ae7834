"""The registry, its logins, and the charts in it."""

import base64
import json
from typing import Any

import pytest

from openmcp_adapters.emulation import Registry, ocm_chart
from openmcp_adapters.emulation.registry import PullError, check_repository, logins
from tests.emulation.stage import REPOSITORY


def _secret(auths: Any, kind: str = "kubernetes.io/dockerconfigjson") -> dict[str, Any]:
    data = {".dockerconfigjson": base64.b64encode(json.dumps(auths).encode()).decode()}
    return {"type": kind, "data": data}


def test_every_version_exists_unless_told_otherwise() -> None:
    """And a tag means the same whenever it is asked for."""
    registry, other = Registry(), Registry()

    assert registry.pull(REPOSITORY, "1.0.0", {}) == registry.pull(REPOSITORY, "1.0.0", {})
    assert registry.pull(REPOSITORY, "1.0.0", {}) == other.pull(REPOSITORY, "1.0.0", {})
    assert registry.pull(REPOSITORY, "1.0.0", {}).digest != registry.pull(REPOSITORY, "1.0.1", {}).digest


def test_what_was_not_published_is_unknown() -> None:
    """A missing tag and a missing repository are told apart."""
    registry = Registry(every_version=False)
    registry.publish(REPOSITORY, "1.0.0")

    with pytest.raises(PullError, match="MANIFEST_UNKNOWN"):
        registry.pull(REPOSITORY, "1.0.1", {})
    with pytest.raises(PullError, match="NAME_UNKNOWN"):
        registry.pull("ghcr.io/other", "1.0.0", {})
    registry.retract(REPOSITORY, "1.0.0")
    with pytest.raises(PullError):
        registry.pull(REPOSITORY, "1.0.0", {})


def test_the_longest_login_wins() -> None:
    """Hosts may be given with a path; others' do not count."""
    registry = Registry(credentials={"ghcr.io": ("user", "right")})
    right, wrong = ("user", "right"), ("user", "wrong")

    registry.pull(REPOSITORY, "1.0.0", {"ghcr.io": wrong, "ghcr.io/open-component-model": right})
    with pytest.raises(PullError, match="DENIED"):
        registry.pull(REPOSITORY, "1.0.0", {"ghcr.io": right, "ghcr.io/open-component-model": wrong})
    with pytest.raises(PullError, match="UNAUTHORIZED"):
        registry.pull(REPOSITORY, "1.0.0", {"ghcr.io:5000": right, "docker.io": right})


@pytest.mark.parametrize("part", ["ghcr.io", REPOSITORY, f"{REPOSITORY}:1.0.0"])
def test_outages_are_of_hosts_repositories_or_tags(part: str) -> None:
    """Each takes down what it names."""
    registry = Registry(outages={part: "rate limited"})

    with pytest.raises(PullError, match="TOOMANYREQUESTS"):
        registry.pull(REPOSITORY, "1.0.0", {})
    registry.pull("docker.io/x", "1.0.0", {})


@pytest.mark.parametrize(
    ("secret", "found"),
    [
        (_secret({"auths": {"ghcr.io": {"username": "u", "password": "p"}}}), {"ghcr.io": ("u", "p")}),
        (_secret({"auths": {"https://ghcr.io/": {"auth": "dTpwOnE="}}}), {"ghcr.io": ("u", "p:q")}),
        (_secret({"auths": {"ghcr.io": {"username": "u"}}}, "Opaque"), {}),
        (_secret({"no": "auths"}), {}),
        (_secret([]), {}),
    ],
)
def test_logins_are_read_as_registries_have_them(secret: dict[str, Any], found: dict[str, Any]) -> None:
    """Secrets of another type, or without logins, are passed over."""
    assert found == logins(secret)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("oci://ghcr.io/a/chart", "ghcr.io/a/chart"),
        ("oci://localhost:5000/chart", "localhost:5000/chart"),
        ("oci://library/chart", "index.docker.io/library/chart"),
    ],
)
def test_addresses_are_read_as_flux_does(url: str, found: str) -> None:
    """A first part without dot or colon is a path on Docker Hub."""
    assert found == check_repository(url)


@pytest.mark.parametrize(
    "url", ["oci://", "oci://ghcr.io/Chart", "oci://ghcr.io/chart:1.0", "oci://ghcr.io/" + "x" * 256]
)
def test_addresses_with_tags_or_upper_case_are_none(url: str) -> None:
    """Flux cannot parse them."""
    with pytest.raises(ValueError, match="could not parse reference"):
        check_repository(url)


@pytest.mark.parametrize(
    ("version", "kinds", "keeps", "labels"),
    [
        ("0.4.0", 4, False, 1),
        ("0.5.0", 4, False, 3),
        ("0.6.0", 4, True, 3),
        ("v0.11.0", 5, True, 3),
        ("main", 5, True, 3),
    ],
)
def test_the_chart_changed_over_time(version: str, kinds: int, keeps: bool, labels: int) -> None:
    """Its CRDs, whether they stay, and what its Deployment selects by."""
    chart = ocm_chart(version)
    workload = chart.workload("ocm-k8s-toolkit", "system", {})

    assert (kinds, keeps) == (len(chart.crds), chart.keeps_crds)
    assert labels == len(workload["spec"]["selector"]["matchLabels"])
    assert workload["metadata"]["name"] == "ocm-k8s-toolkit-controller-manager"
    assert all(("annotations" in crd["metadata"]) == keeps for crd in chart.crds)
