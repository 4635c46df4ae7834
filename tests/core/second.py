"""A second provider, unlike the first: a workload cluster of its own, no Flux, no pull secrets, an optional config."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from openmcp_provider.provider import (
    Condition,
    Copy,
    Edition,
    Health,
    Item,
    Json,
    Owned,
    Problem,
    Provider,
    Ref,
    Tenant,
    TenantCluster,
)

GROUP, APPS, SPACE, WL = "beacon.services.example.org", "apps/v1", "beacon", "workload"
ALL = ({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconSpec:
    """How many replicas a tenant wants."""

    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BeaconConfig:
    """What the operator may set."""

    bundle: str = "ca-bundle"


def deployment_health(obj: Json, _: Mapping[Ref, Json]) -> Health:
    """Ready once every replica is."""
    ready, wanted = obj.get("status", {}).get("readyReplicas", 0), obj["spec"]["replicas"]
    if ready == wanted:
        return Health("Ready", "Beacon shines.", (Condition("Installed", "True", "Running"),))
    message = f"{ready} of {wanted} replicas are ready."
    return Health("Progressing", message, (Condition("Installed", "False", "Starting", message),))


class Beacon(Provider[BeaconSpec, BeaconConfig]):
    """The provider."""

    edition = Edition(
        name="beacon", group=GROUP, version="v1", kind="Beacon", plural="beacons", finalizer=f"{GROUP}/finalizer",
        field_manager="beacon", copy_prefix="beacon-", access_controller=GROUP, lease="beacon",
        onboarding_controller=f"beacon.{GROUP}",
    )  # fmt: skip
    title, spec, config = "Beacon", BeaconSpec, BeaconConfig
    clusters = (
        TenantCluster(id="mcp", suffix="mcp", rules=ALL),
        TenantCluster(id=WL, suffix="wl", rules=ALL, purpose="workload", title="workload cluster"),
    )
    owns: tuple[Owned, ...] = Owned(WL, APPS, "Deployment", "deployments"), Owned(WL, "v1", "ConfigMap", "configmaps")

    def check_spec(self, spec: BeaconSpec) -> Iterable[Problem]:
        """Refuse what makes no sense."""
        return () if spec.replicas > 0 else (Problem("spec.replicas", "is not positive", "write 1 or more"),)

    def desired(self, tenant: Tenant[BeaconSpec, BeaconConfig]) -> Iterable[Item | Copy]:
        """Bring the bundle and run the beacon."""
        bundle = (tenant.config or BeaconConfig()).bundle
        yield Item(cluster=WL, manifest={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
        yield Copy(source=bundle, to=Ref(WL, "v1", "ConfigMap", bundle, SPACE))
        metadata = {"name": f"beacon-{tenant.name}", "namespace": SPACE}
        spec = {"replicas": tenant.spec.replicas}
        manifest = {"apiVersion": APPS, "kind": "Deployment", "metadata": metadata, "spec": spec}
        yield Item(cluster=WL, manifest=manifest, wave=1, health=deployment_health)

    def status(self, tenant: Tenant[BeaconSpec, BeaconConfig], live: Mapping[Ref, Json]) -> dict[str, Any]:
        """Tell the replicas."""
        return {"replicas": sum(obj["spec"]["replicas"] for ref, obj in live.items() if ref.kind == "Deployment")}
