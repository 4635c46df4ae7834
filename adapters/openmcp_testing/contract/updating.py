"""Rules of update, of generation and of the status subresource."""

from openmcp_provider.domain.errors import Conflict, Invalid, NotFound
from openmcp_testing.contract.case import Cases, Harness, equal, holds, refused
from openmcp_testing.contract.objects import (
    CONFIG_MAPS,
    GADGET,
    LEASES,
    SECRETS,
    WIDGET,
    changed,
    config_map,
    entry,
    fresh,
    gadget,
    owners,
    secret,
    version,
    widget,
)

__all__ = ["CASES"]

CASES = Cases()


@CASES.rule
async def update_replaces(h: Harness) -> None:
    """An update replaces spec, labels and annotations as a whole; uid and creationTimestamp stay."""
    widgets = await h.crd(WIDGET)
    spec = {"size": 1, "code": "abc"}
    old = await h.cluster.create(widgets, widget(h, "a", spec, labels={"l": "1"}, annotations={"a": "1"}))
    sent = changed(fresh(old, labels={"k": "2"}, annotations=None), spec={"size": 2, "mode": "fast"})
    new = await h.cluster.update(widgets, sent)
    equal(({"size": 2, "mode": "fast"}, {"k": "2"}), (new["spec"], new["metadata"]["labels"]))
    holds("annotations" not in new["metadata"], "annotations stayed")
    for key in ("uid", "creationTimestamp"):
        equal(old["metadata"][key], new["metadata"][key])
    holds(version(new) != version(old), "the resourceVersion stayed")


@CASES.rule
async def update_of_an_old_version(h: Harness) -> None:
    """An update of an object that changed since it was read is a Conflict and changes nothing."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    new = await h.cluster.update(widgets, changed(old, spec={"size": 2}))
    await refused(Conflict, h.cluster.update(widgets, changed(old, spec={"size": 3})))
    equal(new, await h.cluster.get(widgets, "a", h.namespace))


@CASES.rule
async def update_without_a_version(h: Harness) -> None:
    """An update of a custom object or a Lease without a resourceVersion is Invalid."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    await refused(Invalid, h.cluster.update(widgets, fresh(old, resourceVersion=None)))
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "a", "namespace": h.namespace},
        "spec": {"holderIdentity": "me"},
    }
    await h.cluster.create(LEASES, lease)
    await refused(Invalid, h.cluster.update(LEASES, lease))


@CASES.rule
async def update_of_another_uid(h: Harness) -> None:
    """An update that names another uid than the object's is a Conflict."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    await refused(Conflict, h.cluster.update(widgets, fresh(old, uid="00000000-0000-0000-0000-000000000000")))


@CASES.rule
async def update_of_nothing(h: Harness) -> None:
    """An update of an object that is gone is NotFound."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    await h.cluster.delete(widgets, "a", h.namespace)
    await refused(NotFound, h.cluster.update(widgets, changed(old, spec={"size": 2})))


@CASES.rule
async def update_that_changes_nothing(h: Harness) -> None:
    """An update that changes nothing leaves the resourceVersion and managedFields as they are."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"), manager="m")
    equal(old, await h.cluster.update(widgets, old, manager="other"))


@CASES.rule
async def update_takes_fields(h: Harness) -> None:
    """Who updates a field takes it from its owner; what stays the same keeps its owner."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a", {"size": 1, "code": "abc"}), manager="m")
    new = await h.cluster.update(widgets, changed(old, spec={**old["spec"], "code": "xyz"}), manager="other")
    equal({"f:spec": {"f:code": {}}}, entry(new, "other", "Update")["fieldsV1"])
    equal({"f:spec": {".": {}, "f:size": {}, "f:mode": {}}}, entry(new, "m", "Update")["fieldsV1"])


@CASES.rule
async def update_that_removes_is_owned_by_nobody(h: Harness) -> None:
    """A field that an update removes disappears from every entry; who only removes gets none."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a", {"size": 1, "code": "abc"}), manager="m")
    new = await h.cluster.update(widgets, changed(old, spec={"size": 1, "mode": "slow"}), manager="other")
    equal([("m", "Update")], owners(new))
    equal({"f:spec": {".": {}, "f:size": {}, "f:mode": {}}}, entry(new, "m", "Update")["fieldsV1"])


@CASES.rule
async def update_without_managed_fields_keeps_them(h: Harness) -> None:
    """An update that leaves managedFields out does not lose them."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"), manager="m")
    sent = changed(fresh(old, managedFields=None), spec={"size": 2, "mode": "slow"})
    new = await h.cluster.update(widgets, sent, manager="m")
    equal(entry(old, "m", "Update")["fieldsV1"], entry(new, "m", "Update")["fieldsV1"])


@CASES.rule
async def generation_counts_specs(h: Harness) -> None:
    """The generation of a custom object grows by one with each changed spec."""
    widgets = await h.crd(WIDGET)
    obj = await h.cluster.create(widgets, widget(h, "a"))
    for size in (2, 3):
        obj = await h.cluster.update(widgets, changed(obj, spec={"size": size}))
        equal(size, obj["metadata"]["generation"])


@CASES.rule
async def generation_ignores_metadata(h: Harness) -> None:
    """Labels, annotations and finalizers are no new generation."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    new = await h.cluster.update(widgets, fresh(old, labels={"l": "1"}, annotations={"a": "1"}, finalizers=["t.io/f"]))
    holds(version(new) != version(old), "nothing was written")
    equal(1, new["metadata"]["generation"])
    await h.cluster.update(widgets, fresh(new, finalizers=None))


@CASES.rule
async def generation_cannot_be_set(h: Harness) -> None:
    """The generation that an update sends is ignored."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    new = await h.cluster.update(widgets, fresh(old, generation=9, labels={"l": "1"}))
    equal(1, new["metadata"]["generation"])


@CASES.rule
async def generation_counts_status_where_it_is_a_field(h: Harness) -> None:
    """For a kind without status subresource a changed status is a new generation."""
    gadgets = await h.crd(GADGET)
    old = await h.cluster.create(gadgets, gadget(h, "a"))
    equal(2, (await h.cluster.update(gadgets, changed(old, status={"phase": "x"})))["metadata"]["generation"])


@CASES.rule
async def secrets_have_no_generation(h: Harness) -> None:
    """Secrets and ConfigMaps have no generation."""
    for resource, obj in ((SECRETS, secret(h, "a")), (CONFIG_MAPS, config_map(h, "a"))):
        holds("generation" not in (await h.cluster.create(resource, obj))["metadata"], "it has a generation")


@CASES.rule
async def status_is_written_by_its_subresource(h: Harness) -> None:
    """An update of the status subresource changes the status, and neither spec, metadata nor generation."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    sent = changed(fresh(old, labels={"l": "1"}), spec={"size": 9}, status={"phase": "Ready"})
    new = await h.cluster.update(widgets, sent, subresource="status", manager="s")
    equal(({"phase": "Ready"}, old["spec"], 1), (new["status"], new["spec"], new["metadata"]["generation"]))
    holds("labels" not in new["metadata"], "a status write changed labels")
    equal(new, await h.cluster.get(widgets, "a", h.namespace))


@CASES.rule
async def status_is_not_written_by_the_main_resource(h: Harness) -> None:
    """An update of the object leaves the status as it is."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    old = await h.cluster.update(widgets, changed(old, status={"phase": "Ready"}), subresource="status")
    sent = changed(old, spec={"size": 2}, status={"phase": "Other"})
    new = await h.cluster.update(widgets, sent)
    equal(({"phase": "Ready"}, 2), (new["status"], new["spec"]["size"]))
    new = await h.cluster.update(widgets, {key: new[key] for key in new if key != "status"})
    equal({"phase": "Ready"}, new["status"])


@CASES.rule
async def status_has_an_entry_of_its_own(h: Harness) -> None:
    """Who writes the status owns it by an entry that names the subresource."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"), manager="m")
    new = await h.cluster.update(widgets, changed(old, status={"phase": "Ready"}), subresource="status", manager="m")
    equal({"f:status": {".": {}, "f:phase": {}}}, entry(new, "m", "Update", "status")["fieldsV1"])
    equal(entry(old, "m", "Update"), entry(new, "m", "Update"))


@CASES.rule
async def status_is_validated(h: Harness) -> None:
    """A status that its schema forbids is Invalid."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    await refused(Invalid, h.cluster.update(widgets, changed(old, status={"count": 1}), subresource="status"))


@CASES.rule
async def status_of_an_old_version(h: Harness) -> None:
    """An update of the status is a Conflict when anything of the object changed since it was read."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    await h.cluster.update(widgets, changed(old, spec={"size": 2}))
    await refused(Conflict, h.cluster.update(widgets, changed(old, status={"phase": "x"}), subresource="status"))


@CASES.rule
async def status_that_stays_the_same(h: Harness) -> None:
    """A status write that changes nothing leaves the resourceVersion as it is."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    old = await h.cluster.update(widgets, changed(old, status={"phase": "Ready"}), subresource="status", manager="s")
    equal(old, await h.cluster.update(widgets, old, subresource="status", manager="s"))


@CASES.rule
async def status_where_there_is_none(h: Harness) -> None:
    """The status of a kind without status subresource is NotFound."""
    gadgets = await h.crd(GADGET)
    for resource, sent in ((SECRETS, secret(h, "a")), (gadgets, gadget(h, "a"))):
        obj = await h.cluster.create(resource, sent)
        await refused(NotFound, h.cluster.update(resource, obj, subresource="status"))


@CASES.rule
async def versions_grow(h: Harness) -> None:
    """Every write that changes something gives a greater resourceVersion."""
    widgets = await h.crd(WIDGET)
    obj = await h.cluster.create(widgets, widget(h, "a"))
    seen = [int(version(obj))]
    for size in (2, 3):
        obj = await h.cluster.update(widgets, changed(obj, spec={"size": size}))
        seen.append(int(version(obj)))
        obj = await h.cluster.update(widgets, changed(obj, status={"phase": str(size)}), subresource="status")
        seen.append(int(version(obj)))
    equal(sorted(set(seen)), seen)
