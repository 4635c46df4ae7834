"""The program's own access to the onboarding cluster, on the emulated landscape under virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from openmcp_adapters.emulation import Landscape, SeededRandomness, run
from openmcp_provider.domain.objects import ONBOARDING, Json
from openmcp_provider.domain.onboarding import RUN, Onboarding, onboarding_access, run_rules
from openmcp_provider.ports import Unauthorized
from openmcp_provider.runtime.cache import Key
from openmcp_provider.runtime.onboarding import NoAccess, OnboardingAccess
from openmcp_provider.runtime.renewing import Renewing
from openmcp_provider.runtime.resources import ACCESS_REQUESTS, CLUSTER_REQUESTS, instances
from service_provider_ocm import PROVIDER

SYSTEM = "openmcp-system"
NAME = "ocm.ocm.services.openmcp.cloud--onboarding-run"
OCMS = instances(PROVIDER.edition)
EVERYTHING: Json = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


def wanted() -> Onboarding:
    """Return what `run` asks for."""
    return onboarding_access(PROVIDER.edition, RUN, SYSTEM, run_rules(PROVIDER.edition))


class Asked:
    """The access of one process, and what it said."""

    def __init__(self, landscape: Landscape) -> None:
        self.landscape = landscape
        self.said: list[str] = []
        self.access = OnboardingAccess(
            wanted(),
            platform=landscape.client("provider"),
            factory=landscape,
            clock=landscape.clock,
            randomness=SeededRandomness(0, "access"),
            told=self.said.append,
            manager="service-provider-ocm",
        )

    def requests(self) -> list[tuple[str, str]]:
        """Return what was asked of the platform, watches apart."""
        log = self.landscape.traffic.log
        return [(line.verb, line.kind) for line in log if line.client == "provider" and line.cluster == "platform"]


def play(story: Callable[[Landscape, Asked], Awaitable[None]]) -> None:
    """Play a story on a fresh landscape."""

    async def told() -> None:
        async with Landscape(crds=PROVIDER.crds) as landscape:
            await story(landscape, Asked(landscape))

    run(told)


async def kept(asked: Asked, story: Callable[[], Awaitable[None]]) -> None:
    """Keep the access valid while a story goes on."""
    task = asyncio.get_running_loop().create_task(asked.access.keep())
    try:
        await story()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_access_is_asked_for_and_used_once_granted() -> None:
    """Both requests are made by POST, the wait is told once a state, and the cluster then answers."""

    async def story(landscape: Landscape, asked: Asked) -> None:
        cluster = await asked.access.obtain()
        assert [] == list((await cluster.list(OCMS)).items)
        made = await landscape.client("person").get(ACCESS_REQUESTS, NAME, SYSTEM)
        assert wanted().access["spec"]["token"] == made["spec"]["token"]
        assert 2 == sum(verb == "create" for verb, _ in asked.requests())
        assert len(asked.said) == len(set(asked.said))
        assert asked.said[0].startswith("waiting for access to the onboarding cluster: ")
        assert asked.access.expires is not None
        await cluster.close()

    play(story)


def test_a_grant_that_is_there_is_used_at_once() -> None:
    """A process that starts again asks for nothing: it reads both requests and the Secret."""

    async def story(landscape: Landscape, asked: Asked) -> None:
        await (await asked.access.obtain()).close()
        again = Asked(landscape)
        before = len(asked.requests())
        await (await again.access.obtain()).close()
        assert ["get", "get", "get"] == [verb for verb, _ in asked.requests()[before:]]
        assert [] == again.said

    play(story)


def test_the_wide_access_of_the_go_program_is_narrowed() -> None:
    """An AccessRequest for everything is made to ask for what is needed; nothing else of it changes."""

    async def story(landscape: Landscape, asked: Asked) -> None:
        go = landscape.client("service-provider-ocm")
        wide = onboarding_access(PROVIDER.edition, RUN, SYSTEM, (EVERYTHING,))
        await go.create(CLUSTER_REQUESTS, wide.request)
        await go.create(ACCESS_REQUESTS, wide.access)
        await asyncio.sleep(60.0)
        await (await asked.access.obtain()).close()
        found = await go.get(ACCESS_REQUESTS, NAME, SYSTEM)
        assert wanted().access["spec"]["token"] == found["spec"]["token"]
        assert wide.access["spec"]["requestRef"] == found["spec"]["requestRef"]

    play(story)


def test_a_denial_is_told_and_ends_the_wait() -> None:
    """A request that is denied is no grant without a Secret: it says who must act."""

    async def story(landscape: Landscape, asked: Asked) -> None:
        landscape.world.script(SYSTEM).access = "deny"
        with pytest.raises(NoAccess, match=r"was denied; ask the platform operator"):
            await asked.access.obtain()

    play(story)


def test_the_wait_has_an_end() -> None:
    """Half an hour without an answer is a failure that names what was waited for."""

    async def story(landscape: Landscape, asked: Asked) -> None:
        landscape.world.script(SYSTEM).request = "never"
        with pytest.raises(NoAccess, match=r"after 30 minutes: ClusterRequest openmcp-system/.* is Pending"):
            await asked.access.obtain()
        assert 1790.0 <= asyncio.get_running_loop().time() <= 1810.0

    play(story)


def test_a_platform_that_is_away_is_waited_for() -> None:
    """An error of the platform ends nothing: the wait goes on when it is back."""

    async def story(landscape: Landscape, asked: Asked) -> None:
        landscape.kill_cluster("platform")
        waiting = asyncio.get_running_loop().create_task(asked.access.obtain())
        await asyncio.sleep(60.0)
        assert not waiting.done()
        landscape.revive_cluster("platform")
        await (await waiting).close()
        assert "Unavailable" in asked.said[0]

    play(story)


def test_a_preview_asks_for_nothing() -> None:
    """Without an access of an earlier run a preview says so, and leaves the platform as it is."""

    async def story(_: Landscape, asked: Asked) -> None:
        with pytest.raises(NoAccess, match="does not exist yet"):
            await asked.access.existing()
        assert ["get", "get"] == [verb for verb, _ in asked.requests()]
        await (await asked.access.obtain()).close()
        cluster = await asked.access.existing()
        await cluster.list(OCMS)
        await cluster.close()

    play(story)


def test_renewed_credentials_are_used_at_once() -> None:
    """When the Secret is rotated the next call uses the new token, and the old one may go."""

    async def story(landscape: Landscape, asked: Asked) -> None:
        cluster = await asked.access.obtain()

        async def rotated() -> None:
            await asyncio.sleep(5.0)
            await landscape.granter.rotate(Key(SYSTEM, NAME))
            await asyncio.sleep(5.0)
            _keep_newest(landscape)
            await cluster.list(OCMS)
            assert cluster.refused_since is None

        await kept(asked, rotated)
        await cluster.close()

    play(story)


def test_a_revoked_token_is_replaced_without_a_restart() -> None:
    """A call that is refused reads the Secret again and succeeds; while there is nothing newer it says so."""

    async def story(landscape: Landscape, asked: Asked) -> None:
        cluster = await asked.access.obtain()
        landscape.world.link(ONBOARDING).tokens.clear()
        with pytest.raises(Unauthorized):
            await cluster.list(OCMS)
        assert refused(cluster)
        await landscape.granter.rotate(Key(SYSTEM, NAME))
        await asyncio.sleep(10.0)
        await cluster.list(OCMS)
        assert not refused(cluster)
        await cluster.close()

    play(story)


def test_refusals_do_not_flood_the_platform() -> None:
    """However many calls are refused, the Secret is read again once in five seconds."""

    async def story(landscape: Landscape, asked: Asked) -> None:
        cluster = await asked.access.obtain()
        landscape.world.link(ONBOARDING).tokens.clear()
        before = len(asked.requests())
        for _ in range(20):
            await asyncio.gather(*[cluster.list(OCMS) for _ in range(5)], return_exceptions=True)
            await asyncio.sleep(0.5)
        assert len(asked.requests()) - before <= 4
        await cluster.close()

    play(story)


def refused(cluster: Renewing) -> bool:
    """Tell whether the credentials are refused."""
    return cluster.refused_since is not None


def _keep_newest(landscape: Landscape) -> None:
    tokens: dict[str, Any] = landscape.world.link(ONBOARDING).tokens
    for token in list(tokens)[:-1]:
        del tokens[token]
