"""What lies on the clusters of a landscape, and what of it should not be there any more."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from openmcp_adapters.emulation import Landscape
from openmcp_adapters.emulation.charts import custom_resource
from openmcp_provider.domain.names import MANAGED_BY, shorten
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, Ref, dig, labels, ref_of
from openmcp_provider.provider import Edition, Provider
from openmcp_provider_cli.render import HIDDEN

__all__ = ["Clusters", "Remains", "definitions", "everything", "hidden", "remains"]

Clusters = Mapping[str, list[dict[str, Any]]]
"""Every object of each cluster, by the cluster's name: the platform first, then onboarding, then the others."""

_STAY = frozenset({"Namespace", "CustomResourceDefinition", "Event"})
"""Kinds that are never deleted: namespaces, what a chart keeps, and what tells of the past."""
_NEIGHBOURS = frozenset({"ClusterRequest", "Cluster"})
"""Kinds that openMCP writes into the namespace of a tenant."""
_FROM_THE_BEGINNING = frozenset({"default", "kube-public", "kube-system"})


class Remains(NamedTuple):
    """What is there when every tenant is gone.

    Attributes:
        left: What should not be there: somebody forgot it.
        kept: What stays on tenants' clusters on purpose: how many there are of each.
    """

    left: tuple[Ref, ...]
    kept: Counter[str]


def definitions(provider: Provider[Any, Any]) -> tuple[Json, ...]:
    """Return the provider's CRDs and, for a type of its that none of them defines, one that accepts anything."""
    edition = provider.edition
    given = {crd["spec"]["names"]["kind"] for crd in provider.crds}
    wanted = (
        (ONBOARDING, edition.kind, edition.plural, "Namespaced"),
        (PLATFORM, "ProviderConfig", "providerconfigs", "Cluster"),
    )
    return (*provider.crds, *(_definition(edition, *kind) for kind in wanted if kind[1] not in given))


def _definition(edition: Edition, cluster: str, kind: str, plural: str, scope: str) -> Json:
    made = custom_resource(edition.group, edition.version, kind, plural, scope)
    return {**made, "metadata": {**made["metadata"], "labels": {"openmcp.cloud/cluster": cluster}}}


def everything(landscape: Landscape) -> Clusters:
    """Return every object of each cluster that exists, without a request."""
    links = landscape.world.links
    names = dict.fromkeys((PLATFORM, ONBOARDING, *sorted(links)))
    memories = ((name, links[name].memory) for name in names)
    return {name: list(memory.objects()) for name, memory in memories if memory is not None}


def remains(edition: Edition, clusters: Clusters, homes: Collection[str]) -> Remains:
    """Return what is there after the last tenant went.

    Args:
        edition: Whose objects are looked for.
        clusters: What is there.
        homes: The namespaces of the tenants on the platform.
    """
    left: list[Ref] = []
    kept: Counter[str] = Counter()
    for cluster, objects in clusters.items():
        shared = cluster in {PLATFORM, ONBOARDING}
        for obj in objects:
            kind, metadata = obj["kind"], obj["metadata"]
            if kind not in _STAY:
                ours = _ours(edition, obj)
                tenants = metadata.get("namespace") in homes and kind not in _NEIGHBOURS
                if ours or (tenants if cluster == PLATFORM else not shared):
                    left.append(ref_of(cluster, obj))
            elif not shared and kind == "Namespace" and metadata["name"] not in _FROM_THE_BEGINNING:
                kept[f"Namespace {metadata['name']}"] += 1
            elif not shared and kind == "CustomResourceDefinition":
                kept[kind] += 1
    return Remains(tuple(left), kept)


def _ours(edition: Edition, obj: Json) -> bool:
    fields = dig(obj, "metadata", "managedFields") or ()
    managers = {entry.get("manager") for entry in fields if not entry.get("subresource")}  # a status makes no owner
    marked = labels(obj).get(MANAGED_BY) == shorten(edition.access_controller)
    instance = (obj["apiVersion"], obj["kind"]) == (edition.api_version, edition.kind)
    return marked or instance or edition.field_manager in managers


def hidden(objects: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield objects with the values of Secrets replaced."""
    for obj in objects:
        parts = ("data", "stringData") if obj["kind"] == "Secret" else ()
        yield obj | {part: dict.fromkeys(obj[part], HIDDEN) for part in parts if obj.get(part)}
