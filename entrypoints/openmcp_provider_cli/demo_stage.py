"""The stage of a demo: the landscape with the real controller on it, people who write, and somebody who watches."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

from attrs import asdict

from openmcp_adapters.emulation import Landscape, SeededRandomness
from openmcp_adapters.wire import decoder
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json
from openmcp_provider.ports import PortError, Resource
from openmcp_provider.provider import Provider
from openmcp_provider.runtime.cache import Cache, Key, Selection
from openmcp_provider.runtime.controller import Controller, Observer, Ports, Settings
from openmcp_provider.runtime.recorder import ClusterRecorder
from openmcp_provider.runtime.resources import instances, provider_configs
from openmcp_provider_cli.demo_clusters import Remains, everything, remains
from openmcp_provider_cli.demo_inputs import Cast
from openmcp_provider_cli.demo_progress import CLIENT, Aim, Progress, Row, View
from openmcp_provider_cli.documents import Document, Fault, WrongInput

__all__ = ["LIMIT", "QUIET", "Requests", "Stage"]

S = TypeVar("S")
C = TypeVar("C")

Requests = Counter[tuple[str, str]]
"""How many requests the provider sent, by cluster and verb."""

LIMIT = 1800.0
"""Virtual seconds after which nothing is waited for any more."""
QUIET = 300.0
"""Virtual seconds without a change after which nothing is waited for any more."""
_TICK = 0.25
SETTLING = 35.0
"""Virtual seconds: half a minute after tenants came, their number is told on the ProviderConfig."""
_SETTLED = 30.0  # virtual seconds that what goes on behind the scenes may take
_WRITTEN = (Resource("v1", "Secret", "secrets"), Resource("v1", "ConfigMap", "configmaps"))


class _Mistakes(Observer):
    """Keeps what went wrong inside the program."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def crashed(self, key: Key, error: Exception) -> None:
        """Keep a mistake, once."""
        told = f"{'/'.join(key)}: the program made a mistake: {error!r}"
        if told not in self.told:
            self.told.append(told)


class Stage(Generic[S, C]):
    """Everything that plays.

    Args:
        provider: Whose controller.
        cast: Who writes what.
        landscape: What is there.
        view: Told of what happens to the instances.
    """

    def __init__(self, provider: Provider[S, C], cast: Cast, landscape: Landscape, view: View) -> None:
        self._provider = provider
        self._cast = cast
        self._landscape = landscape
        self._view = view
        self._resource = instances(provider.edition)
        self._keys = tuple(Key(document.namespace, document.name) for document in cast.tenants)
        self.progress = Progress(
            title=provider.title,
            rows={key: Row(key) for key in self._keys},
            now=landscape.clock.monotonic,
            log=landscape.traffic.log,
        )
        onboarding = landscape.client(CLIENT, ONBOARDING)
        edition = provider.edition
        ports = Ports(
            platform=landscape.client(CLIENT),
            onboarding=onboarding,
            factory=landscape,
            decode=decoder,
            clock=landscape.clock,
            randomness=SeededRandomness(landscape.world.seed, CLIENT),
            recorder=ClusterRecorder(onboarding, f"service-provider-{edition.name}", landscape.clock),
        )
        settings = Settings(config_name=cast.config_name, namespace=cast.namespace)
        self._mistakes = _Mistakes()
        self._controller = Controller(provider, ports, settings, self._mistakes)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The tenants, in the order given."""
        return tuple(self.progress.rows[key] for key in self._keys)

    @property
    def mistakes(self) -> tuple[str, ...]:
        """What went wrong inside the program."""
        return tuple(self._mistakes.told)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None, None]:
        """Run the controller, and watch the instances."""
        clock = self._landscape.clock
        watcher = Cache(
            self._landscape.client("watcher", ONBOARDING),
            Selection(self._resource),
            keep=lambda obj: obj,
            changed=self._changed,
            clock=clock,
            randomness=SeededRandomness(self._landscape.world.seed, "watcher"),
        )
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._controller.run()), loop.create_task(watcher.run())]
        try:
            yield
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _changed(self, key: Key, _: Json | None, after: Json | None) -> None:
        before = self.progress.rows[key]
        row = self.progress.rows[key] = before.seen(after, self.progress.now())
        if row != before:
            self.progress.changed = self.progress.now()
        if (row.phase, row.message) != (before.phase, before.message):
            self._view.changed(self.progress, row)

    # -- what people do

    async def write(self) -> None:
        """Write everything that is given, and ask for the control planes.

        Raises:
            WrongInput: a cluster refuses some of it.
        """
        known = {resource.kind: resource for resource in (*_WRITTEN, provider_configs(self._provider.edition))}
        refused: list[Fault] = []
        for document in self._cast.operator:
            await self._apply("operator-person", PLATFORM, known[document.kind], document, refused)
        await asyncio.gather(*(self._arrive(document, refused) for document in self._cast.tenants))
        if refused:
            raise WrongInput(refused)

    async def _arrive(self, document: Document, refused: list[Fault]) -> None:
        """Have a tenant ask for a control plane and for the service; no two are served equally fast."""
        name, namespace = document.name, document.namespace
        delays = self._landscape.script(name, namespace).delays
        for step, seconds in asdict(delays).items():
            pace = 0.6 + 0.8 * self._landscape.world.chance("pace", namespace, name, step)
            setattr(delays, step, seconds * pace)
        await self._landscape.create_control_plane(name, namespace)
        await self._apply("tenant", ONBOARDING, self._resource, document, refused)

    async def _apply(
        self, who: str, cluster: str, resource: Resource, document: Document, refused: list[Fault]
    ) -> None:
        try:
            await self._landscape.client(who, cluster).apply(resource, document.body, manager="kubectl")
        except PortError as error:
            refused.append(Fault(document.place, f"{document}: refused by the API server: {error}"))

    async def delete(self) -> None:
        """Delete every instance."""
        tenant = self._landscape.client("tenant", ONBOARDING)
        await asyncio.gather(*(tenant.delete(self._resource, key.name, key.namespace) for key in self._keys))

    # -- waiting

    async def reach(self, aim: Aim) -> tuple[int, float]:
        """Wait until every tenant is there, or none gets there any more; return how many are, and after how long."""
        progress = self.progress
        progress.begin(aim)
        while progress.done < 1 and not self._over():
            await self._tick()
        self._view.passed(progress)
        reached = [row.since for row in self.rows if progress.reached(row)]
        return len(reached), max(reached, default=progress.began) - progress.began

    def _over(self) -> bool:
        now = self.progress.now()
        return now - self.progress.changed > QUIET or now - self.progress.began > LIMIT

    async def wait(self, seconds: float) -> Requests:
        """Let time pass once nobody has anything left to do; return what the provider sent meanwhile."""
        end = self.progress.now() + _SETTLED
        while not self._controller.idle and self.progress.now() < end:
            await self._tick()
        await asyncio.sleep(SETTLING)
        self.progress.begin("steady", seconds)
        while self.progress.done < 1:
            await self._tick()
        return self.requests(self.progress.began)

    async def settle(self) -> Remains:
        """Wait until what the deletions set off has happened; return what is left."""
        homes = {self._landscape.home(key.name, key.namespace) for key in self._keys}
        end = self.progress.now() + _SETTLED
        while True:
            found = remains(self._provider.edition, everything(self._landscape), homes)
            if not found.left or self.progress.now() > end:
                return found
            await asyncio.sleep(1.0)

    async def _tick(self) -> None:
        await asyncio.sleep(_TICK)
        for task in self._tasks:
            if task.done():
                task.result()  # it never ends but by a mistake
        self._view.passed(self.progress)

    def requests(self, since: float = 0.0) -> Requests:
        """Count what the provider sent."""
        found: Requests = Counter()
        for (cluster, verb, _), count in self._landscape.traffic.count(client=CLIENT, since=since).items():
            found[cluster, verb] += count
        return found
