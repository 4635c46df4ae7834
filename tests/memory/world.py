"""Random requests to an in-memory cluster, for the laws that hold whatever is asked of it."""

import copy
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.errors import PortError
from openmcp_provider.ports import Resource
from openmcp_testing.contract.objects import CONFIG_MAPS, WIDGET

NAMESPACE = "world"
WIDGETS = Resource("contract.openmcp.test/v1", "Widget", "widgets")
MANAGERS = st.sampled_from(["m1", "m2", "m3"])
NAMES = st.sampled_from(["a", "b"])

SPECS = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(1, 3),
        "mode": st.sampled_from(["fast", "slow"]),
        "code": st.sampled_from(["abc", "xyz"]),
        "tags": st.lists(st.sampled_from("abc"), max_size=3),
        "marks": st.lists(st.sampled_from("abc"), max_size=3, unique=True),
        "ports": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from("pqr")}, optional={"number": st.integers(1, 2)}),
            max_size=3,
            unique_by=lambda port: port["name"],
        ),
        "notes": st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12")),
        "inner": st.fixed_dictionaries({}, optional={"one": st.sampled_from("12"), "two": st.sampled_from("12")}),
        "values": st.dictionaries(
            st.sampled_from("xyz"),
            st.one_of(st.integers(1, 2), st.booleans(), st.just([1]), st.just({}), st.just({"a": {"b": 1}})),
        ),
    },
)
FULL_SPECS = st.builds(lambda spec, size: {**spec, "size": size}, SPECS, st.integers(1, 3))
LABELS = st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"), min_size=1)
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "labels": LABELS,
        "annotations": LABELS,
        "finalizers": st.lists(st.sampled_from(["t.io/a", "t.io/b"]), min_size=1, unique=True),
    },
)


class Op(NamedTuple):
    """One request."""

    verb: str
    name: str
    manager: str
    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    force: bool

    def manifest(self) -> dict[str, Any]:
        """Return the object that is sent."""
        metadata = {"name": self.name, "namespace": NAMESPACE, **self.metadata}
        return {"apiVersion": WIDGETS.api_version, "kind": "Widget", "metadata": metadata, "spec": self.spec}


def _ops(verbs: list[str], specs: SearchStrategy[dict[str, Any]]) -> SearchStrategy[Op]:
    return st.builds(Op, st.sampled_from(verbs), NAMES, MANAGERS, METADATA, specs, st.booleans())


OPS = st.one_of(
    _ops(["create", "update"], FULL_SPECS),
    _ops(["apply", "apply", "patch", "status", "delete", "release"], SPECS),
)


class World:
    """A cluster whose clock moves with every request, and whose watches say at once when they have told everything."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.cluster = MemoryCluster("world", now=lambda: self.now, bookmark_seconds=0)
        self.cluster.add_namespace(NAMESPACE)
        self.cluster.install(WIDGET)

    async def do(self, op: Op) -> Any:
        """Carry a request out; return the answer, or the error."""
        self.now += timedelta(seconds=1)
        try:
            return await self._do(op)
        except PortError as error:
            return error

    async def _do(self, op: Op) -> Any:
        cluster, where = self.cluster, (WIDGETS, op.name, NAMESPACE)
        if op.verb == "create":
            return await cluster.create(WIDGETS, op.manifest(), manager=op.manager)
        if op.verb == "apply":
            return await cluster.apply(WIDGETS, op.manifest(), manager=op.manager, force=op.force)
        if op.verb == "update":
            old = copy.deepcopy(dict(await cluster.get(*where)))
            metadata = {**old["metadata"], **op.metadata}
            return await cluster.update(WIDGETS, {**old, "metadata": metadata, "spec": op.spec}, manager=op.manager)
        if op.verb == "delete":
            return await cluster.delete(*where)
        bodies: dict[str, tuple[dict[str, Any], str]] = {
            "patch": ({"metadata": op.metadata, "spec": op.spec}, ""),
            "status": ({"status": {"phase": op.spec.get("code", "none")}}, "status"),
            "release": ({"metadata": {"finalizers": None}}, ""),
        }
        body, subresource = bodies[op.verb]
        return await cluster.patch(*where, kind="merge", body=body, subresource=subresource, manager=op.manager)

    def state(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return all Widgets and ConfigMaps by kind and name."""
        objects = [*self.cluster.objects(WIDGETS), *self.cluster.objects(CONFIG_MAPS)]
        return {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}
