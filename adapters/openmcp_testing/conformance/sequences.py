"""Sequences of requests: from a seed to what is asked, the same each time."""

from collections.abc import Callable
from random import Random
from typing import Any

from openmcp_testing.conformance.bodies import Bodies
from openmcp_testing.conformance.kinds import KINDS
from openmcp_testing.conformance.requests import Edited, Op, Seen, Verb
from openmcp_testing.conformance.values import Values

__all__ = ["sequence"]

_SHORTEST, _LONGEST = 15, 45
# How likely each value is one that nobody would send. Sequences differ much in this, so that some get far.
_WILD = (0.0, 0.02, 0.02, 0.05, 0.1, 0.3)
_VERBS: dict[Verb, float] = {
    "create": 2,
    "update": 4,
    "patch": 6,
    "apply": 6,
    "delete": 2,
    "get": 1,
    "list": 1.5,
    "more": 0.5,
}
_STATUS = 0.25
_LABELS = ("", "", "x=1", "x!=1", "x", "!x", "x in (1,2)", "x notin (1)", "x=1,!y", "t.io/k", "x in (", "x==", "x>0")
_FIELDS = ("", "", "", "metadata.name=a", "metadata.name!=a", "metadata.namespace=nowhere", "spec.size=1")
_ODD_NAMES = ("Upper", "under_score", "a.b", "n" * 254)
_ODD_NEW_NAMES = (*_ODD_NAMES, "", "-a")
_VERSION = ("metadata", "resourceVersion")


def sequence(seed: int) -> tuple[Op, ...]:
    """Return the requests that a seed stands for."""
    return _Sequence(Random(f"conformance {seed}")).ops()  # noqa: S311 - nothing secret comes of it


class _Sequence:
    """One sequence in the making: each draws a few kinds, names and managers, and what it likes to ask."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.values = Values(chance, chance.choice(_WILD))
        # Custom kinds have the most to get wrong.
        self.kinds = [chance.choice(("Widget", "Sprocket", *KINDS)) for _ in range(chance.choice((1, 1, 2)))]
        if any(kind.startswith("Relic") for kind in self.kinds):
            self.kinds = ["Relic", "Relic/v1beta1"]
            # In another version than they were written in the server cannot look at duplicates: 500, and owners lost.
            self.values.duplicates = False
        self.names = ("a", "b")[: chance.choice((1, 1, 1, 2))]
        self.managers = ("m1", "m2", "m3")[: chance.choice((1, 2, 2, 3))]
        self.bodies = Bodies(chance, self.values, chance.choice((0.15, 0.3, 0.6)))
        self.weights = [weight * chance.choice((0.2, 1, 1, 3)) for weight in _VERBS.values()]
        self.ticks = chance.choice((0.0,) * 14 + (0.12,))
        self.generated = False
        self.missing = True

    def ops(self) -> tuple[Op, ...]:
        """Return the requests."""
        count = self.chance.randint(_SHORTEST, _LONGEST)
        ops: list[Op] = []
        while len(ops) < count:
            if self.values.often(self.ticks):
                ops.append(Op(verb="tick"))
            ops.append(self._op())
        return tuple(ops)

    def _op(self) -> Op:
        if self.missing and self.values.often(0.8):
            # There is little to ask for until there is something.
            verb: Verb = self.chance.choice(("create", "apply"))
        else:
            verb = self.chance.choices(tuple(_VERBS), self.weights)[0]
        self.missing = verb == "delete"
        kind = self.chance.choice(self.kinds)
        name = self.chance.choice(self.names)
        if verb in {"create", "apply", "get", "delete"} and self.values.odd():
            name = self.chance.choice(_ODD_NEW_NAMES if verb == "create" else _ODD_NAMES)
        makers: dict[Verb, Callable[[str, str, str], Op]] = {
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "apply": self._apply,
            "delete": self._delete,
            "get": lambda kind, name, _manager: Op(verb="get", kind=kind, name=name),
            "list": self._list,
            "more": lambda kind, _name, _manager: Op(verb="more", kind=kind),
        }
        return makers[verb](kind, name, self.chance.choice(self.managers))

    def _create(self, kind: str, name: str, manager: str) -> Op:
        body = self.bodies.whole(KINDS[kind])
        if self.values.odd():
            name = ""
            body["metadata"]["generateName"] = "gen-"
        if "generateName" in body["metadata"] and not name:
            # Of two, nobody knows which comes first in a list.
            if self.generated:
                del body["metadata"]["generateName"]
            self.generated = True
        return Op(verb="create", kind=kind, name=name, body=body, manager=manager)

    def _apply(self, kind: str, name: str, manager: str) -> Op:
        body = self.bodies.applied(KINDS[kind])
        if self.values.often(0.1):
            body["metadata"]["resourceVersion"] = Seen(_VERSION, self.chance.choice((0, 0, 1)))
        force, uid = self.values.often(0.6), self.bodies.uid(0.15)
        return Op(verb="apply", kind=kind, name=name, body=body, manager=manager, force=force, uid=uid)

    def _update(self, kind: str, name: str, manager: str) -> Op:
        found = KINDS[kind]
        edits: list[tuple[tuple[str, ...], Any]] = [(("apiVersion",), found.resource.api_version)]
        edits += [self.bodies.edit(found) for _ in range(self.chance.choice((0, 1, 1, 2, 3)))]
        if self.values.often(0.15):
            edits.append((("metadata", "managedFields"), self.bodies.entries(manager)))
        back = 0 if self.values.often(0.85) else 1
        if back and self.values.often(0.5):
            edits.append((_VERSION, Seen(_VERSION)))
        subresource = "status" if self.values.often(_STATUS) else ""
        body = Edited(tuple(edits), back)
        return Op(verb="update", kind=kind, name=name, body=body, manager=manager, subresource=subresource)

    def _patch(self, kind: str, name: str, manager: str) -> Op:
        subresource = "status" if self.values.often(_STATUS) else ""
        if self.values.often(0.4):
            body: Any = self.bodies.json_patch(KINDS[kind], manager)
            sort: Any = "json"
        else:
            body, sort = self.bodies.merge_patch(KINDS[kind], manager), "merge"
        return Op(verb="patch", kind=kind, name=name, body=body, manager=manager, patch=sort, subresource=subresource)

    def _delete(self, kind: str, name: str, _manager: str) -> Op:
        version: Seen | str = ""
        if self.values.often(0.3):
            version = self.chance.choice((Seen(_VERSION), Seen(_VERSION), Seen(_VERSION, 1), "1"))
        return Op(verb="delete", kind=kind, name=name, uid=self.bodies.uid(0.4), resource_version=version)

    def _list(self, kind: str, _name: str, _manager: str) -> Op:
        own = (f"{path}={value}" for path, usual in KINDS[kind].selectable for value in (usual, "fast"))
        return Op(
            verb="list",
            kind=kind,
            labels=self.chance.choice(_LABELS) if self.values.often(0.5) else "",
            fields=self.chance.choice((*_FIELDS, *own)) if self.values.often(0.5) else "",
            # Of cluster-scoped kinds other sequences have objects too, so that pages differ.
            limit=self.chance.choice((0, 0, 1, 2)) if KINDS[kind].resource.namespaced else 0,
            metadata_only=self.values.often(0.2),
        )
