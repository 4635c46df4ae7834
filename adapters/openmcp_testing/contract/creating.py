"""Rules of create."""

from openmcp_provider.domain.errors import AlreadyExists, Conflict, Forbidden, Invalid, NotFound
from openmcp_testing.contract.case import Cases, Harness, equal, holds, refused
from openmcp_testing.contract.objects import (
    CONFIG_MAPS,
    GADGET,
    LEASES,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
    WIDGET,
    changed,
    config_map,
    entry,
    fresh,
    gadget,
    secret,
    version,
    widget,
)

__all__ = ["CASES"]

CASES = Cases()


@CASES.rule
async def create_fills_in_the_metadata(h: Harness) -> None:
    """A new object has a uid, a resourceVersion, a creationTimestamp and, if of a custom kind, generation 1."""
    widgets = await h.crd(WIDGET)
    found = (await h.cluster.create(widgets, widget(h, "a")))["metadata"]
    holds(found["uid"] and found["resourceVersion"] and found["creationTimestamp"].endswith("Z"), "metadata missing")
    equal(("a", h.namespace, 1), (found["name"], found["namespace"], found["generation"]))


@CASES.rule
async def create_ignores_system_metadata(h: Harness) -> None:
    """What only the server sets is not taken from who creates."""
    widgets = await h.crd(WIDGET)
    sent = widget(h, "a", uid="mine", generation=7, deletionTimestamp="2020-01-01T00:00:00Z")
    found = (await h.cluster.create(widgets, sent))["metadata"]
    equal((False, 1, False), (found["uid"] == "mine", found["generation"], "deletionTimestamp" in found))


@CASES.rule
async def create_keeps_what_was_sent(h: Harness) -> None:
    """Spec, labels, annotations, finalizers and owners are stored as sent."""
    widgets = await h.crd(WIDGET)
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "0000-1"}
    metadata = {
        "labels": {"l": "1"},
        "annotations": {"a": "x y"},
        "finalizers": ["test.io/f"],
        "ownerReferences": [owner],
    }
    spec = {"size": 1, "mode": "fast", "values": {"deep": [{"x": None}, 1.5, True]}}
    found = await h.cluster.create(widgets, widget(h, "a", spec, **metadata))
    equal(spec, found["spec"])
    equal(metadata, {key: found["metadata"].get(key) for key in metadata})
    await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body={"metadata": {"finalizers": None}})


@CASES.rule
async def create_of_a_name_that_is_taken(h: Harness) -> None:
    """A second object of a name is AlreadyExists, even if it equals the first."""
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    await refused(AlreadyExists, h.cluster.create(CONFIG_MAPS, config_map(h, "a")))


@CASES.rule
async def create_while_the_old_one_terminates(h: Harness) -> None:
    """A name is taken until the last finalizer of its object is gone."""
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a", finalizers=["test.io/f"]))
    await h.cluster.delete(CONFIG_MAPS, "a", h.namespace)
    await refused(AlreadyExists, h.cluster.create(CONFIG_MAPS, config_map(h, "a")))
    await h.cluster.patch(CONFIG_MAPS, "a", h.namespace, kind="merge", body={"metadata": {"finalizers": None}})
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))


@CASES.rule
async def names_are_of_a_namespace_and_kind(h: Harness) -> None:
    """One name may be used once per kind and namespace."""
    other = await h.another_namespace()
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    await h.cluster.create(CONFIG_MAPS, fresh(config_map(h, "a"), namespace=other))
    await h.cluster.create(SECRETS, secret(h, "a"))


@CASES.rule
async def create_generates_names(h: Harness) -> None:
    """With generateName instead of a name the server completes the name, differently each time."""
    widgets = await h.crd(WIDGET)
    made = [
        (await h.cluster.create(widgets, fresh(widget(h, ""), name=None, generateName="gen-")))["metadata"]["name"]
        for _ in range(3)
    ]
    equal(3, len(set(made)))
    holds(all(name.startswith("gen-") and len(name) == len("gen-") + 5 for name in made), f"odd names {made}")


@CASES.rule
async def create_needs_a_name(h: Harness) -> None:
    """An object with neither name nor generateName is Invalid."""
    widgets = await h.crd(WIDGET)
    await refused(Invalid, h.cluster.create(widgets, fresh(widget(h, ""), name=None)))


@CASES.rule
async def create_in_no_namespace(h: Harness) -> None:
    """Creating in a namespace that does not exist is NotFound, for built-in and custom kinds and for apply."""
    widgets = await h.crd(WIDGET)
    nowhere = h.namespace + "-not"
    await refused(NotFound, h.cluster.create(CONFIG_MAPS, fresh(config_map(h, "a"), namespace=nowhere)))
    await refused(NotFound, h.cluster.create(widgets, fresh(widget(h, "a"), namespace=nowhere)))
    await refused(NotFound, h.cluster.apply(widgets, fresh(widget(h, "a"), namespace=nowhere), manager="m"))


@CASES.rule
async def create_in_a_terminating_namespace(h: Harness) -> None:
    """Creating in a namespace that terminates is Forbidden and says so; what is there may still be changed."""
    widgets = await h.crd(WIDGET)
    name = await h.another_namespace()
    await h.cluster.create(widgets, fresh(widget(h, "a", finalizers=["test.io/f"]), namespace=name))
    await h.cluster.delete(NAMESPACES, name)
    error = await refused(Forbidden, h.cluster.create(CONFIG_MAPS, fresh(config_map(h, "b"), namespace=name)))
    holds("terminated" in error.message, f"the message does not say why: {error.message}")
    await refused(Forbidden, h.cluster.apply(widgets, fresh(widget(h, "b"), namespace=name), manager="m"))
    await h.cluster.patch(widgets, "a", name, kind="merge", body={"spec": {"size": 2}})
    await h.cluster.patch(widgets, "a", name, kind="merge", body={"metadata": {"finalizers": None}})


@CASES.rule
async def apply_of_an_old_version_where_nothing_is(h: Harness) -> None:
    """Applying with a resourceVersion where there is no object creates one, whatever the version."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    await h.cluster.delete(widgets, "a", h.namespace)
    sent = fresh(widget(h, "a"), resourceVersion=version(old))
    new = await h.cluster.apply(widgets, sent, manager="m")
    holds(old["metadata"]["uid"] != new["metadata"]["uid"], "it is the old object")


@CASES.rule
async def update_of_a_lease_where_none_is(h: Harness) -> None:
    """An update of a Lease that is not there creates it, whatever the version; with a uid it is a Conflict."""
    lease = {
        "apiVersion": LEASES.api_version,
        "kind": "Lease",
        "metadata": {"name": "a", "namespace": h.namespace, "resourceVersion": "1"},
        "spec": {"holderIdentity": "me"},
    }
    made = await h.cluster.update(LEASES, lease, manager="m")
    equal(made, await h.cluster.get(LEASES, "a", h.namespace))
    await h.cluster.delete(LEASES, "a", h.namespace)
    await refused(Conflict, h.cluster.update(LEASES, made))


@CASES.rule
async def create_ignores_status(h: Harness) -> None:
    """A kind with a status subresource begins without status, whatever is sent."""
    widgets = await h.crd(WIDGET)
    found = await h.cluster.create(widgets, changed(widget(h, "a"), status={"phase": "Ready"}))
    holds("status" not in found, "create wrote a status")


@CASES.rule
async def create_with_status_where_it_is_a_field(h: Harness) -> None:
    """For a kind without status subresource, status is a field like any other."""
    gadgets = await h.crd(GADGET)
    found = await h.cluster.create(gadgets, changed(gadget(h, "a"), status={"phase": "Ready"}))
    equal({"phase": "Ready"}, found["status"])


@CASES.rule
async def create_of_another_kind(h: Harness) -> None:
    """An object that says to be of another kind or version is Invalid."""
    widgets = await h.crd(WIDGET)
    await refused(Invalid, h.cluster.create(widgets, changed(widget(h, "a"), kind="Gadget")))
    await refused(Invalid, h.cluster.create(widgets, changed(widget(h, "a"), apiVersion="v1")))


@CASES.rule
async def create_records_the_manager(h: Harness) -> None:
    """Who creates owns every field that was sent or defaulted, by an Update entry."""
    widgets = await h.crd(WIDGET)
    found = entry(await h.cluster.create(widgets, widget(h, "a", labels={"l": "1"}), manager="m"), "m", "Update")
    wanted = {
        "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
        "f:spec": {".": {}, "f:size": {}, "f:mode": {}},
    }
    equal((wanted, f"{widgets.api_version}", "FieldsV1"), (found["fieldsV1"], found["apiVersion"], found["fieldsType"]))
    holds(found["time"], "no time")


@CASES.rule
async def create_a_subresource(h: Harness) -> None:
    """A POST to a subresource reaches it: a service account answers with a token."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": h.namespace}}
    await h.cluster.create(SERVICE_ACCOUNTS, account)
    asked = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "metadata": {"namespace": h.namespace},
        "spec": {"expirationSeconds": 600},
    }
    answer = await h.cluster.create(SERVICE_ACCOUNTS, asked, subresource="token", name="a")
    holds(answer["status"]["token"] and answer["status"]["expirationTimestamp"], "no token, or no time of its end")


@CASES.rule
async def create_a_subresource_of_nothing(h: Harness) -> None:
    """A POST to a subresource of an object that is not there is NotFound."""
    asked = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "metadata": {"namespace": h.namespace},
        "spec": {"expirationSeconds": 600},
    }
    call = h.cluster.create(SERVICE_ACCOUNTS, asked, subresource="token", name="nobody")
    await refused(NotFound, call)
