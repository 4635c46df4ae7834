"""The story of a soak on real servers: whatever happens, every tenant gets Ready, and nothing was untrue.

The program runs twice, as leader and standby; openMCP and Flux are played. A story goes over the given time: versions
and values change, API servers go down and come back, a token is revoked, the leader killed, the ProviderConfig deleted,
pull secrets change, a control plane freezes, a tenant leaves and returns. After each chapter every tenant has to be as
its owner and the platform's want it. In the end the audit logs tell whether a write was for nothing, and whether a
status ever said Ready of what was not; the program's logs tell whether anything went wrong that had no reason to.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from openmcp_adapters.kubernetes import KubernetesClients
from openmcp_adapters.system import SystemRandomness
from openmcp_provider.domain.names import request_name
from openmcp_provider.domain.objects import Json, conditions, dig
from openmcp_provider.domain.onboarding import RUN
from openmcp_provider.ports import NotFound, PortError
from openmcp_provider.runtime.cache import Key
from openmcp_provider.runtime.election import LEASES
from openmcp_provider.runtime.resources import ACCESS_REQUESTS
from openmcp_testing.landscape import ServerLandscape, Servers
from service_provider_ocm import PROVIDER
from tests.cluster.estate import CONFIGS, OCMS, RELEASES, SYSTEM
from tests.cluster.replicas import Figures, Replica
from tests.cluster.soak_findings import Findings, Trouble
from tests.cluster.soak_wishes import Wishes
from tests.cluster.stage import Stage

__all__ = ["EVERYTHING", "Chapter", "Soak", "soak"]

PATIENCE = 240.0
"""Seconds until all must be well again."""
LIFE = timedelta(minutes=10)  # the shortest that Kubernetes gives a token: in a long soak each is renewed, too


Chapter = Callable[["Soak"], Awaitable[None]]


class Soak:
    """The story, chapter by chapter.

    Args:
        stage: Where it happens.
        wishes: What tenants and the platform want now.
        replicas: The program, twice.
        minutes: How long it takes, at least.
        chapters: What happens, in order.

    Attributes:
        troubles: When each chapter was.
        figures: What each process had used after a chapter: chapter, pod, figures.
    """

    def __init__(
        self, stage: Stage, wishes: Wishes, replicas: list[Replica], minutes: float, chapters: Sequence[Chapter]
    ) -> None:
        self.troubles: list[Trouble] = []
        self.figures: list[tuple[str, str, Figures]] = []
        self._stage = stage
        self._landscape = stage.landscape
        self._servers = stage.servers
        self._wishes = wishes
        self._replicas = replicas
        self._minutes = minutes
        self._chapters = chapters
        self._began = time.monotonic()

    async def play(self) -> None:
        """Play every chapter at its time, each until all is well again."""
        for number, chapter in enumerate(self._chapters):
            await self._until(number / len(self._chapters))
            title = chapter.__name__.replace("_", " ")
            self._say(title)
            async with self._trouble(title):
                await chapter(self)
                await self.well()
                await asyncio.sleep(3.0)  # what had begun before may still end badly
            self._look(title)
        await self._until(1.0)
        async with self._trouble("the end"):
            await self.well()
        self._look("the end")

    # -- chapters ----------------------------------------------------------------------------------------------------

    async def tenants_come(self) -> None:
        """Control planes are made, and every tenant asks for the toolkit."""
        await self._wishes.configure()
        for name in self._wishes.versions:
            await self._landscape.create_control_plane(name)
            await self._landscape.ready(name)
        await self._wishes.ask()

    async def versions_change(self) -> None:
        """Every tenant asks for a newer version."""
        await self._wishes.upgrade("0.6.1")

    async def values_change(self) -> None:
        """The platform operator changes the values."""
        await self._wishes.configure(replicas=2)

    async def platform_restarts(self) -> None:
        """The platform's server ends in good order, and is started again; meanwhile tenants ask for new versions."""
        await asyncio.to_thread(self._servers.platform.stop)
        await self._wishes.upgrade("0.6.2")
        await asyncio.sleep(5.0)
        await asyncio.to_thread(self._servers.platform.start)
        await self._servers.control()

    async def onboarding_dies(self) -> None:
        """The onboarding server is killed, and started again; meanwhile the platform operator changes the values."""
        await asyncio.to_thread(self._servers.onboarding.kill)
        await self._wishes.configure(replicas=3)
        await asyncio.sleep(5.0)
        await asyncio.to_thread(self._servers.onboarding.start)

    async def token_is_revoked(self) -> None:
        """The program's token for the onboarding cluster is refused for a while; then there is a new one."""
        name = request_name(PROVIDER.edition.onboarding_controller, RUN)
        request = await self._stage.platform.get(ACCESS_REQUESTS, name, SYSTEM)
        await self._landscape.world.revoke(request)
        await asyncio.sleep(15.0)  # a server that saw a token lately knows it for up to 10 seconds
        await self._wishes.upgrade("0.6.3")
        await asyncio.sleep(10.0)
        await self._landscape.granter.rotate(Key(SYSTEM, name))

    async def leader_is_killed(self) -> None:
        """The leader dies without a word; the standby takes over once its Lease has lapsed."""
        leader = await self._leader()
        assert leader is not None, "nobody leads, although all was well"
        leader.kill()
        await self._wishes.upgrade("0.6.4")

    async def config_is_deleted(self) -> None:
        """Without a ProviderConfig every tenant stays Ready and reads so, and nothing is touched; then one is there."""
        before = await self._releases()
        await self._stage.platform.delete(CONFIGS, "ocm")

        async def told() -> list[str]:
            found = [conditions(ocm) for ocm in (await self._stage.onboarding.list(OCMS)).items]
            wanted = ("True", "ReconcileSuccess", "False")
            return [str(one) for one in found if _standing(one) != wanted]

        await self._until_none(told)
        await asyncio.sleep(5.0)
        assert before == await self._releases(), "something was touched without a ProviderConfig"
        await self._wishes.configure()

    async def pull_secrets_change(self) -> None:
        """The registry wants another password, and the platform operator writes it into the pull secrets."""
        await self._wishes.change_password()

    async def control_plane_freezes(self) -> None:
        """One control plane answers nothing for a while; the other tenants get their new version all the same."""
        first, *others = self._wishes.versions
        process = self._landscape.server(first).process
        process.freeze()
        try:
            await self._wishes.upgrade("0.6.5")
            await self._until_none(lambda: self._wishes.unfulfilled(others))
            self._say("  all others have their new version")
            await asyncio.sleep(self._minutes * 2.0)
        finally:
            process.thaw()

    async def tenant_leaves_and_returns(self) -> None:
        """A tenant deletes its OCM, and asks for the toolkit again once that is gone."""
        name = next(iter(self._wishes.versions))
        await self._stage.onboarding.delete(OCMS, name, "default")

        async def there() -> list[str]:
            with suppress(NotFound):
                return [str(await self._stage.onboarding.get(OCMS, name, "default"))]
            return []

        await self._until_none(there)
        await self._wishes.ask(name)

    async def platform_dies_during_an_upgrade(self) -> None:
        """The platform's server is killed while new versions are under way."""
        await self._wishes.upgrade("0.7.0")
        await asyncio.sleep(0.5)
        await asyncio.to_thread(self._servers.platform.kill)
        await asyncio.sleep(2.0)
        await asyncio.to_thread(self._servers.platform.start)

    async def last_versions_change(self) -> None:
        """Every tenant asks for the last version."""
        await self._wishes.upgrade("0.7.1")

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def well(self) -> None:
        """Wait until everything is as wanted, and one of the processes leads."""
        began = time.monotonic()
        await self._until_none(self._unwell)
        self._say(f"  all well after {time.monotonic() - began:.1f} s")

    async def _unwell(self) -> list[str]:
        missing = [] if await self._leader() else ["nobody leads"]
        return missing + await self._wishes.unfulfilled(self._wishes.versions)

    async def _leader(self) -> Replica | None:
        """Return who holds the Lease and is alive, if anybody is."""
        lease = await self._stage.platform.get(LEASES, PROVIDER.edition.lease, SYSTEM)
        holder = dig(lease, "spec", "holderIdentity")
        return next((one for one in self._replicas if one.pid and holder == f"{one.pod}_{one.pid}"), None)

    async def _until_none(self, missing: Callable[[], Awaitable[list[str]]]) -> None:
        """Wait until nothing is missing.

        Raises:
            AssertionError: after a long time something still is.
        """
        left: list[str] = []
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        left = await missing()
                    except PortError as error:
                        left = [f"{error.reason}: {error}"]
                    if not left:
                        return
                    await asyncio.sleep(0.5)
        except TimeoutError:
            raise AssertionError("it never came to hold: " + "; ".join(left)) from None

    async def _until(self, part: float) -> None:
        """Wait for a part of the whole time."""
        await asyncio.sleep(max(0.0, self._began + part * self._minutes * 60 - time.monotonic()))

    @asynccontextmanager
    async def _trouble(self, title: str) -> AsyncIterator[None]:
        began = datetime.now(UTC)
        try:
            yield
        finally:
            self.troubles.append(Trouble(title, began, datetime.now(UTC)))

    async def _releases(self) -> list[tuple[Json, int]]:
        """Return every HelmRelease's identity and generation."""
        found = (await self._stage.platform.list(RELEASES)).items
        return [(one["metadata"]["uid"], one["metadata"]["generation"]) for one in found]

    def _look(self, title: str) -> None:
        for replica in self._replicas:
            if figures := replica.figures():
                self.figures.append((title, replica.pod, figures))

    def _say(self, text: str) -> None:
        seconds = int(time.monotonic() - self._began)
        print(f"{seconds // 60:3}:{seconds % 60:02} {text}", flush=True)


def _standing(found: dict[str, Json]) -> tuple[object, ...]:
    ready, config = (found.get(kind, {}) for kind in ("Ready", "ProviderConfigValid"))
    return ready.get("status"), ready.get("reason"), config.get("status")


EVERYTHING: tuple[Chapter, ...] = (
    Soak.tenants_come,
    Soak.versions_change,
    Soak.values_change,
    Soak.platform_restarts,
    Soak.onboarding_dies,
    Soak.token_is_revoked,
    Soak.leader_is_killed,
    Soak.config_is_deleted,
    Soak.pull_secrets_change,
    Soak.control_plane_freezes,
    Soak.tenant_leaves_and_returns,
    Soak.platform_dies_during_an_upgrade,
    Soak.last_versions_change,
)
"""Every chapter there is."""


async def soak(
    servers: Servers, client: str, folder: Path, *, minutes: float = 0.0, chapters: Sequence[Chapter] = EVERYTHING
) -> Findings:
    """Play the story, and return what is to be looked at afterwards.

    Args:
        servers: New ones, whose audit logs keep bodies; each of the pool becomes the control plane of a tenant.
        client: The client library of the program.
        folder: For logs and kubeconfigs.
        minutes: How long the story takes at least: its chapters are spread over that time.
        chapters: What happens, in order.
    """

    def named(name: str) -> Any:
        return KubernetesClients(randomness=SystemRandomness(), user_agent=name)

    async with ServerLandscape(servers, named, life=LIFE) as landscape:
        stage = Stage(landscape, servers, client, folder)
        await stage.install()
        wishes = Wishes(landscape, [f"t{number}" for number, _ in enumerate(servers.pool, 1)])
        replicas = [Replica(stage, f"sp-ocm-{number}", folder) for number in range(2)]
        story = Soak(stage, wishes, replicas, minutes, chapters)
        failure, plan = "", ""
        running = [asyncio.create_task(replica.run()) for replica in replicas]
        try:
            await story.play()
            plan = await planned(stage)
        except Exception as error:  # noqa: BLE001 - told with everything else
            failure = f"{type(error).__name__}: {error}"
        finally:
            for task in running:
                task.cancel()
            ended = await asyncio.gather(*running, return_exceptions=True)
        bad_ends = [str(end) for end in ended if not isinstance(end, asyncio.CancelledError)]
        return Findings(
            servers=servers,
            replicas=replicas,
            troubles=story.troubles,
            figures=story.figures,
            passwords=wishes.passwords,
            failures=[text for text in (failure, plan, *bad_ends) if text],
        )


async def planned(stage: Stage) -> str:
    """Return what `plan` says is still due, empty if nothing is."""
    process = await stage.start("plan", "--exit-code", pod="sp-ocm-plan")
    out, err = await asyncio.wait_for(process.communicate(), 60.0)
    return "" if process.returncode == 0 else f"plan ends with {process.returncode}: {out.decode()} {err.decode()}"
