"""Rules of deletion and finalizers."""

import asyncio

from openmcp_provider.domain.errors import Conflict, Invalid, NotFound
from openmcp_provider.ports import Resource
from openmcp_testing.contract.case import Broken, Cases, Harness, equal, holds, refused
from openmcp_testing.contract.objects import (
    CONFIG_MAPS,
    GROUP,
    NAMESPACES,
    WIDGET,
    changed,
    config_map,
    fresh,
    version,
    widget,
)

__all__ = ["CASES"]

CASES = Cases()

HELD = ["test.io/f"]
CRDS = Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)


async def _release(h: Harness, resource: Resource, name: str) -> None:
    """Take all finalizers from an object."""
    await h.cluster.patch(resource, name, h.namespace, kind="merge", body={"metadata": {"finalizers": None}})


@CASES.rule
async def delete_takes_away(h: Harness) -> None:
    """Deleting an object without finalizers returns None, and it is gone at once."""
    widgets = await h.crd(WIDGET)
    for resource, obj in ((CONFIG_MAPS, config_map(h, "a")), (widgets, widget(h, "a"))):
        await h.cluster.create(resource, obj)
        equal(None, await h.cluster.delete(resource, "a", h.namespace))
        await refused(NotFound, h.cluster.get(resource, "a", h.namespace))


@CASES.rule
async def delete_of_nothing(h: Harness) -> None:
    """Deleting what is not there is NotFound."""
    await refused(NotFound, h.cluster.delete(CONFIG_MAPS, "nobody", h.namespace))


@CASES.rule
async def delete_waits_for_finalizers(h: Harness) -> None:
    """Deleting an object with finalizers returns it with a deletionTimestamp, and it stays."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", finalizers=HELD))
    left = await h.cluster.delete(widgets, "a", h.namespace)
    holds(left is not None and left["metadata"].get("deletionTimestamp"), "it has no deletionTimestamp")
    equal(left, await h.cluster.get(widgets, "a", h.namespace))
    await _release(h, widgets, "a")


@CASES.rule
async def delete_is_a_generation(h: Harness) -> None:
    """Being deleted is a new generation."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", finalizers=HELD))
    left = await h.cluster.delete(widgets, "a", h.namespace)
    equal(2, left and left["metadata"]["generation"])
    await _release(h, widgets, "a")


@CASES.rule
async def delete_twice(h: Harness) -> None:
    """Deleting an object that already terminates changes nothing."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", finalizers=HELD))
    left = await h.cluster.delete(widgets, "a", h.namespace)
    equal(left, await h.cluster.delete(widgets, "a", h.namespace))
    await _release(h, widgets, "a")


@CASES.rule
async def the_last_finalizer_lets_go(h: Harness) -> None:
    """A terminating object goes when its last finalizer does, and not before."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a", finalizers=["test.io/a", "test.io/b"]))
    await h.cluster.delete(widgets, "a", h.namespace)
    old = await h.cluster.get(widgets, "a", h.namespace)
    old = await h.cluster.update(widgets, fresh(old, finalizers=["test.io/b"]))
    await h.cluster.get(widgets, "a", h.namespace)
    await h.cluster.update(widgets, fresh(old, finalizers=None))
    await refused(NotFound, h.cluster.get(widgets, "a", h.namespace))


@CASES.rule
async def finalizers_without_deletion(h: Harness) -> None:
    """Taking the last finalizer from an object that does not terminate leaves it there."""
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a", finalizers=HELD))
    await _release(h, CONFIG_MAPS, "a")
    holds(await h.cluster.get(CONFIG_MAPS, "a", h.namespace), "it went")


@CASES.rule
async def no_new_finalizers_on_a_terminating_object(h: Harness) -> None:
    """Adding a finalizer to a terminating object is Invalid, by update, patch and apply."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", finalizers=HELD))
    old = await h.cluster.delete(widgets, "a", h.namespace)
    more = [*HELD, "test.io/new"]
    await refused(Invalid, h.cluster.update(widgets, fresh(old or {}, finalizers=more)))
    body = {"metadata": {"finalizers": more}}
    await refused(Invalid, h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body))
    await refused(Invalid, h.cluster.apply(widgets, widget(h, "a", finalizers=["test.io/new"]), manager="m"))
    await _release(h, widgets, "a")


@CASES.rule
async def terminating_objects_can_be_written(h: Harness) -> None:
    """Spec, status and labels of a terminating object can still be changed; its deletionTimestamp cannot."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", finalizers=HELD))
    old = await h.cluster.delete(widgets, "a", h.namespace) or {}
    new = await h.cluster.update(widgets, changed(fresh(old, deletionTimestamp=None), spec={"size": 2, "mode": "slow"}))
    equal((2, 3), (new["spec"]["size"], new["metadata"]["generation"]))
    equal(old["metadata"]["deletionTimestamp"], new["metadata"]["deletionTimestamp"])
    new = await h.cluster.update(widgets, changed(new, status={"phase": "Terminating"}), subresource="status")
    equal({"phase": "Terminating"}, new["status"])
    await _release(h, widgets, "a")


@CASES.rule
async def delete_with_the_right_preconditions(h: Harness) -> None:
    """A delete that names the object's uid and resourceVersion takes it away."""
    old = await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    uid = old["metadata"]["uid"]
    equal(None, await h.cluster.delete(CONFIG_MAPS, "a", h.namespace, uid=uid, resource_version=version(old)))


@CASES.rule
async def delete_with_another_uid(h: Harness) -> None:
    """A delete that names another uid is a Conflict, and the object stays."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    await h.cluster.delete(widgets, "a", h.namespace)
    new = await h.cluster.create(widgets, widget(h, "a"))
    holds(old["metadata"]["uid"] != new["metadata"]["uid"], "a new object has the uid of the old one")
    await refused(Conflict, h.cluster.delete(widgets, "a", h.namespace, uid=old["metadata"]["uid"]))
    equal(new, await h.cluster.get(widgets, "a", h.namespace))


@CASES.rule
async def delete_with_an_old_version(h: Harness) -> None:
    """A delete that names an older resourceVersion is a Conflict, and the object stays."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    await h.cluster.update(widgets, changed(old, spec={"size": 2}))
    await refused(Conflict, h.cluster.delete(widgets, "a", h.namespace, resource_version=version(old)))
    await h.cluster.get(widgets, "a", h.namespace)


@CASES.rule
async def namespaces_terminate(h: Harness) -> None:
    """A deleted namespace with something in it stays, with phase Terminating and a deletionTimestamp."""
    name = await h.another_namespace()
    await h.cluster.create(CONFIG_MAPS, fresh(config_map(h, "a", finalizers=HELD), namespace=name))
    left = await h.cluster.delete(NAMESPACES, name)
    holds(left is not None and left["metadata"].get("deletionTimestamp"), "it has no deletionTimestamp")
    equal("Terminating", (await h.cluster.get(NAMESPACES, name))["status"]["phase"])
    await h.cluster.patch(CONFIG_MAPS, "a", name, kind="merge", body={"metadata": {"finalizers": None}})


@CASES.rule
async def definitions_take_their_objects_along(h: Harness) -> None:
    """Deleting a CustomResourceDefinition deletes its objects first; then the kind is not served any more."""
    short = "s" + "".join(letter for letter in h.namespace if letter.isalnum())[-40:]
    widgets: dict[str, object] = dict(WIDGET["spec"])
    names = {"kind": short.capitalize(), "plural": short, "singular": short, "listKind": short.capitalize() + "List"}
    crd = {**WIDGET, "metadata": {"name": f"{short}.{GROUP}"}, "spec": {**widgets, "names": names}}
    resource = await h.crd(crd)
    await h.cluster.create(resource, {**widget(h, "a"), "kind": resource.kind})
    await h.cluster.delete(CRDS, f"{short}.{GROUP}")
    for _ in range(100):
        try:
            await h.cluster.get(CRDS, f"{short}.{GROUP}")
        except NotFound:
            break
        await asyncio.sleep(0.2)
    else:
        raise Broken("the definition is still there")
    for _ in range(100):
        try:
            await h.cluster.list(resource, namespace=h.namespace)
        except NotFound:
            return
        await asyncio.sleep(0.2)
    raise Broken("the kind is still served")
