"""Flux' source-controller: fetches what OCIRepositories name."""

import hashlib
from typing import Any, NoReturn

from openmcp_adapters.emulation.actor import Actor, hold, release
from openmcp_adapters.emulation.registry import Artifact, Login, PullError, check_repository, logins
from openmcp_adapters.emulation.report import FLUX_FINALIZER, Report, concern
from openmcp_adapters.emulation.schemas import OCI_REPOSITORIES, SECRETS
from openmcp_adapters.emulation.world import World
from openmcp_provider.domain.durations import SECOND, parse_duration
from openmcp_provider.domain.objects import Json, deleting, dig
from openmcp_provider.ports import NotFound, PortError
from openmcp_provider.runtime.cache import Cache, Key

__all__ = ["SourceController", "interval_of"]

_BUILDING = "building artifact"


class _Failed(PortError):
    """A fetch failed: Flux' reason and message were written, and it is tried again after a back-off."""


class SourceController(Actor):
    """Keeps the artifact of every OCIRepository. It watches no Secrets: whoever changes one has to say so."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "source-controller", first=0.75, longest=900.0)

    def watched(self) -> list[Cache[Any]]:
        """Watch OCIRepositories."""
        return [self.cache(OCI_REPOSITORIES, concern)]

    async def work(self, key: Key) -> float | None:
        """Fetch once; return when to look again."""
        if not self.world.script(key.namespace).picked_up:
            return None
        obj = await self.platform.get(OCI_REPOSITORIES, key.name, key.namespace)
        if deleting(obj):
            await release(self.platform, OCI_REPOSITORIES, obj, FLUX_FINALIZER)
            return None
        obj = await hold(self.platform, OCI_REPOSITORIES, obj, FLUX_FINALIZER)
        report = Report(self.world, self.platform, OCI_REPOSITORIES, obj)
        if dig(obj, "spec", "suspend"):
            report.fields["observedGeneration"] = report.generation
            await report.write()
            return None
        _begin(report)
        await report.write()
        try:
            repository = check_repository(obj["spec"]["url"])
        except ValueError as error:
            for kind, status in (("FetchFailed", "True"), ("Ready", "False")):
                report.say(kind, status, "URLInvalid", str(error))
            report.stall("URLInvalid", str(error))
            report.handled(obj)
            await report.write()
            return None
        await self._fetch(key, obj, report, repository)
        seconds = interval_of(obj)
        return self.again(seconds, key) if seconds else None

    async def _fetch(self, key: Key, obj: Json, report: Report, repository: str) -> None:
        """Look at the registry, and store what is new there."""
        tag = dig(obj, "spec", "ref", "tag") or "latest"
        known = await self._logins(obj, report)
        await self.world.pause(self.world.script(key.namespace).delays.pull)
        try:
            artifact = self.world.registry.pull(repository, tag, known)
        except PullError as error:
            await self._fail(obj, report, "OCIArtifactPullFailed", str(error))
        revision = f"{tag}@{artifact.digest}"
        if dig(report.fields, "artifact", "revision") != revision:
            doing = f"{_BUILDING}: new revision '{revision}' for '{repository}:{tag}'"
            if report.fields.get("artifact"):
                report.say("ArtifactOutdated", "True", "NewRevision", f"new revision '{revision}'")
            report.begin(doing)
            await report.write()
            await self.world.pause(self.world.script(key.namespace).delays.store)
            report.fields["artifact"] = self._stored(key, revision, artifact)
        stored = f"stored artifact for digest '{revision}'"
        report.drop("Reconciling", "FetchFailed", "ArtifactOutdated", "Stalled")
        report.say("Ready", "True", "Succeeded", stored)
        report.say("ArtifactInStorage", "True", "Succeeded", stored)
        report.fields["observedGeneration"] = report.generation
        if selector := dig(obj, "spec", "layerSelector"):
            report.fields["observedLayerSelector"] = dict(selector)
        else:
            report.fields.pop("observedLayerSelector", None)
        report.handled(obj)
        await report.finish("artifact")

    async def _logins(self, obj: Json, report: Report) -> dict[str, Login]:
        name, namespace = dig(obj, "spec", "secretRef", "name"), obj["metadata"]["namespace"]
        if not name:
            return {}
        try:
            return logins(dict(await self.platform.get(SECRETS, name, namespace)))
        except NotFound:
            said = f"failed to get credential: failed to get secret '{namespace}/{name}': secrets \"{name}\" not found"
            await self._fail(obj, report, "AuthenticationFailed", said)

    async def _fail(self, obj: Json, report: Report, reason: str, message: str) -> NoReturn:
        """Write a failure and have the fetch tried again. The artifact and the observed generation stay."""
        doing = report.message("Reconciling")
        report.say("Reconciling", "True", "ProgressingWithRetry", doing)
        report.say("FetchFailed", "True", reason, message)
        report.say("Ready", "False", reason, message)
        report.handled(obj)
        await report.write()
        raise _Failed(message)

    def _stored(self, key: Key, revision: str, artifact: Artifact) -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(artifact.digest.encode()).hexdigest()
        path = f"ocirepository/{key.namespace}/{key.name}/{digest}.tar.gz"
        return {
            "revision": revision,
            "digest": digest,
            "path": path,
            "url": f"http://source-controller.flux-system.svc.cluster.local./{path}",
            "size": 30_000 + len(revision),
            "lastUpdateTime": self.world.moment(),
            "metadata": {
                "org.opencontainers.image.title": artifact.chart.name,
                "org.opencontainers.image.version": artifact.chart.version,
            },
        }


def _begin(report: Report) -> None:
    """Say what a look is about, in the words that stand until something is found."""
    observed = report.fields.get("observedGeneration", -1)
    doing = "reconciliation in progress"
    if not report.current:
        doing = f"processing object: new generation {observed} -> {report.generation}"
    elif not report.fields.get("artifact"):
        doing = _BUILDING
    if report.status("Ready") in {"", "Unknown"} or not report.fields.get("artifact"):
        report.begin(doing)
    else:
        report.progress(doing)


def interval_of(obj: Json) -> float:
    """Return the seconds between two looks, 0 for none."""
    return max(0.0, parse_duration(dig(obj, "spec", "interval") or "0s") / SECOND)
