"""Rules of watches."""

import asyncio

from openmcp_provider.domain.errors import Expired, Unavailable
from openmcp_testing.contract.case import Cases, Fault, Harness, equal, holds, refused
from openmcp_testing.contract.objects import (
    CONFIG_MAPS,
    GADGET,
    WIDGET,
    changed,
    config_map,
    fresh,
    gadget,
    names,
    version,
    watching,
    widget,
)

__all__ = ["CASES"]

CASES = Cases()


@CASES.rule
async def watch_tells_what_happens(h: Harness) -> None:
    """A watch tells of every creation, change and deletion, in order."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets) as events:
        made = await h.cluster.create(widgets, widget(h, "a"))
        await h.cluster.update(widgets, changed(made, spec={"size": 2}))
        await h.cluster.delete(widgets, "a", h.namespace)
        for wanted in ("ADDED", "MODIFIED", "DELETED"):
            equal((wanted, "a"), await events.tell())


@CASES.rule
async def watch_events_are_whole(h: Harness) -> None:
    """An event has the object as the write answered it, with apiVersion and kind, of built-in kinds too."""
    widgets = await h.crd(WIDGET)
    for resource, obj in ((widgets, widget(h, "a")), (CONFIG_MAPS, config_map(h, "a"))):
        async with watching(h, resource, fields="metadata.name=a") as events:
            made = await h.cluster.create(resource, obj, manager="m")
            equal(made, (await events.next()).object)


@CASES.rule
async def watch_begins_after_its_version(h: Harness) -> None:
    """A watch begins right after the version that it is given: nothing before it, nothing missing."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a"))
    second = await h.cluster.create(widgets, widget(h, "b"))
    await h.cluster.create(widgets, widget(h, "c"))
    async with watching(h, widgets, version(second)) as events:
        equal(("ADDED", "c"), await events.tell())


@CASES.rule
async def watch_after_a_list_misses_nothing(h: Harness) -> None:
    """A watch from a list's resourceVersion tells exactly what the list does not show."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a"))
    page = await h.cluster.list(widgets, namespace=h.namespace)
    await h.cluster.create(widgets, widget(h, "b"))
    equal(["a"], names(page.items))
    async with watching(h, widgets, page.resource_version) as events:
        await h.cluster.create(widgets, widget(h, "c"))
        equal([("ADDED", "b"), ("ADDED", "c")], [await events.tell(), await events.tell()])


@CASES.rule
async def watch_resumes(h: Harness) -> None:
    """A watch from the version of the last event goes on right after it, also after a deletion."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets) as events:
        await h.cluster.create(widgets, widget(h, "a"))
        await h.cluster.delete(widgets, "a", h.namespace)
        await events.next()
        last = (await events.next()).object
    await h.cluster.create(widgets, widget(h, "b"))
    async with watching(h, widgets, version(last)) as events:
        equal(("ADDED", "b"), await events.tell())


@CASES.rule
async def watch_versions_grow(h: Harness) -> None:
    """The resourceVersions of a watch's events grow, that of a deletion too."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets) as events:
        made = await h.cluster.create(widgets, widget(h, "a"))
        await h.cluster.update(widgets, changed(made, spec={"size": 2}))
        await h.cluster.delete(widgets, "a", h.namespace)
        seen = [int(version((await events.next()).object)) for _ in range(3)]
    equal(sorted(set(seen)), seen)


@CASES.rule
async def watch_is_silent_about_writes_that_change_nothing(h: Harness) -> None:
    """A write that changes nothing, of whatever kind, makes no event."""
    widgets = await h.crd(WIDGET)
    made = await h.cluster.apply(widgets, widget(h, "a"), manager="m")
    async with watching(h, widgets) as events:
        await h.cluster.update(widgets, made, manager="x")
        await h.cluster.apply(widgets, widget(h, "a"), manager="m")
        await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body={"spec": {"size": 1}}, manager="x")
        await h.cluster.create(widgets, widget(h, "b"))
        equal(("ADDED", "b"), await events.tell())


@CASES.rule
async def watch_of_one_namespace(h: Harness) -> None:
    """A watch of a namespace tells nothing of others."""
    widgets = await h.crd(WIDGET)
    other = await h.another_namespace()
    async with watching(h, widgets) as events:
        await h.cluster.create(widgets, fresh(widget(h, "a"), namespace=other))
        await h.cluster.create(widgets, widget(h, "b"))
        equal(("ADDED", "b"), await events.tell())


@CASES.rule
async def watch_of_all_namespaces(h: Harness) -> None:
    """A watch without namespace tells of all."""
    widgets = await h.crd(WIDGET)
    other = await h.another_namespace()
    label = {"case": h.namespace}
    async with watching(h, widgets, everywhere=True, labels=f"case={h.namespace}") as events:
        await h.cluster.create(widgets, fresh(widget(h, "a", labels=label), namespace=other))
        await h.cluster.create(widgets, widget(h, "b", labels=label))
        equal([("ADDED", "a"), ("ADDED", "b")], [await events.tell(), await events.tell()])


@CASES.rule
async def watch_of_cluster_scoped_kinds(h: Harness) -> None:
    """A kind without namespaces is watched without one."""
    gadgets = await h.crd(GADGET)
    name = f"{h.namespace}-a"
    async with watching(h, gadgets, fields=f"metadata.name={name}") as events:
        await h.cluster.create(gadgets, gadget(h, "b"))
        await h.cluster.create(gadgets, gadget(h, "a"))
        equal(("ADDED", name), await events.tell())


@CASES.rule
async def watch_by_name(h: Harness) -> None:
    """A watch by name tells of that object alone."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets, fields="metadata.name=b") as events:
        for name in ("a", "b", "c"):
            await h.cluster.create(widgets, widget(h, name))
        await h.cluster.delete(widgets, "b", h.namespace)
        equal([("ADDED", "b"), ("DELETED", "b")], [await events.tell(), await events.tell()])


@CASES.rule
async def watch_by_label_sees_objects_come(h: Harness) -> None:
    """An object that enters the selection is ADDED, though it was there before."""
    widgets = await h.crd(WIDGET)
    made = await h.cluster.create(widgets, widget(h, "a"))
    async with watching(h, widgets, labels="l=1") as events:
        await h.cluster.update(widgets, fresh(made, labels={"l": "1"}))
        equal(("ADDED", "a"), await events.tell())


@CASES.rule
async def watch_by_label_sees_objects_leave(h: Harness) -> None:
    """An object that leaves the selection is DELETED: as it was before, under the version of the change."""
    widgets = await h.crd(WIDGET)
    made = await h.cluster.create(widgets, widget(h, "a", labels={"l": "1"}))
    async with watching(h, widgets, labels="l=1") as events:
        left = await h.cluster.update(widgets, changed(fresh(made, labels={"l": "2"}), spec={"size": 2}))
        event = await events.next()
        equal(("DELETED", version(left)), (event.type, version(event.object)))
        equal(({"l": "1"}, 1), (event.object["metadata"]["labels"], event.object["spec"]["size"]))
    await h.cluster.get(widgets, "a", h.namespace)


@CASES.rule
async def watch_by_field_sees_objects_leave(h: Harness) -> None:
    """So is one that leaves the selection by a field."""
    widgets = await h.crd(WIDGET)
    made = await h.cluster.create(widgets, widget(h, "a"))
    async with watching(h, widgets, fields="spec.mode=slow") as events:
        await h.cluster.update(widgets, changed(made, spec={"size": 1, "mode": "fast"}))
        equal(("DELETED", "a"), await events.tell())


@CASES.rule
async def watch_by_label_is_silent_about_the_rest(h: Harness) -> None:
    """Objects outside the selection make no events."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets, labels="l=1") as events:
        made = await h.cluster.create(widgets, widget(h, "a"))
        await h.cluster.update(widgets, changed(made, spec={"size": 2}))
        await h.cluster.delete(widgets, "a", h.namespace)
        await h.cluster.create(widgets, widget(h, "b", labels={"l": "1"}))
        equal(("ADDED", "b"), await events.tell())


@CASES.rule
async def watch_tells_of_status_writes(h: Harness) -> None:
    """A changed status is an event like any other."""
    widgets = await h.crd(WIDGET)
    made = await h.cluster.create(widgets, widget(h, "a"))
    async with watching(h, widgets) as events:
        new = await h.cluster.update(widgets, changed(made, status={"phase": "x"}), subresource="status")
        event = await events.next()
        equal(("MODIFIED", new), (event.type, event.object))


@CASES.rule
async def watch_tells_of_termination(h: Harness) -> None:
    """An object that waits for finalizers is first MODIFIED, then DELETED when the last is gone."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", finalizers=["test.io/f"]))
    async with watching(h, widgets) as events:
        await h.cluster.delete(widgets, "a", h.namespace)
        await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body={"metadata": {"finalizers": None}})
        event = await events.next()
        equal("MODIFIED", event.type)
        holds("deletionTimestamp" in event.object["metadata"], "it has no deletionTimestamp")
        equal(("DELETED", "a"), await events.tell())


@CASES.rule
async def watch_tells_a_new_object_from_the_old(h: Harness) -> None:
    """An object deleted and made anew is DELETED and ADDED, with two uids."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    async with watching(h, widgets) as events:
        await h.cluster.delete(widgets, "a", h.namespace)
        new = await h.cluster.create(widgets, widget(h, "a"))
        gone, made = await events.next(), await events.next()
    equal(("DELETED", "ADDED"), (gone.type, made.type))
    equal((old["metadata"]["uid"], new["metadata"]["uid"]), tuple(e.object["metadata"]["uid"] for e in (gone, made)))


@CASES.rule
async def watches_are_independent(h: Harness) -> None:
    """Several watches run beside each other; closing one does not disturb the other."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets) as one:
        async with watching(h, widgets) as other:
            await h.cluster.create(widgets, widget(h, "a"))
            equal([("ADDED", "a"), ("ADDED", "a")], [await one.tell(), await other.tell()])
        await h.cluster.create(widgets, widget(h, "b"))
        equal(("ADDED", "b"), await one.tell())


@CASES.rule
async def watches_wait(h: Harness) -> None:
    """A watch waits for the next event as long as it takes."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets) as events:
        waiting = asyncio.ensure_future(events.tell())
        await asyncio.sleep(0.3)
        holds(not waiting.done(), "it did not wait")
        await h.cluster.create(widgets, widget(h, "a"))
        equal(("ADDED", "a"), await waiting)


@CASES.rule
async def watches_can_be_cancelled(h: Harness) -> None:
    """A watch that waits can be cancelled at once; the adapter can be used on."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets) as events:
        waiting = asyncio.ensure_future(events.tell())
        await asyncio.sleep(0.1)
        waiting.cancel()
        (outcome,) = await asyncio.gather(waiting, return_exceptions=True)
        holds(isinstance(outcome, asyncio.CancelledError), f"it ended with {outcome!r}")
    await h.cluster.create(widgets, widget(h, "a"))


@CASES.rule
async def many_watches_can_be_opened_and_closed(h: Harness) -> None:
    """Closed watches give their connections back: many more can be opened in turn than are open at once."""
    widgets = await h.crd(WIDGET)
    for number in range(30):
        async with watching(h, widgets) as events:
            await h.cluster.create(widgets, widget(h, f"w{number}"))
            equal(("ADDED", f"w{number}"), await events.tell())


@CASES.rule
async def watch_from_a_forgotten_version(h: Harness) -> None:
    """A watch from a version that is too old is Expired."""
    widgets = await h.crd(WIDGET)
    made = await h.cluster.create(widgets, widget(h, "a"))
    await h.cluster.update(widgets, changed(made, spec={"size": 2}))
    async with h.provoke(Fault.OLD_VERSIONS), watching(h, widgets, version(made)) as events:
        await refused(Expired, events.any())


@CASES.rule
async def watch_that_expires(h: Harness) -> None:
    """A running watch that the server cannot go on with ends with Expired."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets) as events:
        await h.cluster.create(widgets, widget(h, "a"))
        await events.tell()
        async with h.provoke(Fault.WATCH_EXPIRES):
            await refused(Expired, events.ends())


@CASES.rule
async def watch_that_breaks(h: Harness) -> None:
    """A running watch whose connection breaks ends with Unavailable."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets) as events:
        await h.cluster.create(widgets, widget(h, "a"))
        await events.tell()
        async with h.provoke(Fault.WATCH_BREAKS):
            await refused(Unavailable, events.ends())


@CASES.rule
async def watch_that_ends(h: Harness) -> None:
    """A watch that the server ends cleanly just ends; another goes on from the last version."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets) as events:
        await h.cluster.create(widgets, widget(h, "a"))
        last = (await events.next()).object
        async with h.provoke(Fault.WATCH_ENDS):
            await events.ends()
    await h.cluster.create(widgets, widget(h, "b"))
    async with watching(h, widgets, version(last)) as events:
        equal(("ADDED", "b"), await events.tell())


@CASES.rule
async def watch_bookmarks(h: Harness) -> None:
    """A bookmark has a resourceVersion from which a watch misses nothing and repeats nothing."""
    widgets = await h.crd(WIDGET)
    async with watching(h, widgets) as events:
        made = await h.cluster.create(widgets, widget(h, "a"))
        await events.tell()
        async with h.provoke(Fault.BOOKMARK):
            mark = await events.any()
    equal("BOOKMARK", mark.type)
    holds(int(version(mark.object)) >= int(version(made)), "the bookmark is older than the last event")
    await h.cluster.create(widgets, widget(h, "b"))
    async with watching(h, widgets, version(mark.object)) as events:
        equal(("ADDED", "b"), await events.tell())
