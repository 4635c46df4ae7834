"""What is sent with a request: whole objects, edits of what was read, and patches."""

from random import Random
from typing import Any

from openmcp_testing.conformance.kinds import Kind
from openmcp_testing.conformance.requests import GONE, WAYS, Entries, Seen
from openmcp_testing.conformance.values import Values

__all__ = ["Bodies"]

_PARTS = ("labels", "annotations", "finalizers", "ownerReferences")
_RENAMES: tuple[dict[str, Any], ...] = (
    {"name": None},
    {"name": "b"},
    {"name": 1},
    {"namespace": "default"},
    {"namespace": None},
)
_VERSION = ("metadata", "resourceVersion")
# Not the whole object: the server compares texts, in which letters beyond ASCII may be escaped or not.
_TESTED: tuple[tuple[str, ...], ...] = (
    _VERSION,
    ("metadata", "labels"),
    ("metadata", "nothing"),
    ("spec",),
    ("data",),
)
_STEPS = ("0", "1", "-", "-1", "01", "x", "7")


class Bodies:
    """A source of bodies.

    Args:
        chance: Where they come from.
        values: What they are made of.
        full: How likely a field is there.
    """

    def __init__(self, chance: Random, values: Values, full: float) -> None:
        self.chance = chance
        self.values = values
        self.full = full

    # --- whole objects

    def whole(self, kind: Kind) -> dict[str, Any]:
        """Return an object, without name and namespace."""
        metadata = self.values.metadata(self.full * 0.6)
        return {**self._head(kind), "metadata": metadata, **self._parts(kind)}

    def applied(self, kind: Kind) -> dict[str, Any]:
        """Return an object to apply."""
        self.values.applied = True
        body = self.whole(kind)
        self.values.applied = False
        if kind.crd:
            # An apply of empty ones to a custom object is a write if it falls into another second than the last.
            metadata = {key: value for key, value in body["metadata"].items() if value not in (None, {}, [])}
            body["metadata"] = metadata
        return body

    def _head(self, kind: Kind) -> dict[str, Any]:
        head: dict[str, Any] = {"apiVersion": kind.resource.api_version, "kind": kind.resource.kind}
        if self.values.odd() and self.values.often(0.2):
            odd: list[dict[str, Any]] = [{"apiVersion": "v7"}, {"kind": "Other"}, {"apiVersion": 1}]
            # Objects of built-in kinds need not say what they are, which nobody makes use of.
            head |= self.chance.choice([*odd, {"apiVersion": ""}, {"kind": None}] if kind.crd else odd)
        return head

    def _parts(self, kind: Kind) -> dict[str, Any]:
        parts = {
            key: self.values.of(schema, self.full)
            for key, schema in kind.schema["properties"].items()
            if key == "spec" or self.values.often(self.full)
        }
        if self.values.odd():
            parts |= self.chance.choice(({"extra": {"x": 1}}, {"spec": None}, {"status": {"phase": "x"}}))
        return parts

    # --- parts of objects

    def uid(self, likely: float) -> Seen | str:
        """Return a uid: often none, else the right one, an older one, or nobody's."""
        if not self.values.often(likely):
            return ""
        return self.chance.choice((Seen(("metadata", "uid")), Seen(("metadata", "uid"), 2), "no-such-uid"))

    def entries(self, manager: str) -> Entries:
        """Return managedFields to send."""
        way = "taken over" if self.values.often(0.4) else self.chance.choice(tuple(WAYS))
        return Entries(way, manager)

    def edit(self, kind: Kind) -> tuple[tuple[str, ...], Any]:
        """Return a path with the value that it gets, which may be `GONE`."""
        if self.values.often(0.3):
            metadata = self.values.metadata(0.6)
            key = self.chance.choice(tuple(metadata) or ("labels",))
            if key == "deletionTimestamp" and not kind.crd:
                # A Lease that an update creates keeps it.
                key = "labels"
            return ("metadata", key), metadata.get(key, GONE)
        if self.values.often(0.07):
            return ("metadata", self.chance.choice(_PARTS)), GONE
        path, schema = self._place(kind)
        return path, GONE if self.values.often(0.2) else self.values.of(schema, self.full)

    def _place(self, kind: Kind) -> tuple[tuple[str, ...], Any]:
        """Return the path of a field beyond metadata, and its schema."""
        schema: Any = kind.schema
        path: list[str] = []
        while True:
            if properties := schema.get("properties"):
                key = self.chance.choice(tuple(properties))
                schema = properties[key]
            elif schema.get("type") == "object":
                key = self.values.any_of(("x", "y", "z"), ("a b", "t.io/x", "", "~"))
                schema = schema.get("additionalProperties") or {}
            else:
                break
            path.append(key)
            if self.values.often(0.3):
                break
        return tuple(path), schema

    # --- patches

    def merge_patch(self, kind: Kind, manager: str) -> dict[str, Any]:
        """Return a merge patch."""
        body: dict[str, Any] = {}
        if self.values.often(0.5):
            body["metadata"] = self._patched_metadata(manager)
        for _ in range(self.chance.choice((0, 1, 1, 2, 3))):
            path, schema = self._place(kind)
            value = None if self.values.often(0.2) else self.values.of(schema, self.full)
            at = body
            for step in path[:-1]:
                inner = at.get(step)
                at[step] = at = inner if isinstance(inner, dict) else {}
            at[path[-1]] = value
        return body

    def _patched_metadata(self, manager: str) -> dict[str, Any]:
        metadata = self.values.metadata(0.4)
        if self.values.often(0.2):
            metadata[self.chance.choice(_PARTS)] = None
        if self.values.often(0.15):
            metadata["resourceVersion"] = Seen(_VERSION, self.chance.choice((0, 0, 1)))
        if uid := self.uid(0.1):
            metadata["uid"] = uid
        if self.values.often(0.1):
            metadata["managedFields"] = self.entries(manager)
        if self.values.odd():
            metadata |= self.chance.choice(_RENAMES)
        return metadata

    def json_patch(self, kind: Kind, manager: str) -> tuple[Any, ...]:
        """Return a JSON patch."""
        operations: list[dict[str, Any]] = []
        if self.values.often(0.3):
            operations.append(_operation("test", _VERSION, Seen(_VERSION, self.chance.choice((0, 0, 0, 1)))))
        if self.values.often(0.2):
            operations.append(_operation("replace", ("metadata", "managedFields"), self.entries(manager)))
        count = self.chance.choice((0, 1, 1, 2) if operations else (1, 1, 2))
        return (*operations, *(self._any_operation(kind) for _ in range(count)))

    def _any_operation(self, kind: Kind) -> dict[str, Any]:
        op = self.chance.choices(("add", "replace", "remove", "test", "copy", "move"), (4, 4, 3, 1, 1, 1))[0]
        if op in {"copy", "move"}:
            return self._transfer(op, kind)
        if op == "test" and self.values.often(0.7):
            tested = self.chance.choice(_TESTED)
            return _operation("test", tested, Seen(tested))
        path, value = self._target(kind)
        if op == "remove":
            return {"op": op, "path": _pointer(path)}
        if op == "test" and isinstance(value, float):
            value = 1  # the server compares texts, of which 1.0 is another than 1
        if self.values.odd() and self.values.often(0.2):
            return self._broken(op, _pointer(path), value)
        return _operation(op, path, value)

    def _target(self, kind: Kind) -> tuple[tuple[str, ...], Any]:
        """Return a path and a value that do not always fit."""
        path, value = self.edit(kind)
        # Null in a map of bytes is one thing as sent and another as read.
        nothing = (None,) if kind.crd else ()
        if self.values.often(0.15) or (self.values.odd() and self.values.often(0.5)):
            return (*path, self.chance.choice(_STEPS)), self.chance.choice(("ab", 1, {"name": "ab"}, *nothing))
        return path, self.chance.choice(("x", 1, *nothing)) if value is GONE else value

    def _transfer(self, op: str, kind: Kind) -> dict[str, Any]:
        path, schema = self._place(kind)
        if "format" in schema or not kind.crd:
            # Text of some format is to get no list, see `Values.of`; and a copy of what is not there is null.
            path = ("metadata", self.chance.choice(("labels", "annotations")), *path[:1])
        return {"op": op, "from": _pointer(self.edit(kind)[0]), "path": _pointer(path)}

    def _broken(self, op: str, path: str, value: object) -> dict[str, Any]:
        found: dict[str, Any] = self.chance.choice(
            (
                {"op": op, "path": path},
                {"op": "increment", "path": path},
                {"op": op, "path": "spec", "value": value},
                {"op": op, "path": "", "value": value},
                {"op": op, "value": value},
                {"path": path, "value": value},
            )
        )
        return found


def _operation(op: str, path: tuple[str, ...], value: object) -> dict[str, Any]:
    return {"op": op, "path": _pointer(path), "value": value}


def _pointer(path: tuple[str, ...]) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)
