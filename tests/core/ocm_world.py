"""The world of one OCM, with Flux played by hand."""

from typing import Any

from openmcp_provider.domain.objects import PLATFORM, Ref
from openmcp_provider.domain.snapshot import Valid
from service_provider_ocm import PROVIDER
from service_provider_ocm.api import OcmConfig, OcmSpec, SecretReference
from tests.core.world import World

FLUX = "finalizers.fluxcd.io"
DIGEST = "sha256:8f0e4c1b2a3d" + "0" * 52
OLD_DIGEST = "sha256:11aa22bb33cc" + "0" * 52
SYSTEM_NAMESPACE = "ocm-k8s-toolkit-system"
NAME = "sp-ocm-k8s-toolkit"


def config(*, chart_secret: str = "privateregcred", manager_secret: str = "", **more: Any) -> OcmConfig:
    """Return a ProviderConfig's spec with the given pull secrets, empty for none."""
    values = {"manager": {"imagePullSecrets": [{"name": manager_secret}]}} if manager_secret else None
    reference = SecretReference(name=chart_secret) if chart_secret else None
    return OcmConfig(image_pull_secret=reference, values=values, **more)


class OcmWorld(World):
    """One OCM named ``mcp-01`` in ``default``."""

    def __init__(self, version: str = "0.4.0", settings: OcmConfig | None = None, **place: str) -> None:
        super().__init__(PROVIDER, OcmSpec(version=version), settings or config(), **place)
        self.source("privateregcred")

    @property
    def source_ref(self) -> Ref:
        """Where the OCIRepository is."""
        return Ref(PLATFORM, "source.toolkit.fluxcd.io/v1", "OCIRepository", NAME, self.home)

    @property
    def release_ref(self) -> Ref:
        """Where the HelmRelease is."""
        return Ref(PLATFORM, "helm.toolkit.fluxcd.io/v2", "HelmRelease", NAME, self.home)

    @property
    def access_ref(self) -> Ref:
        """Where the AccessRequest is."""
        name = self.accesses["mcp"].access["metadata"]["name"]
        return Ref(PLATFORM, "clusters.openmcp.cloud/v1alpha1", "AccessRequest", name, self.home)

    @property
    def oci(self) -> dict[str, Any]:
        """The OCIRepository."""
        return self.objects[self.source_ref]

    @property
    def release(self) -> dict[str, Any]:
        """The HelmRelease."""
        return self.objects[self.release_ref]

    def config_is(self, settings: OcmConfig) -> None:
        """Have the platform operator change the ProviderConfig."""
        self.config = Valid(settings)

    def until_written(self) -> "OcmWorld":
        """Go on until everything is written and Flux has seen nothing yet."""
        self.control_plane()
        self.settle()
        self.grant()
        self.settle()
        return self

    def until_ready(self) -> "OcmWorld":
        """Go on until Ready."""
        self.until_written()
        self.flux_pulls()
        self.flux_deploys()
        self.settle()
        assert self.status["phase"] == "Ready", self.status
        return self

    def flux_pulls(self, digest: str = DIGEST) -> None:
        """Have source-controller fetch the chart."""
        oci = self.oci
        tag = oci["spec"]["ref"]["tag"]
        generation = oci["metadata"]["generation"]
        oci["metadata"]["finalizers"] = [FLUX]
        message = f"stored artifact for digest '{tag}@{digest}'"
        oci["status"] = {
            "observedGeneration": generation,
            "artifact": {"revision": f"{tag}@{digest}"},
            "conditions": [_condition("Ready", "True", "Succeeded", message, generation)],
            **_handled(oci),
        }

    def flux_cannot_pull(self, text: str, reason: str = "OCIArtifactPullFailed") -> None:
        """Have source-controller fail with the registry's words."""
        oci = self.oci
        generation = oci["metadata"]["generation"]
        oci["metadata"]["finalizers"] = [FLUX]
        status = oci.get("status") or {"observedGeneration": -1}
        conditions = [
            _condition("Reconciling", "True", "ProgressingWithRetry", "building artifact", generation),
            _condition("Ready", "False", reason, text, generation),
            _condition("FetchFailed", "True", reason, text, generation),
        ]
        oci["status"] = {**status, "conditions": conditions, **_handled(oci)}

    def flux_starts(self, action: str = "install") -> None:
        """Have helm-controller begin an action."""
        release = self.release
        generation = release["metadata"]["generation"]
        release["metadata"]["finalizers"] = [FLUX]
        text = f"Running '{action}' action with timeout of 5m0s"
        release["status"] = {
            "observedGeneration": -1,
            **release.get("status", {}),
            "storageNamespace": SYSTEM_NAMESPACE,
            "lastAttemptedGeneration": generation,
            "lastAttemptedRevisionDigest": self.oci["status"]["artifact"]["revision"].partition("@")[2],
            "conditions": [
                _condition("Reconciling", "True", "Progressing", text, generation),
                _condition("Ready", "Unknown", "Progressing", text, generation),
            ],
        }

    def flux_deploys(self, action: str = "install") -> None:
        """Have helm-controller succeed."""
        self.flux_starts(action)
        release = self.release
        generation = release["metadata"]["generation"]
        tag, _, digest = self.oci["status"]["artifact"]["revision"].partition("@")
        history = [entry | {"status": "superseded"} for entry in release["status"].get("history", [])]
        entry = {
            "status": "deployed",
            "action": action,
            "chartVersion": f"{tag}+{digest[7:19]}",
            "ociDigest": digest,
            "name": "ocm-k8s-toolkit",
            "namespace": SYSTEM_NAMESPACE,
        }
        text = f"Helm {action} succeeded for release {SYSTEM_NAMESPACE}/ocm-k8s-toolkit.v1 with chart chart@{tag}"
        reason = f"{action.capitalize()}Succeeded"
        release["status"] |= {
            "observedGeneration": generation,
            "history": [entry, *history],
            "conditions": [
                _condition("Ready", "True", reason, text, generation),
                _condition("Released", "True", reason, text, generation),
            ],
            **_handled(release),
        }

    def flux_fails(self, reason: str, text: str) -> None:
        """Have helm-controller fail before it reaches Helm."""
        release = self.release
        release["metadata"]["finalizers"] = [FLUX]
        generation = release["metadata"]["generation"]
        release["status"] = {
            "observedGeneration": -1,
            **release.get("status", {}),
            "conditions": [_condition("Ready", "False", reason, text, generation)],
        }

    def flux_rolls_back(self, cause: str) -> None:
        """Have an upgrade fail until its retries are used up, the old chart running again."""
        release = self.release
        generation = release["metadata"]["generation"]
        old = next(entry for entry in release["status"]["history"] if entry["status"] == "deployed")
        self.flux_starts("upgrade")
        text = f"Helm upgrade failed for release {SYSTEM_NAMESPACE}/ocm-k8s-toolkit with chart chart@0.5.0: {cause}"
        release["status"] |= {
            "observedGeneration": generation,
            "upgradeFailures": 4,
            "failures": 4,
            "history": [old | {"action": "rollback"}, *release["status"]["history"]],
            "conditions": [
                _condition("Stalled", "True", "RetriesExceeded", "Failed to upgrade after 4 attempt(s)", generation),
                _condition("Ready", "False", "RollbackSucceeded", "Helm rollback succeeded", generation),
                _condition("Remediated", "True", "RollbackSucceeded", "Helm rollback succeeded", generation),
                _condition("Released", "False", "UpgradeFailed", text, generation),
            ],
        }

    def flux_lets_go(self) -> None:
        """Have Flux finish whatever deletion waits for it."""
        for ref in (self.release_ref, self.source_ref):
            obj = self.objects.get(ref)
            if obj and obj["metadata"].get("deletionTimestamp"):
                self.drop(ref)


def _condition(kind: str, status: str, reason: str, message: str, generation: int) -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason, "message": message, "observedGeneration": generation}


def _handled(obj: dict[str, Any]) -> dict[str, Any]:
    token = obj["metadata"].get("annotations", {}).get("reconcile.fluxcd.io/requestedAt")
    return {"lastHandledReconcileAt": token} if token else {}
