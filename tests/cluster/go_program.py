"""Tenants of the Go program on real servers, written by hand, as openMCP, v0.1.1 and Flux leave them.

They are of a ProviderConfig with a pull secret for the chart and none for the control planes, so nothing of them lies
on a control plane that anybody would have to ask.
"""

import asyncio
import base64
import hashlib
from collections.abc import Iterable
from typing import Any

from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import Json, generation
from openmcp_provider.ports import Cluster, Resource
from openmcp_provider.runtime.resources import ACCESS_REQUESTS, CLUSTER_REQUESTS, NAMESPACES, SECRETS
from service_provider_ocm import pull_secret_copy_name
from tests.cluster.estate import OCMS, RELEASES, SOURCES
from tests.go_objects import GO, TOOLKIT, access_request, instance, instance_status, release, secret_copy, source

PULL = "privateregcred"
VALUES: Json = {"manager": {"logLevel": "debug"}}
CONFIG: Json = {"imagePullSecret": {"name": PULL}, "values": VALUES}
"""Spec of the ProviderConfig."""
VERSION = "0.6.0"
MOMENT = "2026-05-01T10:00:00Z"
DIGEST = "sha256:" + hashlib.sha256(VERSION.encode()).hexdigest()
AT_ONCE = 32


class Tenants:
    """Writes tenants.

    Args:
        platform: As an admin.
        onboarding: As an admin.
        secret: The pull secret.
        kubeconfig: For every control plane.
    """

    def __init__(self, platform: Cluster, onboarding: Cluster, secret: Json, kubeconfig: bytes) -> None:
        self._platform = platform
        self._onboarding = onboarding
        self._secret = secret
        self._kubeconfig = base64.b64encode(kubeconfig).decode()

    async def leave(self, names: Iterable[str]) -> None:
        """Leave tenants that are Ready, by what Flux says and by what the Go program says."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> None:
            async with slots:
                await self._one(name)

        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(one(name))

    async def control_plane(self, name: str) -> str:
        """Make a tenant's namespace and granted ClusterRequest, as openMCP does; return the namespace."""
        home = tenant_namespace(name, "default")
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": home}}
        await self._platform.create(NAMESPACES, manifest, manager="openmcp")
        request = {
            "apiVersion": CLUSTER_REQUESTS.api_version,
            "kind": CLUSTER_REQUESTS.kind,
            "metadata": {"name": name, "namespace": home, "finalizers": ["clusters.openmcp.cloud/request"]},
            "spec": {"purpose": "mcp"},
        }
        made = await self._platform.create(CLUSTER_REQUESTS, request, manager="openmcp")
        await self._status(CLUSTER_REQUESTS, made, _granted(made, cluster={"name": name, "namespace": home}))
        return home

    async def _one(self, name: str) -> None:
        home = await self.control_plane(name)
        held = await self._onboarding.create(OCMS, instance(name, VERSION), manager=GO)
        access = await self._platform.create(ACCESS_REQUESTS, access_request(home, name), manager=GO)
        kubeconfig = f"{access['metadata']['name']}.kubeconfig"
        await self._platform.create(
            SECRETS,
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": kubeconfig, "namespace": home},
                "data": {"kubeconfig": self._kubeconfig},
            },
            manager="cluster-provider",
        )
        await self._status(ACCESS_REQUESTS, access, _granted(access, secretRef={"name": kubeconfig}))
        copy = secret_copy(self._secret, pull_secret_copy_name(PULL), home)
        await self._platform.create(SECRETS, copy, manager=GO)
        chart = await self._platform.create(SOURCES, source(home, PULL, VERSION), manager=GO)
        await self._status(SOURCES, chart, source_status(chart), manager="source-controller")
        installed = await self._platform.create(RELEASES, release(home, kubeconfig, VALUES), manager=GO)
        await self._status(RELEASES, installed, release_status(installed), manager="helm-controller")
        await self._onboarding.patch(
            OCMS,
            name,
            "default",
            kind="merge",
            body={"status": instance_status(held)},
            subresource="status",
            manager=GO,
        )

    async def _status(self, resource: Resource, obj: Json, status: Json, *, manager: str = "openmcp") -> None:
        name, home = obj["metadata"]["name"], obj["metadata"]["namespace"]
        body = {"status": status}
        await self._platform.patch(resource, name, home, kind="merge", body=body, subresource="status", manager=manager)


def _granted(obj: Json, **more: Any) -> Json:
    return {"phase": "Granted", "observedGeneration": generation(obj), **more}


def source_status(obj: Json) -> Json:
    """Return the status that source-controller gives an OCIRepository once its chart is there."""
    revision = f"{VERSION}@{DIGEST}"
    said = f"stored artifact for digest '{revision}'"
    path = f"ocirepository/{obj['metadata']['namespace']}/{obj['metadata']['name']}/{DIGEST}.tar.gz"
    return {
        "observedGeneration": generation(obj),
        "artifact": {
            "revision": revision,
            "digest": DIGEST,
            "path": path,
            "url": f"http://source-controller.flux-system.svc.cluster.local./{path}",
            "size": 30_000,
            "lastUpdateTime": MOMENT,
        },
        "conditions": [_true(obj, kind, "Succeeded", said) for kind in ("Ready", "ArtifactInStorage")],
    }


def release_status(obj: Json) -> Json:
    """Return the status that helm-controller gives a HelmRelease once the chart is installed."""
    version = f"{VERSION}+{DIGEST.partition(':')[2][:12]}"
    config = "sha256:" + hashlib.sha256(repr(VALUES).encode()).hexdigest()
    said = f"Helm install succeeded for release {TOOLKIT}/ocm-k8s-toolkit.v1 with chart ocm-k8s-toolkit@{version}"
    return {
        "observedGeneration": generation(obj),
        "storageNamespace": TOOLKIT,
        "lastAttemptedGeneration": generation(obj),
        "lastAttemptedReleaseAction": "install",
        "lastAttemptedRevision": version,
        "lastAttemptedRevisionDigest": DIGEST,
        "lastAttemptedConfigDigest": config,
        "history": [
            {
                "name": "ocm-k8s-toolkit",
                "namespace": TOOLKIT,
                "version": 1,
                "status": "deployed",
                "chartName": "ocm-k8s-toolkit",
                "chartVersion": version,
                "appVersion": VERSION,
                "configDigest": config,
                "digest": config,
                "ociDigest": DIGEST,
                "firstDeployed": MOMENT,
                "lastDeployed": MOMENT,
            }
        ],
        "conditions": [_true(obj, kind, "InstallSucceeded", said) for kind in ("Ready", "Released")],
    }


def _true(obj: Json, kind: str, reason: str, message: str) -> Json:
    return {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message,
        "observedGeneration": generation(obj),
        "lastTransitionTime": MOMENT,
    }
