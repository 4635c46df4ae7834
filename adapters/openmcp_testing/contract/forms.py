"""Rules of the form of objects: what a server makes of it, and what it refuses before it looks at anything else."""

from openmcp_provider.domain.errors import Invalid, NotFound
from openmcp_testing.contract.case import Cases, Harness, equal, holds, refused
from openmcp_testing.contract.objects import (
    CONFIG_MAPS,
    LEASES,
    SECRETS,
    SERVICE_ACCOUNTS,
    WIDGET,
    changed,
    config_map,
    fresh,
    secret,
    version,
    widget,
)
from openmcp_testing.contract.sprocket import SPROCKET

__all__ = ["CASES"]

CASES = Cases()

_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "0000-1"}
NOBODY = "00000000-0000-0000-0000-000000000000"


def _lease(h: Harness, spec: object = None, **metadata: object) -> dict[str, object]:
    found: dict[str, object] = {
        "apiVersion": LEASES.api_version,
        "kind": "Lease",
        "metadata": {"name": "a", "namespace": h.namespace, **metadata},
    }
    return found if spec is None else {**found, "spec": spec}


@CASES.rule
async def metadata_has_its_types(h: Harness) -> None:
    """Metadata of another type is Invalid, a number that is sent as a text and a time that is none included."""
    widgets = await h.crd(WIDGET)
    for wrong in ({"generation": "7"}, {"finalizers": [1]}, {"ownerReferences": ["o"]}, {"creationTimestamp": "now"}):
        await refused(Invalid, h.cluster.create(widgets, widget(h, "a", **wrong)))
        await refused(Invalid, h.cluster.create(CONFIG_MAPS, config_map(h, "a", **wrong)))


@CASES.rule
async def nulls_in_metadata_are_empty(h: Harness) -> None:
    """Null as the value of a label or annotation is the empty text; as a finalizer or an owner it is Invalid."""
    widgets = await h.crd(WIDGET)
    found = await h.cluster.create(widgets, widget(h, "a", labels={"l": None}, annotations={"a": None}))
    equal(({"l": ""}, {"a": ""}), (found["metadata"]["labels"], found["metadata"]["annotations"]))
    for wrong in ({"finalizers": [None]}, {"ownerReferences": [None]}):
        await refused(Invalid, h.cluster.create(widgets, widget(h, "b", **wrong)))
        await refused(Invalid, h.cluster.create(CONFIG_MAPS, config_map(h, "b", **wrong)))


@CASES.rule
async def equal_owners_are_one(h: Harness) -> None:
    """Owner references that are equal are stored once; others of one uid stay beside each other."""
    widgets = await h.crd(WIDGET)
    other = {**_OWNER, "name": "other"}
    made = await h.cluster.create(widgets, widget(h, "a", ownerReferences=[_OWNER, _OWNER, other]))
    equal([_OWNER, other], made["metadata"]["ownerReferences"])
    new = await h.cluster.update(widgets, fresh(made, ownerReferences=[_OWNER, _OWNER]))
    equal([_OWNER], new["metadata"]["ownerReferences"])
    body = {"metadata": {"ownerReferences": [other, other]}}
    new = await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body)
    equal([other], new["metadata"]["ownerReferences"])


@CASES.rule
async def owners_have_a_version(h: Harness) -> None:
    """An owner reference whose apiVersion is not a version, or a group and a version, is Invalid."""
    widgets = await h.crd(WIDGET)
    for wrong in ("a/b/c", "apps/"):
        await refused(
            Invalid, h.cluster.create(widgets, widget(h, "a", ownerReferences=[{**_OWNER, "apiVersion": wrong}]))
        )


@CASES.rule
async def deletions_cannot_be_set(h: Harness) -> None:
    """An update that sets a deletionTimestamp is Invalid; a create drops it, and nobody owns it."""
    widgets = await h.crd(WIDGET)
    moment = "2020-01-01T00:00:00Z"
    for resource, obj in ((widgets, widget(h, "a")), (CONFIG_MAPS, config_map(h, "a"))):
        made = await h.cluster.create(resource, fresh(obj, deletionTimestamp=moment), manager="m")
        holds("deletionTimestamp" not in str(made), "the deletionTimestamp was kept, or is owned")
        await refused(Invalid, h.cluster.update(resource, fresh(made, deletionTimestamp=moment)))


@CASES.rule
async def whole_numbers(h: Harness) -> None:
    """1.0 is stored as 1; to send it again is a change and a new generation, to apply it again is none."""
    widgets = await h.crd(WIDGET)
    spec = {"size": 1.0, "values": {"one": 1.0, "half": 0.5}}
    made = await h.cluster.apply(widgets, widget(h, "a", spec), manager="m")
    equal(["0.5", "1", "1"], sorted(str(value) for value in (made["spec"]["size"], *made["spec"]["values"].values())))
    equal(made, await h.cluster.apply(widgets, widget(h, "a", spec), manager="m"))
    new = await h.cluster.update(widgets, changed(made, spec={**made["spec"], **spec}), manager="m")
    equal((2, made["spec"]), (new["metadata"]["generation"], new["spec"]))
    equal("1", str(new["spec"]["values"]["one"]))


@CASES.rule
async def apply_looks_at_types_first(h: Harness) -> None:
    """Applying a value of another type is Invalid even where it would be a Conflict otherwise."""
    widgets = await h.crd(WIDGET)
    await refused(Invalid, h.cluster.apply(widgets, widget(h, "a", {"size": "1"}), manager="m", uid=NOBODY))
    await h.cluster.apply(widgets, widget(h, "a", {"size": 1}), manager="m")
    for wrong in ({"size": 2, "code": 7}, {"size": 2, "marks": [{}]}, {"size": 2, "ports": [{"number": 1}]}):
        await refused(Invalid, h.cluster.apply(widgets, widget(h, "a", wrong), manager="other", force=False))


@CASES.rule
async def apply_looks_at_everything(h: Harness) -> None:
    """Types and fields are looked at in all that is applied: in metadata, and in a status that is dropped."""
    widgets = await h.crd(WIDGET)
    for wrong in ({"generation": "1"}, {"unknown": 1}, {"ownerReferences": [{**_OWNER, "more": 1}]}):
        await refused(Invalid, h.cluster.apply(widgets, widget(h, "a", **wrong), manager="m"))
        await refused(Invalid, h.cluster.apply(CONFIG_MAPS, config_map(h, "a", **wrong), manager="m"))
    for status in ({"phase": True}, {"unknown": 1}):
        await refused(Invalid, h.cluster.apply(widgets, changed(widget(h, "a"), status=status), manager="m"))
    await refused(Invalid, h.cluster.apply(SECRETS, secret(h, "a", type={}), manager="m"))


@CASES.rule
async def built_in_kinds_have_their_types(h: Harness) -> None:
    """In a built-in object values of another type, numbers that do not fit and times that are none are Invalid."""
    specs: tuple[object, ...] = ({"holderIdentity": 1}, {"leaseDurationSeconds": "15"}, {"leaseTransitions": 2**31}, [])
    for wrong in (*specs, {"leaseDurationSeconds": 0}, {"renewTime": "2026-01-01T00:00:00Z"}, {"renewTime": "soon"}):
        await refused(Invalid, h.cluster.create(LEASES, _lease(h, wrong)))
    await refused(Invalid, h.cluster.create(CONFIG_MAPS, config_map(h, "a", {"key": 1})))


@CASES.rule
async def types_come_before_the_object(h: Harness) -> None:
    """A built-in object that cannot be read is Invalid, one that can be is NotFound, where there is none to update."""
    sent = fresh(config_map(h, "a"), resourceVersion="1")
    await refused(NotFound, h.cluster.update(CONFIG_MAPS, fresh(sent, labels={"two words": None})))
    await refused(Invalid, h.cluster.update(CONFIG_MAPS, changed(sent, data={"key": 1})))


@CASES.rule
async def empty_is_nothing(h: Harness) -> None:
    """Empty lists and maps of a built-in object are left out, and sending them is no change."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": h.namespace}}
    made = await h.cluster.create(SERVICE_ACCOUNTS, {**account, "imagePullSecrets": []})
    holds("imagePullSecrets" not in made, "an empty list is shown")
    body = {"imagePullSecrets": [], "secrets": [], "metadata": {"labels": {}, "finalizers": [], "ownerReferences": []}}
    equal(made, await h.cluster.patch(SERVICE_ACCOUNTS, "a", h.namespace, kind="merge", body=body))


@CASES.rule
async def leases_have_a_spec(h: Harness) -> None:
    """A Lease has a spec, if an empty one, and nobody owns that."""
    made = await h.cluster.create(LEASES, _lease(h), manager="m")
    equal({}, made["spec"])
    equal(made, await h.cluster.apply(LEASES, _lease(h), manager="other"))
    holds("managedFields" not in made["metadata"], "somebody owns the spec")


@CASES.rule
async def finalizers_of_leases(h: Harness) -> None:
    """A finalizer of a Lease needs no domain."""
    made = await h.cluster.create(LEASES, _lease(h, finalizers=["nodomain"]))
    equal(["nodomain"], made["metadata"]["finalizers"])
    await h.cluster.update(LEASES, fresh(made, finalizers=None))


@CASES.rule
async def immutable_secrets_without_data(h: Harness) -> None:
    """To an immutable Secret without data even empty data is a change: Invalid; to such a ConfigMap it is none."""
    made = await h.cluster.create(SECRETS, secret(h, "a", immutable=True))
    await refused(Invalid, h.cluster.update(SECRETS, changed(made, data={})))
    obj = {key: value for key, value in config_map(h, "a").items() if key != "data"}
    made = await h.cluster.create(CONFIG_MAPS, changed(obj, immutable=True))
    equal(made, await h.cluster.update(CONFIG_MAPS, changed(made, data={})))


@CASES.rule
async def nulls_of_no_type_are_applied(h: Harness) -> None:
    """Null that is applied where the schema names no type is owned but not there, and the next write is a change."""
    sprockets = await h.crd(SPROCKET)
    metadata = {"name": "a", "namespace": h.namespace}
    obj = {"apiVersion": sprockets.api_version, "kind": "Sprocket", "metadata": metadata, "spec": {"values": None}}
    made = await h.cluster.apply(sprockets, obj, manager="m")
    equal({"never": "n"}, made["spec"])
    equal({"f:spec": {"f:values": {}}}, made["metadata"]["managedFields"][0]["fieldsV1"])
    new = await h.cluster.update(sprockets, made)
    holds(version(made) != version(new), "the next write was no change")
    equal(fresh(made, resourceVersion=None), fresh(new, resourceVersion=None))
    equal(new, await h.cluster.update(sprockets, new))


@CASES.rule
async def a_status_by_default(h: Harness) -> None:
    """A status that the schema gives by default is there from the beginning, and the next write is a change."""
    sprockets = await h.crd(SPROCKET)
    metadata = {"name": "a", "namespace": h.namespace}
    obj = {"apiVersion": sprockets.api_version, "kind": "Sprocket", "metadata": metadata, "spec": {}}
    made = await h.cluster.apply(sprockets, obj, manager="m")
    equal({"phase": "new"}, made["status"])
    new = await h.cluster.apply(sprockets, obj, manager="m")
    holds(version(made) != version(new), "the next write was no change")
    equal(fresh(made, resourceVersion=None), fresh(new, resourceVersion=None))
    equal(new, await h.cluster.apply(sprockets, obj, manager="m"))
