"""Rules of JSON patches and merge patches."""

from openmcp_provider.domain.errors import Conflict, Invalid, NotFound
from openmcp_provider.domain.objects import Json
from openmcp_testing.contract.case import Cases, Harness, equal, holds, refused
from openmcp_testing.contract.objects import CONFIG_MAPS, WIDGET, config_map, entry, version, widget

__all__ = ["CASES"]

CASES = Cases()


async def _data(h: Harness, *operations: object) -> object:
    """Return the data of a ConfigMap after a JSON patch."""
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a", {"one": "1", "two": "2"}))
    body = [operation for operation in operations if isinstance(operation, dict)]
    return (await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="json", body=body))["data"]


@CASES.rule
async def json_adds(h: Harness) -> None:
    """`add` sets a field, whether it was there or not."""
    operations = [{"op": "add", "path": f"/data/{key}", "value": "x"} for key in ("two", "three")]
    equal({"one": "1", "two": "x", "three": "x"}, await _data(h, *operations))


@CASES.rule
async def json_removes(h: Harness) -> None:
    """`remove` takes a field out."""
    equal({"two": "2"}, await _data(h, {"op": "remove", "path": "/data/one"}))


@CASES.rule
async def json_replaces(h: Harness) -> None:
    """`replace` sets a field; the server does not insist that it was there."""
    operations = [{"op": "replace", "path": f"/data/{key}", "value": "x"} for key in ("one", "three")]
    equal({"one": "x", "two": "2", "three": "x"}, await _data(h, *operations))


@CASES.rule
async def json_moves_and_copies(h: Harness) -> None:
    """`move` and `copy` take their value from another place."""
    operations = [
        {"op": "move", "from": "/data/one", "path": "/data/moved"},
        {"op": "copy", "from": "/data/two", "path": "/data/copied"},
    ]
    equal({"moved": "1", "two": "2", "copied": "2"}, await _data(h, *operations))


@CASES.rule
async def json_of_what_is_not_there(h: Harness) -> None:
    """What is not there is copied as null, which in a map is the empty text; it cannot be moved: Invalid."""
    equal({"one": "", "two": "2"}, await _data(h, {"op": "copy", "from": "/metadata/labels", "path": "/data/one"}))
    body = [{"op": "move", "from": "/data/none", "path": "/data/one"}]
    await refused(Invalid, h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="json", body=body))


@CASES.rule
async def json_tests(h: Harness) -> None:
    """`test` lets a patch pass where the value is the expected one."""
    operations = [
        {"op": "test", "path": "/data/one", "value": "1"},
        {"op": "replace", "path": "/data/one", "value": "x"},
    ]
    equal({"one": "x", "two": "2"}, await _data(h, *operations))


@CASES.rule
async def json_test_fails(h: Harness) -> None:
    """Where a `test` fails the patch is Invalid, and nothing of it is done."""
    operations = [
        {"op": "replace", "path": "/data/one", "value": "x"},
        {"op": "test", "path": "/data/two", "value": "3"},
    ]
    await refused(Invalid, _data(h, *operations))
    equal({"one": "1", "two": "2"}, (await h.cluster.get(CONFIG_MAPS, "a", h.namespace))["data"])


@CASES.rule
async def json_tests_the_version(h: Harness) -> None:
    """A `test` of the resourceVersion guards a patch against changes since the read: Invalid."""
    old = await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    body = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version(old)},
        {"op": "add", "path": "/data/new", "value": "1"},
    ]
    await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="json", body=body)
    await refused(Invalid, h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="json", body=body))


@CASES.rule
async def json_without_a_target(h: Harness) -> None:
    """Removing what is not there, or writing below it, is Invalid."""
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    for operation in (
        {"op": "remove", "path": "/data/none"},
        {"op": "replace", "path": "/metadata/annotations/none", "value": "x"},
        {"op": "add", "path": "/metadata/annotations/none", "value": "x"},
    ):
        await refused(Invalid, h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="json", body=[operation]))


@CASES.rule
async def json_unknown_operations(h: Harness) -> None:
    """An operation that does not exist is Invalid."""
    await refused(Invalid, _data(h, {"op": "increment", "path": "/data/one"}))


@CASES.rule
async def json_escapes(h: Harness) -> None:
    """In a path, ~1 stands for a slash and ~0 for a tilde."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", {"size": 1, "values": {"a/b~c": 1, "a~1": 1}}))
    body = [{"op": "replace", "path": f"/spec/values/{key}", "value": 2} for key in ("a~1b~0c", "a~01")]
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="json", body=body)
    equal({"a/b~c": 2, "a~1": 2}, new["spec"]["values"])


@CASES.rule
async def json_lists(h: Harness) -> None:
    """In a list, `add` inserts before an index or, at -, appends; `remove` closes the gap."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", {"size": 1, "tags": ["a", "b"]}))
    body = [
        {"op": "add", "path": "/spec/tags/0", "value": "first"},
        {"op": "add", "path": "/spec/tags/-", "value": "last"},
        {"op": "remove", "path": "/spec/tags/1"},
    ]
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="json", body=body)
    equal(["first", "b", "last"], new["spec"]["tags"])


@CASES.rule
async def json_lists_from_the_end(h: Harness) -> None:
    """In a list, negative indices count from its end; those outside of it are Invalid."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", {"size": 1, "tags": ["a", "b"]}))
    body = [
        {"op": "test", "path": "/spec/tags/-1", "value": "b"},
        {"op": "replace", "path": "/spec/tags/-2", "value": "x"},
    ]
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="json", body=body)
    equal(["x", "b"], new["spec"]["tags"])
    for operation in ({"op": "remove", "path": "/spec/tags/-3"}, {"op": "add", "path": "/spec/tags/7", "value": "x"}):
        await refused(Invalid, h.cluster.patch(widgets, "a", h.namespace, kind="json", body=[operation]))


@CASES.rule
async def json_of_the_whole(h: Harness) -> None:
    """The whole object can be replaced and tested; without a value, null is meant."""
    made = await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    body: list[Json] = [
        {"op": "test", "path": "", "value": made},
        {"op": "replace", "path": "", "value": {**made, "data": {"key": "new", "old": "x"}}},
        {"op": "replace", "path": "/data/old"},
        {"op": "test", "path": "/data/old"},
        {"op": "remove", "path": "/data/old"},
    ]
    new = await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="json", body=body)
    equal({"key": "new"}, new["data"])
    body = [{"op": "add", "path": "", "value": made}]
    await refused(Invalid, h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="json", body=body))


@CASES.rule
async def json_removes_one_finalizer(h: Harness) -> None:
    """A guarded JSON patch can take one finalizer out and leave the others."""
    old = await h.cluster.create(CONFIG_MAPS, config_map(h, "a", finalizers=["test.io/a", "test.io/b"]))
    body = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version(old)},
        {"op": "test", "path": "/metadata/finalizers/0", "value": "test.io/a"},
        {"op": "remove", "path": "/metadata/finalizers/0"},
    ]
    new = await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="json", body=body)
    equal(["test.io/b"], new["metadata"]["finalizers"])
    await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body={"metadata": {"finalizers": None}})


@CASES.rule
async def merge_sets_and_removes(h: Harness) -> None:
    """A merge patch sets what it names, removes what it gives as null, and leaves the rest."""
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a", {"one": "1", "two": "2", "three": "3"}))
    body = {"data": {"one": "x", "two": None, "none": None}}
    new = await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body=body)
    equal({"one": "x", "three": "3"}, new["data"])


@CASES.rule
async def merge_replaces_lists(h: Harness) -> None:
    """A merge patch replaces lists as a whole, also those that are merged by apply."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", {"size": 1, "tags": ["a"], "ports": [{"name": "p"}]}))
    body = {"spec": {"tags": ["b"], "ports": [{"name": "q"}]}}
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body)
    equal((["b"], [{"name": "q"}]), (new["spec"]["tags"], new["spec"]["ports"]))


@CASES.rule
async def merge_of_new_lists(h: Harness) -> None:
    """In what a merge patch sets anew there are no fields that are null, in items of lists neither."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", {"size": 1, "values": {"old": {"x": 1}}}))
    items = [{"x": None, "y": 1}, None]
    body = {"spec": {"values": {"new": items, "old": items}}}
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body)
    equal([{"y": 1}, None], new["spec"]["values"]["new"])
    equal([{"x": None, "y": 1}, None], new["spec"]["values"]["old"])


@CASES.rule
async def merge_with_an_old_version(h: Harness) -> None:
    """A patch that carries another resourceVersion than the object's is a Conflict; with the right one it passes."""
    old = await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    body = {"metadata": {"resourceVersion": version(old)}, "data": {"new": "1"}}
    await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body=body)
    body = {**body, "data": {"new": "2"}}
    await refused(Conflict, h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body=body))


@CASES.rule
async def merge_with_another_uid(h: Harness) -> None:
    """A patch that carries another uid than the object's is a Conflict."""
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    body = {"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}, "data": {"new": "1"}}
    await refused(Conflict, h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body=body))


@CASES.rule
async def patch_cannot_rename(h: Harness) -> None:
    """A patch that changes the name is Invalid."""
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    body = {"metadata": {"name": "b"}}
    await refused(Invalid, h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body=body))


@CASES.rule
async def patch_without_a_namespace(h: Harness) -> None:
    """A patch that takes the namespace out leaves the object where it is; one that takes the name out is Invalid."""
    made = await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    body: Json = {"metadata": {"namespace": None}}
    equal(made, await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body=body))
    body = {"metadata": {"name": None}}
    await refused(Invalid, h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body=body))


@CASES.rule
async def patch_of_nothing(h: Harness) -> None:
    """A patch of an object that is not there is NotFound."""
    await refused(NotFound, h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body={"data": {"k": "v"}}))
    body = [{"op": "add", "path": "/data/k", "value": "v"}]
    await refused(NotFound, h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="json", body=body))


@CASES.rule
async def patch_that_changes_nothing(h: Harness) -> None:
    """A patch that changes nothing leaves the object as it is, resourceVersion and managers included."""
    old = await h.cluster.create(CONFIG_MAPS, config_map(h, "a", {"one": "1"}), manager="m")
    body = {"data": {"one": "1"}}
    equal(old, await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body=body, manager="other"))


@CASES.rule
async def patch_is_validated(h: Harness) -> None:
    """A patch whose result the schema forbids is Invalid and changes nothing."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    await refused(Invalid, h.cluster.patch(widgets, "a", h.namespace, kind="merge", body={"spec": {"size": 11}}))
    equal(old, await h.cluster.get(widgets, "a", h.namespace))


@CASES.rule
async def patch_records_the_manager(h: Harness) -> None:
    """Who patches a field owns it by an Update entry."""
    old = await h.cluster.create(CONFIG_MAPS, config_map(h, "a", {"one": "1"}), manager="m")
    body = {"data": {"two": "2"}}
    new = await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body=body, manager="other")
    equal({"f:data": {"f:two": {}}}, entry(new, "other", "Update")["fieldsV1"])
    equal(entry(old, "m", "Update"), entry(new, "m", "Update"))


@CASES.rule
async def patch_of_the_status(h: Harness) -> None:
    """A patch of the status subresource changes the status alone, and is no new generation."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a"))
    body = {"spec": {"size": 9}, "metadata": {"labels": {"l": "1"}}, "status": {"phase": "Ready"}}
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body, subresource="status")
    equal(({"phase": "Ready"}, 1, 1), (new["status"], new["spec"]["size"], new["metadata"]["generation"]))
    holds("labels" not in new["metadata"], "a status patch changed labels")


@CASES.rule
async def patch_of_the_status_with_a_uid(h: Harness) -> None:
    """A patch of the status does not look at the uid that it carries, only at the resourceVersion."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a"))
    body: Json = {"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}, "status": {"phase": "x"}}
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body, subresource="status")
    equal({"phase": "x"}, new["status"])
    body = {"metadata": {"resourceVersion": "1"}, "status": {"phase": "y"}}
    call = h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body, subresource="status")
    await refused(Conflict, call)


@CASES.rule
async def patch_of_the_object_leaves_the_status(h: Harness) -> None:
    """A patch of the object does not change the status."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a"))
    body = {"status": {"phase": "Ready"}}
    await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body, subresource="status")
    both = {"status": {"phase": "Other"}, "spec": {"size": 2}}
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=both)
    equal(({"phase": "Ready"}, 2), (new["status"], new["spec"]["size"]))
