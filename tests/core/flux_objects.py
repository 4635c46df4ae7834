"""OCIRepositories and HelmReleases as Flux leaves them, one function for each situation worth knowing.

Shapes are those of source-controller 1.9 and helm-controller 1.6; names and versions are those of the first provider.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from openmcp_provider.domain.flux import HELM_RELEASE, OCI_REPOSITORY
from openmcp_provider.domain.objects import PLATFORM, Json, Ref, ref_of
from openmcp_provider.domain.rules import HealthContext
from openmcp_provider.provider import Health

NAMESPACE = "mcp--4b6f2253-c68f-836b-927e-f2ee28e25584"
NAME = "sp-ocm-k8s-toolkit"
TOOLKIT = "ocm-k8s-toolkit-system"
SOURCE = Ref(PLATFORM, "source.toolkit.fluxcd.io/v1", "OCIRepository", NAME, NAMESPACE)
RELEASE = Ref(PLATFORM, "helm.toolkit.fluxcd.io/v2", "HelmRelease", NAME, NAMESPACE)
PULL_SECRET = Ref(PLATFORM, "v1", "Secret", "sp-ocm-privateregcred", NAMESPACE)
REPOSITORY = "ghcr.io/open-component-model/kubernetes/controller/chart"
NOW = datetime(2026, 8, 8, 9, 40, tzinfo=UTC)

OLD, NEW = "0.4.0", "0.5.0"
DIGESTS = {OLD: "sha256:11aa22bb33cc" + "0" * 52, NEW: "sha256:8f0e4c1b2a3d" + "f" * 52}

_MANIFESTS = f"https://ghcr.io/v2/{REPOSITORY.removeprefix('ghcr.io/')}/manifests"
NO_TAG = f"failed to determine artifact digest: GET {_MANIFESTS}/9.9.9: MANIFEST_UNKNOWN: manifest unknown"
REFUSED = (
    "failed to determine artifact digest: "
    "GET https://ghcr.io/token?scope=repository%3Achart%3Apull&service=ghcr.io: DENIED: denied"
)
NO_SECRET = (
    f"failed to get credential: failed to get secret '{NAMESPACE}/{PULL_SECRET.name}': "
    f'secrets "{PULL_SECRET.name}" not found'
)
NO_DNS = 'failed to determine artifact digest: Get "https://ghcr.io/v2/": dial tcp: lookup ghcr.io: no such host'
TIMED_OUT = f"timeout waiting for: [Deployment/{TOOLKIT}/ocm-k8s-toolkit-controller-manager status: 'InProgress']"
IMMUTABLE = 'Deployment.apps "ocm-k8s-toolkit-controller-manager" is invalid: spec.selector: field is immutable'
UNAUTHORIZED = (
    "Could not determine release state: failed to retrieve last release from storage: query: "
    "failed to query with labels: Unauthorized"
)
NO_ANSWER = (
    "Could not determine release state: failed to retrieve last release from storage: query: failed to query with "
    'labels: Get "https://10.0.0.1:6443/api/v1/secrets?labelSelector=owner%3Dhelm": dial tcp 10.0.0.1:6443: i/o timeout'
)


def condition(kind: str, status: str, reason: str, message: str = "", generation: int = 1) -> dict[str, Any]:
    """Return one condition."""
    return {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": generation}


def context(*live: Json, version: str = OLD, applied: datetime | None = None) -> HealthContext:
    """Return what a rule is told about a tenant with these live objects."""
    return HealthContext(
        title="OCM K8s Toolkit",
        version=version,
        config_name="ocm",
        live={ref_of(PLATFORM, obj): obj for obj in live},
        copies={PULL_SECRET: "privateregcred"},
        applied=applied,
        now=NOW,
    )


def source_health(obj: Json, *others: Json, version: str = OLD, applied: datetime | None = None) -> Health:
    """Return how the OCIRepository does beside other live objects."""
    return OCI_REPOSITORY.health(SOURCE, obj, context(obj, *others, version=version, applied=applied))


def release_health(obj: Json, *others: Json, version: str = OLD, applied: datetime | None = None) -> Health:
    """Return how the HelmRelease does beside other live objects."""
    return HELM_RELEASE.health(RELEASE, obj, context(obj, *others, version=version, applied=applied))


def lead(health: Health) -> tuple[str, str, str]:
    """Return type, status and reason of the condition that leads."""
    return health.conditions[0][:3]


def changed(obj: Json, **sections: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with some fields of its sections (metadata, spec, status) replaced."""
    return {**obj, **{name: {**obj.get(name, {}), **fields} for name, fields in sections.items()}}


def with_conditions(obj: Json, *conditions: Json) -> dict[str, Any]:
    """Return the object with these conditions in the place of those of the same type."""
    kinds = {item["type"] for item in conditions}
    kept = [item for item in obj["status"].get("conditions", ()) if item["type"] not in kinds]
    return changed(obj, status={"conditions": [*conditions, *kept]})


def without_condition(obj: Json, kind: str) -> dict[str, Any]:
    """Return the object without the condition of this type."""
    kept = [item for item in obj["status"].get("conditions", ()) if item["type"] != kind]
    return changed(obj, status={"conditions": kept})


def poked(obj: Json, token: str = "5f2d8c1a") -> dict[str, Any]:
    """Return the object after Flux was asked to look again, before it did."""
    return changed(obj, metadata={"annotations": {"reconcile.fluxcd.io/requestedAt": token}})


# OCIRepository


def source(tag: str = OLD, generation: int = 1, **status: Any) -> dict[str, Any]:
    """Return an OCIRepository with this status, by default as the API server makes it."""
    return {
        "apiVersion": SOURCE.api_version,
        "kind": SOURCE.kind,
        "metadata": {"name": NAME, "namespace": NAMESPACE, "generation": generation},
        "spec": {
            "interval": "1m0s",
            "url": f"oci://{REPOSITORY}",
            "ref": {"tag": tag},
            "secretRef": {"name": PULL_SECRET.name},
            "provider": "generic",
            "timeout": "60s",
        },
        "status": {"observedGeneration": -1, **status},
    }


def artifact(version: str) -> dict[str, Any]:
    """Return the artifact of a chart version."""
    stored = "sha256:9f3bc0f341d4" + "7" * 52
    return {
        "revision": f"{version.replace('+', '_')}@{DIGESTS[version]}",
        "digest": stored,
        "size": 31105,
        "path": f"ocirepository/{NAMESPACE}/{NAME}/{stored}.tar.gz",
    }


def source_building(version: str = OLD) -> dict[str, Any]:
    """A new one whose tag was found and is being fetched."""
    doing = f"building artifact: new revision '{version}@{DIGESTS[version]}' for '{REPOSITORY}:{version}'"
    return source(
        version,
        conditions=[
            condition("Reconciling", "True", "Progressing", doing),
            condition("Ready", "Unknown", "Progressing", doing),
        ],
    )


def source_ready(version: str = OLD, generation: int = 1) -> dict[str, Any]:
    """One that has its chart."""
    stored = f"stored artifact for digest '{version}@{DIGESTS[version]}'"
    return source(
        version,
        generation,
        observedGeneration=generation,
        artifact=artifact(version),
        conditions=[
            condition("Ready", "True", "Succeeded", stored, generation),
            condition("ArtifactInStorage", "True", "Succeeded", stored, generation),
        ],
    )


def source_failing(message: str = NO_TAG, reason: str = "OCIArtifactPullFailed", tag: str = OLD) -> dict[str, Any]:
    """One that never had a chart and could not fetch it, which is tried again."""
    return source(
        tag,
        conditions=[
            condition("Reconciling", "True", "ProgressingWithRetry", "building artifact"),
            condition("FetchFailed", "True", reason, message),
            condition("Ready", "False", reason, message),
        ],
    )


def source_retrying(message: str = NO_TAG, reason: str = "OCIArtifactPullFailed", tag: str = OLD) -> dict[str, Any]:
    """The same while the next try runs."""
    return with_conditions(
        source_failing(message, reason, tag), condition("Ready", "Unknown", "Progressing", "building artifact")
    )


def source_tag_missing_after(version: str = OLD) -> dict[str, Any]:
    """One that had a chart, and whose tag was changed to one that does not exist."""
    return source(
        "9.9.9",
        generation=2,
        observedGeneration=1,
        artifact=artifact(version),
        conditions=[
            condition("Reconciling", "True", "ProgressingWithRetry", "processing object: new generation 1 -> 2", 2),
            condition("Ready", "False", "OCIArtifactPullFailed", NO_TAG, 2),
            condition("FetchFailed", "True", "OCIArtifactPullFailed", NO_TAG, 2),
            condition("ArtifactInStorage", "True", "Succeeded", f"stored artifact for digest '{version}'", 1),
        ],
    )


def source_stale(old: str = OLD, new: str = NEW) -> dict[str, Any]:
    """One whose tag was changed a moment ago, still showing how well the former one went."""
    return changed(source_ready(old), metadata={"generation": 2}, spec={"ref": {"tag": new}})


def source_degraded(version: str = OLD, message: str = NO_DNS) -> dict[str, Any]:
    """One that has its chart, and whose registry does not answer any more."""
    return with_conditions(
        source_ready(version),
        condition("Ready", "False", "OCIArtifactPullFailed", message),
        condition("FetchFailed", "True", "OCIArtifactPullFailed", message),
        condition("Reconciling", "True", "ProgressingWithRetry", "reconciliation in progress"),
    )


def source_lost(version: str = OLD) -> dict[str, Any]:
    """One that had its chart until source-controller lost its storage."""
    doing = "building artifact: disappeared from storage"
    return with_conditions(
        without_condition(changed(source_ready(version), status={"artifact": None}), "ArtifactInStorage"),
        condition("Reconciling", "True", "Progressing", doing),
        condition("Ready", "Unknown", "Progressing", doing),
    )


def source_stalled(reason: str = "URLInvalid", message: str = "could not parse reference: Chart") -> dict[str, Any]:
    """One with an address that Flux cannot read."""
    return source(
        observedGeneration=1,
        conditions=[
            condition("Stalled", "True", reason, message),
            condition("Ready", "False", reason, message),
            condition("FetchFailed", "True", reason, message),
        ],
    )


# HelmRelease


def release(generation: int = 1, **status: Any) -> dict[str, Any]:
    """Return a HelmRelease with this status, by default as the API server makes it."""
    return {
        "apiVersion": RELEASE.api_version,
        "kind": RELEASE.kind,
        "metadata": {"name": NAME, "namespace": NAMESPACE, "generation": generation},
        "spec": {
            "releaseName": "ocm-k8s-toolkit",
            "interval": "1m0s",
            "targetNamespace": TOOLKIT,
            "storageNamespace": TOOLKIT,
            "chartRef": {"kind": SOURCE.kind, "name": NAME, "namespace": NAMESPACE},
            "kubeConfig": {"secretRef": {"name": "ocm--mcp-01--mcp.kubeconfig", "key": "kubeconfig"}},
            "install": {"crds": "Create", "createNamespace": True, "remediation": {"retries": 3}},
            "upgrade": {"crds": "CreateReplace", "remediation": {"retries": 3, "strategy": "rollback"}},
        },
        "status": {"observedGeneration": -1, **status},
    }


def attempt(version: str, generation: int = 1, action: str = "install", failed: int = 0) -> dict[str, Any]:
    """Return the status fields of a last attempt at this version, after so many failed ones."""
    counters = {"failures": failed, f"{action}Failures": failed} if failed else {}
    return {
        "storageNamespace": TOOLKIT,
        "lastAttemptedGeneration": generation,
        "lastAttemptedReleaseAction": action,
        "lastAttemptedRevision": tracked(version),
        "lastAttemptedRevisionDigest": DIGESTS[version],
        **counters,
    }


def tracked(version: str) -> str:
    """Return a chart version with what Flux adds to it."""
    return f"{version}+{DIGESTS[version][7:19]}"


def entry(version: str, number: int = 1, status: str = "deployed", action: str = "install") -> dict[str, Any]:
    """Return one entry of the history. As in Flux, that of a rollback has no digest of the artifact."""
    digest = {} if action == "rollback" else {"ociDigest": DIGESTS[version]}
    return {
        "apiVersion": "v2",
        "name": "ocm-k8s-toolkit",
        "namespace": TOOLKIT,
        "version": number,
        "status": status,
        "action": action,
        "chartName": "chart",
        "chartVersion": tracked(version),
        "appVersion": version,
        **digest,
    }


def succeeded(version: str, generation: int = 1, action: str = "Install") -> list[dict[str, Any]]:
    """Return the conditions after a Helm action that went well."""
    message = f"Helm {action.lower()} succeeded for release {TOOLKIT}/ocm-k8s-toolkit.v1 with chart chart@{version}"
    return [condition(kind, "True", f"{action}Succeeded", message, generation) for kind in ("Ready", "Released")]


def helm_failed(version: str, cause: str, action: str = "install") -> str:
    """Return how Flux tells that a Helm action failed."""
    return f"Helm {action} failed for release {TOOLKIT}/ocm-k8s-toolkit with chart chart@{tracked(version)}: {cause}"


def release_installing(version: str = OLD) -> dict[str, Any]:
    """A first install that runs."""
    doing = "Running 'install' action with timeout of 5m0s"
    return release(
        **attempt(version),
        conditions=[
            condition("Reconciling", "True", "Progressing", doing),
            condition("Ready", "Unknown", "Progressing", doing),
        ],
    )


def release_ready(version: str = OLD, generation: int = 1) -> dict[str, Any]:
    """One that is installed."""
    return release(
        generation,
        observedGeneration=generation,
        **attempt(version, generation),
        history=[entry(version)],
        conditions=succeeded(version, generation),
    )


def release_upgrading(old: str = OLD, new: str = NEW, generation: int = 1) -> dict[str, Any]:
    """One that is being upgraded, because its source has a new chart."""
    doing = "Running 'upgrade' action with timeout of 5m0s"
    return with_conditions(
        changed(release_ready(old, generation), status=attempt(new, generation, "upgrade")),
        condition("Reconciling", "True", "Progressing", doing, generation),
        condition("Ready", "Unknown", "Progressing", doing, generation),
    )


def release_source_not_ready() -> dict[str, Any]:
    """One that waits for a source whose tag is missing."""
    message = f"OCIRepository '{NAMESPACE}/{NAME}' is not ready: {NO_TAG}"
    return release(
        conditions=[
            condition("Reconciling", "True", "Progressing", "Fulfilling prerequisites"),
            condition("Ready", "False", "SourceNotReady", message),
        ],
    )


def release_cut_off(message: str = UNAUTHORIZED, reason: str = "StateError", version: str = "") -> dict[str, Any]:
    """One that cannot reach its control plane; with a version, after that was installed."""
    before = release_ready(version) if version else release(**attempt(OLD))
    return with_conditions(
        before,
        condition("Reconciling", "True", "ProgressingWithRetry", message),
        condition("Ready", "False", reason, message),
    )


def release_install_failing(cause: str = TIMED_OUT, version: str = OLD) -> dict[str, Any]:
    """A first install that failed and is going to be tried again."""
    message = helm_failed(version, cause)
    return release(
        **attempt(version, failed=1),
        history=[entry(version, status="failed")],
        conditions=[
            condition("Reconciling", "True", "Progressing", "Running 'uninstall' action with timeout of 5m0s"),
            condition("Ready", "False", "InstallFailed", message),
            condition("Released", "False", "InstallFailed", message),
        ],
    )


def release_install_retrying(cause: str = TIMED_OUT) -> dict[str, Any]:
    """The same while the next try runs."""
    doing = "Running 'install' action with timeout of 5m0s"
    return with_conditions(
        release_install_failing(cause),
        condition("Reconciling", "True", "Progressing", doing),
        condition("Ready", "Unknown", "Progressing", doing),
    )


def release_install_exhausted(cause: str = TIMED_OUT, version: str = OLD) -> dict[str, Any]:
    """A first install that failed too often."""
    message = helm_failed(version, cause)
    return release(
        observedGeneration=1,
        **attempt(version, failed=4),
        history=[entry(version, status="failed")],
        conditions=[
            condition("Stalled", "True", "RetriesExceeded", "Failed to install after 4 attempt(s)"),
            condition("Ready", "False", "InstallFailed", message),
            condition("Released", "False", "InstallFailed", message),
        ],
    )


def release_rolled_back(old: str = OLD, new: str = NEW, cause: str = IMMUTABLE) -> dict[str, Any]:
    """An upgrade that failed too often and was rolled back each time."""
    back = f"Helm rollback to previous release {TOOLKIT}/ocm-k8s-toolkit.v1 with chart chart@{tracked(old)} succeeded"
    return release(
        observedGeneration=1,
        **attempt(new, action="upgrade", failed=4),
        history=[
            entry(old, 9, action="rollback"),
            entry(new, 8, "failed", "upgrade"),
            entry(old, 1, "superseded"),
        ],
        conditions=[
            condition("Stalled", "True", "RetriesExceeded", "Failed to upgrade after 4 attempt(s)"),
            condition("Ready", "False", "RollbackSucceeded", back),
            condition("Remediated", "True", "RollbackSucceeded", back),
            condition("Released", "False", "UpgradeFailed", helm_failed(new, cause, "upgrade")),
        ],
    )


def release_stale() -> dict[str, Any]:
    """One whose spec was changed a moment ago, still showing how well the former one went."""
    return with_conditions(
        changed(release_ready(), metadata={"generation": 2}),
        condition("Reconciling", "True", "Progressing", "Fulfilling prerequisites", 2),
    )


def release_suspended(version: str = OLD) -> dict[str, Any]:
    """One that a person suspended: nothing but the spec says so."""
    before = release_ready(version)
    return changed(before, metadata={"generation": 2}, spec={"suspend": True}, status={"observedGeneration": 2})
