"""What tenants and the platform operator of a soak want, and what of it is not so yet."""

import base64
import json
import secrets
from collections.abc import Iterable

from openmcp_provider.domain.flux import POKE
from openmcp_provider.domain.objects import Json, annotations, conditions, dig, generation
from openmcp_provider.ports import Cluster, NotFound, Resource
from openmcp_provider.runtime.resources import SECRETS
from openmcp_testing.landscape import ServerLandscape
from service_provider_ocm import pull_secret_copy_name
from tests.cluster.audited import not_deployed
from tests.cluster.estate import CONFIGS, OCMS, RELEASES, SOURCES, SYSTEM

__all__ = ["Wishes"]

CHART, IMAGES = "chart-pull-secret", "image-pull-secret"
TOOLKIT = "ocm-k8s-toolkit-system"
NAME = "sp-ocm-k8s-toolkit"
HOST = "ghcr.io"
DOCKER = "kubernetes.io/dockerconfigjson"


class Wishes:
    """What is wanted; each change is written as its owner would.

    Args:
        landscape: Where.
        names: Of the tenants.

    Attributes:
        versions: What each tenant wants.
        passwords: Every one that there was; none may ever be seen but in Secrets.
    """

    def __init__(self, landscape: ServerLandscape, names: Iterable[str]) -> None:
        self.versions = dict.fromkeys(names, "0.6.0")
        self.passwords: list[str] = []
        self._landscape = landscape
        self._operator = landscape.client("operator-person")
        self._tenant = landscape.client("tenant", "onboarding")
        self._values: Json = {"manager": {"replicas": 1, "imagePullSecrets": [{"name": IMAGES}]}}

    # -- changes -----------------------------------------------------------------------------------------------------

    async def configure(self, **values: object) -> None:
        """Write the ProviderConfig, with some values changed, and pull secrets if there are none."""
        if not self.passwords:
            await self.change_password()
        self._values = {"manager": {**self._values["manager"], **values}}
        spec = {"pollInterval": "15s", "imagePullSecret": {"name": CHART}, "values": self._values}
        manifest = {
            "apiVersion": CONFIGS.api_version,
            "kind": CONFIGS.kind,
            "metadata": {"name": "ocm"},
            "spec": spec,
        }
        await self._operator.apply(CONFIGS, manifest, manager="kubectl")

    async def change_password(self) -> None:
        """Have the registry accept a new password alone, and write it into the pull secrets."""
        self.passwords.append(secrets.token_hex(16))
        self._landscape.registry.credentials[HOST] = ("robot", self.passwords[-1])
        for name in (CHART, IMAGES):
            metadata = {"name": name, "namespace": SYSTEM}
            manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": DOCKER, "data": self._data}
            await self._operator.apply(SECRETS, manifest, manager="kubectl")

    async def ask(self, *names: str) -> None:
        """Have tenants ask for their versions; all of them by default."""
        for name in names or self.versions:
            manifest = {
                "apiVersion": OCMS.api_version,
                "kind": OCMS.kind,
                "metadata": {"name": name, "namespace": "default"},
                "spec": {"version": self.versions[name]},
            }
            await self._tenant.apply(OCMS, manifest, manager="kubectl")

    async def upgrade(self, version: str) -> None:
        """Have every tenant ask for a version."""
        self.versions = dict.fromkeys(self.versions, version)
        await self.ask()

    # -- looks -------------------------------------------------------------------------------------------------------

    async def unfulfilled(self, names: Iterable[str]) -> list[str]:
        """Return what is not yet as these tenants and the platform operator want it."""
        return [f"{name}: {why}" for name in names if (why := await self._missing(name))]

    async def _missing(self, name: str) -> str:
        ocm = await self._tenant.get(OCMS, name, "default")
        status, version, home = ocm.get("status") or {}, self.versions[name], self._landscape.home(name)
        ready = conditions(ocm).get("Ready", {})
        told = (status.get("phase"), ready.get("status"), status.get("observedGeneration"))
        if told != ("Ready", "True", generation(ocm)) or status.get("installedVersion") != version:
            return f"{told} at generation {generation(ocm)}: {ready.get('message')}"
        release, source = await self._get(RELEASES, NAME, home), await self._get(SOURCES, NAME, home)
        if why := not_deployed(release, source, version, self._values):
            return why
        if annotations(source).get(POKE) != dig(source, "status", "lastHandledReconcileAt"):
            return "Flux was asked to look, and has not"
        copies = (
            (self._operator, pull_secret_copy_name(CHART), home),
            (self._landscape.client("operator-person", self._landscape.cluster_of(name)), IMAGES, TOOLKIT),
        )
        for cluster, copy, namespace in copies:
            if (await self._get(SECRETS, copy, namespace, cluster)).get("data") != self._data:
                return f"the copy {namespace}/{copy} has other data"
        return ""

    @property
    def _data(self) -> Json:
        auth = base64.b64encode(f"robot:{self.passwords[-1]}".encode()).decode()
        content = json.dumps({"auths": {HOST: {"auth": auth}}})
        return {".dockerconfigjson": base64.b64encode(content.encode()).decode()}

    async def _get(self, resource: Resource, name: str, namespace: str, cluster: Cluster | None = None) -> Json:
        try:
            return await (cluster or self._operator).get(resource, name, namespace)
        except NotFound:
            return {}
