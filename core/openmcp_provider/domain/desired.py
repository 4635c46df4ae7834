"""What should be there for one tenant: access first, then the author's items, completed with marks and waves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from openmcp_provider.domain import names
from openmcp_provider.domain.author import contained
from openmcp_provider.domain.objects import PLATFORM, Json, Ref, ref_of
from openmcp_provider.domain.ownership import ON_DELETE, WAVE, marks
from openmcp_provider.provider import Copy, Edition, Health, Item, Provider, Tenant, TenantCluster

__all__ = ["ACCESS_API", "ACCESS_FINALIZER", "Access", "Desired", "Wanted", "access_of", "desired"]

S = TypeVar("S")
C = TypeVar("C")

ACCESS_API = "clusters.openmcp.cloud/v1alpha1"
ACCESS_FINALIZER = "clusters.openmcp.cloud/clusteraccess"
"""The finalizer by which a provider keeps an AccessRequest, and so the kubeconfig, until it needs it no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What is asked of openMCP for one tenant cluster.

    Attributes:
        cluster: The tenant cluster.
        request: The ClusterRequest to make, None where the control plane's own serves.
        access: The AccessRequest to make.
        secret: Where the kubeconfig is expected.
    """

    cluster: TenantCluster
    request: Json | None
    access: Json
    secret: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One object that should be there, complete but for data, inputs and uid.

    Attributes:
        ref: Where.
        manifest: Our fields.
        wave: Applied upwards, deleted downwards.
        health: The author's rule, None for the library's.
        source: Name of the source of a copy, empty for an item.
        source_type: The type that the source must have, empty for any.
    """

    ref: Ref
    manifest: Json
    wave: int
    health: Callable[[Json, Mapping[Ref, Json]], Health] | None = None
    source: str = ""
    source_type: str = ""

    @property
    def shared(self) -> bool:
        """Whether it is a namespace: made where missing, and never owned, marked, listed or deleted."""
        return self.ref.kind == "Namespace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desired:
    """Everything that should be there, in the order of writing."""

    access: tuple[Access, ...]
    items: tuple[Wanted, ...]

    @property
    def own(self) -> tuple[Wanted, ...]:
        """The items without namespaces, which may be shared."""
        return tuple(item for item in self.items if not item.shared)


def desired(provider: Provider[S, C], tenant: Tenant[S, C]) -> Desired:
    """Return everything that should be there for a tenant whose spec and config passed the checks.

    Of several items for one object the first counts: each of them would undo what the others write.

    Raises:
        ProviderMistake: the author's code gave no answer that can be used.
        Undecided: it says that it cannot decide.
    """
    items: dict[Ref, Wanted] = {}
    for item in contained(provider).desired(tenant):
        found = _wanted(provider.edition, tenant, item)
        items.setdefault(found.ref, found)
    wanted = sorted(items.values(), key=lambda item: item.wave)
    access = access_of(provider, tenant.name, tenant.namespace, tenant.home, tenant.kubeconfigs)
    return Desired(access=access, items=tuple(wanted))


def access_of(
    provider: Provider[S, C], name: str, namespace: str, home: str, kubeconfigs: Mapping[str, Ref] | None = None
) -> tuple[Access, ...]:
    """Return what is asked for each tenant cluster; needs neither spec nor config."""
    return tuple(
        _access(provider.edition, cluster, name, namespace, home, (kubeconfigs or {}).get(cluster.id))
        for cluster in provider.clusters
    )


def _access(
    edition: Edition, cluster: TenantCluster, name: str, namespace: str, home: str, secret: Ref | None
) -> Access:
    own_name = names.access_request_name(edition.access_controller, name, cluster.suffix)
    labels = names.managed_labels(edition.access_controller, name, namespace, cluster.id)
    metadata: dict[str, Any] = {"name": own_name, "namespace": home, "labels": labels}
    request = None
    if cluster.purpose is not None:
        request = {
            "apiVersion": ACCESS_API,
            "kind": "ClusterRequest",
            "metadata": metadata,
            "spec": {"purpose": cluster.purpose},
        }
    token: dict[str, Any] = {"permissions": [{"rules": [dict(rule) for rule in cluster.rules]}]}
    if cluster.roles:
        token["roleRefs"] = [{"kind": "ClusterRole", "name": role} for role in cluster.roles]
    access = {
        "apiVersion": ACCESS_API,
        "kind": "AccessRequest",
        "metadata": {**metadata, "finalizers": [ACCESS_FINALIZER]},
        "spec": {"requestRef": {"name": own_name if request else name, "namespace": home}, "token": token},
    }
    default = Ref(PLATFORM, "v1", "Secret", names.kubeconfig_secret_name(own_name), home)
    return Access(cluster=cluster, request=request, access=access, secret=secret or default)


def _wanted(edition: Edition, tenant: Tenant[S, C], item: Item | Copy) -> Wanted:
    if isinstance(item, Copy):
        manifest: dict[str, Any] = {
            "apiVersion": item.to.api_version,
            "kind": item.to.kind,
            "metadata": {"name": item.to.name, "namespace": item.to.namespace},
        }
        marked = _marked(edition, tenant, item.to.cluster, manifest, item.wave, "delete")
        return Wanted(ref=item.to, manifest=marked, wave=item.wave, source=item.source, source_type=item.type)
    ref = ref_of(item.cluster, item.manifest)
    if ref.kind == "Namespace":
        return Wanted(ref=ref, manifest=item.manifest, wave=item.wave)
    manifest = _marked(edition, tenant, item.cluster, item.manifest, item.wave, item.on_delete)
    return Wanted(ref=ref, manifest=manifest, wave=item.wave, health=item.health)


def _marked(
    edition: Edition,
    tenant: Tenant[S, C],
    cluster: str,
    manifest: Json,
    wave: int,
    on_delete: Literal["delete", "orphan"],
) -> dict[str, Any]:
    metadata = dict(manifest["metadata"])
    metadata["labels"] = {**(metadata.get("labels") or {}), **marks(edition, tenant.name, tenant.namespace, cluster)}
    notes = {**(metadata.get("annotations") or {}), WAVE: str(wave)}
    if on_delete == "orphan":
        notes[ON_DELETE] = on_delete
    metadata["annotations"] = notes
    return {**manifest, "metadata": metadata}
