"""What the Go program, v0.1.1, writes: manifests without any mark, for whoever plays it."""

from typing import Any

from openmcp_provider.domain.names import access_request_name, managed_labels
from openmcp_provider.domain.objects import Json, generation
from openmcp_provider.runtime.resources import ACCESS_REQUESTS, instances
from service_provider_ocm import PROVIDER, pull_secret_copy_name

GO = "service-provider-ocm"
"""Its field manager, which is ours too."""
FLUX = "sp-ocm-k8s-toolkit"
"""Name of the OCIRepository and of the HelmRelease."""
TOOLKIT = "ocm-k8s-toolkit-system"
"""Namespace on a control plane."""
SOURCE_API = "source.toolkit.fluxcd.io/v1"
RELEASE_API = "helm.toolkit.fluxcd.io/v2"

Object = dict[str, Any]


def instance(name: str, version: str = "0.6.0") -> Object:
    """Return an OCM as it is after the Go program's first pass; who deletes it waits for the finalizer."""
    kind = instances(PROVIDER.edition)
    metadata = {"name": name, "namespace": "default", "finalizers": [PROVIDER.edition.finalizer]}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": {"version": version}}


def instance_status(obj: Json) -> Object:
    """Return the status of an OCM whose objects were all written, which is all that the Go program looks at."""
    seen = generation(obj)
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "ReconcileSuccess",
        "message": "Domain Service is ready",
        "observedGeneration": seen,
        "lastTransitionTime": "2026-05-01T10:00:00Z",
    }
    return {"phase": "Ready", "observedGeneration": seen, "conditions": [ready]}


def access_request(home: str, name: str) -> Object:
    """Return the AccessRequest."""
    controller = PROVIDER.edition.access_controller
    rules = [{"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}]
    return {
        "apiVersion": ACCESS_REQUESTS.api_version,
        "kind": ACCESS_REQUESTS.kind,
        "metadata": {
            "name": access_request_name(controller, name),
            "namespace": home,
            "labels": managed_labels(controller, name, "default"),
            "finalizers": ["clusters.openmcp.cloud/clusteraccess"],
        },
        "spec": {
            "requestRef": {"name": name, "namespace": home},
            "token": {"permissions": rules, "roleRefs": [{"kind": "ClusterRole", "name": "cluster-admin"}]},
        },
    }


def secret_copy(source: Json, name: str, namespace: str) -> Object:
    """Return the copy of a pull secret."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": source["type"], "data": source["data"]}


def source(home: str, pull_secret: str, version: str = "0.6.0") -> Object:
    """Return the OCIRepository."""
    spec = {
        "interval": "1m0s",
        "url": "oci://ghcr.io/open-component-model/kubernetes/controller/chart",
        "ref": {"tag": version},
        "secretRef": {"name": pull_secret_copy_name(pull_secret)},
    }
    return {
        "apiVersion": SOURCE_API,
        "kind": "OCIRepository",
        "metadata": {"name": FLUX, "namespace": home},
        "spec": spec,
    }


def release(home: str, kubeconfig: str, values: Json) -> Object:
    """Return the HelmRelease.

    Args:
        home: The tenant's namespace on the platform.
        kubeconfig: Name of the Secret.
        values: Of the ProviderConfig.
    """
    spec = {
        "releaseName": "ocm-k8s-toolkit",
        "interval": "1m0s",
        "targetNamespace": TOOLKIT,
        "storageNamespace": TOOLKIT,
        "chartRef": {"kind": "OCIRepository", "name": FLUX, "namespace": home},
        "kubeConfig": {"secretRef": {"name": kubeconfig, "key": "kubeconfig"}},
        "install": {"crds": "Create", "createNamespace": True, "remediation": {"retries": 3}},
        "upgrade": {
            "crds": "CreateReplace",
            "cleanupOnFail": True,
            "remediation": {"retries": 3, "strategy": "rollback"},
        },
        "values": values,
    }
    return {
        "apiVersion": RELEASE_API,
        "kind": "HelmRelease",
        "metadata": {"name": FLUX, "namespace": home},
        "spec": spec,
    }
