"""Helm, as far as one can tell it by a control plane: its records, and what it puts there and takes away."""

import base64
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from attrs import asdict, define, evolve, frozen

from openmcp_adapters.emulation.charts import Chart
from openmcp_adapters.emulation.schemas import CRDS, DEPLOYMENTS, NAMESPACES, SECRETS
from openmcp_adapters.emulation.script import Script
from openmcp_adapters.emulation.world import World
from openmcp_provider.domain.objects import Json, annotations, dig
from openmcp_provider.ports import AlreadyExists, Cluster, Forbidden, Invalid, NotFound, Resource

__all__ = ["STUCK", "ActionFailed", "Helm", "NotRendered", "Record", "digest_of"]

STUCK = "emulation.openmcp.cloud/stuck"
"""The finalizer of a workload whose deletion takes longer than Helm waits."""

_MANAGER = "helm-controller"
_TYPE = "helm.sh/release.v1"


class ActionFailed(Exception):
    """A Helm action failed, which its record says."""


class NotRendered(Exception):
    """A chart could not be rendered, so that Helm recorded nothing."""


def digest_of(value: object) -> str:
    """Return the digest of a JSON value."""
    return "sha256:" + hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


@frozen(kw_only=True)
class Record:
    """What Helm writes down of one revision of a release.

    Attributes:
        number: Of the revision.
        status: In Helm's words.
        version: Of the chart, with what Flux adds.
        digest: Of the artifact.
        config: Digest of the values.
        first: When the release was first installed.
        last: When this revision was.
    """

    number: int
    status: str
    version: str
    digest: str
    config: str
    first: str
    last: str


@define(eq=False, kw_only=True)
class Helm:
    """One release on one control plane.

    Attributes:
        world: For time and charts.
        script: What fails.
        cluster: The control plane.
        release: Name of the release.
        namespace: Where its objects go.
        storage: Where its records are.
        origin: Name and namespace of the HelmRelease.
        limit: How many records are kept; 0 = all.
    """

    world: World
    script: Script
    cluster: Cluster
    release: str
    namespace: str
    storage: str
    origin: tuple[str, str]
    limit: int = 5

    # --- records

    async def records(self) -> list[Record]:
        """Return the records, oldest first."""
        labels = f"owner=helm,name={self.release}"
        page = await self.cluster.list(SECRETS, namespace=self.storage, labels=labels, limit=0)
        found = [Record(**json.loads(base64.b64decode(item["data"]["release"]))) for item in page.items]
        return sorted(found, key=lambda record: record.number)

    async def write(self, record: Record) -> Record:
        """Write a record, new or in place of itself."""
        name = f"sh.helm.release.v1.{self.release}.v{record.number}"
        data = {"release": base64.b64encode(json.dumps(asdict(record), sort_keys=True).encode()).decode()}
        labels = {"owner": "helm", "name": self.release, "status": record.status, "version": str(record.number)}
        metadata = {"name": name, "namespace": self.storage, "labels": labels}
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": _TYPE, "data": data}
        try:
            await self.cluster.create(SECRETS, manifest, manager=_MANAGER)
        except AlreadyExists:
            body = {"metadata": {"labels": labels}, "data": data}
            await self.cluster.patch(SECRETS, name, self.storage, kind="merge", body=body, manager=_MANAGER)
        return record

    async def _purge(self, records: list[Record]) -> None:
        for record in records:
            await self._drop(SECRETS, f"sh.helm.release.v1.{self.release}.v{record.number}", self.storage)

    # --- actions

    async def install(self, chart: Chart, values: Json, record: Record, *, create_namespace: bool) -> Record:
        """Install a chart for the first time.

        Raises:
            NotRendered: it cannot be rendered with the values.
            ActionFailed: it did not work out; the record stays, as failed.
        """
        _render(chart, values)
        if create_namespace:
            manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}}
            with suppress(AlreadyExists):
                await self.cluster.create(NAMESPACES, manifest, manager=_MANAGER)
        await self.write(evolve(record, status="pending-install"))
        await self._put(chart, record, fails=self.script.fails("install"), seconds=self.script.delays.install)
        return await self.write(evolve(record, status="deployed"))

    async def upgrade(self, chart: Chart, values: Json, record: Record, before: list[Record]) -> Record:
        """Install a chart over another.

        Raises:
            NotRendered: it cannot be rendered with the values.
            ActionFailed: it did not work out; the record stays, as failed, and the one before as deployed.
        """
        _render(chart, values)
        await self.write(evolve(record, status="pending-upgrade"))
        await self._put(chart, record, fails=self.script.fails("upgrade"), seconds=self.script.delays.upgrade)
        return await self._supersede(record, before)

    async def rollback(self, chart: Chart, record: Record, before: list[Record]) -> Record:
        """Install what an earlier record tells of, under a new number.

        Raises:
            ActionFailed: it did not work out.
        """
        await self.write(evolve(record, status="pending-rollback"))
        await self._put(chart, record, fails=self.script.fails("rollback"), seconds=self.script.delays.rollback)
        return await self._supersede(record, before)

    async def uninstall(self, records: list[Record], chart: Chart) -> None:
        """Take everything away but what the chart keeps.

        Raises:
            ActionFailed: it took too long. The records are gone all the same, the workload is not.
        """
        await self.write(evolve(records[-1], status="uninstalling"))
        name = chart.deployment.format(release=self.release)
        if self.script.times_out():
            await self._get_stuck(name)
            await self.world.pause(self.script.delays.failure)
            await self._purge(records)
            raise ActionFailed("timed out waiting for the condition")
        await self._drop(DEPLOYMENTS, name, self.namespace)
        await self.world.pause(self.script.delays.uninstall)
        for crd in chart.crds:
            if annotations(crd).get("helm.sh/resource-policy") != "keep":
                await self._drop(CRDS, crd["metadata"]["name"])
        await self._purge(records)

    # --- inside

    async def _put(self, chart: Chart, record: Record, *, fails: bool, seconds: float) -> None:
        """Apply a chart's objects and wait for its workload."""
        labels = {
            "app.kubernetes.io/managed-by": "Helm",
            "helm.toolkit.fluxcd.io/name": self.origin[0],
            "helm.toolkit.fluxcd.io/namespace": self.origin[1],
        }
        workload = chart.workload(self.release, self.namespace, labels)
        name = workload["metadata"]["name"]
        try:
            for crd in chart.crds:
                metadata = {**crd["metadata"], "labels": labels}
                await self.cluster.apply(CRDS, {**crd, "metadata": metadata}, manager=_MANAGER)
            await self.cluster.apply(DEPLOYMENTS, workload, manager=_MANAGER)
        except (Invalid, Forbidden) as error:
            await self.write(evolve(record, status="failed"))
            raise ActionFailed(f'cannot patch "{name}" with kind Deployment: {error.message}') from error
        if fails:
            await self._show(name, available=False)
            await self.world.pause(self.script.delays.failure)
            await self.write(evolve(record, status="failed"))
            where = f"Deployment/{self.namespace}/{name}"
            raise ActionFailed(self.script.cause or f"timeout waiting for: [{where} status: 'InProgress']")
        await self.world.pause(seconds)
        await self._show(name, available=True)

    async def _show(self, name: str, *, available: bool) -> None:
        """Write a workload's status, in the stead of whoever would run it."""
        count = int(available)
        status: Mapping[str, Any] = {
            "replicas": 1,
            "readyReplicas": count,
            "availableReplicas": count,
            "conditions": [{"type": "Available", "status": str(available), "reason": "Emulated", "message": ""}],
        }
        await self.cluster.patch(
            DEPLOYMENTS,
            name,
            self.namespace,
            kind="merge",
            body={"status": status},
            subresource="status",
            manager=_MANAGER,
        )

    async def _supersede(self, record: Record, before: list[Record]) -> Record:
        done = await self.write(evolve(record, status="deployed"))
        for old in before:
            if old.status == "deployed":
                await self.write(evolve(old, status="superseded"))
        if self.limit:
            await self._purge(sorted(before, key=lambda old: old.number)[: max(0, len(before) + 1 - self.limit)])
        return done

    async def _get_stuck(self, name: str) -> None:
        try:
            found: Json = await self.cluster.get(DEPLOYMENTS, name, self.namespace)
        except NotFound:
            return
        held = [*(dig(found, "metadata", "finalizers") or ()), STUCK]
        body = {"metadata": {"finalizers": held}}
        await self.cluster.patch(DEPLOYMENTS, name, self.namespace, kind="merge", body=body, manager=_MANAGER)
        await self._drop(DEPLOYMENTS, name, self.namespace)

    async def _drop(self, resource: Resource, name: str, namespace: str = "") -> None:
        with suppress(NotFound):
            await self.cluster.delete(resource, name, namespace)


def _render(chart: Chart, values: Json) -> None:
    if words := chart.rejects(values):
        raise NotRendered(words)
