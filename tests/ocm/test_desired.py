import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain.desired import Desired, desired
from openmcp_provider.provider import Tenant
from service_provider_ocm import PROVIDER, OcmConfig, OcmSpec, SecretReference, pull_secret_copy_name
from tests.naming import subdomains
from tests.ocm.strategies import any_configs, configs, pull_secret, specs, tenant_of, tenants

OcmTenant = Tenant[OcmSpec, OcmConfig]

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
FLUX_DURATION = re.compile(r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+")


def manifests(found: Desired) -> list[Any]:
    """Return every object in the order of writing."""
    return [*(access.access for access in found.access), *(item.manifest for item in found.items)]


def spec_of(found: Desired, kind: str) -> Any:
    """Return the spec of the one object of a kind."""
    (spec,) = (item.manifest["spec"] for item in found.items if item.ref.kind == kind)
    return spec


def reordered(value: object) -> object:
    """Return equal JSON with the keys of every object the other way round."""
    if isinstance(value, dict):
        return {key: reordered(item) for key, item in reversed(value.items())}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(specs, configs)
def test_strategies_give_what_passes_the_checks(spec: OcmSpec, config: OcmConfig) -> None:
    """The properties below are about exactly the inputs that the checks let pass."""
    assert not [*PROVIDER.check_spec(spec), *PROVIDER.check_config(config)]


@given(any_configs)
def test_total_on_whatever_passes(config: OcmConfig) -> None:
    """A config that has no problem never makes the desired state, the interval or the version fail."""
    problems = [*PROVIDER.check_config(config)]

    if not problems:
        assert desired(PROVIDER, tenant_of("mcp-01", "default", OcmSpec(version="0.6.0"), config)).items
        assert PROVIDER.poll(config).total_seconds() >= 0
    assert all(problem.path.startswith("spec.") and problem.why and problem.want for problem in problems)


@given(tenants)
def test_deterministic_and_leaves_the_input_alone(tenant: OcmTenant) -> None:
    """The same tenant gives the same objects, and asking changes nothing of it."""
    before = copy.deepcopy(tenant)

    assert desired(PROVIDER, tenant) == desired(PROVIDER, tenant)
    assert before == tenant


@given(tenants)
def test_the_order_of_keys_does_not_matter(tenant: OcmTenant) -> None:
    """Values whose keys stand in another order give equal objects."""
    assert tenant.config
    config = OcmConfig(
        poll_interval=tenant.config.poll_interval,
        chart_url=tenant.config.chart_url,
        image_pull_secret=tenant.config.image_pull_secret,
        values=reordered(tenant.config.values),  # type: ignore[arg-type] # an object stays an object
    )
    other = tenant_of(tenant.name, tenant.namespace, tenant.spec, config)

    assert desired(PROVIDER, tenant) == desired(PROVIDER, other)


@given(tenants)
def test_names_are_legal(tenant: OcmTenant) -> None:
    """An API server accepts name, namespace, labels and annotations of every object."""
    for manifest in manifests(desired(PROVIDER, tenant)):
        metadata = manifest["metadata"]
        limit = 253 if metadata.get("namespace") == "ocm-k8s-toolkit-system" else 63
        assert SUBDOMAIN.fullmatch(metadata["name"])
        assert len(metadata["name"]) <= limit
        assert len(metadata.get("namespace", "")) <= 63
        assert all(len(value) <= 63 and SUBDOMAIN.fullmatch(value) for value in metadata.get("labels", {}).values())
        assert all(isinstance(value, str) for value in metadata.get("annotations", {}).values())


@given(tenants)
def test_no_object_is_written_twice(tenant: OcmTenant) -> None:
    """Copies never collide, with each other or with anything else."""
    refs = [item.ref for item in desired(PROVIDER, tenant).items]

    assert len(refs) == len(set(refs))


@given(tenants)
def test_everything_written_is_owned(tenant: OcmTenant) -> None:
    """What is written is of a kind that the provider says it owns, so that it is seen, pruned and deleted."""
    owned = {(kind.cluster, kind.api_version, kind.kind) for kind in PROVIDER.owns}

    assert all(item.ref[:3] in owned for item in desired(PROVIDER, tenant).items if not item.shared)


@given(tenants)
def test_the_release_comes_last(tenant: OcmTenant) -> None:
    """Flux is told to install when everything that it reads has been written, and to fetch when its login has."""
    items = desired(PROVIDER, tenant).items
    kinds = [item.ref.kind for item in items]

    assert kinds[-1] == "HelmRelease"
    assert [item.wave for item in items] == sorted(item.wave for item in items)
    assert all(item.wave == 0 for item in items if item.source and item.ref.cluster == "platform")


@given(tenants)
def test_durations_are_those_that_flux_accepts(tenant: OcmTenant) -> None:
    """Source and release get the same interval, in a form that the CRDs of Flux accept, and never zero."""
    found = desired(PROVIDER, tenant)
    interval = spec_of(found, "OCIRepository")["interval"]

    assert FLUX_DURATION.fullmatch(interval)
    assert re.search("[1-9]", interval)
    assert interval == spec_of(found, "HelmRelease")["interval"]


@given(tenants)
def test_values_are_written_as_they_are(tenant: OcmTenant) -> None:
    """Helm gets the operator's values verbatim, and none where there are none."""
    assert tenant.config
    spec = spec_of(desired(PROVIDER, tenant), "HelmRelease")

    assert ({} if tenant.config.values is None else {"values": tenant.config.values}) == {
        key: value for key, value in spec.items() if key == "values"
    }


@given(tenants)
def test_every_manifest_is_json(tenant: OcmTenant) -> None:
    """Every object can be sent to an API server."""
    found = manifests(desired(PROVIDER, tenant))

    assert json.loads(json.dumps(found)) == json.loads(json.dumps(found, sort_keys=True))


@given(tenants, st.text("QqWw", min_size=40, max_size=40))
def test_no_secret_is_in_any_manifest(tenant: OcmTenant, content: str) -> None:
    """The data of a source is nowhere in what is computed: copies name their source, and their bytes come last."""
    source = pull_secret("login", content)
    found = desired(PROVIDER, tenant)

    assert content not in repr(found) + repr(source)
    assert all("data" not in manifest and "stringData" not in manifest for manifest in manifests(found))


@given(st.lists(subdomains.map(lambda name: "x" * 50 + name), min_size=2, max_size=10, unique=True))
def test_copies_of_two_secrets_have_two_names(names: list[str]) -> None:
    """Also long names that begin alike never share a copy."""
    assert len(names) == len({pull_secret_copy_name(name) for name in names})


@pytest.mark.parametrize(
    ("config", "copies"),
    [
        (OcmConfig(), []),
        (OcmConfig(image_pull_secret=SecretReference()), []),
        (OcmConfig(image_pull_secret=SecretReference(name="a")), [("a", "platform")]),
        (OcmConfig(values={"manager": {"imagePullSecrets": []}}), []),
        (OcmConfig(values={"manager": {"imagePullSecrets": None}}), []),
        (OcmConfig(values={"manager": None}), []),
        (OcmConfig(values={"manager": {"replicas": 3}}), []),
        (
            OcmConfig(values={"manager": {"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}}),
            [("a", "mcp"), ("b", "mcp")],
        ),
        (
            OcmConfig(
                image_pull_secret=SecretReference(name="a"),
                values={"manager": {"imagePullSecrets": [{"name": "a"}, {"name": "a", "more": 1}]}},
            ),
            [("a", "platform"), ("a", "mcp")],
        ),
    ],
)
def test_copies(config: OcmConfig, copies: list[tuple[str, str]]) -> None:
    """Exactly the named pull secrets are copied, each once, and the namespace is made only for copies."""
    found = desired(PROVIDER, tenant_of("mcp-01", "default", OcmSpec(version="0.6.0"), config))

    assert copies == [(item.source, item.ref.cluster) for item in found.items if item.source]
    assert any(cluster == "mcp" for _, cluster in copies) == any(item.shared for item in found.items)
    assert {"kubernetes.io/dockerconfigjson"} >= {item.source_type for item in found.items if item.source}
    assert ("secretRef" in spec_of(found, "OCIRepository")) == any(cluster == "platform" for _, cluster in copies)


@pytest.mark.parametrize(
    ("text", "flux", "poll"),
    [
        ("1m", "1m0s", 60),
        ("90s", "1m30s", 90),
        ("0s", "1m0s", 0),
        ("0", "1m0s", 0),
        ("-5m", "1m0s", 0),
        ("1ms", "1ms", 0.001),
        ("1h", "1h0m0s", 3600),
    ],
)
def test_poll_interval(text: str, flux: str, poll: float) -> None:
    """Flux gets Go's canonical text; without polling it keeps its minute."""
    config = OcmConfig(poll_interval=text)
    found = desired(PROVIDER, tenant_of("mcp-01", "default", OcmSpec(version="0.6.0"), config))

    assert flux == spec_of(found, "HelmRelease")["interval"]
    assert poll == PROVIDER.poll(config).total_seconds()


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("", "oci://ghcr.io/open-component-model/kubernetes/controller/chart"),
        ("registry.example.com/chart", "oci://registry.example.com/chart"),
        ("oci://registry.example.com:5000/chart", "oci://registry.example.com:5000/chart"),
    ],
)
def test_chart(text: str, url: str) -> None:
    """Flux gets the URL with its scheme; an empty one is the default, as in the older program."""
    found = desired(PROVIDER, tenant_of("mcp-01", "default", OcmSpec(version="0.6.0"), OcmConfig(chart_url=text)))

    assert url == spec_of(found, "OCIRepository")["url"]
