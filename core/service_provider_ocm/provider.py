"""What should be there for an ``OCM``, in data and a few pure functions. Everything else is the library's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from openmcp_provider.domain.conditions import FALSE
from openmcp_provider.domain.copies import DOCKER_CONFIG
from openmcp_provider.domain.names import LABEL_LIMIT, shorten, tenant_namespace
from openmcp_provider.provider import (
    PLATFORM,
    Advice,
    Condition,
    Copy,
    Edition,
    Guard,
    Item,
    Json,
    Owned,
    Problem,
    Ref,
    Reference,
    Residue,
    Tenant,
    TenantCluster,
)
from service_provider_ocm import api, chart
from service_provider_ocm.api import OcmConfig, OcmSpec
from service_provider_ocm.crds import crds
from service_provider_ocm.values import pull_secrets

__all__ = ["PROVIDER", "OcmProvider", "pull_secret_copy_name"]

GROUP = "ocm.services.openmcp.cloud"
V0_1_1 = Edition(
    name="ocm",
    group=GROUP,
    version="v1alpha1",
    kind="OCM",
    plural="ocms",
    finalizer=f"{GROUP}/finalizer",
    field_manager="service-provider-ocm",
    copy_prefix="sp-ocm-",
    access_controller=GROUP,
    onboarding_controller=f"ocm.{GROUP}",
    lease="232f9e39.openmcp.cloud",
)

MCP = "mcp"
SOURCE_API = "source.toolkit.fluxcd.io/v1"
RELEASE_API = "helm.toolkit.fluxcd.io/v2"
NAME = "sp-ocm-k8s-toolkit"
"""Name of the OCIRepository and of the HelmRelease."""
RELEASE = "ocm-k8s-toolkit"
SYSTEM = "ocm-k8s-toolkit-system"
"""Namespace of the toolkit on the control plane."""
DEPLOYMENT = "ocm-k8s-toolkit-controller-manager"


def pull_secret_copy_name(name: str) -> str:
    """Return the name of the platform's copy of the pull secret `name`; empty for none."""
    return shorten(V0_1_1.copy_prefix + name, LABEL_LIMIT) if name else ""


@dataclass(frozen=True, slots=True)
class OcmProvider:
    """The first provider of the library: it installs the OCM K8s Toolkit by Flux."""

    edition: Edition = V0_1_1
    title: str = "OCM K8s Toolkit"
    spec: type[OcmSpec] = OcmSpec
    config: type[OcmConfig] = OcmConfig
    clusters: tuple[TenantCluster, ...] = (
        TenantCluster(
            id=MCP,
            suffix=MCP,
            rules=({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},),
            roles=("cluster-admin",),
        ),
    )
    owns: tuple[Owned, ...] = (
        Owned(PLATFORM, "v1", "Secret", "secrets"),
        Owned(PLATFORM, SOURCE_API, "OCIRepository", "ocirepositories"),
        Owned(PLATFORM, RELEASE_API, "HelmRelease", "helmreleases"),
        Owned(MCP, "v1", "Secret", "secrets"),
    )
    guards: tuple[Guard, ...] = (Guard(MCP, "delivery.ocm.software"),)
    residues: tuple[Residue, ...] = (
        Residue(MCP, "v1", "Secret", SYSTEM, f"sh.helm.release.v1.{RELEASE}.v*"),
        Residue(MCP, "apps/v1", "Deployment", SYSTEM, DEPLOYMENT),
    )

    @property
    def crds(self) -> tuple[Json, ...]:
        """The CRDs of the edition."""
        return crds(self.edition)

    def check_spec(self, spec: OcmSpec) -> Iterable[Problem]:
        """Return every problem of an ``OCM``'s spec."""
        return api.check_spec(spec)

    def check_config(self, config: OcmConfig | None) -> Iterable[Problem]:
        """Return every problem of the ProviderConfig's spec; without a ProviderConfig nothing is installed."""
        if config is None:
            return (Problem("ProviderConfig", "is missing", "give one of the provider; its spec may be empty: {}"),)
        return api.check_config(config)

    def references(self, config: OcmConfig) -> Iterable[Reference]:
        """Return the pull secrets that the ProviderConfig names."""
        return api.references(config)

    def desired(self, tenant: Tenant[OcmSpec, OcmConfig]) -> Iterable[Item | Copy]:
        """Yield the copies of pull secrets, the chart's source, and the release."""
        config = tenant.config or OcmConfig()
        if config.pull_secret:
            to = Ref(PLATFORM, "v1", "Secret", pull_secret_copy_name(config.pull_secret), tenant.home)
            yield Copy(source=config.pull_secret, to=to, wave=0, type=DOCKER_CONFIG)
        yield Item(cluster=PLATFORM, manifest=_source(tenant, config), wave=1)
        secrets = pull_secrets(config.values)
        if secrets:
            yield Item(
                cluster=MCP, manifest={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}}, wave=2
            )
        for name in secrets:
            yield Copy(source=name, to=Ref(MCP, "v1", "Secret", name, SYSTEM), wave=2, type=DOCKER_CONFIG)
        yield Item(cluster=PLATFORM, manifest=_release(tenant, config), wave=3)

    def version(self, spec: OcmSpec) -> str:
        """Return the chart's version."""
        return spec.version

    def poll(self, config: OcmConfig | None) -> timedelta:
        """Return the poll interval; without a ProviderConfig nothing is polled."""
        return timedelta(microseconds=config.poll_nanoseconds // 1000) if config else timedelta()

    def unmarked(self, name: str, namespace: str) -> Iterable[tuple[Ref, int]]:
        """Return what v0.1.1 wrote, which marks nothing. Names of former pull secrets are not known any more."""
        home = tenant_namespace(name, namespace)
        return (
            (Ref(PLATFORM, "v1", "Secret", "", home), 0),
            (Ref(PLATFORM, SOURCE_API, "OCIRepository", NAME, home), 1),
            (Ref(MCP, "v1", "Secret", "", SYSTEM), 2),
            (Ref(PLATFORM, RELEASE_API, "HelmRelease", NAME, home), 3),
        )

    def advise(self, spec: OcmSpec, installed: str) -> Iterable[Advice]:
        """Warn of charts whose uninstallation takes the tenant's data along."""
        version = installed or spec.version
        if not chart.deletes_crds(version):
            return
        message = (
            f"Uninstalling {self.title} {version} would delete its CRDs and all their objects on the control plane. "
            "Upgrade to 0.6.0 or later before you delete this object."
        )
        if chart.replaces_deployment(version):
            message += (
                f" For that upgrade Deployment {SYSTEM}/{DEPLOYMENT} must be deleted first: its selector changes."
            )
        yield Advice(Condition("UninstallSafe", FALSE, "DeletesCRDs", message), "UninstallDeletesCRDs")

    def status(self, tenant: Tenant[OcmSpec, OcmConfig], live: Mapping[Ref, Json]) -> Json:
        """Return nothing: the library tells the installed version."""
        return {}


def _source(tenant: Tenant[OcmSpec, OcmConfig], config: OcmConfig) -> Json:
    secret = {"secretRef": {"name": pull_secret_copy_name(config.pull_secret)}} if config.pull_secret else {}
    return {
        "apiVersion": SOURCE_API,
        "kind": "OCIRepository",
        "metadata": {"name": NAME, "namespace": tenant.home},
        "spec": {
            "interval": config.flux_interval,
            "url": chart.chart_url(config.chart),
            "ref": {"tag": tenant.spec.version},
            **secret,
        },
    }


def _release(tenant: Tenant[OcmSpec, OcmConfig], config: OcmConfig) -> Json:
    return {
        "apiVersion": RELEASE_API,
        "kind": "HelmRelease",
        "metadata": {"name": NAME, "namespace": tenant.home},
        "spec": {
            "releaseName": RELEASE,
            "interval": config.flux_interval,
            "targetNamespace": SYSTEM,
            "storageNamespace": SYSTEM,
            "chartRef": {"kind": "OCIRepository", "name": NAME, "namespace": tenant.home},
            "kubeConfig": {"secretRef": {"name": tenant.kubeconfigs[MCP].name, "key": "kubeconfig"}},
            "install": {"crds": "Create", "createNamespace": True, "remediation": {"retries": 3}},
            "upgrade": {
                "crds": "CreateReplace",
                "cleanupOnFail": True,
                "remediation": {"retries": 3, "strategy": "rollback"},
            },
            **({} if config.values is None else {"values": config.values}),
        },
    }


PROVIDER = OcmProvider()
"""The provider as of v0.1.1."""
