"""What the controller promises on the whole emulated landscape: requests, promptness, isolation, determinism."""

import asyncio
import base64
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal

import pytest

from openmcp_provider.domain.copies import Sealed
from openmcp_provider.domain.names import access_request_name, tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, dig, generation
from tests.runtime.stage import ACCESS, OCMS, READS, RELEASES, SECRETS, SOURCES, Stage, play

NAME = "sp-ocm-k8s-toolkit"
TOOLKIT = "ocm-k8s-toolkit-system"
BOTH: dict[str, Any] = {
    "imagePullSecret": {"name": "privateregcred"},
    "values": {"manager": {"imagePullSecrets": [{"name": "privateregcred"}]}},
}
CHART_ONLY: dict[str, Any] = {"imagePullSecret": {"name": "privateregcred"}}
EVENTS_APART = ("onboarding", "create", "Event")


async def configured(stage: Stage, spec: dict[str, Any]) -> None:
    """Write the ProviderConfig and its pull secret."""
    await stage.configure(**spec)
    await stage.pull_secret()


def split(requests: "Counter[tuple[str, str, str]]") -> tuple[int, int]:
    """Return reads and writes, Events apart."""
    reads = sum(count for (_, verb, _), count in requests.items() if verb in READS)
    return reads, sum(requests.values()) - reads - requests[EVENTS_APART]


@pytest.mark.parametrize(("spec", "polls"), [(BOTH, 10), (CHART_ONLY, 0)])
def test_a_steady_tenant_costs_no_request(spec: dict[str, Any], polls: int) -> None:
    """While Flux visibly reconciles, ten minutes bring one read per poll of a control plane with copies."""

    async def story(stage: Stage) -> None:
        await configured(stage, spec)
        for name in ("a", "b", "c"):
            await stage.tenant(name)
        began = await stage.ready("a", "b", "c")
        await asyncio.sleep(35.0)  # half a minute after tenants came, their number is told
        began = stage.landscape.clock.monotonic()
        versions = {
            name: dig(await stage.get(OCMS, name, "default", ONBOARDING), "metadata", "resourceVersion")
            for name in "abc"
        }
        seen = set()
        for _ in range(1200):
            await asyncio.sleep(0.5)
            release = await stage.get(RELEASES, NAME, tenant_namespace("a", "default"))
            seen |= {item["type"] for item in dig(release, "status", "conditions")}
        requests = stage.requests(began)
        assert "Reconciling" in seen, "Flux must be seen at work, else this proves nothing"
        assert not [key for key in requests if key[0] in {PLATFORM, ONBOARDING}]
        by_cluster: Counter[str] = Counter()
        for (cluster, verb, _), count in requests.items():
            assert verb == "list"
            by_cluster[cluster] += count
        assert all(count <= polls for count in by_cluster.values())
        assert bool(by_cluster) == bool(polls)
        after = {
            name: dig(await stage.get(OCMS, name, "default", ONBOARDING), "metadata", "resourceVersion")
            for name in "abc"
        }
        assert versions == after

    play(story)


def creation() -> tuple[int, int, int]:
    """Return reads, writes and Events of one creation with the ClusterRequest granted, polls not counted."""

    async def story(stage: Stage) -> tuple[int, int, int]:
        await configured(stage, BOTH)
        await stage.tenant("first")
        await stage.ready("first")
        await asyncio.sleep(35.0)  # so that its count is no part of the next
        await stage.landscape.create_control_plane("a")
        await stage.landscape.ready("a")
        began = stage.landscape.clock.monotonic()
        await stage.ocm("a")
        await stage.ready("a")
        requests = stage.requests(began)
        other = stage.landscape.cluster_of("first")
        mine = Counter({key: count for key, count in requests.items() if key[0] != other})
        polls = mine[stage.landscape.cluster_of("a"), "list", "Secret"]
        reads, writes = split(mine)
        assert polls == 1
        return reads - polls, writes, mine[EVENTS_APART]

    return play(story)


def test_a_creation_costs_few_requests() -> None:
    """With the ClusterRequest granted, one chart and one image pull secret: at most 12 writes, 4 Events and 4 reads."""
    reads, writes, events = creation()
    print(f"one creation: {reads} R + {writes} W, {events} Events; the Go program: 44 R + 10 W")
    print("one steady pass: 0 R + 0 W; the Go program: 17 R + 2 W")
    assert (reads <= 4, writes <= 12, events <= 4) == (True, True, True), (reads, writes, events)


@pytest.mark.parametrize("length", [63, 253])
def test_long_names_work_from_creation_to_gone(length: int) -> None:
    """An OCM may have any name that Kubernetes allows."""
    name = ("a" * 62 + ".") * 4
    name = (name[: length - 1] + "z") if length > 63 else "n" * 63

    async def story(stage: Stage) -> None:
        await configured(stage, BOTH)
        await stage.tenant(name)
        await stage.ready(name)
        await stage.delete(name)
        await stage.gone(name)
        assert not (await stage.landscape.client("tenant").list(RELEASES)).items

    play(story)


async def _first_write(stage: Stage, since: float, within: float = 30.0) -> float:
    """Return the virtual seconds from `since` to the provider's next write, Events apart."""

    async def written() -> bool:
        found = stage.requests(since)
        return any(verb not in READS for (_, verb, kind) in found if kind != "Event")

    await stage.until(written, within)
    lines = [
        line.time
        for line in stage.landscape.traffic.log
        if line.client == "provider"
        and line.time >= since
        and line.verb not in READS
        and line.verb != "watch"
        and line.kind != "Event"
    ]
    return min(lines) - since


@pytest.mark.parametrize("what", ["grant", "secret", "flux", "config"])
def test_what_happens_is_acted_on_at_once(what: str) -> None:
    """A grant, a rotated pull secret, a change of Flux, a changed config: each leads to a write without a poll."""

    async def story(stage: Stage) -> float:
        await configured(stage, {**BOTH, "pollInterval": "1h"})
        home = tenant_namespace("a", "default")
        await stage.tenant("a")
        if what == "grant":
            request = access_request_name("ocm.services.openmcp.cloud", "a")

            async def granted() -> bool:
                found = await stage.get(ACCESS, request, home)
                return bool(dig(found, "status", "phase") == "Granted")

            await stage.until(granted)
            return await _first_write(stage, stage.landscape.clock.monotonic() - 0.25)
        await stage.ready("a")
        await asyncio.sleep(5.0)
        began = stage.landscape.clock.monotonic()
        if what == "secret":
            await stage.pull_secret(auth="cm90YXRlZA==")
        elif what == "config":
            await stage.configure(**BOTH, pollInterval="2h")
        else:
            await stage.landscape.suspend("a")
        return await _first_write(stage, began)

    seconds = play(story)
    print(f"{what}: next write after {seconds:.3f} virtual seconds")
    assert seconds < 2.0


def _log(seed: int) -> tuple[str, dict[str, Any]]:
    async def story(stage: Stage) -> tuple[str, dict[str, Any]]:
        await configured(stage, BOTH)
        names = [f"t{number}" for number in range(6)]
        for name in names:
            await stage.tenant(name)
        await stage.ready(*names)
        await stage.delete("t0")
        await stage.gone("t0")
        states = {name: await stage.status(name) for name in names}
        told = {
            name: [
                (item["type"], item["status"], item["reason"], item["message"]) for item in state.get("conditions", ())
            ]
            for name, state in states.items()
        }
        return "\n".join(str(line) for line in stage.landscape.traffic.log), told

    return play(story, seed=seed)


def test_one_seed_gives_one_log_and_all_seeds_one_end() -> None:
    """Equal seeds give byte-identical request logs; ten seeds give ten interleavings and the same end."""
    log, end = _log(0)
    assert (log, end) == _log(0)
    others = [_log(seed) for seed in range(1, 10)]
    assert all(told == end for _, told in others)
    assert len({text for text, _ in others}) == len(others)


@pytest.mark.parametrize("how", ["refused", "frozen"])
def test_dead_control_planes_delay_nobody_else(how: Literal["refused", "frozen"]) -> None:
    """With three of ten control planes dead from the start the others are Ready in the same virtual time."""
    names = [f"t{number}" for number in range(10)]
    dead = names[::4][:3]
    alive = [name for name in names if name not in dead]

    def run(kill: bool) -> float:
        async def story(stage: Stage) -> float:
            await configured(stage, BOTH)
            for name in names:
                await stage.landscape.create_control_plane(name)
            for name in names:
                await stage.landscape.ready(name)
            for name in dead:
                if kill:
                    stage.landscape.kill(name, how=how)
            began = stage.landscape.clock.monotonic()
            for name in names:
                await stage.ocm(name)
            ready = await stage.ready(*alive) - began
            if kill:
                for name in dead:
                    await stage.told(name, "cannot be reached")
            return ready

        return play(story, stage={"workers": 2})

    with_all, with_dead = run(kill=False), run(kill=True)
    print(f"{how}: the living are Ready after {with_dead:.2f} s, without dead ones {with_all:.2f} s")
    assert with_dead <= with_all + 0.5


def test_nothing_of_ours_is_left_but_namespaces() -> None:
    """Deleted OCMs leave no object of ours on any cluster but the toolkit's namespace."""

    async def story(stage: Stage) -> None:
        await configured(stage, BOTH)
        for name in ("a", "b"):
            await stage.tenant(name)
        await stage.ready("a", "b")
        for name in ("a", "b"):
            await stage.delete(name)
        await stage.gone("a", "b")
        await asyncio.sleep(5.0)  # the garbage collector takes the kubeconfigs
        person = stage.landscape.client("tenant")
        for resource in (SOURCES, RELEASES, ACCESS):
            ours = [
                item
                for item in (await person.list(resource)).items
                if "sp-ocm" in item["metadata"]["name"] or resource == ACCESS
            ]
            assert not ours
        for name in ("a", "b"):
            secrets = await person.list(SECRETS, namespace=tenant_namespace(name, "default"))
            assert not secrets.items
            there = stage.landscape.client("tenant", stage.landscape.cluster_of(name))
            assert not (await there.list(SECRETS, namespace=TOOLKIT)).items

    play(story)


def test_generations_rise_only_when_something_was_asked_for() -> None:
    """Nothing is written twice: a Ready tenant's Flux objects are at their first generation."""

    async def story(stage: Stage) -> None:
        await configured(stage, BOTH)
        await stage.tenant("a")
        await stage.ready("a")
        await stage.stop()
        stage.start()
        await asyncio.sleep(300.0)
        home = tenant_namespace("a", "default")
        for resource in (SOURCES, RELEASES):
            found = await stage.get(resource, NAME, home)
            assert found is not None
            assert generation(found) == 1

    play(story)


def whole(value: object) -> str:
    """Return everything that a value holds, also what its `repr` hides."""
    if isinstance(value, Sealed):
        return whole(value.reveal())
    if is_dataclass(value):
        return "".join(whole(getattr(value, one.name)) for one in fields(value))
    if isinstance(value, Mapping):
        return "".join(whole(one) for one in (*value.keys(), *value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return "".join(map(whole, value))
    return value.decode(errors="replace") if isinstance(value, bytes) else f"{value}\n"


def test_no_secret_of_others_is_held() -> None:
    """Caches hold the data of the one Secret that is referred to, while it is; no data of copies or of others."""

    def held(stage: Stage) -> tuple[int, str]:
        caches = stage.controller.caches
        everything = [cache.get(key) for cache in caches.all() for key in cache]
        secrets = sum(len(list(cache)) for (kind, _), cache in caches.sources.items() if kind == "Secret")
        return secrets, whole(everything) + whole(list(stage.controller.kubeconfigs()))

    async def story(stage: Stage) -> None:
        person = stage.landscape.client("operator-person")
        await configured(stage, BOTH)
        await stage.pull_secret("somebody-elses", auth="bm90LW91cnM=")
        await stage.tenant("a")
        await stage.tenant("b")
        await stage.ready("a", "b")
        foreign = {"name": "foreign", "namespace": tenant_namespace("a", "default")}
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": foreign, "data": {"key": "Zm9yZWlnbi1ieXRlcw=="}}
        await person.create(SECRETS, manifest)
        await asyncio.sleep(120.0)
        values: dict[str, set[str]] = {}
        for secret in (await person.list(SECRETS)).items:
            values.setdefault(secret["metadata"]["name"], set()).update((secret.get("data") or {}).values())
        ours = values.pop("privateregcred")
        others = set().union(*values.values()) - ours
        assert len(others) >= 4, "two kubeconfigs and two Secrets of others"
        number, text = held(stage)
        assert 1 == number
        assert [] == [value for value in others if value in text or base64.b64decode(value).decode() in text]
        assert [1] == [text.count(value) for value in ours], "once: of the source, and not of any copy"
        await stage.configure(values={})
        await asyncio.sleep(120.0)
        number, text = held(stage)
        assert 0 == number
        assert [] == [value for value in others | ours if value in text]

    play(story)
