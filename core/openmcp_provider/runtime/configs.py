"""Tells the platform operator, on the ProviderConfig itself, whether it can be used and how many tenants follow it."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from openmcp_provider.domain.author import Contained, ProviderMistake
from openmcp_provider.domain.conditions import TRUE, Condition, Event
from openmcp_provider.domain.config import (
    NOT_FOUND,
    absent,
    announcement,
    judge,
    judge_references,
    report_config,
    said,
    unknown,
)
from openmcp_provider.domain.copies import Source
from openmcp_provider.domain.objects import Json
from openmcp_provider.domain.snapshot import Invalid, Missing, Valid
from openmcp_provider.domain.status import status_patch
from openmcp_provider.ports import NotFound, PortError
from openmcp_provider.provider import Reference
from openmcp_provider.runtime.backoff import Backoff
from openmcp_provider.runtime.cache import Cache, Key
from openmcp_provider.runtime.holds import Holds
from openmcp_provider.runtime.observing import Observer
from openmcp_provider.runtime.recorder import ClusterRecorder
from openmcp_provider.runtime.resources import provider_configs
from openmcp_provider.runtime.settings import Ports, Settings
from openmcp_provider.runtime.sources import Sources
from openmcp_provider.runtime.views import Caches, View

__all__ = ["ConfigKeeper"]

S = TypeVar("S")
C = TypeVar("C")

BACKOFF = Backoff(floor=1.0, ceiling=60.0)
COUNTING = 30.0
"""Seconds until a change in the number of tenants is told: it is one write then, however many came or went."""

READING = 10.0
"""Seconds to wait for what it names to be read, before it is told that it cannot be."""

HOLD_CHECK = 0.5


class ConfigKeeper(Generic[S, C]):
    """Writes the status of the ProviderConfig after each change of it, of what it names, or of the number of tenants.

    Args:
        provider: Whose.
        view: Knows the ProviderConfig.
        caches: Has it, and the tenants.
        sources: Reads what it names.
        ports: What it works with.
        settings: Which ProviderConfig it is.
        observer: Told of every change.
    """

    def __init__(
        self,
        provider: Contained[S, C],
        view: View[S, C],
        caches: Caches,
        sources: Sources[Key],
        ports: Ports,
        settings: Settings,
        observer: Observer,
    ) -> None:
        self._provider = provider
        self._view = view
        self._caches = caches
        self._sources = sources
        self._ports = ports
        self._settings = settings
        self._observer = observer
        self._recorder = ClusterRecorder(ports.platform, provider.edition.field_manager, ports.clock)
        self._changed = asyncio.Event()
        self._came_or_went = asyncio.Event()
        self._holds: Holds[Key] = Holds(ports.clock)
        self._group: asyncio.TaskGroup | None = None
        self._reading: asyncio.Task[None] | None = None
        self._count = 0
        self._said: Condition | None = None
        self._due: tuple[Condition, Event] | None = None
        self.key = Key("", settings.config_name)
        """By which it uses sources; that of no tenant, since those have a namespace."""

    def changed(self) -> None:
        """Look at the ProviderConfig again."""
        self._changed.set()

    def came_or_went(self) -> None:
        """Count tenants again, in a while."""
        self._came_or_went.set()

    async def run(self) -> None:
        """Keep the status until cancelled; every cache is filled."""
        self._count = len(self._caches.instances)
        self._came_or_went.clear()
        self._changed.set()
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._keep())
            group.create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            await self._came_or_went.wait()
            await self._ports.clock.sleep(COUNTING)
            self._came_or_went.clear()
            self._count = len(self._caches.instances)
            self._changed.set()

    async def _keep(self) -> None:
        failures = 0
        while True:
            await self._changed.wait()
            while self._holds.holds(self.key):
                await self._ports.clock.sleep(HOLD_CHECK)
            self._changed.clear()
            try:
                await self._tell()
            except NotFound:
                continue
            except PortError as error:
                if not failures:
                    self._observer.config_untold(self.key.name, error)
                await self._ports.clock.sleep(BACKOFF.wait(failures, self._ports.randomness, error))
                failures += 1
                self._changed.set()
            else:
                failures = 0

    async def _tell(self) -> None:
        config, found = self._view.config_object(), self._view.config()
        if config is None or isinstance(found, Missing):
            await self._read(())
            await self._tell_absent()
            return
        valid = await self._judge(found)
        if self._view.config_object() is not config:
            self._changed.set()
            return
        self._say(self._said or (said(config) if valid.status == TRUE else None), valid)
        event = announcement(self.key.name, said(config), valid)
        if event:
            self._due = (valid, event)
        status = report_config(config, valid, self._ports.clock.now(), tenants=self._count)
        if status is not None:
            await self._write(config, status)
        due, self._due = self._due, None
        if due and due[0] == valid:
            await self._recorder.record(config, due[1])

    async def _judge(self, found: Valid[C] | Invalid) -> Condition:
        try:
            return await self._judged(found)
        except ProviderMistake as mistake:
            await self._read(())
            return unknown(self._provider.title, mistake)

    async def _judged(self, found: Valid[C] | Invalid) -> Condition:
        problems = found.problems if isinstance(found, Invalid) else self._provider.check_config(found.value)
        valid = judge(problems)
        if valid.status != TRUE or isinstance(found, Invalid):
            await self._read(())
            return valid
        references = self._provider.references(found.value)
        await self._read(references)
        namespace = self._settings.namespace
        return judge_references(self.key.name, namespace, references, self._look) or valid

    async def _read(self, references: Iterable[Reference]) -> None:
        """Follow what is named, and nothing else any more; wait a while until it was read."""
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
        wanted = frozenset((reference.kind, reference.name) for reference in references)
        waiting = self._sources.follow(self.key, wanted, self._group)
        if waiting and self._group is not None:
            self._reading = self._group.create_task(self._wake_once_filled(waiting))
            await asyncio.wait((self._reading,), timeout=READING)

    async def _wake_once_filled(self, waiting: Sequence[Cache[Any]]) -> None:
        for cache in waiting:
            await cache.synced.wait()
        self._changed.set()

    def _look(self, reference: Reference) -> Source | str | None:
        cache = self._caches.sources[reference.kind, reference.name]
        if not cache.synced.is_set():
            return f"{cache.failure.reason if cache.failure else 'no answer yet'}; this is retried"
        return cache.get(Key(self._settings.namespace, reference.name))

    async def _tell_absent(self) -> None:
        """Say, once, that there is no ProviderConfig although one is needed."""
        edition, name = self._provider.edition, self.key.name
        try:
            needed = self._provider.check_config(None)
        except ProviderMistake as mistake:
            self._say(self._said, unknown(self._provider.title, mistake))
            return
        if not needed:
            self._said = None
        elif self._said is None or self._said.reason != NOT_FOUND:
            found: Sequence[Json] = ()
            with suppress(PortError):  # that there are others is but a hint
                found = (await self._ports.platform.list(provider_configs(edition), metadata_only=True)).items
            others = (item["metadata"]["name"] for item in found)
            self._say(self._said, absent(edition, name, (other for other in others if other != name)))

    def _say(self, before: Condition | None, now: Condition) -> None:
        event = announcement(self.key.name, before, now)
        self._said = now
        if event:
            self._observer.config_told(self.key.name, event)

    async def _write(self, config: Json, status: Json) -> None:
        patch = status_patch(config.get("status") or {}, status)
        body: Json = {"metadata": {"uid": config["metadata"]["uid"]}, "status": patch}
        made = await self._ports.platform.patch(
            provider_configs(self._provider.edition),
            self.key.name,
            kind="merge",
            body=body,
            subresource="status",
            manager=self._provider.edition.field_manager,
        )
        self._holds.add(self.key, self._caches.configs, self.key, made["metadata"]["resourceVersion"])
