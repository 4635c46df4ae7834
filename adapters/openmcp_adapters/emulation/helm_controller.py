"""Flux' helm-controller: installs, upgrades and uninstalls what HelmReleases name."""

from contextlib import suppress
from typing import Any

from openmcp_adapters.emulation.actor import Actor, hold, release
from openmcp_adapters.emulation.helm import ActionFailed
from openmcp_adapters.emulation.helm_actions import Attempt
from openmcp_adapters.emulation.helm_inputs import Halt, connect, kubeconfig_secret, prepare, release_name
from openmcp_adapters.emulation.report import FLUX_FINALIZER, Report, concern
from openmcp_adapters.emulation.schemas import HELM_RELEASES, OCI_REPOSITORIES
from openmcp_adapters.emulation.source_controller import interval_of
from openmcp_adapters.emulation.world import World
from openmcp_provider.domain.objects import Json, conditions, deleting, dig
from openmcp_provider.ports import NotFound, PortError
from openmcp_provider.runtime.cache import Cache, Key

__all__ = ["HelmController"]


class _Retried(PortError):
    """What went wrong was written down, and is tried again after a back-off."""


class HelmController(Actor):
    """Keeps every HelmRelease deployed, by the kubeconfig that is there at each look."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "helm-controller", first=0.75, longest=900.0)
        self._connector = world.connector(self.name)
        self._sources: dict[Key, set[Key]] = {}

    def watched(self) -> list[Cache[Any]]:
        """Watch HelmReleases, and their sources."""
        return [
            self.cache(HELM_RELEASES, concern),
            self.cache(OCI_REPOSITORIES, _artifact, self._on_source),
        ]

    def _on_source(self, key: Key, before: tuple[str, bool] | None, after: tuple[str, bool] | None) -> None:
        """Look at the releases of a source that has a new artifact, or has become ready."""
        if before is not None and after is not None and (before[0] != after[0] or after[1] > before[1]):
            for found in sorted(self._sources.get(key, ())):
                self.queue.add(found)

    async def work(self, key: Key) -> float | None:
        """Look at a release once; return when to look again."""
        if not self.world.script(key.namespace).picked_up:
            return None
        obj = await self.platform.get(HELM_RELEASES, key.name, key.namespace)
        report = Report(self.world, self.platform, HELM_RELEASES, obj)
        if deleting(obj):
            await self._delete(obj, report)
            return None
        obj = await hold(self.platform, HELM_RELEASES, obj, FLUX_FINALIZER)
        if dig(obj, "spec", "suspend"):
            report.fields["observedGeneration"] = report.generation
            await report.write()
            return None
        self._know_source(key, obj)
        report.progress("Fulfilling prerequisites")
        await report.write()
        try:
            await self._deploy(obj, report)
        except Halt as halt:
            return await self._halt(obj, report, halt)
        report.handled(obj)
        await report.finish()
        seconds = interval_of(obj)
        return self.again(seconds, key) if seconds and report.status("Stalled") != "True" else None

    async def _deploy(self, obj: Json, report: Report) -> None:
        inputs = await prepare(self.world, self.platform, obj)
        try:
            helm = await connect(self.world, self.platform, self._connector, obj)
        except NotFound as error:
            where = f"{obj['metadata']['namespace']}/{kubeconfig_secret(obj)[0]}"
            raise Halt("RESTClientError", f"could not get KubeConfig secret '{where}': {error.message}") from error
        try:
            await self.world.pause(helm.script.delays.look)
            await Attempt(obj, report, helm, inputs).run()
        finally:
            await helm.cluster.close()

    async def _halt(self, obj: Json, report: Report, halt: Halt) -> float:
        """Write why it cannot go on; return when it is tried again, or have it backed off."""
        report.say("Ready", "False", halt.reason, halt.message)
        report.handled(obj)
        await report.write()
        if halt.seconds:
            return halt.seconds
        raise _Retried(halt.message)

    def _know_source(self, key: Key, obj: Json) -> None:
        for releases in self._sources.values():
            releases.discard(key)
        reference = dig(obj, "spec", "chartRef") or {}
        source = Key(reference.get("namespace") or key.namespace, reference.get("name", ""))
        self._sources.setdefault(source, set()).add(key)

    # --- deletion

    async def _delete(self, obj: Json, report: Report) -> None:
        """Uninstall, unless there is nothing to uninstall, or nobody to ask; then let the object go."""
        fields = report.fields
        if not dig(obj, "spec", "suspend") and fields.get("storageNamespace") and fields.get("history"):
            with suppress(NotFound):  # without a kubeconfig the release is left where it is, and nobody is told
                await self._uninstall(obj, report)
                obj = await self.platform.get(HELM_RELEASES, obj["metadata"]["name"], obj["metadata"]["namespace"])
        await release(self.platform, HELM_RELEASES, obj, FLUX_FINALIZER)

    async def _uninstall(self, obj: Json, report: Report) -> None:
        try:
            helm = await connect(self.world, self.platform, self._connector, obj)
        except Halt as halt:
            said = f"failed to build REST client getter to uninstall release: {halt.message}"
            await self._undeleted(obj, report, said)
            raise _Retried(said) from halt
        helm.storage = report.fields["storageNamespace"]
        newest = report.fields["history"][0]
        place = f"{helm.storage}/{release_name(obj)}.v{newest['version']}"
        place += f" with chart {newest['chartName']}@{newest['chartVersion']}"
        try:
            records = await helm.records()
            if records and records[-1].status != "uninstalled":
                chart = self.world.registry.chart_of(records[-1].digest)
                await helm.uninstall(records, chart or self.world.registry.chart(newest["appVersion"]))
                said = f"Helm uninstall succeeded for release {place}"
            else:
                said = f"Release {place.partition(' ')[0]} was not found, assuming it is uninstalled"
        except (PortError, ActionFailed) as error:
            told = str(error)
            if isinstance(error, PortError):
                told = f"kubernetes cluster unreachable: {error.message or error.reason}"
            said = f"Helm uninstall failed for release {place}: {told}"
            report.say("Released", "False", "UninstallFailed", said)
            report.fields["failures"] = int(report.fields.get("failures", 0)) + 1
            await self._undeleted(obj, report, said)
            raise _Retried(said) from error
        finally:
            await helm.cluster.close()
        for kind in ("Released", "Ready"):
            report.say(kind, "False", "UninstallSucceeded", said)
        await report.write()

    async def _undeleted(self, obj: Json, report: Report, said: str) -> None:
        report.say("Ready", "False", "UninstallFailed", said)
        report.handled(obj)
        await report.write()


def _artifact(source: Json) -> tuple[str, bool]:
    ready = dig(conditions(source), "Ready", "status") == "True"
    return dig(source, "status", "artifact", "revision") or "", ready
