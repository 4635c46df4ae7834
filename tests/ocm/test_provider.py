import inspect
from datetime import timedelta

import pytest

import service_provider_ocm.provider as module
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.provider import Guard, Owned, Provider, Ref, Residue
from service_provider_ocm import PROVIDER, OcmConfig, OcmProvider, OcmSpec
from tests.ocm.strategies import tenant_of

HOME = tenant_namespace("mcp-01", "default")
SYSTEM = "ocm-k8s-toolkit-system"


def test_is_a_provider() -> None:
    """The type checker holds it against the author's interface."""
    provider: Provider[OcmSpec, OcmConfig] = PROVIDER

    assert OcmProvider() == provider


def test_wire_identity() -> None:
    """Every name on the wire is that of v0.1.1, the odd ones too."""
    edition = PROVIDER.edition

    assert edition.api_version == "ocm.services.openmcp.cloud/v1alpha1"
    assert (edition.kind, edition.plural, edition.name) == ("OCM", "ocms", "ocm")
    assert edition.finalizer == "ocm.services.openmcp.cloud/finalizer"
    assert edition.field_manager == "service-provider-ocm"
    assert edition.copy_prefix == "sp-ocm-"
    assert edition.access_controller == "ocm.services.openmcp.cloud"
    assert edition.onboarding_controller == "ocm.ocm.services.openmcp.cloud"
    assert edition.lease == "232f9e39.openmcp.cloud"
    assert PROVIDER.title == "OCM K8s Toolkit"


def test_access() -> None:
    """The control plane is reached with all rights, as ever."""
    (cluster,) = PROVIDER.clusters

    assert (cluster.id, cluster.suffix, cluster.purpose) == ("mcp", "mcp", None)
    assert cluster.rules == ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},)
    assert cluster.roles == ("cluster-admin",)


def test_what_blocks_and_what_must_be_gone() -> None:
    """All objects of the toolkit's group block deletion; release records and Deployment must be gone before access."""
    assert (Guard("mcp", "delivery.ocm.software"),) == PROVIDER.guards
    assert (
        Residue("mcp", "v1", "Secret", SYSTEM, "sh.helm.release.v1.ocm-k8s-toolkit.v*"),
        Residue("mcp", "apps/v1", "Deployment", SYSTEM, "ocm-k8s-toolkit-controller-manager"),
    ) == PROVIDER.residues


def test_what_older_programs_left_unmarked() -> None:
    """Both Flux objects by name, and any Secret in the two namespaces where copies were made, each in its wave."""
    assert {
        (Ref("platform", "v1", "Secret", "", HOME), 0),
        (Ref("platform", "source.toolkit.fluxcd.io/v1", "OCIRepository", "sp-ocm-k8s-toolkit", HOME), 1),
        (Ref("mcp", "v1", "Secret", "", SYSTEM), 2),
        (Ref("platform", "helm.toolkit.fluxcd.io/v2", "HelmRelease", "sp-ocm-k8s-toolkit", HOME), 3),
    } == set(PROVIDER.unmarked("mcp-01", "default"))


def test_what_is_unmarked_is_owned() -> None:
    """Only kinds that the provider owns are looked for."""
    found = {ref[:3] for ref, _ in PROVIDER.unmarked("mcp-01", "default")}

    assert {Owned(*key, "")[:3] for key in found} == {kind[:3] for kind in PROVIDER.owns}


@pytest.mark.parametrize(
    ("asked", "installed", "told"),
    [
        ("0.4.0", "", "0.4.0"),
        ("0.5.0", "", "0.5.0"),
        ("0.5.0-rc.1", "", "0.5.0-rc.1"),
        ("v0.3.0", "", "v0.3.0"),
        ("0.6.0", "0.4.0", "0.4.0"),
        ("0.4.0", "0.6.0", ""),
        ("0.6.0", "", ""),
        ("0.5.1", "", ""),
        ("0.10.0", "", ""),
        ("1.0.0", "", ""),
        ("main", "", ""),
        ("0.4", "", ""),
        ("0.6.0", "0.5.0+0123456789ab", "0.5.0+0123456789ab"),
    ],
)
def test_warns_of_charts_that_take_their_crds_along(asked: str, installed: str, told: str) -> None:
    """The installed version counts, else the one asked for; what cannot be read is not warned of."""
    advice = [*PROVIDER.advise(OcmSpec(version=asked), installed)]

    assert bool(told) == bool(advice)
    for found in advice:
        assert found.condition[:3] == ("UninstallSafe", "False", "DeletesCRDs")
        assert found.event == "UninstallDeletesCRDs"
        assert told in found.condition.message
        assert "0.6.0 or later" in found.condition.message


def test_warns_that_the_way_out_is_blocked_too() -> None:
    """Before 0.5.0 the Deployment must go before an upgrade: its selector cannot change."""
    messages = {
        version: next(iter(PROVIDER.advise(OcmSpec(version=version), ""))).condition.message
        for version in ("0.4.0", "0.5.0")
    }

    assert "Deployment" in messages["0.4.0"]
    assert "Deployment" not in messages["0.5.0"]


def test_answers_about_a_tenant() -> None:
    """The version is the one asked for, without a config nothing is polled, and no status fields are added."""
    tenant = tenant_of("mcp-01", "default", OcmSpec(version="0.6.0"), OcmConfig())

    assert PROVIDER.version(tenant.spec) == "0.6.0"
    assert timedelta() == PROVIDER.poll(None)
    assert PROVIDER.status(tenant, {}) == {}


def test_desired_is_short() -> None:
    """What an author writes for the desired objects is at most 80 lines."""
    parts = (OcmProvider.desired, module._source, module._release)

    assert sum(len(inspect.getsource(part).splitlines()) for part in parts) <= 80
