"""Everything that an OCM and a ProviderConfig can be, within and beyond what the checks let pass."""

from typing import Any

from hypothesis import strategies as st

from openmcp_provider.domain.copies import Source, source_of
from openmcp_provider.domain.desired import access_of
from openmcp_provider.domain.durations import GO_LIMIT, MILLISECOND, format_duration
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.provider import Tenant
from service_provider_ocm import PROVIDER, OcmConfig, OcmSpec, SecretReference
from tests.naming import labels, subdomains

versions = st.builds("{}{}".format, st.sampled_from("aZ09_"), st.text("aZ09_.-", max_size=127))
intervals = st.one_of(st.just(0), st.integers(MILLISECOND, GO_LIMIT - 1), st.integers(-GO_LIMIT, 0)).map(
    format_duration
)
_words = st.text("az09", min_size=1, max_size=6)
_parts = st.lists(st.tuples(_words, st.sampled_from([".", "_", "__", "-", "---"])), min_size=1, max_size=4).map(
    lambda pairs: "".join(word + separator for word, separator in pairs).rstrip("._-")
)
_names = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,8}[a-z0-9])?(\.[a-z0-9]([a-z0-9_-]{0,8}[a-z0-9])?){0,3}", fullmatch=True)
_hosts = _parts | st.builds("{}{}".format, _names, st.sampled_from([".io", ":1", ":5000", ":65535"]))
charts = st.builds(
    "{}{}/{}".format, st.sampled_from(["", "oci://"]), _hosts, st.lists(_parts, min_size=1, max_size=4).map("/".join)
)

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text(max_size=5), json_values, max_size=3)
_references = st.builds(lambda name, more: {**more, "name": name}, subdomains, objects)
_managers = st.builds(
    lambda more, secrets: {**more, **({} if secrets is None else {"imagePullSecrets": secrets})},
    objects,
    st.none() | st.lists(_references, max_size=4),
)
values = st.none() | st.builds(
    lambda more, manager: {**more, **({} if manager is None else {"manager": manager})}, objects, st.none() | _managers
)

specs = st.builds(OcmSpec, version=versions)
configs = st.builds(
    OcmConfig,
    poll_interval=intervals,
    chart_url=charts | st.just(""),
    image_pull_secret=st.none() | st.builds(SecretReference, name=subdomains | st.just("")),
    values=values,
)
any_configs = st.builds(
    OcmConfig,
    poll_interval=st.text() | intervals,
    chart_url=st.text() | charts,
    image_pull_secret=st.none() | st.builds(SecretReference, name=st.text() | subdomains),
    values=st.none() | objects | values | st.builds(lambda manager: {"manager": manager}, json_values),
)


def tenant_of(name: str, namespace: str, spec: OcmSpec, config: OcmConfig) -> Tenant[OcmSpec, OcmConfig]:
    """Return an instance as the provider sees it."""
    home = tenant_namespace(name, namespace)
    access = access_of(PROVIDER, name, namespace, home)
    kubeconfigs = {found.cluster.id: found.secret for found in access}
    return Tenant(name=name, namespace=namespace, home=home, spec=spec, config=config, kubeconfigs=kubeconfigs)


tenants = st.builds(tenant_of, subdomains, labels, specs, configs)


def pull_secret(name: str, content: str) -> Source:
    """Return a pull secret with the base64 text `content`."""
    return source_of(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "uid": "u"},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": content},
        }
    )
