"""Playing a sequence on a cluster: what it answers, what is there at the end, and what watches told of it."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol

from openmcp_provider.domain.errors import PortError
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Resource, WatchEvent
from openmcp_testing.conformance.asking import Asker
from openmcp_testing.conformance.kinds import KINDS, Kind
from openmcp_testing.conformance.masking import Mask
from openmcp_testing.conformance.requests import Op

__all__ = ["Answer", "Played", "Stage", "play"]

_PATIENCE = 30.0
_LAST = "zz-last"


class Stage(Protocol):
    """Where sequences are played; every `openmcp_testing.contract.Harness` is one."""

    @property
    def cluster(self) -> Cluster:
        """The cluster, with all rights, on a server that runs no controllers."""

    async def another_namespace(self) -> str:
        """Make one more empty namespace and return its name."""

    async def crd(self, manifest: Json) -> Resource:
        """Serve a kind and return its storage version. May be asked for again."""

    async def another_second(self) -> None:
        """Return when the server's clock shows another second than before."""


class Answer(NamedTuple):
    """What came of one request.

    Attributes:
        outcome: ``OK`` or the name of the error.
        value: What was answered, masked; of an error nothing, since messages differ.
    """

    outcome: str
    value: Any


class Played(NamedTuple):
    """What a cluster made of a sequence.

    Attributes:
        answers: One for each request.
        end: Every object of the kinds that were asked for, and the events of their watches, masked.
        requests: How many requests that took.
    """

    answers: tuple[Answer, ...]
    end: Json
    requests: int


async def play(stage: Stage, namespace: str, ops: Sequence[Op]) -> Played:
    """Play a sequence in a namespace, and leave that as it was.

    Args:
        stage: Where.
        namespace: Nothing else is in it.
        ops: The requests.
    """
    return await _Player(stage, namespace, ops).play()


class _Player:
    def __init__(self, stage: Stage, namespace: str, ops: Sequence[Op]) -> None:
        self.stage = stage
        self.cluster = stage.cluster
        self.namespace = namespace
        self.ops = ops
        self.asker = Asker(stage.cluster, namespace)
        self.mask = Mask(namespace)
        self.requests = 0
        # One version of a kind is enough to see all of its objects.
        names = {KINDS[op.kind].resource.plural: op.kind for op in ops if op.kind}.values()
        self.kinds = {name: KINDS[name] for name in names}

    async def play(self) -> Played:
        for kind in self.kinds.values():
            if kind.crd:
                await self.stage.crd(kind.crd)
        watches = [
            asyncio.ensure_future(self._follow(kind, await self._now(kind), labels, fields))
            for kind in self.kinds.values()
            for labels, fields in _selectors(kind)
        ]
        try:
            answers = [await self._answer(op) for op in self.ops]
            objects = {name: await self._objects(kind) for name, kind in self.kinds.items()}
            for kind in self.kinds.values():
                await self.cluster.create(kind.resource, self._last(kind))
            async with asyncio.timeout(_PATIENCE):
                events = await asyncio.gather(*watches)
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            await self._clear()
        told = [[{"type": event.type, "object": self.mask.object(event.object)} for event in found] for found in events]
        return Played(tuple(answers), {"objects": objects, "events": told}, self.requests)

    async def _answer(self, op: Op) -> Answer:
        if op.verb == "tick":
            await self.stage.another_second()
            self.mask.tick()
            return Answer("OK", None)
        self.requests += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                if op.verb in {"list", "more"}:
                    page = await self.asker.page(op)
                    return Answer("OK", {"items": self._shown(KINDS[op.kind], page.items), "more": bool(page.token)})
                found = await self.asker.object(op)
                return Answer("OK", None if found is None else self.mask.object(found))
        except PortError as error:
            return Answer(error.reason, None)

    # --- beginning and end

    async def _now(self, kind: Kind) -> str:
        """Return the version from which a watch sees all that is done here."""
        self.requests += 1
        page = await self.cluster.list(kind.resource, namespace=self.asker.where(kind), limit=1)
        return page.resource_version

    async def _follow(self, kind: Kind, since: str, labels: str, fields: str) -> list[WatchEvent]:
        """Return what a watch tells until the last object of this sequence is made."""
        found: list[WatchEvent] = []
        stream = self.cluster.watch(
            kind.resource, resource_version=since, namespace=self.asker.where(kind), labels=labels, fields=fields
        )
        self.requests += 1
        async with aclosing(stream):
            async for event in stream:
                if event.type == "BOOKMARK" or not self._is_ours(kind, event.object):
                    continue
                if event.object["metadata"]["name"] == self.asker.name(kind, _LAST):
                    break
                found.append(event)
        return found

    async def _objects(self, kind: Kind) -> list[Json]:
        self.requests += 1
        page = await self.cluster.list(kind.resource, namespace=self.asker.where(kind), limit=0)
        return self._shown(kind, page.items)

    async def _clear(self) -> None:
        """Delete everything, whatever holds it."""
        for kind in self.kinds.values():
            where = self.asker.where(kind)
            for item in (await self.cluster.list(kind.resource, namespace=where, limit=0)).items:
                if self._is_ours(kind, item):
                    await self._remove(kind, item["metadata"], where)

    async def _remove(self, kind: Kind, metadata: Json, where: str) -> None:
        if metadata.get("finalizers"):
            body: Json = {"metadata": {"finalizers": None}}
            await self.cluster.patch(kind.resource, metadata["name"], where, kind="merge", body=body)
            if metadata.get("deletionTimestamp"):
                return
        await self.cluster.delete(kind.resource, metadata["name"], where)

    def _last(self, kind: Kind) -> Json:
        """Return an object that every watch tells of; when it does, it has told everything."""
        metadata = {"name": self.asker.name(kind, _LAST), "labels": {"x": "1"}}
        if where := self.asker.where(kind):
            metadata["namespace"] = where
        head = {"apiVersion": kind.resource.api_version, "kind": kind.resource.kind}
        return {**head, "metadata": metadata, **kind.minimum}

    def _shown(self, kind: Kind, items: Sequence[Json]) -> list[Json]:
        return [self.mask.object(item) for item in items if self._is_ours(kind, item)]

    def _is_ours(self, kind: Kind, obj: Json) -> bool:
        name: str = obj["metadata"].get("name", "")
        return kind.resource.namespaced or name.startswith(f"{self.namespace}-")


def _selectors(kind: Kind) -> list[tuple[str, str]]:
    """Return the label and field selectors that a kind is watched by; the last object of a sequence fits each."""
    return [("", ""), ("x=1", ""), *(("", f"{path}={value}") for path, value in kind.selectable)]
