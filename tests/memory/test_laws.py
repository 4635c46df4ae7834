"""Laws of the in-memory cluster, whatever is asked of it."""

import asyncio
from contextlib import aclosing
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from openmcp_adapters.memory.fields import compare, decode, encode, fields_of
from openmcp_adapters.memory.merging import merge
from openmcp_adapters.memory.structure import ANYTHING
from openmcp_adapters.memory.values import same
from openmcp_provider.domain.errors import Conflict, PortError
from tests.memory.world import (
    FULL_SPECS,
    LABELS,
    NAMESPACE,
    OPS,
    SPECS,
    WIDGETS,
    Op,
    World,
)

# Each example plays a whole story.
LAW = settings(max_examples=40)
RUNS = st.lists(OPS, min_size=1, max_size=12)
JSON = st.recursive(
    st.one_of(st.integers(0, 2), st.booleans(), st.text("ab", max_size=2)),
    lambda inner: st.one_of(st.dictionaries(st.sampled_from("xyz"), inner), st.lists(inner, max_size=2)),
    max_leaves=6,
)
MAPS = st.dictionaries(st.sampled_from("xyz"), JSON)


def _version(obj: Any) -> int:
    return int(obj["metadata"]["resourceVersion"])


async def _replayed(world: World, start: Any, since: str, **selectors: Any) -> dict[str, Any]:
    """Return what a cache holds that began with `start` and followed the watch to now."""
    cache = {obj["metadata"]["name"]: obj for obj in start}
    stream = world.cluster.watch(WIDGETS, resource_version=since, namespace=NAMESPACE, **selectors)
    async with aclosing(stream):
        async for event in stream:
            name = event.object["metadata"].get("name", "")
            if event.type == "BOOKMARK":
                break
            if event.type == "DELETED":
                del cache[name]
            else:
                assert (name in cache) is (event.type == "MODIFIED")
                cache[name] = event.object
    return cache


@LAW
@given(RUNS)
def test_versions_grow(ops: list[Op]) -> None:
    """Every write answers with what was there before, or with a version greater than any before."""

    async def play() -> None:
        world, newest = World(), 0
        for op in ops:
            before = world.state()
            answer = await world.do(op)
            after = world.state()
            if before != after:
                (changed,) = {key for key in before | after if before.get(key) != after.get(key)}
                if changed in after:
                    assert _version(after[changed]) > newest
                    assert _version(after[changed]) == _version(answer)
                    newest = _version(after[changed])
            elif isinstance(answer, dict):
                assert answer == before["Widget", op.name]

    asyncio.run(play())


@LAW
@given(RUNS, st.sampled_from([{}, {"labels": "x=1"}, {"fields": "spec.mode=slow"}, {"labels": "!y", "fields": ""}]))
def test_watches_tell_the_state(ops: list[Op], selectors: dict[str, Any]) -> None:
    """Whoever lists at any time and then follows the watch ends with what a list shows at the end."""

    async def play() -> None:
        world = World()
        lists = []
        for op in ops:
            page = await world.cluster.list(WIDGETS, namespace=NAMESPACE, **selectors)
            lists.append((list(page.items), page.resource_version))
            await world.do(op)
        end = await world.cluster.list(WIDGETS, namespace=NAMESPACE, **selectors)
        for items, since in lists:
            cache = await _replayed(world, items, since, **selectors)
            assert set(cache) == {obj["metadata"]["name"] for obj in end.items}
            if not selectors.get("labels") and not selectors.get("fields"):
                assert list(end.items) == [cache[name] for name in sorted(cache)]

    asyncio.run(play())


@LAW
@given(RUNS, OPS)
def test_writes_again_are_silent(ops: list[Op], last: Op) -> None:
    """The same apply, patch or status write again right after itself changes nothing and makes no event.

    An apply that left nothing of a map is the exception, of a server too: see the rules of managedFields.
    """

    async def play() -> None:
        world = World()
        for op in ops:
            await world.do(op)
        answer = await world.do(last)
        if last.verb not in {"apply", "patch", "status"} or isinstance(answer, PortError):
            return
        if "spec" not in answer or _unsettled(world):
            return
        before = world.state()
        page = await world.cluster.list(WIDGETS, namespace=NAMESPACE)
        assert answer == await world.do(last)
        assert before == world.state()
        assert await _replayed(world, [], page.resource_version) == {}

    asyncio.run(play())


@LAW
@given(RUNS)
def test_writing_back_is_silent(ops: list[Op]) -> None:
    """Putting back what was just read changes nothing."""

    async def play() -> None:
        world = World()
        for op in ops:
            await world.do(op)
        before = world.state()
        for (kind, name), obj in before.items():
            if kind == "Widget" and (NAMESPACE, name) not in _unsettled(world):
                assert obj == await world.cluster.update(WIDGETS, obj, manager="other")
        assert before == world.state()

    asyncio.run(play())


@LAW
@given(RUNS)
def test_generations_count_specs(ops: list[Op]) -> None:
    """The generation grows by one exactly when the spec changes or deletion begins."""

    async def play() -> None:
        world = World()
        for op in ops:
            before = world.state().get(("Widget", op.name))
            await world.do(op)
            after = world.state().get(("Widget", op.name))
            if before and after and before["metadata"]["uid"] == after["metadata"]["uid"]:
                began = "deletionTimestamp" in after["metadata"] and "deletionTimestamp" not in before["metadata"]
                grown = after["metadata"]["generation"] - before["metadata"]["generation"]
                assert grown == int(began or not same(before.get("spec"), after.get("spec")))

    asyncio.run(play())


@LAW
@given(FULL_SPECS, SPECS, LABELS)
def test_force_outlives_who_was_forced(mine: dict[str, Any], others: dict[str, Any], labels: dict[str, str]) -> None:
    """A applies, B takes what it wants by force, A drops all: what B applied is still there, and B's."""

    async def play() -> None:
        world = World()
        await world.do(Op("apply", "a", "m1", {"labels": {"x": "0"}}, mine, True))
        forced = await world.do(Op("apply", "a", "m2", {"labels": labels}, {**others, "size": 3}, True))
        if isinstance(forced, PortError):
            return
        claimed = fields_of({"metadata": {"labels": labels}, "spec": {**others, "size": 3}}, _schema(world))
        left = await world.do(Op("apply", "a", "m1", {}, {"size": 3}, True))
        if isinstance(left, PortError):
            return
        assert left["metadata"]["labels"] == labels
        entry = next(found for found in left["metadata"]["managedFields"] if found["manager"] == "m2")
        assert claimed == decode(entry["fieldsV1"])
        for key, value in others.items():
            if not isinstance(value, (dict, list)) or key == "tags":
                assert same(left["spec"][key], 3 if key == "size" else value)

    asyncio.run(play())


@LAW
@given(RUNS, OPS)
def test_unforced_apply_takes_nothing(ops: list[Op], last: Op) -> None:
    """An apply without force either is a Conflict or takes no field from others but what is gone afterwards."""

    async def play() -> None:
        world = World()
        for op in ops:
            await world.do(op)
        before = world.state().get(("Widget", last.name))
        answer = await world.do(last._replace(verb="apply", force=False))
        if before is None or isinstance(answer, PortError):
            assert before is None or not isinstance(answer, Conflict) or before == world.state()["Widget", last.name]
            return
        kept = {_who(entry): entry for entry in answer["metadata"].get("managedFields", ())}
        for entry in before["metadata"].get("managedFields", ()):
            if _who(entry) != (last.manager, "Apply", ""):
                lost = decode(entry["fieldsV1"]) - decode(kept.get(_who(entry), {}).get("fieldsV1", {}))
                assert not lost & fields_of(answer, _schema(world))

    asyncio.run(play())


@LAW
@given(RUNS)
def test_answers_are_isolated(ops: list[Op]) -> None:
    """Whatever is done to an answer, an item, an event or to what was sent, the cluster's objects stay."""

    async def play() -> None:
        world = World()
        since = (await world.cluster.list(WIDGETS)).resource_version
        for op in ops:
            sent = op.manifest()
            answer = await world.do(op)
            before = world.state()
            page = await world.cluster.list(WIDGETS, namespace=NAMESPACE)
            for obj in (answer, sent, *page.items, *world.cluster.objects()):
                _ruin(obj)
            assert before == world.state()
        before = world.state()
        for obj in (await _replayed(world, [], since)).values():
            _ruin(obj)
        assert before == world.state()

    asyncio.run(play())


@LAW
@given(RUNS)
def test_equal_runs_are_equal(ops: list[Op]) -> None:
    """The same requests to another cluster of the same name give the same objects and the same log."""

    async def play() -> tuple[object, object]:
        world = World()
        for op in ops:
            await world.do(op)
        return list(world.cluster.objects()), world.cluster.requests

    assert asyncio.run(play()) == asyncio.run(play())


@LAW
@given(RUNS, st.integers(1, 3))
def test_pages_make_up_the_list(ops: list[Op], limit: int) -> None:
    """In pages of whatever size a list has the same items in the same order."""

    async def play() -> None:
        world = World()
        for op in ops:
            await world.do(op)
        whole = await world.cluster.list(WIDGETS)
        page = await world.cluster.list(WIDGETS, limit=limit)
        items = list(page.items)
        while page.token:
            page = await world.cluster.list(WIDGETS, limit=limit, token=page.token)
            items += page.items
        assert list(whole.items) == items

    asyncio.run(play())


@given(MAPS)
def test_field_sets_survive_the_wire(value: dict[str, Any]) -> None:
    """A set of fields is the same after it was written as fieldsV1 and read again."""
    fields = fields_of(value, ANYTHING)

    assert fields == decode(encode(fields))


@given(MAPS, MAPS)
def test_merging_is_laying_over(live: dict[str, Any], config: dict[str, Any]) -> None:
    """Laying a configuration over an object twice is the same as once, over nothing it is the configuration."""
    merged = merge(live, config, ANYTHING)

    assert same(merged, merge(merged, config, ANYTHING))
    assert same(config, merge({}, config, ANYTHING))
    assert same(live, merge(live, {}, ANYTHING))


@given(MAPS, MAPS)
def test_comparing_finds_what_changed(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Two objects are equal exactly if nothing was added, changed or removed; and there and back mirror each other."""
    there, back = compare(old, new, ANYTHING), compare(new, old, ANYTHING)

    assert same(old, new) is not any(there)
    assert (there.added, there.removed) == (back.removed, back.added)


def _who(entry: Any) -> tuple[str, str, str]:
    return entry["manager"], entry["operation"], entry.get("subresource", "")


def _unsettled(world: World) -> set[tuple[str, str]]:
    return world.cluster._store.table(WIDGETS)[0].unsettled


def _schema(world: World) -> dict[str, Any]:
    return world.cluster._store.table(WIDGETS)[0].kind.schemas["v1"]


def _ruin(value: object) -> None:
    """Empty everything in a value."""
    if isinstance(value, dict):
        for inner in value.values():
            _ruin(inner)
        value.clear()
    elif isinstance(value, list):
        for inner in value:
            _ruin(inner)
        value.clear()
