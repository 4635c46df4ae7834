"""Tells the platform operator, on the ProviderConfig itself, whether it can be used and how many tenants follow it."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from openmcp_provider.domain.author import Contained, ProviderMistake
from openmcp_provider.domain.conditions import Condition
from openmcp_provider.domain.config import report_config
from openmcp_provider.domain.objects import Json
from openmcp_provider.domain.snapshot import Invalid, Missing
from openmcp_provider.domain.status import status_patch
from openmcp_provider.domain.unanswered import mistake_condition
from openmcp_provider.ports import Clock, Cluster, NotFound, PortError, Randomness
from openmcp_provider.runtime.backoff import Backoff
from openmcp_provider.runtime.resources import provider_configs
from openmcp_provider.runtime.views import View

__all__ = ["ConfigKeeper"]

S = TypeVar("S")
C = TypeVar("C")

BACKOFF = Backoff(floor=1.0, ceiling=60.0)
COUNTING = 30.0
"""Seconds until a change in the number of tenants is told: it is one write then, however many came or went."""


class ConfigKeeper(Generic[S, C]):
    """Writes the status of the ProviderConfig after each change of it, and a while after tenants came or went.

    Args:
        provider: Whose.
        view: Knows the ProviderConfig.
        platform: Where it is.
        clock: The time.
        randomness: For jitter.
        tenants: Counts those who follow it.
    """

    def __init__(
        self,
        provider: Contained[S, C],
        view: View[S, C],
        platform: Cluster,
        clock: Clock,
        randomness: Randomness,
        tenants: Callable[[], int],
    ) -> None:
        self._provider = provider
        self._view = view
        self._platform = platform
        self._clock = clock
        self._randomness = randomness
        self._tenants = tenants
        self._changed = asyncio.Event()
        self._came_or_went = asyncio.Event()
        self._count: int | None = None

    def changed(self) -> None:
        """Look at the ProviderConfig again."""
        self._changed.set()

    def came_or_went(self) -> None:
        """Count tenants again, in a while."""
        self._came_or_went.set()

    async def run(self) -> None:
        """Keep the status until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep())
            group.create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            await self._came_or_went.wait()
            await self._clock.sleep(COUNTING)
            self._came_or_went.clear()
            self._count = self._tenants()
            self._changed.set()

    async def _keep(self) -> None:
        failures = 0
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._tell()
            except NotFound:
                continue
            except PortError as error:
                await self._clock.sleep(BACKOFF.wait(failures, self._randomness, error))
                failures += 1
                self._changed.set()
            else:
                failures = 0

    async def _tell(self) -> None:
        config, found = self._view.config_object(), self._view.config()
        if config is None or isinstance(found, Missing):
            return
        mistake: Condition | None = None
        problems = found.problems if isinstance(found, Invalid) else ()
        try:
            problems = problems if isinstance(found, Invalid) else self._provider.check_config(found.value)
        except ProviderMistake as raised:
            mistake = mistake_condition(self._provider.title, raised)
        status = report_config(config, problems, self._clock.now(), followers=self._count, mistake=mistake)
        if status is None:
            return
        patch = status_patch(config.get("status") or {}, status)
        body: Json = {"metadata": {"uid": config["metadata"]["uid"]}, "status": patch}
        await self._platform.patch(
            provider_configs(self._provider.edition),
            config["metadata"]["name"],
            kind="merge",
            body=body,
            subresource="status",
            manager=self._provider.edition.field_manager,
        )
