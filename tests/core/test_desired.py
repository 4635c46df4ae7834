"""What should be there: the author's items, marked and in order, behind the access that they need."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain.desired import ACCESS_FINALIZER, Desired, access_of, desired
from openmcp_provider.domain.names import managed_labels
from openmcp_provider.domain.objects import PLATFORM, Json, Ref, ref_of
from openmcp_provider.domain.ownership import ON_DELETE, WAVE, marks
from openmcp_provider.provider import Copy, Health, Item, Owned, Tenant
from tests.core.second import ALL, APPS, GROUP, SPACE, Beacon, BeaconConfig, BeaconSpec

NAME, NAMESPACE, HOME = "mcp-01", "default", "mcp--home"


class Listed(Beacon):
    """Wants the items that it is made with."""

    owns = (
        *Beacon.owns,
        Owned("workload", "v1", "Secret", "secrets"),
        Owned(PLATFORM, APPS, "Deployment", "deployments"),
        Owned(PLATFORM, "v1", "Secret", "secrets"),
    )

    def __init__(self, *items: Item | Copy) -> None:
        self.items = items

    def desired(self, tenant: Tenant[BeaconSpec, BeaconConfig]) -> Iterable[Item | Copy]:
        """Want just these."""
        return self.items


def tenant(kubeconfigs: Mapping[str, Ref] | None = None) -> Tenant[BeaconSpec, BeaconConfig]:
    """Return the tenant."""
    spec = BeaconSpec(replicas=1)
    return Tenant(
        name=NAME, namespace=NAMESPACE, home=HOME, spec=spec, config=None, kubeconfigs=dict(kubeconfigs or {})
    )


def wanted(*items: Item | Copy) -> Desired:
    """Return what should be there of these items."""
    return desired(Listed(*items), tenant())


def deployment(name: str = "web", **metadata: object) -> dict[str, Any]:
    """Return a manifest."""
    metadata = {"name": name, "namespace": SPACE, **metadata}
    return {"apiVersion": APPS, "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 1}}


def test_an_item_keeps_its_fields_and_gets_mark_and_wave() -> None:
    """What the author wrote stays; the mark joins its labels and the wave its annotations."""
    manifest = deployment(labels={"app": "web"}, annotations={"note": "1"})
    (item,) = wanted(Item(cluster="workload", manifest=manifest, wave=2)).items

    assert item.ref == Ref("workload", APPS, "Deployment", "web", SPACE)
    assert item.manifest["spec"] == {"replicas": 1}
    assert item.manifest["metadata"] == {
        "name": "web",
        "namespace": SPACE,
        "labels": {"app": "web", **marks(Beacon.edition, NAME, NAMESPACE, "workload")},
        "annotations": {"note": "1", WAVE: "2"},
    }


def test_an_author_cannot_unmark_an_object() -> None:
    """Mark and wave win over labels and annotations of the same name, and null labels are none."""
    loud = deployment(namespace=HOME, labels={"openmcp.cloud/managed-by": "me"}, annotations={WAVE: "9"})
    bare = deployment("bare", namespace=HOME, labels=None, annotations=None)
    for manifest in (loud, bare):
        (item,) = wanted(Item(cluster=PLATFORM, manifest=manifest, wave=1)).items

        assert item.manifest["metadata"]["labels"] == {"openmcp.cloud/managed-by": GROUP}
        assert item.manifest["metadata"]["annotations"] == {WAVE: "1"}


def test_only_what_stays_says_what_happens_to_it_in_deletion() -> None:
    """An item that outlives its instance says so on itself, so that deletion needs no config to know it."""
    goes, stays = wanted(
        Item(cluster=PLATFORM, manifest=deployment("goes", namespace=HOME)),
        Item(cluster=PLATFORM, manifest=deployment("stays", namespace=HOME), on_delete="orphan"),
    ).items

    assert ON_DELETE not in goes.manifest["metadata"]["annotations"]
    assert stays.manifest["metadata"]["annotations"][ON_DELETE] == "orphan"


def test_a_copy_is_an_object_without_data() -> None:
    """A copy knows its source and the type it must have; its manifest is marked and says nothing of data."""
    to = Ref("workload", "v1", "Secret", "pull", SPACE)
    (item,) = wanted(Copy(source="privateregcred", to=to, wave=3, type="kubernetes.io/dockerconfigjson")).items

    assert (item.ref, item.wave, item.source, item.source_type, item.health) == (
        to,
        3,
        "privateregcred",
        "kubernetes.io/dockerconfigjson",
        None,
    )
    assert item.manifest == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "pull",
            "namespace": SPACE,
            "labels": marks(Beacon.edition, NAME, NAMESPACE, "workload"),
            "annotations": {WAVE: "3"},
        },
    }


def test_a_namespace_is_left_as_the_author_wrote_it() -> None:
    """A Namespace is shared: it gets neither mark nor wave, so that nothing ever takes it for ours."""
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE, "labels": {"a": "1"}}}
    space, web = wanted(
        Item(cluster="workload", manifest=manifest), Item(cluster="workload", manifest=deployment())
    ).items

    assert space.manifest == manifest
    assert (space.shared, web.shared) == (True, False)


def test_the_authors_health_rule_comes_along() -> None:
    """An item keeps the rule by which its author tells how it does."""

    def rule(_: Json, __: Mapping[Ref, Json]) -> Health:
        return Health("Ready")

    (item,) = wanted(Item(cluster=PLATFORM, manifest=deployment(namespace=HOME), health=rule)).items

    assert item.health is rule


@given(st.lists(st.integers(-2, 2), max_size=8))
def test_items_come_by_wave_and_within_a_wave_as_written(waves: list[int]) -> None:
    """Writing goes up the waves, and keeps the author's order within each."""
    items = [
        Item(cluster=PLATFORM, manifest=deployment(f"i{at}", namespace=HOME), wave=wave)
        for at, wave in enumerate(waves)
    ]
    order = [(item.wave, int(item.ref.name[1:])) for item in wanted(*items).items]

    assert order == sorted(zip(waves, range(len(waves)), strict=True))


@given(
    labels=st.none() | st.dictionaries(st.sampled_from(["a", "openmcp.cloud/managed-by"]), st.just("x")),
    notes=st.none() | st.dictionaries(st.sampled_from(["b", WAVE]), st.just("y")),
    keep=st.booleans(),
)
def test_what_the_author_handed_over_is_never_changed(
    labels: dict[str, str] | None, notes: dict[str, str] | None, keep: bool
) -> None:
    """A manifest may be a constant of the author's module: it is as before, and every call answers the same."""
    manifest = deployment(labels=labels, annotations=notes)
    before = copy.deepcopy(manifest)
    item = Item(cluster="workload", manifest=manifest, wave=1, on_delete="orphan" if keep else "delete")

    assert wanted(item) == wanted(item)
    assert manifest == before


def test_access_needs_neither_spec_nor_config() -> None:
    """What is asked of openMCP follows from names alone, the same in deletion as before."""
    provider = Beacon()

    assert desired(provider, tenant()).access == access_of(provider, NAME, NAMESPACE, HOME)


def test_the_own_control_plane_is_asked_for_with_its_own_request() -> None:
    """For the tenant's control plane no ClusterRequest is made: the AccessRequest refers to the one of its name."""
    plane, _ = access_of(Beacon(), NAME, NAMESPACE, HOME)

    assert plane.request is None
    assert plane.access == {
        "apiVersion": "clusters.openmcp.cloud/v1alpha1",
        "kind": "AccessRequest",
        "metadata": {
            "name": f"{GROUP}--{NAME}--mcp",
            "namespace": HOME,
            "labels": managed_labels(GROUP, NAME, NAMESPACE, "mcp"),
            "finalizers": [ACCESS_FINALIZER],
        },
        "spec": {
            "requestRef": {"name": NAME, "namespace": HOME},
            "token": {"permissions": [{"rules": [dict(rule) for rule in ALL]}]},
        },
    }


def test_another_cluster_has_a_request_of_its_own() -> None:
    """For a cluster with a purpose a ClusterRequest of the AccessRequest's name is made, with the same four labels."""
    _, workload = access_of(Beacon(), NAME, NAMESPACE, HOME)
    name = f"{GROUP}--{NAME}--wl"
    labels = managed_labels(GROUP, NAME, NAMESPACE, "workload")

    assert workload.request == {
        "apiVersion": "clusters.openmcp.cloud/v1alpha1",
        "kind": "ClusterRequest",
        "metadata": {"name": name, "namespace": HOME, "labels": labels},
        "spec": {"purpose": "workload"},
    }
    assert ref_of(PLATFORM, workload.access).name == name
    assert workload.access["spec"]["requestRef"] == {"name": name, "namespace": HOME}


def test_the_kubeconfig_is_where_the_platform_says() -> None:
    """The Secret's name is what the AccessRequest says; without one, the name that cluster providers give."""
    said = Ref(PLATFORM, "v1", "Secret", "anything", HOME)
    plane, workload = desired(Beacon(), tenant({"mcp": said})).access

    assert plane.secret == said
    assert workload.secret == Ref(PLATFORM, "v1", "Secret", f"{GROUP}--{NAME}--wl.kubeconfig", HOME)
