"""Rules of schemas: validation, defaults, pruning."""

from openmcp_provider.domain.errors import Invalid, NotFound
from openmcp_provider.ports import Resource
from openmcp_testing.contract.case import Cases, Harness, equal, holds, refused
from openmcp_testing.contract.objects import GROUP, WIDGET, changed, widget

__all__ = ["CASES"]

CASES = Cases()


async def _made(h: Harness, spec: dict[str, object]) -> object:
    """Return the spec that a Widget has after it was created with another one, complete with its size."""
    widgets = await h.crd(WIDGET)
    return (await h.cluster.create(widgets, widget(h, "a", {"size": 1, **spec})))["spec"]


async def _forbidden(h: Harness, *specs: dict[str, object]) -> None:
    """Hold every spec to being Invalid."""
    widgets = await h.crd(WIDGET)
    for spec in specs:
        await refused(Invalid, h.cluster.create(widgets, widget(h, "a", spec)))


@CASES.rule
async def required_fields(h: Harness) -> None:
    """A required field that is missing is Invalid, and the message names it."""
    widgets = await h.crd(WIDGET)
    error = await refused(Invalid, h.cluster.create(widgets, widget(h, "a", {"mode": "fast"})))
    holds("spec.size" in error.message, f"the message names it not: {error.message}")


@CASES.rule
async def types(h: Harness) -> None:
    """A value of another type is Invalid; nothing is converted, and true is no number."""
    await _forbidden(h, {"size": "1"}, {"size": True}, {"size": 1, "code": 7}, {"size": 1, "tags": "t"})


@CASES.rule
async def enums(h: Harness) -> None:
    """A value that is not among the enumerated is Invalid."""
    await _forbidden(h, {"size": 1, "mode": "medium"})


@CASES.rule
async def patterns(h: Harness) -> None:
    """A text that does not match its pattern is Invalid."""
    await _forbidden(h, {"size": 1, "code": "ABC"}, {"size": 1, "code": "abc\n"})


@CASES.rule
async def bounds(h: Harness) -> None:
    """Numbers, lengths of texts and of lists outside of their bounds are Invalid; the bounds themselves are not."""
    specs: list[dict[str, object]] = [{"size": 0}, {"size": 11}]
    specs += [{"size": 1, "code": code} for code in ("a", "abcdef")]
    await _forbidden(h, *specs, {"size": 1, "tags": ["a", "b", "c", "d"]})
    await _made(h, {"size": 10, "code": "abcde", "tags": ["a", "b", "c"]})


@CASES.rule
async def formats(h: Harness) -> None:
    """A date-time is an RFC 3339 text with a zone, else Invalid."""
    await _forbidden(h, {"size": 1, "at": "yesterday"}, {"size": 1, "at": "2026-01-01"})
    await _made(h, {"at": "2026-01-01T10:00:00.5+02:00"})


@CASES.rule
async def int_or_string(h: Harness) -> None:
    """An int-or-string takes both and nothing else."""
    await _forbidden(h, {"size": 1, "amount": True}, {"size": 1, "amount": [1]})
    equal({"size": 1, "mode": "slow", "amount": "50%"}, await _made(h, {"amount": "50%"}))
    widgets = await h.crd(WIDGET)
    found = await h.cluster.create(widgets, widget(h, "b", {"size": 1, "amount": 5}))
    equal(5, found["spec"]["amount"])


@CASES.rule
async def values_of_maps(h: Harness) -> None:
    """Every value of a map is held to the map's schema."""
    await _forbidden(h, {"size": 1, "notes": {"a": "1", "b": 2}})
    equal(
        {"a": "1"},
        (await h.cluster.create(await h.crd(WIDGET), widget(h, "b", {"size": 1, "notes": {"a": "1"}})))["spec"][
            "notes"
        ],
    )


@CASES.rule
async def keys_of_lists(h: Harness) -> None:
    """Two items of a list-map with the same key, or two equal items of a set, are Invalid."""
    await _forbidden(h, {"size": 1, "ports": [{"name": "a"}, {"name": "a"}]}, {"size": 1, "marks": ["a", "a"]})


@CASES.rule
async def defaults(h: Harness) -> None:
    """A missing field with a default gets it; below an object that is missing nothing appears."""
    equal({"size": 1, "mode": "slow"}, await _made(h, {}))
    widgets = await h.crd(WIDGET)
    found = await h.cluster.create(widgets, widget(h, "b", {"size": 1, "inner": {}}))
    equal({"three": "3"}, found["spec"]["inner"])


@CASES.rule
async def defaults_replace_nulls(h: Harness) -> None:
    """Null where a field has a default and cannot be null means the default."""
    equal({"size": 1, "mode": "slow"}, await _made(h, {"mode": None}))


@CASES.rule
async def nulls_are_missing(h: Harness) -> None:
    """Null where a field cannot be null means that the field is missing, on create; but not as an item of a list."""
    sent: dict[str, object] = {"code": None, "inner": {"one": None}, "notes": {"a": None}, "values": {"a": None}}
    equal(
        {"size": 1, "mode": "slow", "inner": {"three": "3"}, "notes": {}, "values": {"a": None}}, await _made(h, sent)
    )
    await _forbidden(h, {"size": 1, "tags": [None]})


@CASES.rule
async def nulls_are_not_applied(h: Harness) -> None:
    """Null where a field cannot be null is Invalid in what is applied; only a default still takes its place."""
    widgets = await h.crd(WIDGET)
    call = h.cluster.apply(widgets, widget(h, "a", {"size": 1, "code": None}), manager="m")
    await refused(Invalid, call)
    new = await h.cluster.apply(widgets, widget(h, "a", {"size": 1, "mode": None}), manager="m")
    equal({"size": 1, "mode": "slow"}, new["spec"])


@CASES.rule
async def pruning(h: Harness) -> None:
    """Fields that the schema does not know are dropped silently, on create, update and patch."""
    equal(
        {"size": 1, "mode": "slow", "inner": {"one": "1", "three": "3"}},
        await _made(h, {"unknown": 1, "inner": {"one": "1", "four": "4"}}),
    )
    widgets = await h.crd(WIDGET)
    old = await h.cluster.get(widgets, "a", h.namespace)
    sent = changed(old, spec={**old["spec"], "unknown": 1}, extra={"x": 1})
    equal(old, await h.cluster.update(widgets, sent))
    body = {"spec": {"unknown": {"x": 1}}}
    equal(old, await h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body))


@CASES.rule
async def preserved_fields(h: Harness) -> None:
    """Below preserved unknown fields everything is kept as sent."""
    values = {"a": {"b": [1, "x", {"c": None}]}, "d": 1.5, "e": False, "f": {}, "g": []}
    equal({"size": 1, "mode": "slow", "values": values}, await _made(h, {"values": values}))


@CASES.rule
async def updates_are_validated(h: Harness) -> None:
    """An update to a forbidden value is Invalid and changes nothing."""
    widgets = await h.crd(WIDGET)
    old = await h.cluster.create(widgets, widget(h, "a"))
    await refused(Invalid, h.cluster.update(widgets, changed(old, spec={"size": 11})))
    equal(old, await h.cluster.get(widgets, "a", h.namespace))


@CASES.rule
async def conditions_are_keyed_by_type(h: Harness) -> None:
    """Two conditions of one type are Invalid in a status whose conditions are a list-map."""
    widgets = await h.crd(WIDGET)
    await h.cluster.create(widgets, widget(h, "a"))
    twice = [{"type": "Ready", "status": status} for status in ("True", "False")]
    body = {"status": {"phase": "x", "conditions": twice}}
    call = h.cluster.patch(widgets, "a", h.namespace, kind="merge", body=body, subresource="status")
    await refused(Invalid, call)


@CASES.rule
async def definitions_are_established(h: Harness) -> None:
    """A served definition says Established=True."""
    await h.crd(WIDGET)
    crds = Resource(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
    )
    found = await h.cluster.get(crds, f"widgets.{GROUP}")
    conditions = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
    equal("True", conditions.get("Established"))


@CASES.rule
async def definitions_are_named_after_their_kind(h: Harness) -> None:
    """A definition whose name is not plural.group is Invalid."""
    crds = Resource(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
    )
    crd = {**WIDGET, "metadata": {"name": f"others.{GROUP}"}}
    await refused(Invalid, h.cluster.create(crds, crd))
    await refused(NotFound, h.cluster.get(crds, f"others.{GROUP}"))
