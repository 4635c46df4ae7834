"""The real runtime on the emulated landscape, under virtual time."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

from openmcp_adapters.emulation import Landscape, SeededRandomness, run
from openmcp_adapters.wire import decoder
from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, dig
from openmcp_provider.domain.plan import Done, Failed, Plan
from openmcp_provider.domain.report import Report
from openmcp_provider.ports import NotFound, Resource
from openmcp_provider.provider import Provider
from openmcp_provider.runtime.cache import Key
from openmcp_provider.runtime.controller import Controller, Observer, Ports, Settings
from openmcp_provider.runtime.recorder import ClusterRecorder
from openmcp_provider.runtime.resources import instances, provider_configs
from service_provider_ocm import PROVIDER

T = TypeVar("T")

SYSTEM = "openmcp-system"
OCMS = instances(PROVIDER.edition)
CONFIGS = provider_configs(PROVIDER.edition)
SECRETS = Resource("v1", "Secret", "secrets")
SOURCES = Resource("source.toolkit.fluxcd.io/v1", "OCIRepository", "ocirepositories")
RELEASES = Resource("helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases")
ACCESS = Resource("clusters.openmcp.cloud/v1alpha1", "AccessRequest", "accessrequests")
READS = frozenset({"get", "list", "served"})


class Watcher(Observer):
    """Keeps what went wrong inside the program, and what there was to say of the ProviderConfig."""

    def __init__(self) -> None:
        self.crashes: list[Exception] = []
        self.passes = 0
        self.configs: list[Event] = []

    def passed(self, key: Key, plan: Plan, outcome: Done | Failed, told: Report) -> None:
        """Count passes."""
        self.passes += 1

    def config_told(self, name: str, event: Event) -> None:
        """Keep what there is to say of the ProviderConfig."""
        self.configs.append(event)

    def crashed(self, key: Key, error: Exception) -> None:
        """Keep the mistake."""
        self.crashes.append(error)


class Stage:
    """A landscape with our controller on it.

    Args:
        landscape: The landscape.
        provider: Whose controller it is.
        settings: Of the controller.
    """

    def __init__(self, landscape: Landscape, provider: Provider[Any, Any] = PROVIDER, **settings: Any) -> None:
        self.landscape = landscape
        self.provider = provider
        self.watcher = Watcher()
        self.settings = Settings(config_name="ocm", namespace=SYSTEM, **settings)
        self._task: asyncio.Task[None] | None = None
        self.controller = self._make()

    def _make(self) -> Controller[Any, Any]:
        landscape = self.landscape
        onboarding = landscape.client("provider", ONBOARDING)
        ports = Ports(
            platform=landscape.client("provider"),
            onboarding=onboarding,
            factory=landscape,
            decode=decoder,
            clock=landscape.clock,
            randomness=SeededRandomness(0, "provider"),
            recorder=ClusterRecorder(onboarding, "service-provider-ocm", landscape.clock),
        )
        return Controller(self.provider, ports, self.settings, self.watcher)

    async def __aenter__(self) -> Self:
        await self.landscape.__aenter__()
        self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.stop()
        await self.landscape.__aexit__(None, None, None)
        assert not self.watcher.crashes, self.watcher.crashes

    def start(self) -> None:
        """Start the controller, with nothing remembered."""
        self.controller = self._make()
        self._task = asyncio.get_running_loop().create_task(self.controller.run())

    async def stop(self) -> None:
        """Stop the controller, wherever it is."""
        if self._task is not None:
            self._task.cancel()
            (error,) = await asyncio.gather(self._task, return_exceptions=True)
            assert isinstance(error, asyncio.CancelledError), error
            self._task = None

    # -- people --------------------------------------------------------------------------------------------------------

    async def configure(self, **spec: Any) -> None:
        """Write the ProviderConfig."""
        person = self.landscape.client("operator-person")
        manifest = {
            "apiVersion": CONFIGS.api_version,
            "kind": "ProviderConfig",
            "metadata": {"name": "ocm"},
            "spec": spec,
        }
        await person.apply(CONFIGS, manifest, manager="kubectl")

    async def pull_secret(self, name: str = "privateregcred", auth: str = "eDp5") -> None:
        """Write a pull secret."""
        content = json.dumps({"auths": {"ghcr.io": {"auth": auth}}}).encode()
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": SYSTEM},
            "type": "kubernetes.io/dockerconfigjson",
            "data": {".dockerconfigjson": base64.b64encode(content).decode()},
        }
        await self.landscape.client("operator-person").apply(SECRETS, manifest, manager="kubectl")

    async def tenant(self, name: str, version: str = "0.6.0") -> None:
        """Have a tenant ask for a control plane and an OCM."""
        await self.landscape.create_control_plane(name)
        await self.ocm(name, version)

    async def ocm(self, name: str, version: str = "0.6.0") -> None:
        """Write an OCM."""
        metadata = {"name": name, "namespace": "default"}
        manifest = {
            "apiVersion": OCMS.api_version,
            "kind": OCMS.kind,
            "metadata": metadata,
            "spec": {"version": version},
        }
        await self.landscape.client("tenant", ONBOARDING).apply(OCMS, manifest, manager="kubectl")

    async def delete(self, name: str) -> None:
        """Delete an OCM."""
        await self.landscape.client("tenant", ONBOARDING).delete(OCMS, name, "default")

    # -- looking -------------------------------------------------------------------------------------------------------

    async def get(self, resource: Resource, name: str, namespace: str = "", cluster: str = PLATFORM) -> Json | None:
        """Return an object, None if there is none."""
        try:
            return await self.landscape.client("tenant", cluster).get(resource, name, namespace)
        except NotFound:
            return None

    async def status(self, name: str) -> Json:
        """Return the status of an OCM, empty if there is none."""
        return dig(await self.get(OCMS, name, "default", ONBOARDING), "status") or {}

    async def ready(self, *names: str, within: float = 600.0) -> float:
        """Wait until OCMs are Ready; return the virtual seconds since the beginning."""

        async def all_ready() -> bool:
            return all([(await self.status(name)).get("phase") == "Ready" for name in names])

        return await self.until(all_ready, within)

    async def gone(self, *names: str, within: float = 600.0) -> float:
        """Wait until OCMs are gone."""

        async def all_gone() -> bool:
            return all([await self.get(OCMS, name, "default", ONBOARDING) is None for name in names])

        return await self.until(all_gone, within)

    async def told(self, name: str, text: str, within: float = 600.0) -> Json:
        """Wait until the tenant reads a text; return the status."""
        status: Json = {}

        async def reads() -> bool:
            nonlocal status
            status = await self.status(name)
            return any(text in item["message"] for item in status.get("conditions", ()) if item["type"] == "Ready")

        try:
            await self.until(reads, within)
        except AssertionError:
            raise AssertionError(f"{text!r} was never told, but {status.get('conditions')}") from None
        return status

    async def until(self, holds: Callable[[], Awaitable[bool]], within: float = 600.0) -> float:
        """Wait until something holds."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while not await holds():
            assert loop.time() < end, "it never came to hold"
            await asyncio.sleep(0.25)
        return loop.time()

    def requests(self, since: float = 0.0) -> "Counter[tuple[str, str, str]]":
        """Count the provider's requests by cluster, verb and kind, watches apart."""
        return Counter(
            (line.cluster, line.verb, line.kind)
            for line in self.landscape.traffic.log
            if line.client == "provider" and line.time >= since and line.verb != "watch"
        )


def play(
    story: Callable[[Stage], Awaitable[T]], *, seed: int = 0, stage: dict[str, Any] | None = None, **how: Any
) -> T:
    """Play a story on a fresh stage."""

    async def told() -> T:
        async with Stage(Landscape(seed=seed, crds=PROVIDER.crds, **how), **(stage or {})) as made:
            return await story(made)

    return run(told, seed=seed)
