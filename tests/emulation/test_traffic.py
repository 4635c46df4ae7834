"""What lies between a client and a cluster."""

import asyncio
from datetime import timedelta

import pytest

from openmcp_adapters.emulation import LOST, Landscape, Request, run
from openmcp_adapters.emulation.client import kubeconfig, read_kubeconfig
from openmcp_adapters.emulation.schemas import NAMESPACES, SECRETS
from openmcp_provider.domain.objects import PLATFORM
from openmcp_provider.ports import Forbidden, NotFound, PortError, Unauthorized, Unavailable
from tests.emulation.stage import ACCESS, SYSTEM, Stage, granted, play


def _secret(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "default"}}


def test_a_request_takes_time_there_and_back() -> None:
    """A write is visible before its answer arrives, and both take a while."""

    async def story(stage: Stage) -> tuple[float, bool]:
        began = stage.now
        task = asyncio.get_running_loop().create_task(stage.platform.create(SECRETS, _secret("a")))
        seen = False
        while not task.done():
            await stage.sleep(0.0001)
            names = [obj["metadata"]["name"] for obj in stage.landscape.platform.objects(SECRETS)]
            seen = seen or ("a" in names and not task.done())
        return stage.now - began, seen

    took, seen = play(story)

    assert 0.001 <= took <= 0.011
    assert seen


def test_latency_depends_on_the_request_alone() -> None:
    """What others do shifts nobody's latency."""

    async def story(stage: Stage, *, noise: bool) -> float:
        if noise:
            for number in range(5):
                await stage.landscape.client("tenant").create(SECRETS, _secret(f"noise-{number}"))
        began = stage.now
        await stage.platform.create(SECRETS, _secret("a"))
        return round(stage.now - began, 9)

    alone, among = play(lambda stage: story(stage, noise=False)), play(lambda stage: story(stage, noise=True))

    assert alone == among


def test_every_request_is_logged() -> None:
    """The log names time, client, cluster, verb, kind, place and outcome."""

    async def story(stage: Stage) -> list[Request]:
        await stage.platform.create(SECRETS, _secret("a"))
        with pytest.raises(NotFound):
            await stage.platform.get(SECRETS, "b", "default")
        return [entry for entry in stage.landscape.traffic.log if entry.client == "provider"]

    created, missing = play(story)

    assert created[1:] == ("provider", "platform", "create", "Secret", "default", "a", "OK")
    assert missing[1:] == ("provider", "platform", "get", "Secret", "default", "b", "NotFound")
    assert str(missing).endswith(" provider platform get Secret default/b NotFound")


def test_requests_are_counted_by_cluster_verb_and_kind() -> None:
    """Of one client, and in a span of time."""

    async def story(stage: Stage) -> None:
        await stage.platform.create(SECRETS, _secret("a"))
        await stage.sleep(10)
        middle = stage.now
        await stage.platform.get(SECRETS, "a", "default")
        traffic = stage.landscape.traffic

        assert traffic.count(client="provider") == {
            (PLATFORM, "create", "Secret"): 1,
            (PLATFORM, "get", "Secret"): 1,
        }
        assert traffic.count(client="provider", since=middle) == {(PLATFORM, "get", "Secret"): 1}
        assert traffic.count(client="provider", until=middle) == {(PLATFORM, "create", "Secret"): 1}

    play(story)


def test_a_refused_connection_fails_at_once() -> None:
    """Nobody waits for a cluster that is down."""

    async def story(stage: Stage) -> float:
        stage.landscape.kill_cluster(PLATFORM)
        began = stage.now
        with pytest.raises(Unavailable, match="connection refused"):
            await stage.platform.get(NAMESPACES, "default")
        return stage.now - began

    assert play(story) < 0.01


def test_a_frozen_cluster_costs_the_timeout() -> None:
    """A cluster that takes connections and never answers is given up after a while."""

    async def story(stage: Stage) -> float:
        stage.landscape.kill_cluster(PLATFORM, how="frozen")
        began = stage.now
        with pytest.raises(Unavailable, match="i/o timeout"):
            await stage.platform.get(NAMESPACES, "default")
        return stage.now - began

    assert 20 <= play(story, timeout=20) <= 20.01


def test_a_frozen_cluster_that_comes_back_answers() -> None:
    """What was sent meanwhile is carried out after all."""

    async def story(stage: Stage) -> float:
        stage.landscape.kill_cluster(PLATFORM, how="frozen")
        asyncio.get_running_loop().call_later(5, stage.landscape.revive_cluster, PLATFORM)
        began = stage.now
        await stage.platform.get(NAMESPACES, "default")
        return stage.now - began

    assert 5 <= play(story) <= 5.02


def test_a_write_whose_cluster_freezes_may_have_happened() -> None:
    """Unavailable says nothing about what was done."""

    async def story(stage: Stage) -> bool:
        task = asyncio.get_running_loop().create_task(stage.platform.create(SECRETS, _secret("a")))
        while not any(obj["metadata"]["name"] == "a" for obj in stage.landscape.platform.objects(SECRETS)):
            await stage.sleep(0.0001)
        stage.landscape.kill_cluster(PLATFORM, how="frozen")
        with pytest.raises(Unavailable):
            await task
        stage.landscape.revive_cluster(PLATFORM)
        return bool(await stage.platform.get(SECRETS, "a", "default"))

    assert play(story)


@pytest.mark.parametrize(("how", "least", "most"), [("refused", 0, 0.1), ("frozen", 30, 30.1)])
def test_watches_end_as_requests_fail(how: str, least: float, most: float) -> None:
    """A running watch ends at once with a cluster that is down, and after the timeout with one that is frozen."""

    async def story(stage: Stage) -> float:
        page = await stage.platform.list(SECRETS)
        events = stage.platform.watch(SECRETS, resource_version=page.resource_version)
        task = asyncio.ensure_future(anext(events))
        await stage.sleep(1)
        stage.landscape.kill_cluster(PLATFORM, how=how)  # type: ignore[arg-type]
        began = stage.now
        with pytest.raises(Unavailable):
            await task
        return stage.now - began

    assert least <= play(story) <= most


def test_a_watch_tells_a_little_later() -> None:
    """Events arrive after a latency, in order, and those of one moment together."""

    async def story(stage: Stage) -> list[tuple[str, float]]:
        page = await stage.platform.list(SECRETS)
        events = stage.platform.watch(SECRETS, resource_version=page.resource_version)
        seen: list[tuple[str, float]] = []

        async def follow() -> None:
            async for event in events:
                name = event.object["metadata"]["name"]
                seen.append((name, stage.now))

        task = asyncio.get_running_loop().create_task(follow())
        await stage.sleep(1)
        memory = stage.landscape.platform
        for name in ("a", "b"):
            await memory.create(SECRETS, _secret(name))
        wrote = stage.now
        await stage.sleep(1)
        task.cancel()
        return [(name, when - wrote) for name, when in seen]

    (first, early), (second, late) = play(story)

    assert (first, second) == ("a", "b")
    assert 0 < early == late <= 0.005


def test_faults_are_injected() -> None:
    """A hook decides what goes wrong with whose request."""

    def faults(*request: str) -> PortError | None:
        return Forbidden("not today") if request == ("provider", PLATFORM, "get", "Secret", "a") else None

    async def story(stage: Stage) -> None:
        await stage.platform.create(SECRETS, _secret("a"))
        with pytest.raises(Forbidden, match="not today"):
            await stage.platform.get(SECRETS, "a", "default")
        await stage.landscape.client("tenant").get(SECRETS, "a", "default")

    play(story, faults=faults)


def test_a_lost_answer_leaves_a_write_done() -> None:
    """The client is told Unavailable, and the log says that the answer was lost."""

    async def story(stage: Stage) -> str:
        with pytest.raises(Unavailable):
            await stage.platform.create(SECRETS, _secret("a"))
        stage.landscape.traffic.faults = None
        await stage.platform.get(SECRETS, "a", "default")
        return next(entry.outcome for entry in stage.landscape.traffic.log if entry.name == "a")

    assert play(story, faults=lambda client, *_: LOST if client == "provider" else None) == "Lost"


def test_a_kubeconfig_is_read_back() -> None:
    """What is handed out names cluster and token."""
    assert read_kubeconfig(kubeconfig("mcp-abc", "secret")) == ("mcp-abc", "secret")


@pytest.mark.parametrize(
    "raw",
    [b"", b"nonsense", b"{}", b'{"clusters": [], "users": []}', kubeconfig("x", "t").replace(b"emulated", b"org")],
)
def test_an_unusable_kubeconfig_is_refused(raw: bytes) -> None:
    """The error says so and shows nothing of it."""

    async def story(stage: Stage) -> str:
        with pytest.raises(ValueError, match="error loading config") as caught:
            stage.landscape.connect(raw)
        return str(caught.value)

    assert "nonsense" not in play(story)


def test_tokens_are_checked_at_every_request() -> None:
    """A client works until its token is revoked or has expired; one that was never granted does not work at all."""

    async def story(stage: Stage) -> None:
        link = stage.landscape.world.link(PLATFORM)
        link.grant("short", timedelta(seconds=60))
        link.grant("long", timedelta(days=1))
        short, long, never = (
            stage.landscape.connect(kubeconfig(PLATFORM, token)) for token in ("short", "long", "never")
        )
        with pytest.raises(Unauthorized):
            await never.get(NAMESPACES, "default")
        await short.get(NAMESPACES, "default")
        await stage.sleep(60)
        with pytest.raises(Unauthorized):
            await short.get(NAMESPACES, "default")
        await long.get(NAMESPACES, "default")
        link.tokens.clear()
        with pytest.raises(Unauthorized):
            await long.get(NAMESPACES, "default")

    play(story)


def test_a_cluster_that_does_not_exist_refuses() -> None:
    """So do those that are not there yet, or not any more."""

    async def story(stage: Stage) -> None:
        client = stage.landscape.connect(kubeconfig("mcp-nowhere", "token"))
        with pytest.raises(Unavailable, match="connection refused"):
            await client.get(NAMESPACES, "default")

    play(story)


def test_killing_a_control_plane_leaves_the_others() -> None:
    """One cluster's trouble is its own."""

    async def story(stage: Stage) -> None:
        for name in ("mcp-01", "mcp-02"):
            await stage.control_plane(name)
        stage.landscape.kill("mcp-01")
        dead = stage.landscape.client("tenant", stage.landscape.cluster_of("mcp-01"))
        alive = stage.landscape.client("tenant", stage.landscape.cluster_of("mcp-02"))
        with pytest.raises(Unavailable):
            await dead.get(NAMESPACES, "default")
        await alive.get(NAMESPACES, "default")
        stage.landscape.revive("mcp-01")
        await dead.get(NAMESPACES, "default")

    play(story)


def test_a_dead_control_plane_is_made_all_the_same() -> None:
    """Whoever kills it beforehand gets one that never answered."""

    async def story(stage: Stage) -> None:
        stage.landscape.kill("mcp-01", how="frozen")
        await stage.control_plane()
        request = await stage.access()
        assert granted(request)
        secret = await stage.secret()
        assert secret["metadata"]["name"] == f"{ACCESS}.kubeconfig"
        client = stage.landscape.client("tenant", stage.landscape.cluster_of("mcp-01"))
        with pytest.raises(Unavailable):
            await client.list(SECRETS, namespace=SYSTEM)

    play(story)


def test_a_landscape_needs_no_story() -> None:
    """Nothing happens on a landscape that nobody uses but renewals of watches."""

    async def story() -> set[str]:
        async with Landscape(seed=1) as landscape:
            await landscape.clock.sleep(10)
            begun = landscape.clock.monotonic()
            await landscape.clock.sleep(3600)
            return {entry.verb for entry in landscape.traffic.log if entry.time >= begun}

    assert run(story) == {"watch"}
