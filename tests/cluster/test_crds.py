"""Our schemas against those that openMCP and Flux publish, and against a real API server."""

from collections.abc import Iterator, Mapping

import pytest

from openmcp_adapters.emulation.schemas import NEIGHBOURS, Neighbour
from openmcp_provider.domain.objects import Json
from openmcp_testing.control_plane.crds import published_crds

OPEN = "x-kubernetes-preserve-unknown-fields"

BEYOND = {"description", "x-kubernetes-validations", OPEN}
"""What a minimal schema leaves out everywhere: words, rules in CEL, and whether there may be more than is described."""

KNOWN: dict[tuple[str, str], str] = {
    ("AccessRequest", "spec: oneOf"): "published as a rule in CEL",
    ("AccessRequest", "spec.oidc: required"): "a provider asks for tokens alone",
    ("AccessRequest", "status.phase: enum"): "of v0.19.1, which is not published as a Go module",
    ("AccessRequest", "status.secretRef: required"): "of v0.19.1",
    ("AccessRequest", "status.secretRef: x-kubernetes-map-type"): "since v1",
    ("AccessRequest", "status.secretRef.name: default"): "since v1",
    ("ClusterRequest", "status.phase: enum"): "of v0.19.1",
    ("Cluster", "spec.profile: minLength"): "of v0.19.1",
    ("Cluster", "status.phase: enum"): "of v0.19.1",
    ("OCIRepository", "spec.verify: required"): "nobody here verifies",
    ("HelmRelease", "spec: oneOf"): "published as a rule in CEL",
    ("HelmRelease", "spec.chart: required"): "charts come from OCIRepositories",
    ("HelmRelease", "spec.kubeConfig: oneOf"): "published as a rule in CEL",
}
"""Where ours differs on purpose."""


def _version(crd: Json, name: str) -> Json:
    found: Json = next(version for version in crd["spec"]["versions"] if version["name"] == name)
    return found


@pytest.fixture(scope="module")
def published() -> Mapping[str, Json]:
    """The published definitions by name."""
    return {crd["metadata"]["name"]: crd for crd in published_crds()}


def _of(neighbour: Neighbour, published: Mapping[str, Json]) -> tuple[Json, Json, Json, Json]:
    ours = neighbour.crd
    theirs = published[ours["metadata"]["name"]]
    (version,) = ours["spec"]["versions"]
    return ours, theirs, version, _version(theirs, version["name"])


def _differences(path: str, ours: Json, theirs: Json) -> Iterator[str]:
    """Yield where a minimal schema says anything else than the published one, or less where it claims to be whole."""
    if ours == {OPEN: True}:
        return
    below = {"properties", "items", "additionalProperties"}
    for word in sorted((ours.keys() | theirs.keys()) - BEYOND - below):
        mine, other = ours.get(word), theirs.get(word)
        if word in {"required", "enum"}:
            mine, other = sorted(mine or ()), sorted(other or ())
        if mine != other:
            yield f"{path}: {word}"
    mine, other = ours.get("properties", {}), theirs.get("properties", {})
    for name in mine:
        if name in other:
            yield from _differences(f"{path}.{name}", mine[name], other[name])
        else:
            yield f"{path}.{name}: only ours"
    if OPEN not in ours:
        yield from (f"{path}.{name}: only theirs" for name in other if name not in mine)
    for word in ("items", "additionalProperties"):
        if isinstance(ours.get(word), Mapping):
            yield from _differences(f"{path}[]", ours[word], theirs.get(word, {}))


def test_minimal_schemas_say_what_is_published(published: Mapping[str, Json]) -> None:
    """Every type, pattern, bound, default, list type and required field is the published one, but for what is known."""
    found: set[tuple[str, str]] = set()
    for neighbour in NEIGHBOURS:
        ours, _, version, their_version = _of(neighbour, published)
        for part in ("spec", "status"):
            mine = version["schema"]["openAPIV3Schema"]["properties"][part]
            other = their_version["schema"]["openAPIV3Schema"]["properties"][part]
            kind = ours["spec"]["names"]["kind"]
            found |= {(kind, difference) for difference in _differences(part, mine, other)}
    assert sorted(KNOWN) == sorted(found)


def test_minimal_definitions_are_served_alike(published: Mapping[str, Json]) -> None:
    """Names, scope, status subresource and what can be selected are the published ones."""
    for neighbour in NEIGHBOURS:
        ours, theirs, version, their_version = _of(neighbour, published)
        for word in ("group", "scope"):
            assert theirs["spec"][word] == ours["spec"][word]
        for word in ("kind", "plural", "singular", "listKind"):
            assert theirs["spec"]["names"][word] == ours["spec"]["names"][word]
        assert their_version.get("subresources") == version.get("subresources")
        mine = {field["jsonPath"] for field in version.get("selectableFields", ())}
        assert mine <= {field["jsonPath"] for field in their_version.get("selectableFields", ())}


def test_immutable_fields_are_published_as_such(published: Mapping[str, Json]) -> None:
    """What the emulation refuses to change, a published rule forbids to change."""
    for neighbour in NEIGHBOURS:
        _, _, _, version = _of(neighbour, published)
        for path in neighbour.immutable:
            schema = version["schema"]["openAPIV3Schema"]
            rules = []
            for name in path:
                schema = schema["properties"][name]
                rules += [rule["rule"] for rule in schema.get("x-kubernetes-validations", ())]
            assert "self == oldSelf" in rules, path
