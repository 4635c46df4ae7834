"""What is read of a tenant cluster: a 404 is not taken for an empty list."""

import asyncio
from datetime import UTC, datetime

import pytest

from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.objects import Json, Ref
from openmcp_provider.domain.ownership import Owner
from openmcp_provider.domain.plan import ReadCluster
from openmcp_provider.domain.snapshot import Content
from openmcp_provider.ports import NotFound, Resource
from openmcp_provider.provider import Owned, Residue
from openmcp_provider.runtime.reader import read_cluster
from tests.core.second import Beacon

NOW = datetime(2026, 6, 1, tzinfo=UTC)
POLICIES = "policies.example.org"


def definition(*versions: str) -> Json:
    """Return the definition of a kind whose plural nobody would guess."""
    schema = {"openAPIV3Schema": {"type": "object"}}
    served = [
        {"name": version, "served": True, "storage": version == versions[0], "schema": schema} for version in versions
    ]
    names = {"kind": "Policy", "plural": "policies", "singular": "policy", "listKind": "PolicyList"}
    spec = {"group": "policies.example.org", "scope": "Namespaced", "names": names, "versions": served}
    metadata = {"name": f"policies.{POLICIES}"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }


def content(provider: Beacon, cluster: MemoryCluster) -> Content:
    """Read a workload cluster at the end of a deletion."""
    owner = Owner(provider.edition, "a", "default", ())
    step = ReadCluster(cluster="workload", verify=True, why="")
    return asyncio.run(read_cluster(provider, owner, cluster, step, NOW))


@pytest.mark.parametrize("name", ["mine", "mi*"])
def test_a_residue_with_an_odd_plural_blocks(name: str) -> None:
    """What is left is found under the plural that the server says; a kind that is not served is gone (case 6.5)."""

    class Rest(Beacon):
        residues = (Residue("workload", f"{POLICIES}/v1", "Policy", "default", name),)

    cluster = MemoryCluster("workload", now=lambda: NOW)
    assert () == content(Rest(), cluster).leftovers
    resource: Resource = cluster.install(definition("v1"))
    assert () == content(Rest(), cluster).leftovers
    manifest = {"apiVersion": f"{POLICIES}/v1", "kind": "Policy", "metadata": {"name": "mine", "namespace": "default"}}
    asyncio.run(cluster.create(resource, manifest))
    assert (Ref("workload", f"{POLICIES}/v1", "Policy", "mine", "default"),) == content(Rest(), cluster).leftovers


def test_a_kind_that_is_served_in_another_version_is_not_empty() -> None:
    """A 404 means nothing where discovery knows the kind: what is ours of it could not be seen (cases 6.5, 6.7)."""

    class Old(Beacon):
        owns: tuple[Owned, ...] = (
            Owned("workload", f"{POLICIES}/v1alpha1", "Policy", "policies"),
            Owned("workload", "v1", "ConfigMap", "configmaps"),
        )

    cluster = MemoryCluster("workload", now=lambda: NOW)
    assert {(f"{POLICIES}/v1alpha1", "Policy")} == content(Old(), cluster).unserved
    cluster.install(definition("v1"))
    with pytest.raises(NotFound, match=r"list of policies\.policies\.example\.org"):
        content(Old(), cluster)
