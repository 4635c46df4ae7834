"""What the in-memory cluster does beyond the port: steps, log, limits; and what no server would be asked to show."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest

from openmcp_adapters.memory import MemoryCluster, Request
from openmcp_provider.domain.errors import Expired, Forbidden, Invalid, NotFound
from openmcp_provider.ports import Resource
from openmcp_testing.contract.objects import CONFIG_MAPS, GADGET, NAMESPACES, SECRETS, WIDGET

WIDGETS = Resource("contract.openmcp.test/v1", "Widget", "widgets")
GADGETS = Resource("contract.openmcp.test/v1", "Gadget", "gadgets", namespaced=False)
CRDS = Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)

Play = Callable[[MemoryCluster], Awaitable[None]]


def run(play: Play, **settings: Any) -> MemoryCluster:
    """Play on a fresh cluster and return it."""
    cluster = MemoryCluster("test", now=lambda: datetime(2026, 1, 1, tzinfo=UTC), **settings)
    asyncio.run(play(cluster))  # type: ignore[arg-type]  # every play is a coroutine function
    return cluster


def config_map(name: str, namespace: str = "default", *owners: Any, **metadata: Any) -> dict[str, Any]:
    """Return a ConfigMap that is owned by other objects."""
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
        }
        for owner in owners
    ]
    found = {"name": name, "namespace": namespace, **metadata}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**found, "ownerReferences": references}}


def widget(name: str, **spec: object) -> dict[str, Any]:
    """Return a Widget."""
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": WIDGETS.api_version, "kind": "Widget", "metadata": metadata, "spec": {"size": 1, **spec}}


def names(cluster: MemoryCluster, resource: Resource = CONFIG_MAPS) -> list[str]:
    """Return the names of all objects of a kind."""
    return [obj["metadata"]["name"] for obj in cluster.objects(resource)]


def test_garbage_goes_with_its_owner() -> None:
    """What only an object that is gone owned is collected, whole chains in one step, and nothing else."""

    async def play(cluster: MemoryCluster) -> None:
        root = await cluster.create(CONFIG_MAPS, config_map("root"))
        child = await cluster.create(CONFIG_MAPS, config_map("child", "default", root))
        await cluster.create(CONFIG_MAPS, config_map("grandchild", "default", child))
        await cluster.create(CONFIG_MAPS, config_map("free"))
        assert cluster.collect_garbage() == 0
        await cluster.delete(CONFIG_MAPS, "root", "default")
        assert names(cluster) == ["child", "free", "grandchild"]
        assert cluster.collect_garbage() == 2

    assert names(run(play)) == ["free"]


def test_garbage_has_no_living_owner() -> None:
    """Of several owners one that lives is enough; the references to the others are taken out."""

    async def play(cluster: MemoryCluster) -> None:
        one = await cluster.create(CONFIG_MAPS, config_map("one"))
        two = await cluster.create(CONFIG_MAPS, config_map("two"))
        await cluster.create(CONFIG_MAPS, config_map("child", "default", one, two))
        await cluster.delete(CONFIG_MAPS, "one", "default")
        assert cluster.collect_garbage() == 0
        child = await cluster.get(CONFIG_MAPS, "child", "default")
        assert [owner["name"] for owner in child["metadata"]["ownerReferences"]] == ["two"]

    run(play)


def test_garbage_is_told_by_uid() -> None:
    """A new object under the owner's name is not the owner."""

    async def play(cluster: MemoryCluster) -> None:
        owner = await cluster.create(CONFIG_MAPS, config_map("owner"))
        await cluster.create(CONFIG_MAPS, config_map("child", "default", owner))
        await cluster.delete(CONFIG_MAPS, "owner", "default")
        await cluster.create(CONFIG_MAPS, config_map("owner"))
        assert cluster.collect_garbage() == 1

    assert names(run(play)) == ["owner"]


def test_owners_live_in_the_same_namespace() -> None:
    """An owner in another namespace counts as gone; a cluster-scoped one owns everywhere."""

    async def play(cluster: MemoryCluster) -> None:
        cluster.install(GADGET)
        gadget = {"apiVersion": GADGETS.api_version, "kind": "Gadget", "metadata": {"name": "g"}}
        wide = await cluster.create(GADGETS, gadget)
        far = await cluster.create(CONFIG_MAPS, config_map("far", "kube-system"))
        await cluster.create(CONFIG_MAPS, config_map("of-wide", "default", wide))
        await cluster.create(CONFIG_MAPS, config_map("of-far", "default", far))
        assert cluster.collect_garbage() == 1

    assert names(run(play)) == ["of-wide", "far"]


def test_garbage_waits_for_finalizers() -> None:
    """Garbage with finalizers terminates and is not collected twice."""

    async def play(cluster: MemoryCluster) -> None:
        owner = await cluster.create(CONFIG_MAPS, config_map("owner"))
        await cluster.create(CONFIG_MAPS, config_map("child", "default", owner, finalizers=["t.io/f"]))
        await cluster.delete(CONFIG_MAPS, "owner", "default")
        assert (cluster.collect_garbage(), cluster.collect_garbage()) == (1, 0)
        assert "deletionTimestamp" in (await cluster.get(CONFIG_MAPS, "child", "default"))["metadata"]

    run(play)


def test_namespaces_end_by_a_step() -> None:
    """A deleted namespace stays until the step empties it, and longer while something in it has finalizers."""

    async def play(cluster: MemoryCluster) -> None:
        cluster.add_namespace("ns")
        await cluster.create(CONFIG_MAPS, config_map("free", "ns"))
        await cluster.create(CONFIG_MAPS, config_map("held", "ns", finalizers=["t.io/f"]))
        await cluster.delete(NAMESPACES, "ns")
        assert names(cluster) == ["free", "held"]
        assert cluster.finish_namespaces() == 1
        assert names(cluster) == ["held"]
        body = {"metadata": {"finalizers": None}}
        await cluster.patch(CONFIG_MAPS, "held", "ns", kind="merge", body=body)
        assert cluster.finish_namespaces() == 0
        with pytest.raises(NotFound):
            await cluster.get(NAMESPACES, "ns")

    run(play)


def test_lasting_namespaces() -> None:
    """The namespaces that every cluster has cannot be deleted."""

    async def play(cluster: MemoryCluster) -> None:
        with pytest.raises(Forbidden):
            await cluster.delete(NAMESPACES, "default")

    run(play)


def test_definitions_wait_for_their_objects() -> None:
    """A deleted definition stays while an object of it has finalizers, admits no new ones, and goes with the last."""

    async def play(cluster: MemoryCluster) -> None:
        cluster.install(WIDGET)
        held = widget("held")
        held["metadata"]["finalizers"] = ["t.io/f"]
        await cluster.create(WIDGETS, held)
        await cluster.create(WIDGETS, widget("free"))
        name = WIDGET["metadata"]["name"]
        left = await cluster.delete(CRDS, name)
        assert left is not None
        assert "deletionTimestamp" in left["metadata"]
        assert names(cluster, WIDGETS) == ["held"]
        with pytest.raises(Forbidden):
            await cluster.create(WIDGETS, widget("new"))
        await cluster.patch(WIDGETS, "held", "default", kind="merge", body={"metadata": {"finalizers": None}})
        with pytest.raises(NotFound):
            await cluster.get(CRDS, name)
        with pytest.raises(NotFound):
            await cluster.list(WIDGETS)

    run(play)


def test_definitions_are_extended_in_place() -> None:
    """A changed definition is in force at once and keeps its objects."""

    async def play(cluster: MemoryCluster) -> None:
        cluster.install(GADGET)
        await cluster.create(GADGETS, {"apiVersion": GADGETS.api_version, "kind": "Gadget", "metadata": {"name": "g"}})
        crd: Any = await cluster.get(CRDS, GADGET["metadata"]["name"])
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        schema["properties"]["spec"]["properties"]["more"] = {"type": "string"}
        await cluster.update(CRDS, crd)
        body = {"spec": {"more": "x"}}
        new = await cluster.patch(GADGETS, "g", kind="merge", body=body)
        assert new["spec"] == {"more": "x"}

    run(play)


def test_immutable_paths() -> None:
    """A field installed as immutable can be set once; changing or removing it is Invalid, all else can be changed."""

    async def play(cluster: MemoryCluster) -> None:
        cluster.install(WIDGET, immutable=[("spec", "inner", "one")])
        await cluster.create(WIDGETS, widget("a"))

        async def write(**spec: object) -> None:
            await cluster.patch(WIDGETS, "a", "default", kind="merge", body={"spec": spec})

        await write(inner={"one": "1"})
        await write(inner={"one": "1", "two": "2"}, size=2)
        for inner in ({"one": "2"}, {"one": None}, None):
            with pytest.raises(Invalid):
                await write(inner=inner)

    run(play)


def test_rules_of_immutability() -> None:
    """The validation rule `self == oldSelf` of a schema is in force, with its message."""

    async def play(cluster: MemoryCluster) -> None:
        version = WIDGET["spec"]["versions"][0]
        properties = version["schema"]["openAPIV3Schema"]["properties"]
        rule = {"rule": "self == oldSelf", "message": "size is for ever"}
        spec = {**properties["spec"], "x-kubernetes-validations": [rule]}
        schema = {"openAPIV3Schema": {"type": "object", "properties": {**properties, "spec": spec}}}
        crd = {**WIDGET, "spec": {**WIDGET["spec"], "versions": [{**version, "schema": schema}]}}
        cluster.install(crd)
        await cluster.create(WIDGETS, widget("a"))
        with pytest.raises(Invalid, match="size is for ever"):
            await cluster.patch(WIDGETS, "a", "default", kind="merge", body={"spec": {"size": 2}})
        await cluster.patch(WIDGETS, "a", "default", kind="merge", body={"metadata": {"labels": {"l": "1"}}})

    run(play)


def test_history_is_limited() -> None:
    """Only so many changes of a kind are kept; a watch from before, or one that fell behind, has expired."""

    async def play(cluster: MemoryCluster) -> None:
        since = (await cluster.list(CONFIG_MAPS)).resource_version
        stream = cluster.watch(CONFIG_MAPS, resource_version=since)
        await cluster.create(CONFIG_MAPS, config_map("first"))
        async with aclosing(stream):
            assert (await anext(stream)).type == "ADDED"
            for number in range(4):
                await cluster.create(CONFIG_MAPS, config_map(f"c{number}"))
            with pytest.raises(Expired):
                await anext(stream)
        with pytest.raises(Expired):
            await anext(cluster.watch(CONFIG_MAPS, resource_version=since))

    run(play, history=3)


def test_history_is_kept_by_kind() -> None:
    """Changes of one kind do not push out those of another."""

    async def play(cluster: MemoryCluster) -> None:
        since = (await cluster.list(CONFIG_MAPS)).resource_version
        await cluster.create(CONFIG_MAPS, config_map("a"))
        for number in range(4):
            secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"s{number}", "namespace": "default"}}
            await cluster.create(SECRETS, secret)
        stream = cluster.watch(CONFIG_MAPS, resource_version=since)
        async with aclosing(stream):
            assert (await anext(stream)).object["metadata"]["name"] == "a"

    run(play, history=3)


def test_watches_are_renewed() -> None:
    """A watch that nothing happens to gets bookmarks and ends after its time, with a bookmark last."""

    async def play(cluster: MemoryCluster) -> None:
        stream = cluster.watch(CONFIG_MAPS, resource_version="1")
        events = [event async for event in stream]
        assert len(events) > 2
        assert {"BOOKMARK"} == {event.type for event in events}

    run(play, bookmark_seconds=0.01, watch_seconds=0.05)


def test_a_watch_without_version_begins_with_what_there_is() -> None:
    """From version 0 a watch first tells every object as added."""

    async def play(cluster: MemoryCluster) -> None:
        await cluster.create(CONFIG_MAPS, config_map("a"))
        stream = cluster.watch(CONFIG_MAPS, resource_version="0", namespace="default")
        async with aclosing(stream):
            event = await anext(stream)
            assert (event.type, event.object["metadata"]["name"]) == ("ADDED", "a")

    run(play)


def test_requests_are_logged() -> None:
    """The log has every request with its client and result, in order; steps are no requests."""

    async def play(cluster: MemoryCluster) -> None:
        other = cluster.client("other")
        cluster.install(WIDGET)
        await other.create(WIDGETS, widget("a"))
        await cluster.list(WIDGETS, namespace="default")
        with pytest.raises(NotFound):
            await other.get(WIDGETS, "b", "default")
        body = {"status": {"phase": "x"}}
        await other.patch(WIDGETS, "a", "default", kind="merge", body=body, subresource="status")
        await cluster.served("apps")

    cluster = run(play)

    assert cluster.requests == [
        Request(1, "other", "create", "Widget", "default", "a", "OK"),
        Request(2, "", "list", "Widget", "default", "", "OK"),
        Request(3, "other", "get", "Widget", "default", "b", "NotFound"),
        Request(4, "other", "patch", "Widget/status", "default", "a", "OK"),
        Request(5, "", "served", "", "", "apps", "OK"),
    ]
    assert cluster.counts("other") == {("create", "Widget"): 1, ("get", "Widget"): 1, ("patch", "Widget/status"): 1}
    assert cluster.counts()["list", "Widget"] == 1


def test_requests_let_others_run() -> None:
    """Between two requests of one task others get their turn, so that nobody can rely on reading and writing as one."""

    async def play(cluster: MemoryCluster) -> None:
        order: list[str] = []

        async def work(name: str) -> None:
            for _ in range(2):
                await cluster.list(CONFIG_MAPS)
                order.append(name)

        await asyncio.gather(work("a"), work("b"))
        assert order == ["a", "b", "a", "b"]

    run(play)


def test_what_is_no_json() -> None:
    """A value that JSON has not is the program's fault, and told at once; frozen mappings and tuples are fine."""

    async def play(cluster: MemoryCluster) -> None:
        with pytest.raises(TypeError, match="datetime"):
            await cluster.create(CONFIG_MAPS, {**config_map("a"), "data": {"now": datetime(2026, 1, 1, tzinfo=UTC)}})
        frozen = MappingProxyType({**config_map("a", finalizers=("t.io/f",)), "data": MappingProxyType({"k": "v"})})
        found = await cluster.create(CONFIG_MAPS, frozen)
        assert (found["data"], found["metadata"]["finalizers"]) == ({"k": "v"}, ["t.io/f"])

    run(play)


def test_a_resource_is_as_the_server_serves_it() -> None:
    """A resource with another scope or kind than the server's is refused, where a real one would answer oddly."""

    async def play(cluster: MemoryCluster) -> None:
        with pytest.raises(Invalid):
            await cluster.list(CONFIG_MAPS._replace(namespaced=False))
        with pytest.raises(Invalid):
            await cluster.create(CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})

    run(play)


def test_the_oldest_updaters_are_put_together() -> None:
    """Where more than ten managers updated an object, the oldest share one entry."""

    async def play(cluster: MemoryCluster) -> None:
        await cluster.create(CONFIG_MAPS, config_map("a", labels={"l": "1"}), manager="first")
        for number in range(12):
            body = {"data": {f"k{number}": "v"}}
            await cluster.patch(CONFIG_MAPS, "a", "default", kind="merge", body=body, manager=f"m{number:02}")
        entries = (await cluster.get(CONFIG_MAPS, "a", "default"))["metadata"]["managedFields"]
        assert len(entries) == 10
        assert {"ancient-changes"} <= {entry["manager"] for entry in entries}

    run(play)


def test_uids_and_times_are_given() -> None:
    """Identifiers and times come from what the cluster was given."""

    async def play(cluster: MemoryCluster) -> None:
        found = (await cluster.create(CONFIG_MAPS, config_map("a")))["metadata"]
        assert (found["uid"], found["creationTimestamp"]) == ("uid", "2026-01-01T00:00:00Z")

    run(play, new_uid=lambda: "uid")
