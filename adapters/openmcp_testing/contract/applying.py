"""Rules of server-side apply."""

from typing import Any

from openmcp_provider.domain.errors import Conflict, Invalid
from openmcp_provider.domain.objects import Json
from openmcp_testing.contract.case import Cases, Harness, equal, holds, refused
from openmcp_testing.contract.objects import (
    CONFIG_MAPS,
    GADGET,
    SECRETS,
    WIDGET,
    changed,
    config_map,
    entry,
    gadget,
    owners,
    secret,
    version,
    widget,
)

__all__ = ["CASES", "applied"]

CASES = Cases()

NOBODY = "00000000-0000-0000-0000-000000000000"


async def applied(h: Harness, manager: str, spec: object = None, *, force: bool = True, **metadata: object) -> Any:  # noqa: ANN401
    """Apply the Widget `a` of this case; without size, since that has one owner."""
    widgets = await h.crd(WIDGET)
    manifest = widget(h, "a", **metadata)
    del manifest["spec"]
    if spec is not None:
        manifest["spec"] = spec
    return await h.cluster.apply(widgets, manifest, manager=manager, force=force)


@CASES.rule
async def apply_creates(h: Harness) -> None:
    """Applying an object that is not there creates it, as a create would."""
    found = await applied(h, "m", {"size": 1}, labels={"l": "1"})
    equal(({"size": 1, "mode": "slow"}, {"l": "1"}), (found["spec"], found["metadata"]["labels"]))
    equal(1, found["metadata"]["generation"])
    holds(found["metadata"]["uid"] and found["metadata"]["creationTimestamp"], "metadata missing")


@CASES.rule
async def apply_owns_what_it_says(h: Harness) -> None:
    """Who applies owns exactly the fields applied, by an Apply entry; defaults are owned by nobody."""
    spec = {"size": 1, "notes": {"n": "1"}, "values": {"deep": {"x": 1}}, "tags": ["t"], "inner": {}}
    found = await applied(h, "m", spec, labels={"l": "1"})
    wanted = {
        "f:metadata": {"f:labels": {"f:l": {}}},
        "f:spec": {
            "f:size": {},
            "f:notes": {"f:n": {}},
            "f:values": {"f:deep": {".": {}, "f:x": {}}},
            "f:tags": {},
            "f:inner": {},
        },
    }
    equal([("m", "Apply")], owners(found))
    equal(wanted, entry(found, "m", "Apply")["fieldsV1"])


@CASES.rule
async def apply_takes_any_text(h: Harness) -> None:
    """Text outside the first plane of Unicode, line ends of YAML and what it does not print arrive as sent."""
    notes = {"n": "\N{ROCKET} \x7f\x85\xa0\u2028\u2029\ufeff\ufffd \t\n\r \\ud83d", "\N{ROCKET}": "k"}
    found = await applied(h, "m", {"size": 1, "notes": notes})
    equal(notes, found["spec"]["notes"])


@CASES.rule
async def apply_refuses_long_keys(h: Harness) -> None:
    """A key is applied with its quotes up to 1,024 characters, since the server reads YAML; longer ones are invalid."""
    longest = "k" * 1022
    found = await applied(h, "m", {"size": 1, "notes": {longest: "v"}})
    equal({longest: "v"}, found["spec"]["notes"])
    await refused(Invalid, applied(h, "m", {"size": 1, "notes": {longest + "k": "v"}}))


@CASES.rule
async def apply_again_changes_nothing(h: Harness) -> None:
    """Applying the same again changes nothing, neither resourceVersion nor the time in managedFields."""
    old = await applied(h, "m", {"size": 1}, labels={"l": "1"})
    await h.another_second()
    equal(old, await applied(h, "m", {"size": 1}, labels={"l": "1"}))


@CASES.rule
async def apply_leaves_the_rest(h: Harness) -> None:
    """Fields that are not applied stay as they are, also below maps of which other keys are applied."""
    widgets = await h.crd(WIDGET)
    spec = {"size": 1, "code": "abc", "notes": {"a": "1"}, "inner": {"one": "1"}}
    await h.cluster.create(widgets, widget(h, "a", spec, labels={"l": "1"}), manager="other")
    new = await applied(h, "m", {"notes": {"b": "2"}, "inner": {"two": "2"}}, labels={"k": "2"})
    wanted = {
        "size": 1,
        "mode": "slow",
        "code": "abc",
        "notes": {"a": "1", "b": "2"},
        "inner": {"one": "1", "two": "2", "three": "3"},
    }
    equal((wanted, {"l": "1", "k": "2"}), (new["spec"], new["metadata"]["labels"]))


@CASES.rule
async def apply_removes_what_it_drops(h: Harness) -> None:
    """A field that is applied no longer goes, if nobody else owns it."""
    await applied(h, "m", {"size": 1, "code": "abc", "notes": {"a": "1", "b": "2"}}, labels={"l": "1"})
    new = await applied(h, "m", {"size": 1, "notes": {"a": "1"}})
    equal({"size": 1, "mode": "slow", "notes": {"a": "1"}}, new["spec"])
    holds("labels" not in new["metadata"], "the label stayed")
    equal({"f:spec": {"f:size": {}, "f:notes": {"f:a": {}}}}, entry(new, "m", "Apply")["fieldsV1"])


@CASES.rule
async def apply_falls_back_to_defaults(h: Harness) -> None:
    """A dropped field with a default gets the default."""
    await applied(h, "m", {"size": 1, "mode": "fast"})
    equal({"size": 1, "mode": "slow"}, (await applied(h, "m", {"size": 1}))["spec"])


@CASES.rule
async def apply_keeps_what_others_own(h: Harness) -> None:
    """A dropped field stays where another manager applied it too."""
    await applied(h, "m", {"size": 1, "code": "abc"})
    await applied(h, "other", {"code": "abc"})
    new = await applied(h, "m", {"size": 1})
    equal("abc", new["spec"]["code"])
    equal({"f:spec": {"f:code": {}}}, entry(new, "other", "Apply")["fieldsV1"])


@CASES.rule
async def apply_keeps_what_others_wrote(h: Harness) -> None:
    """A dropped field stays where another manager changed it since, by whatever kind of write."""
    widgets = await h.crd(WIDGET)
    await applied(h, "m", {"size": 1, "code": "abc"})
    await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body={"spec": {"code": "xyz"}}, manager="other")
    equal("xyz", (await applied(h, "m", {"size": 1}))["spec"]["code"])


@CASES.rule
async def apply_does_not_remove_what_it_only_updated(h: Harness) -> None:
    """A manager's Update entry is not its Apply entry: what it wrote otherwise, it does not drop by applying."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", {"size": 1, "code": "abc"}), manager="m")
    new = await applied(h, "m", {"size": 1})
    equal("abc", new["spec"]["code"])
    equal({("m", "Apply"), ("m", "Update")}, set(owners(new)))


@CASES.rule
async def apply_of_an_equal_value_shares_it(h: Harness) -> None:
    """Applying the value that a field has is no conflict: both own it."""
    await applied(h, "m", {"size": 1, "code": "abc"})
    new = await applied(h, "other", {"code": "abc"}, force=False)
    equal({"f:spec": {"f:size": {}, "f:code": {}}}, entry(new, "m", "Apply")["fieldsV1"])
    equal({"f:spec": {"f:code": {}}}, entry(new, "other", "Apply")["fieldsV1"])
    equal(1, new["metadata"]["generation"])


@CASES.rule
async def apply_of_equal_values_has_no_time(h: Harness) -> None:
    """An apply that changes ownership alone leaves its new entry without a time; one that changes a value sets it."""
    await applied(h, "m", {"size": 1})
    new = await applied(h, "other", {"size": 1})
    holds("time" not in entry(new, "other", "Apply"), "the entry has a time")
    new = await applied(h, "other", {"size": 2})
    holds("time" in entry(new, "other", "Apply"), "the entry has no time")


@CASES.rule
async def apply_conflicts(h: Harness) -> None:
    """Without force, applying another value to a field that others own is a Conflict that names them."""
    widgets = await h.crd(WIDGET)
    await applied(h, "first", {"size": 1, "code": "abc"})
    old = await h.cluster.patch(
        widgets, "a", h.namespace, kind="merge", body={"spec": {"mode": "fast"}}, manager="second"
    )
    error = await refused(Conflict, applied(h, "m", {"code": "xyz", "mode": "slow"}, force=False))
    for part in ("first", "second", ".spec.code", ".spec.mode"):
        holds(part in error.message, f"{part} is not in the message: {error.message}")
    equal(old, await h.cluster.get(widgets, "a", h.namespace))


@CASES.rule
async def apply_by_force(h: Harness) -> None:
    """With force the value is set and the field taken from the others."""
    await applied(h, "first", {"size": 1, "code": "abc"})
    new = await applied(h, "m", {"code": "xyz"})
    equal("xyz", new["spec"]["code"])
    equal({"f:spec": {"f:size": {}}}, entry(new, "first", "Apply")["fieldsV1"])
    equal({"f:spec": {"f:code": {}}}, entry(new, "m", "Apply")["fieldsV1"])


@CASES.rule
async def apply_by_force_against_each_other(h: Harness) -> None:
    """After another manager took a field by force, dropping it leaves the other's value."""
    await applied(h, "m", {"size": 1, "code": "abc"})
    await applied(h, "other", {"code": "xyz"})
    equal("xyz", (await applied(h, "m", {"size": 1}))["spec"]["code"])


@CASES.rule
async def apply_counts_generations(h: Harness) -> None:
    """Applying another spec is a new generation; applying labels or ownership alone is none."""
    equal(1, (await applied(h, "m", {"size": 1}))["metadata"]["generation"])
    equal(1, (await applied(h, "m", {"size": 1}, labels={"l": "1"}))["metadata"]["generation"])
    equal(1, (await applied(h, "other", {"size": 1}))["metadata"]["generation"])
    equal(2, (await applied(h, "m", {"size": 2}))["metadata"]["generation"])


@CASES.rule
async def apply_does_not_touch_the_status(h: Harness) -> None:
    """A status in what is applied is neither written nor owned, where there is a status subresource."""
    widgets = await h.crd(WIDGET)
    manifest = changed(widget(h, "a"), status={"phase": "Ready"})
    new = await h.cluster.apply(widgets, manifest, manager="m")
    holds("status" not in new, "apply wrote a status")
    equal({"f:spec": {"f:size": {}}}, entry(new, "m", "Apply")["fieldsV1"])
    await h.cluster.update(widgets, changed(new, status={"phase": "Other"}), subresource="status")
    equal({"phase": "Other"}, (await h.cluster.apply(widgets, manifest, manager="m"))["status"])


@CASES.rule
async def apply_of_atomic_lists(h: Harness) -> None:
    """A list without list type is owned and replaced as a whole."""
    await applied(h, "m", {"size": 1, "tags": ["a", "b"]})
    await refused(Conflict, applied(h, "other", {"tags": ["c"]}, force=False))
    new = await applied(h, "other", {"tags": ["c"]})
    equal(["c"], new["spec"]["tags"])
    equal({"f:spec": {"f:size": {}}}, entry(new, "m", "Apply")["fieldsV1"])


@CASES.rule
async def apply_of_keyed_lists(h: Harness) -> None:
    """Items of a list-map are merged by key; each manager owns its own and takes away only those."""
    await applied(h, "m", {"size": 1, "ports": [{"name": "a", "number": 1}, {"name": "b"}]})
    new = await applied(h, "other", {"ports": [{"name": "c"}, {"name": "b", "number": 2}]}, force=False)
    ports = sorted(new["spec"]["ports"], key=lambda port: str(port["name"]))
    equal([{"name": "a", "number": 1}, {"name": "b", "number": 2}, {"name": "c"}], ports)
    items: Json = {'k:{"name":"b"}': {".": {}, "f:name": {}, "f:number": {}}, 'k:{"name":"c"}': {".": {}, "f:name": {}}}
    equal({"f:spec": {"f:ports": items}}, entry(new, "other", "Apply")["fieldsV1"])
    new = await applied(h, "m", {"size": 1})
    equal({"b", "c"}, {port["name"] for port in new["spec"]["ports"]})


@CASES.rule
async def apply_of_sets(h: Harness) -> None:
    """Items of a set are merged; each manager owns its own and takes away only those."""
    await applied(h, "m", {"size": 1, "marks": ["a", "b"]})
    new = await applied(h, "other", {"marks": ["b", "c"]}, force=False)
    equal({"a", "b", "c"}, set(new["spec"]["marks"]))
    equal({"f:spec": {"f:marks": {'v:"b"': {}, 'v:"c"': {}}}}, entry(new, "other", "Apply")["fieldsV1"])
    new = await applied(h, "m", {"size": 1})
    equal({"b", "c"}, set(new["spec"]["marks"]))


@CASES.rule
async def apply_of_finalizers(h: Harness) -> None:
    """Finalizers are a set: managers apply their own beside each other's."""
    await applied(h, "m", {"size": 1}, finalizers=["test.io/a"])
    new = await applied(h, "other", finalizers=["test.io/b"], force=False)
    equal({"test.io/a", "test.io/b"}, set(new["metadata"]["finalizers"]))
    new = await applied(h, "m", {"size": 1})
    equal(["test.io/b"], new["metadata"]["finalizers"])
    await applied(h, "other", {"size": 1})


@CASES.rule
async def apply_of_owners(h: Harness) -> None:
    """Owner references are merged by uid."""
    one = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "0000-1"}
    await applied(h, "m", {"size": 1}, ownerReferences=[one])
    new = await applied(h, "other", ownerReferences=[{**one, "uid": "0000-2"}], force=False)
    equal({"0000-1", "0000-2"}, {owner["uid"] for owner in new["metadata"]["ownerReferences"]})
    wanted: Json = {"f:metadata": {"f:ownerReferences": {'k:{"uid":"0000-2"}': {}}}}
    equal(wanted, entry(new, "other", "Apply")["fieldsV1"])


@CASES.rule
async def apply_of_unknown_structure(h: Harness) -> None:
    """Below preserved unknown fields maps are merged key by key, and lists replaced."""
    await applied(h, "m", {"size": 1, "values": {"a": {"x": 1, "y": [1, 2]}, "b": 1}})
    new = await applied(h, "other", {"values": {"a": {"z": 3}}}, force=False)
    equal({"a": {"x": 1, "y": [1, 2], "z": 3}, "b": 1}, new["spec"]["values"])
    await refused(Conflict, applied(h, "other", {"values": {"a": {"y": [1]}}}, force=False))
    new = await applied(h, "m", {"size": 1, "values": {"b": 1}})
    equal({"a": {"z": 3}, "b": 1}, new["spec"]["values"])


@CASES.rule
async def apply_of_emptied_maps(h: Harness) -> None:
    """A map that is applied as empty after keys of it were applied is Invalid, unless others have keys there.

    The server takes the keys out, is left with null, and refuses that. Leaving the map out works.
    """
    await applied(h, "m", {"size": 1, "values": {"a": 1}})
    await refused(Invalid, applied(h, "m", {"size": 1, "values": {}}))
    equal({"size": 1, "mode": "slow"}, (await applied(h, "m", {"size": 1}))["spec"])
    await applied(h, "m", {"size": 1, "values": {"a": 1}})
    await applied(h, "other", {"values": {"b": 2}})
    equal({"b": 2}, (await applied(h, "m", {"size": 1, "values": {}}))["spec"]["values"])


@CASES.rule
async def apply_of_undeclared_fields(h: Harness) -> None:
    """Applying a field that the schema does not know is Invalid, unlike creating with one."""
    await refused(Invalid, applied(h, "m", {"size": 1, "unknown": 1}))


@CASES.rule
async def apply_of_wrong_types(h: Harness) -> None:
    """Applying a value of another type than the schema's is Invalid."""
    await refused(Invalid, applied(h, "m", {"size": 1, "notes": ["no map"]}))
    await refused(Invalid, applied(h, "m", {"size": "one"}))


@CASES.rule
async def apply_of_forbidden_values(h: Harness) -> None:
    """Applying a value that the schema forbids is Invalid, and changes nothing."""
    widgets = await h.crd(WIDGET)
    old = await applied(h, "m", {"size": 1})
    await refused(Invalid, applied(h, "m", {"size": 11}))
    equal(old, await h.cluster.get(widgets, "a", h.namespace))


@CASES.rule
async def apply_to_the_right_object(h: Harness) -> None:
    """Applying with the uid of the object applies."""
    widgets = await h.crd(WIDGET)
    old = await applied(h, "m", {"size": 1})
    new = await h.cluster.apply(widgets, widget(h, "a", {"size": 2}), manager="m", uid=old["metadata"]["uid"])
    equal(2, new["spec"]["size"])


@CASES.rule
async def apply_to_another_object(h: Harness) -> None:
    """Applying with another uid than the object's is a Conflict, for built-in kinds too."""
    widgets = await h.crd(WIDGET)
    old = await applied(h, "m", {"size": 1})
    await refused(Conflict, h.cluster.apply(widgets, widget(h, "a", {"size": 2}), manager="m", uid=NOBODY))
    equal(old, await h.cluster.get(widgets, "a", h.namespace))
    await h.cluster.apply(SECRETS, secret(h, "a"), manager="m")
    await refused(Conflict, h.cluster.apply(SECRETS, secret(h, "a", data={}), manager="m", uid=NOBODY))


@CASES.rule
async def apply_to_a_gone_object(h: Harness) -> None:
    """Applying with a uid where there is no object is a Conflict, and makes none."""
    widgets = await h.crd(WIDGET)
    await refused(Conflict, h.cluster.apply(widgets, widget(h, "a"), manager="m", uid=NOBODY))
    page = await h.cluster.list(widgets, namespace=h.namespace)
    equal([], list(page.items))


@CASES.rule
async def apply_with_an_old_version(h: Harness) -> None:
    """Applying with another resourceVersion than the object's is a Conflict."""
    old = await applied(h, "m", {"size": 1})
    await applied(h, "m", {"size": 2})
    await refused(Conflict, applied(h, "m", {"size": 3}, resourceVersion=version(old)))


@CASES.rule
async def apply_with_managed_fields(h: Harness) -> None:
    """What is applied must not have managedFields: Invalid."""
    old = await applied(h, "m", {"size": 1})
    await refused(Invalid, applied(h, "m", {"size": 1}, managedFields=old["metadata"]["managedFields"]))


@CASES.rule
async def apply_where_status_is_a_field(h: Harness) -> None:
    """For a kind without status subresource status is applied like any other field."""
    gadgets = await h.crd(GADGET)
    new = await h.cluster.apply(gadgets, changed(gadget(h, "a", "t"), status={"phase": "x"}), manager="m")
    equal({"phase": "x"}, new["status"])
    equal({"f:spec": {"f:text": {}}, "f:status": {"f:phase": {}}}, entry(new, "m", "Apply")["fieldsV1"])


@CASES.rule
async def apply_of_data(h: Harness) -> None:
    """Keys of a ConfigMap's or Secret's data are owned one by one."""
    await h.cluster.apply(CONFIG_MAPS, config_map(h, "a", {"one": "1"}), manager="m")
    await h.cluster.apply(CONFIG_MAPS, config_map(h, "a", {"two": "2"}), manager="other", force=False)
    new = await h.cluster.apply(CONFIG_MAPS, config_map(h, "a", {"three": "3"}), manager="m")
    equal({"two": "2", "three": "3"}, new["data"])
    await h.cluster.apply(SECRETS, secret(h, "a", data={"one": "MQ=="}), manager="m")
    new = await h.cluster.apply(SECRETS, secret(h, "a", data={"two": "Mg=="}), manager="m")
    equal({"two": "Mg=="}, new["data"])
