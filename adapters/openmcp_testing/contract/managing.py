"""Rules of managedFields."""

from openmcp_provider.domain.errors import Invalid
from openmcp_provider.domain.objects import Json
from openmcp_testing.contract.applying import applied
from openmcp_testing.contract.case import Cases, Harness, equal, holds, refused
from openmcp_testing.contract.objects import (
    CONFIG_MAPS,
    GADGET,
    WIDGET,
    changed,
    config_map,
    entry,
    fresh,
    gadget,
    owners,
    version,
    widget,
)

__all__ = ["CASES"]

CASES = Cases()


@CASES.rule
async def write_takes_from_apply(h: Harness) -> None:
    """A patch of an applied field takes it from its owner, though the owner has the same name."""
    widgets = await h.crd(WIDGET)
    await applied(h, "m", {"size": 1, "code": "abc"})
    body = {"spec": {"code": "xyz"}}
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body, manager="m")
    equal({"f:spec": {"f:size": {}}}, entry(new, "m", "Apply")["fieldsV1"])
    equal({"f:spec": {"f:code": {}}}, entry(new, "m", "Update")["fieldsV1"])


@CASES.rule
async def entries_go_with_their_last_field(h: Harness) -> None:
    """A manager whose every field others took has no entry any more."""
    await applied(h, "other", {"size": 1})
    await applied(h, "m", {"size": 2})
    equal([("m", "Apply")], owners(await applied(h, "m", {"size": 2})))


@CASES.rule
async def applied_comes_before_updated(h: Harness) -> None:
    """In managedFields Apply entries stand before Update entries."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", {"size": 1, "code": "abc"}), manager="a")
    new = await applied(h, "m", {"notes": {"n": "1"}})
    equal([("m", "Apply"), ("a", "Update")], owners(new))


@CASES.rule
async def managed_fields_can_be_rewritten(h: Harness) -> None:
    """A JSON patch can turn an Update entry into an Apply entry; no generation, and dropped fields then really go."""
    widgets = await h.crd(WIDGET)
    spec = {"size": 1, "code": "abc", "mode": "slow"}
    old = await h.cluster.create(widgets, widget(h, "a", spec, labels={"l": "1"}), manager="m")
    entries = [{**found, "operation": "Apply"} for found in old["metadata"]["managedFields"]]
    body: list[Json] = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version(old)},
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
    ]
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="json", body=body, manager="m")
    equal([("m", "Apply")], owners(new))
    equal((1, old["spec"]), (new["metadata"]["generation"], new["spec"]))
    new = await applied(h, "m", {"size": 1, "mode": "slow"})
    equal([("m", "Apply")], owners(new))
    holds("code" not in new["spec"] and "labels" not in new["metadata"], "a dropped field stayed")


@CASES.rule
async def managed_fields_can_be_cleared(h: Harness) -> None:
    """`[{}]` clears managedFields; from then on only applying brings entries back."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a"), manager="m")
    body: list[Json] = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}]
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="json", body=body, manager="m")
    holds("managedFields" not in new["metadata"], "managedFields stayed")
    body = [{"op": "replace", "path": "/spec/size", "value": 2}]
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="json", body=body, manager="m")
    holds("managedFields" not in new["metadata"], "a patch brought managedFields back")
    new = await applied(h, "m", {"size": 3})
    equal([("m", "Apply"), ("before-first-apply", "Update")], owners(new))
    equal({"f:spec": {".": {}, "f:mode": {}}}, entry(new, "before-first-apply", "Update")["fieldsV1"])


@CASES.rule
async def managed_fields_begin_with_a_field(h: Harness) -> None:
    """An object that was created without a field that anybody could own has no managedFields until it is applied."""
    obj = config_map(h, "a")
    del obj["data"]
    await h.cluster.create(CONFIG_MAPS, obj, manager="m")
    body = {"data": {"k": "v"}}
    new = await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body=body, manager="m")
    holds("managedFields" not in new["metadata"], "a patch brought managedFields")
    new = await h.cluster.apply(CONFIG_MAPS, config_map(h, "a", {"n": "w"}), manager="m")
    equal([("m", "Apply"), ("before-first-apply", "Update")], owners(new))


@CASES.rule
async def managed_fields_are_not_the_status_writers(h: Harness) -> None:
    """A write of the status cannot change managedFields."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"), manager="m")
    sent = changed(fresh(old, managedFields=[{}]), status={"phase": "x"})
    new = await h.cluster.update(widgets, sent, subresource="status", manager="s")
    equal([("m", "Update"), ("s", "Update")], owners(new))


@CASES.rule
async def managed_fields_that_make_no_sense(h: Harness) -> None:
    """Entries that cannot be read are dropped in favour of those that were there."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"), manager="m")
    sent = fresh(old, managedFields=[{"manager": "x", "operation": "Update", "apiVersion": "v1"}], labels={"l": "1"})
    new = await h.cluster.update(widgets, sent, manager="m")
    equal([("m", "Update")], owners(new))


@CASES.rule
async def managed_fields_of_what_has_no_form(h: Harness) -> None:
    """A write whose list-map has an item without its key clears managedFields, though that part is not stored."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a"), manager="m")
    body: Json = {"status": {"conditions": [{}]}}
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body, manager="m")
    holds("managedFields" not in new["metadata"] and "status" not in new, "managedFields or the status stayed")


@CASES.rule
async def managed_fields_of_another_version(h: Harness) -> None:
    """An entry of a version that is not served is dropped; with it go all others, where the kind is a custom one."""
    widgets = await h.crd(WIDGET)
    for resource, obj, left in ((widgets, widget(h, "a"), []), (CONFIG_MAPS, config_map(h, "a"), ["other"])):
        await h.cluster.create(resource, obj, manager="m")
        body: Json = {"metadata": {"labels": {"l": "1"}}}
        old = await h.cluster.patch(resource, "a", h.namespace, kind="merge", body=body, manager="other")
        entries = [
            {**found, "apiVersion": "v7"} if found["manager"] == "m" else found
            for found in old["metadata"]["managedFields"]
        ]
        new = await h.cluster.update(resource, fresh(old, managedFields=entries), manager="m")
        equal(left, [manager for manager, _ in owners(new)])


@CASES.rule
async def managed_fields_of_duplicates(h: Harness) -> None:
    """An item that stands in a set twice is another field than the same item once: who takes one out owns the other."""
    widgets = await h.crd(WIDGET)
    twice = ["test.io/f", "test.io/f"]
    old = await h.cluster.create(widgets, widget(h, "a", finalizers=twice), manager="m")
    equal(twice, old["metadata"]["finalizers"])
    new = await h.cluster.update(widgets, fresh(old, finalizers=["test.io/f"]), manager="other")
    equal({"f:metadata": {"f:finalizers": {'v:"test.io/f"': {}}}}, entry(new, "other", "Update")["fieldsV1"])
    await h.cluster.update(widgets, fresh(new, finalizers=None))


@CASES.rule
async def the_last_label_leaves_a_trace(h: Harness) -> None:
    """When an apply takes the last label, and another entry names the map, the next write of any sort is a change."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", labels={"l": "1"}, finalizers=["test.io/f"]), manager="other")
    new = await h.cluster.delete(widgets, "a", h.namespace)
    for again in ("update", "delete"):
        body = {"metadata": {"labels": {"l": "1"}}}
        await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body, manager="other")
        await applied(h, "m", labels={"l": "2"})
        old = await applied(h, "m")
        holds("labels" not in old["metadata"], "the label stayed")
        if again == "update":
            new = await h.cluster.update(widgets, old)
        else:
            new = await h.cluster.delete(widgets, "a", h.namespace)
        holds(new and version(new) != version(old), f"the next {again} was no change")
        equal(new, await h.cluster.update(widgets, new or {}))
    await h.cluster.update(widgets, fresh(new or {}, finalizers=None))


@CASES.rule
async def the_last_field_under_another_entry(h: Harness) -> None:
    """Applying no longer the last field of a map that another entry names is Invalid: null would be left."""
    gadgets = await h.crd(GADGET)
    await h.cluster.create(gadgets, changed(gadget(h, "a"), status={}), manager="other")
    await h.cluster.apply(gadgets, changed(gadget(h, "a"), status={"phase": "x"}), manager="m")
    await refused(Invalid, h.cluster.apply(gadgets, gadget(h, "a"), manager="m"))
