"""Rules of get, list and discovery."""

from openmcp_provider.domain.errors import Expired, Invalid, NotFound
from openmcp_provider.ports import Resource
from openmcp_testing.contract.case import Cases, Fault, Harness, equal, holds, refused
from openmcp_testing.contract.objects import (
    CONFIG_MAPS,
    GADGET,
    GROUP,
    RELIC,
    WIDGET,
    config_map,
    fresh,
    gadget,
    names,
    version,
    widget,
)

__all__ = ["CASES"]

CASES = Cases()


@CASES.rule
async def get_returns_what_create_returned(h: Harness) -> None:
    """A get right after a create returns the same object."""
    made = await h.cluster.create(CONFIG_MAPS, config_map(h, "a"), manager="m")
    equal(made, await h.cluster.get(CONFIG_MAPS, "a", h.namespace))


@CASES.rule
async def get_says_apiversion_and_kind(h: Harness) -> None:
    """Every object says its apiVersion and kind."""
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    found = await h.cluster.get(CONFIG_MAPS, "a", h.namespace)
    equal(("v1", "ConfigMap"), (found["apiVersion"], found["kind"]))


@CASES.rule
async def get_of_nothing(h: Harness) -> None:
    """A get of a name that nobody has is NotFound."""
    await refused(NotFound, h.cluster.get(CONFIG_MAPS, "nobody", h.namespace))


@CASES.rule
async def get_in_a_namespace_that_is_not_there(h: Harness) -> None:
    """A get in a namespace that does not exist is NotFound."""
    await refused(NotFound, h.cluster.get(CONFIG_MAPS, "a", h.namespace + "-not"))


@CASES.rule
async def unserved_kinds_are_not_found(h: Harness) -> None:
    """Every request for a kind that the server does not serve is NotFound."""
    nothing = Resource(f"{GROUP}/v1", "Nothing", "nothings")
    obj = {"apiVersion": f"{GROUP}/v1", "kind": "Nothing", "metadata": {"name": "a", "namespace": h.namespace}}
    await refused(NotFound, h.cluster.get(nothing, "a", h.namespace))
    await refused(NotFound, h.cluster.list(nothing))
    await refused(NotFound, h.cluster.create(nothing, obj))
    await refused(NotFound, h.cluster.apply(nothing, obj, manager="m"))
    await refused(NotFound, h.cluster.delete(nothing, "a", h.namespace))
    await refused(NotFound, anext(h.cluster.watch(nothing, resource_version="1")))


@CASES.rule
async def unserved_versions_are_not_found(h: Harness) -> None:
    """A kind is not found in a version in which it is not served."""
    widgets = await h.crd(WIDGET)
    await refused(NotFound, h.cluster.list(widgets._replace(api_version=f"{GROUP}/v7")))


@CASES.rule
async def objects_are_served_in_every_version(h: Harness) -> None:
    """What was written in one served version can be read in another, which is what the answer then says."""
    relics = await h.crd(RELIC)
    old = relics._replace(api_version=f"{GROUP}/v1beta1")
    obj = {"kind": "Relic", "metadata": {"name": "a", "namespace": h.namespace}, "spec": {"text": "t"}}
    await h.cluster.create(old, {**obj, "apiVersion": old.api_version})
    for resource in (old, relics):
        found = await h.cluster.get(resource, "a", h.namespace)
        equal((resource.api_version, {"text": "t"}), (found["apiVersion"], found["spec"]))


@CASES.rule
async def list_items_say_what_they_are(h: Harness) -> None:
    """Every item of a list says its apiVersion and kind, of built-in kinds too."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    await h.cluster.create(widgets, widget(h, "a"))
    for resource in (CONFIG_MAPS, widgets):
        page = await h.cluster.list(resource, namespace=h.namespace, fields="metadata.name=a")
        equal([resource[:2]], [(item["apiVersion"], item["kind"]) for item in page.items])


@CASES.rule
async def list_items_are_whole(h: Harness) -> None:
    """An item of a list is the object that a get returns."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a"), manager="m")
    page = await h.cluster.list(widgets, namespace=h.namespace)
    equal([await h.cluster.get(widgets, "a", h.namespace)], list(page.items))


@CASES.rule
async def list_is_ordered_and_of_one_namespace(h: Harness) -> None:
    """A list of a namespace has its objects alone, in the order of their names."""
    widgets = await h.crd(WIDGET)
    other = await h.another_namespace()
    for name in ("c", "a", "b"):
        await h.cluster.create(widgets, widget(h, name))
    await h.cluster.create(widgets, fresh(widget(h, "d"), namespace=other))
    equal(["a", "b", "c"], names((await h.cluster.list(widgets, namespace=h.namespace)).items))


@CASES.rule
async def list_without_namespace_has_all(h: Harness) -> None:
    """A list without a namespace has the objects of every namespace."""
    widgets = await h.crd(WIDGET)
    other = await h.another_namespace()
    await h.cluster.create(widgets, widget(h, "a"))
    await h.cluster.create(widgets, fresh(widget(h, "b"), namespace=other))
    page = await h.cluster.list(widgets, limit=0)
    found = {(item["metadata"]["namespace"], item["metadata"]["name"]) for item in page.items}
    holds({(h.namespace, "a"), (other, "b")} <= found, "an object of one of two namespaces is missing")


@CASES.rule
async def list_of_cluster_scoped_kinds(h: Harness) -> None:
    """Objects of a cluster-scoped kind have no namespace and are got and listed without one."""
    gadgets = await h.crd(GADGET)
    made = await h.cluster.create(gadgets, gadget(h, "a"))
    name = made["metadata"]["name"]
    holds("namespace" not in made["metadata"], "a cluster-scoped object has a namespace")
    equal(made, await h.cluster.get(gadgets, name))
    equal([name], names((await h.cluster.list(gadgets, fields=f"metadata.name={name}")).items))


@CASES.rule
async def list_of_nothing_is_empty(h: Harness) -> None:
    """A list that matches nothing is empty, has a resourceVersion and no further page."""
    widgets = await h.crd(WIDGET)
    page = await h.cluster.list(widgets, namespace=h.namespace)
    equal(([], ""), (list(page.items), page.token))
    holds(page.resource_version, "an empty list has no resourceVersion")


@CASES.rule
async def pages_make_up_the_list(h: Harness) -> None:
    """Following the tokens gives every object once, in order, at most `limit` a page; the last page has no token."""
    widgets = await h.crd(WIDGET)
    wanted = [f"w{number}" for number in range(7)]
    for name in wanted:
        await h.cluster.create(widgets, widget(h, name))
    pages = [await h.cluster.list(widgets, namespace=h.namespace, limit=3)]
    while pages[-1].token:
        pages.append(await h.cluster.list(widgets, namespace=h.namespace, limit=3, token=pages[-1].token))
    equal([3, 3, 1], [len(page.items) for page in pages])
    equal(wanted, [name for page in pages for name in names(page.items)])


@CASES.rule
async def pages_show_one_moment(h: Harness) -> None:
    """All pages of a list show the moment of the first, and bear its resourceVersion."""
    widgets = await h.crd(WIDGET)
    for name in ("a", "c", "e"):
        await h.cluster.create(widgets, widget(h, name))
    first = await h.cluster.list(widgets, namespace=h.namespace, limit=1)
    await h.cluster.create(widgets, widget(h, "d"))
    await h.cluster.delete(widgets, "c", h.namespace)
    second = await h.cluster.list(widgets, namespace=h.namespace, limit=5, token=first.token)
    equal(["c", "e"], names(second.items))
    equal(first.resource_version, second.resource_version)


@CASES.rule
async def limit_zero_is_all(h: Harness) -> None:
    """A limit of 0 asks for everything in one page."""
    widgets = await h.crd(WIDGET)
    for name in ("a", "b", "c"):
        await h.cluster.create(widgets, widget(h, name))
    page = await h.cluster.list(widgets, namespace=h.namespace, limit=0)
    equal((["a", "b", "c"], ""), (names(page.items), page.token))


@CASES.rule
async def expired_tokens(h: Harness) -> None:
    """A continue token that is too old is Expired."""
    widgets = await h.crd(WIDGET)
    for name in ("a", "b"):
        await h.cluster.create(widgets, widget(h, name))
    page = await h.cluster.list(widgets, namespace=h.namespace, limit=1)
    async with h.provoke(Fault.OLD_TOKENS):
        await refused(Expired, h.cluster.list(widgets, namespace=h.namespace, limit=1, token=page.token))


@CASES.rule
async def invented_tokens(h: Harness) -> None:
    """A continue token that the server never made is Invalid."""
    widgets = await h.crd(WIDGET)
    await refused(Invalid, h.cluster.list(widgets, namespace=h.namespace, limit=1, token="invented"))


@CASES.rule
async def list_versions_come_after_writes(h: Harness) -> None:
    """A list shows every write answered before it, and its resourceVersion is not older than any of its items'."""
    widgets = await h.crd(WIDGET)
    for name in ("a", "b"):
        made = await h.cluster.create(widgets, widget(h, name))
        page = await h.cluster.list(widgets, namespace=h.namespace)
        holds(name in names(page.items), "a list lacks an object that was made before")
        holds(int(page.resource_version) >= int(version(made)), "a list is older than what it shows")


@CASES.rule
async def metadata_alone(h: Harness) -> None:
    """A metadata-only list has the whole metadata of each object, its own apiVersion and kind, and nothing else."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a", labels={"l": "1"}))
    await h.cluster.create(widgets, widget(h, "a", labels={"l": "1"}))
    for resource in (CONFIG_MAPS, widgets):
        page = await h.cluster.list(resource, namespace=h.namespace, labels="l=1", metadata_only=True)
        whole = await h.cluster.get(resource, "a", h.namespace)
        equal([{key: whole[key] for key in ("apiVersion", "kind", "metadata")}], list(page.items))


@CASES.rule
async def metadata_alone_in_pages(h: Harness) -> None:
    """A metadata-only list comes in pages like any other."""
    widgets = await h.crd(WIDGET)
    for name in ("a", "b"):
        await h.cluster.create(widgets, widget(h, name))
    first = await h.cluster.list(widgets, namespace=h.namespace, limit=1, metadata_only=True)
    rest = await h.cluster.list(widgets, namespace=h.namespace, limit=1, metadata_only=True, token=first.token)
    equal(["a", "b"], names([*first.items, *rest.items]))
    holds("spec" not in rest.items[0], "the second page is not metadata alone")


@CASES.rule
async def discovery_of_a_group(h: Harness) -> None:
    """Discovery tells a group's kinds with plural and scope, without subresources."""
    await h.crd(WIDGET)
    await h.crd(GADGET)
    found = await h.cluster.served(GROUP)
    served = {tuple(resource) for resource in found}
    wanted = {(f"{GROUP}/v1", "Widget", "widgets", True), (f"{GROUP}/v1", "Gadget", "gadgets", False)}
    holds(wanted <= served, f"{wanted - served} missing")
    holds(not any("/" in resource.plural for resource in found), "discovery tells subresources")


@CASES.rule
async def discovery_prefers_the_newest_stable_version(h: Harness) -> None:
    """A group's preferred version is its most stable one, then its newest."""
    await h.crd(RELIC)
    found = [tuple(resource) for resource in await h.cluster.served(GROUP) if resource.kind == "Relic"]
    equal([(f"{GROUP}/v1", "Relic", "relics", True)], found)


@CASES.rule
async def discovery_of_the_core_group(h: Harness) -> None:
    """The core group has the empty name."""
    served = {tuple(resource) for resource in await h.cluster.served("")}
    holds({("v1", "Secret", "secrets", True), ("v1", "Namespace", "namespaces", False)} <= served, "core kinds missing")


@CASES.rule
async def discovery_of_nothing(h: Harness) -> None:
    """An unknown group serves no kinds, which is no error."""
    equal([], list(await h.cluster.served("nobody.openmcp.test")))
