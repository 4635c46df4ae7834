"""A landscape without a provider: the test writes by hand what a provider would write."""

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from openmcp_adapters.emulation import Client, Delays, Landscape, Registry, run
from openmcp_adapters.emulation.control_planes import until
from openmcp_adapters.emulation.schemas import (
    ACCESS_REQUESTS,
    DEPLOYMENTS,
    HELM_RELEASES,
    OCI_REPOSITORIES,
    SECRETS,
)
from openmcp_provider.domain.objects import Json, conditions, dig, generation
from openmcp_provider.ports import NotFound, Resource

T = TypeVar("T")

NAME = "sp-ocm-k8s-toolkit"
SYSTEM = "ocm-k8s-toolkit-system"
RELEASE = "ocm-k8s-toolkit"
DEPLOYMENT = "ocm-k8s-toolkit-controller-manager"
REPOSITORY = "ghcr.io/open-component-model/kubernetes/controller/chart"
ACCESS = "provider--mcp-01--mcp"


class Stage:
    """What a story needs of its landscape; by default about the control plane ``default/mcp-01``."""

    def __init__(self, landscape: Landscape) -> None:
        self.landscape = landscape
        self.platform: Client = landscape.client("provider")

    @property
    def now(self) -> float:
        """The virtual seconds."""
        return self.landscape.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        await self.landscape.clock.sleep(seconds)

    async def control_plane(self, name: str = "mcp-01") -> str:
        """Have a control plane; return the tenant's namespace."""
        await self.landscape.create_control_plane(name)
        await self.landscape.ready(name)
        return self.landscape.home(name)

    async def ask(self, name: str = "mcp-01") -> None:
        """Ask for access to a control plane."""
        home = self.landscape.home(name)
        manifest = {
            **_head(ACCESS_REQUESTS, ACCESS, home),
            "spec": {
                "requestRef": {"name": name, "namespace": home},
                "token": {"permissions": [{"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}]},
            },
        }
        await self.platform.create(ACCESS_REQUESTS, manifest)

    async def access(self, name: str = "mcp-01") -> Json:
        """Have access to a control plane; return the AccessRequest."""
        await self.ask(name)
        return await self.wait(ACCESS_REQUESTS, ACCESS, granted, name)

    async def secret(self, name: str = "mcp-01") -> Json:
        """Return the kubeconfig's Secret."""
        return await self.platform.get(SECRETS, f"{ACCESS}.kubeconfig", self.landscape.home(name))

    async def source(self, tag: str = "0.13.0", name: str = "mcp-01", **spec: Any) -> None:
        """Write an OCIRepository, new or changed."""
        wanted = {"interval": "1m0s", "url": f"oci://{REPOSITORY}", "ref": {"tag": tag}, **spec}
        manifest = {**_head(OCI_REPOSITORIES, NAME, self.landscape.home(name)), "spec": wanted}
        await self.platform.apply(OCI_REPOSITORIES, manifest, manager="test")

    async def release(self, name: str = "mcp-01", **spec: Any) -> None:
        """Write a HelmRelease, new or changed."""
        home = self.landscape.home(name)
        wanted = {
            "interval": "1m0s",
            "releaseName": RELEASE,
            "targetNamespace": SYSTEM,
            "storageNamespace": SYSTEM,
            "chartRef": {"kind": "OCIRepository", "name": NAME, "namespace": home},
            "kubeConfig": {"secretRef": {"name": f"{ACCESS}.kubeconfig", "key": "kubeconfig"}},
            "install": {"crds": "Create", "createNamespace": True, "remediation": {"retries": 3}},
            "upgrade": {"crds": "CreateReplace", "remediation": {"retries": 3, "strategy": "rollback"}},
            **spec,
        }
        manifest = {**_head(HELM_RELEASES, NAME, home), "spec": wanted}
        await self.platform.apply(HELM_RELEASES, manifest, manager="test")

    async def installed(self, tag: str = "0.13.0", name: str = "mcp-01", **spec: Any) -> Json:
        """Have a control plane with a release that is ready; return the HelmRelease."""
        await self.control_plane(name)
        await self.access(name)
        await self.source(tag, name)
        await self.release(name, **spec)
        return await self.wait(HELM_RELEASES, NAME, is_ready, name)

    async def wait(
        self, resource: Resource, name: str, wanted: Callable[[Json], object], tenant: str = "mcp-01"
    ) -> Json:
        """Wait until an object in a tenant's namespace is as wanted, but no longer than two hours."""
        home = self.landscape.home(tenant)
        try:
            async with asyncio.timeout(7200):
                found = await until(self.platform, resource, name, home, wanted=wanted)
        except TimeoutError:
            found = await self.platform.get(resource, name, home)
            raise AssertionError(f"after two hours it still is {json.dumps(found, indent=1)}") from None
        assert found is not None
        return found

    async def see(self, resource: Resource, wanted: Callable[[Json], object], tenant: str = "mcp-01") -> Json:
        """Wait until the OCIRepository or the HelmRelease is as wanted."""
        return await self.wait(resource, NAME, wanted, tenant)

    async def read(self, resource: Resource, tenant: str = "mcp-01") -> Json:
        """Return the OCIRepository or the HelmRelease as it is."""
        return await self.platform.get(resource, NAME, self.landscape.home(tenant))

    async def poke(self, resource: Resource, token: str, *more: str) -> None:
        """Ask Flux to look at once."""
        names = ["requestedAt", *more]
        body = {"metadata": {"annotations": {f"reconcile.fluxcd.io/{name}": token for name in names}}}
        await self.platform.patch(resource, NAME, self.landscape.home("mcp-01"), kind="merge", body=body)

    async def delete_release(self, tenant: str = "mcp-01") -> None:
        """Delete the HelmRelease."""
        await self.platform.delete(HELM_RELEASES, NAME, self.landscape.home(tenant))

    async def release_gone(self, tenant: str = "mcp-01") -> None:
        """Wait until the HelmRelease is gone, but no longer than two hours."""
        async with asyncio.timeout(7200):
            await until(self.platform, HELM_RELEASES, NAME, self.landscape.home(tenant))

    async def deployed(self, tenant: str = "mcp-01") -> bool:
        """Tell whether the workload is on the control plane."""
        client = self.landscape.client("tenant", self.landscape.cluster_of(tenant))
        try:
            await client.get(DEPLOYMENTS, DEPLOYMENT, SYSTEM)
        except NotFound:
            return False
        return True

    def records(self, tenant: str = "mcp-01") -> list[tuple[str, str]]:
        """Return number and status of every record of the release."""
        found = [item["metadata"] for item in self.landscape.control_plane(tenant).objects(SECRETS)]
        return [
            (one["labels"]["version"], one["labels"]["status"])
            for one in found
            if one["name"].startswith("sh.helm.release.v1.")
        ]

    async def pull_secret(self, user: str, password: str, *, kind: str = "kubernetes.io/dockerconfigjson") -> None:
        """Write a pull secret named ``pull``."""
        auths = {"auths": {"ghcr.io": {"username": user, "password": password}}}
        data = {".dockerconfigjson": base64.b64encode(json.dumps(auths).encode()).decode()}
        manifest = {**_head(SECRETS, "pull", self.landscape.home("mcp-01")), "type": kind, "data": data}
        await self.platform.apply(SECRETS, manifest, manager="test")


def play(
    story: Callable[[Stage], Awaitable[T]],
    *,
    seed: int = 1,
    registry: Registry | None = None,
    hours: float = 48,
    **options: Any,
) -> T:
    """Run a story on a landscape of its own; one that takes longer than so many hours fails."""

    async def told() -> T:
        async with asyncio.timeout(hours * 3600), Landscape(seed=seed, registry=registry, **options) as landscape:
            return await story(Stage(landscape))

    return run(told, seed=seed)


def quick() -> Delays:
    """Return delays for stories in which time does not matter."""
    return Delays(provision=0.1, install=1.0, upgrade=1.0, rollback=1.0, uninstall=0.5, failure=2.0)


def _head(resource: Resource, name: str, namespace: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def told(obj: Json, kind: str) -> tuple[str, str]:
    """Return status and reason of a condition, empty where there is none."""
    found = conditions(obj).get(kind, {})
    return found.get("status", ""), found.get("reason", "")


def message(obj: Json, kind: str) -> str:
    """Return the message of a condition."""
    return str(conditions(obj).get(kind, {}).get("message", ""))


def granted(obj: Json) -> bool:
    """Tell whether a request is granted."""
    return bool(dig(obj, "status", "phase") == "Granted")


def observed(obj: Json) -> bool:
    """Tell whether the present generation was observed."""
    return bool(dig(obj, "status", "observedGeneration") == generation(obj))


def is_ready(obj: Json) -> bool:
    """Tell whether a Flux object is ready and at rest."""
    return observed(obj) and told(obj, "Ready")[0] == "True" and not told(obj, "Reconciling")[0]


def is_stalled(obj: Json) -> bool:
    """Tell whether Flux gave an object up."""
    return observed(obj) and told(obj, "Stalled")[0] == "True"


def failed(reason: str) -> Callable[[Json], bool]:
    """Return what tells whether an object is not ready for a reason."""
    return lambda obj: told(obj, "Ready") == ("False", reason)
