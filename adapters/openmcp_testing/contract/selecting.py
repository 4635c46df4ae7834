"""Rules of label and field selectors."""

from openmcp_provider.domain.errors import Invalid
from openmcp_testing.contract.case import Cases, Harness, equal, refused
from openmcp_testing.contract.objects import CONFIG_MAPS, GADGET, WIDGET, config_map, fresh, names, widget

__all__ = ["CASES"]

CASES = Cases()


async def _labelled(h: Harness, selector: str) -> str:
    """Return the names, run together, of what a selector finds among four ConfigMaps with labels and one without."""
    labels = {"a": {"x": "1", "y": "1"}, "b": {"x": "2"}, "c": {"x": "3", "z.io/k": "v"}, "d": {"y": ""}}
    for name in "abcde":
        await h.cluster.create(CONFIG_MAPS, config_map(h, name, labels=labels.get(name, {})))
    page = await h.cluster.list(CONFIG_MAPS, namespace=h.namespace, labels=selector)
    return "".join(name for name in names(page.items) if len(name) == 1)


@CASES.rule
async def labels_equal(h: Harness) -> None:
    """`key=value` selects what has the label with that value."""
    equal("b", await _labelled(h, "x=2"))


@CASES.rule
async def labels_double_equal(h: Harness) -> None:
    """`key==value` means the same as `key=value`."""
    equal("b", await _labelled(h, "x==2"))


@CASES.rule
async def labels_unequal(h: Harness) -> None:
    """`key!=value` selects what has another value, or not the label at all."""
    equal("acde", await _labelled(h, "x!=2"))


@CASES.rule
async def labels_in(h: Harness) -> None:
    """`key in (a, b)` selects what has one of the values."""
    equal("ac", await _labelled(h, "x in (1, 3)"))


@CASES.rule
async def labels_notin(h: Harness) -> None:
    """`key notin (a,b)` selects what has none of the values, or not the label at all."""
    equal("bde", await _labelled(h, "x notin (1,3)"))


@CASES.rule
async def labels_exist(h: Harness) -> None:
    """`key` selects what has the label, whatever its value."""
    equal("ad", await _labelled(h, "y"))


@CASES.rule
async def labels_absent(h: Harness) -> None:
    """`!key` selects what has not the label."""
    equal("de", await _labelled(h, "!x"))


@CASES.rule
async def labels_together(h: Harness) -> None:
    """Of several requirements every one must be met; keys may have a domain."""
    equal("c", await _labelled(h, "x,x notin (1,2),z.io/k=v,!y"))


@CASES.rule
async def labels_unreadable(h: Harness) -> None:
    """A label selector that cannot be read is Invalid."""
    await refused(Invalid, h.cluster.list(CONFIG_MAPS, namespace=h.namespace, labels="x in (1"))


@CASES.rule
async def fields_by_name(h: Harness) -> None:
    """Every kind can be selected by name, alone or within a namespace."""
    other = await h.another_namespace()
    await h.cluster.create(CONFIG_MAPS, config_map(h, "a"))
    await h.cluster.create(CONFIG_MAPS, config_map(h, "b"))
    await h.cluster.create(CONFIG_MAPS, fresh(config_map(h, "a"), namespace=other))
    page = await h.cluster.list(CONFIG_MAPS, namespace=h.namespace, fields="metadata.name=a")
    equal([("a", h.namespace)], [(item["metadata"]["name"], item["metadata"]["namespace"]) for item in page.items])
    page = await h.cluster.list(CONFIG_MAPS, fields=f"metadata.name=a,metadata.namespace={other}")
    equal([("a", other)], [(item["metadata"]["name"], item["metadata"]["namespace"]) for item in page.items])


@CASES.rule
async def fields_unequal(h: Harness) -> None:
    """`!=` selects everything but the named."""
    widgets = await h.crd(WIDGET)
    for name in ("a", "b", "c"):
        await h.cluster.create(widgets, widget(h, name))
    page = await h.cluster.list(widgets, namespace=h.namespace, fields="metadata.name!=b")
    equal(["a", "c"], names(page.items))


@CASES.rule
async def fields_of_custom_kinds(h: Harness) -> None:
    """A custom kind can be selected by the fields that its definition names, defaults included."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", {"size": 1, "mode": "fast"}))
    await h.cluster.create(widgets, widget(h, "b"))
    equal(["a"], names((await h.cluster.list(widgets, namespace=h.namespace, fields="spec.mode=fast")).items))
    equal(["b"], names((await h.cluster.list(widgets, namespace=h.namespace, fields="spec.mode!=fast")).items))


@CASES.rule
async def fields_unknown(h: Harness) -> None:
    """Selecting by any other field is Invalid."""
    widgets = await h.crd(WIDGET)
    await refused(Invalid, h.cluster.list(widgets, namespace=h.namespace, fields="spec.size=1"))


@CASES.rule
async def labels_and_fields(h: Harness) -> None:
    """With both selectors, both must be met."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a", labels={"x": "1"}))
    await h.cluster.create(widgets, widget(h, "b", labels={"x": "1"}))
    await h.cluster.create(widgets, widget(h, "c"))
    page = await h.cluster.list(widgets, namespace=h.namespace, labels="x=1", fields="metadata.name!=a")
    equal(["b"], names(page.items))


@CASES.rule
async def fields_by_namespace(h: Harness) -> None:
    """What lives in namespaces can be selected by its namespace; what does not is Invalid to select so."""
    widgets = await h.crd(WIDGET)
    gadgets = await h.crd(GADGET)
    await h.cluster.create(widgets, widget(h, "a"))
    for namespace, found in ((h.namespace, ["a"]), ("nowhere", [])):
        page = await h.cluster.list(widgets, namespace=h.namespace, fields=f"metadata.namespace={namespace}")
        equal(found, names(page.items))
    await refused(Invalid, h.cluster.list(gadgets, fields="metadata.namespace=nowhere"))


@CASES.rule
async def pages_of_a_selection(h: Harness) -> None:
    """A page says that another follows if anything comes after it, selected or not; so the last may be empty."""
    widgets = await h.crd(WIDGET)
    for name, labels in (("a", {"x": "1"}), ("b", {}), ("c", {"x": "1"}), ("d", {})):
        await h.cluster.create(widgets, widget(h, name, labels=labels))
    found = []
    token = ""
    for _ in range(3):
        page = await h.cluster.list(widgets, namespace=h.namespace, labels="x=1", limit=1, token=token)
        token = page.token
        found.append((names(page.items), bool(token)))
    equal([(["a"], True), (["c"], True), ([], False)], found)
