"""Random values: mostly what a schema allows, and now and then what it does not."""

import copy
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

__all__ = ["Values"]

_KEYS = ("x", "y", "z")
_TEXTS = ("ab", "abc", "xyz")
_MOMENTS = ("2026-01-01T00:00:00Z", "2026-01-01T10:00:00.5+02:00")
_ODD: tuple[Any, ...] = (
    *(None, "", "text", 0, 1, 1.5, True, False, [], {}, ["x"], {"x": "1"}, [None], {"x": None}, [{}], [[]]),
    {"x": {"y": "1"}},
)
_ODD_TEXTS = ("", "a", "A", "abcdef", "abc\n", "two words", "1", "true", "null", "x" * 64)
_ODD_NUMBERS = (0, -1, 10, 11, 2**31, 2**40, 1.5, 2.0)
_ODD_KEYS = ("a b", "a/b", "t.io/x", "UPPER", "-x", "..", "", "ü", "x" * 64, "f:x", ".")
_ODD_MOMENTS = ("yesterday", "2026-01-01", "2026-01-01T00:00:00", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00z", "")
_FREE: tuple[Any, ...] = (1, 2, 2.0, True, "x", [1], [], {}, {"x": 1}, {"x": {"y": [1]}, "z": None}, 1.5, None)

_OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o"}
_OWNERS: tuple[Any, ...] = (
    {**_OWNER, "uid": "0000-1"},
    {**_OWNER, "uid": "0000-1", "controller": True},
    {**_OWNER, "uid": "0000-2", "blockOwnerDeletion": True},
    {**_OWNER, "uid": "0000-3", "controller": False},
)
_ODD_OWNERS: tuple[Any, ...] = (
    _OWNER,
    {**_OWNER, "uid": ""},
    {**_OWNER, "uid": "0000-2", "controller": True},
    {**_OWNER, "uid": "0000-4", "more": "x"},
    {"uid": "0000-5"},
    {**_OWNER, "uid": 5},
    {**_OWNER, "uid": "0000-1", "name": "other"},
    {**_OWNER, "uid": "0000-6", "apiVersion": "a/b/c"},
    None,
    "text",
)


class Values:
    """A source of values.

    Args:
        chance: Where they come from.
        wild: How likely each value is one that nobody would send.

    Attributes:
        applied: Values are for an apply.
        duplicates: Lists may have several items of one name.
    """

    def __init__(self, chance: Random, wild: float) -> None:
        self.chance = chance
        self.wild = wild
        self.applied = False
        self.duplicates = True

    def odd(self) -> bool:
        """Decide whether the next value is an odd one."""
        return self.chance.random() < self.wild

    def often(self, likely: float) -> bool:
        """Decide something."""
        return self.chance.random() < likely

    def any_of(self, usual: tuple[Any, ...], odd: tuple[Any, ...]) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Return a usual value, or an odd one."""
        return copy.deepcopy(self.chance.choice(odd if self.odd() else usual))

    def of(self, schema: Mapping[str, Any], full: float = 0.5) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Return a value for a schema.

        Args:
            schema: What it is for.
            full: How likely a field is there.
        """
        if self.applied and schema.get("delicate"):
            return self.chance.choice(schema["examples"])
        if self.applied and schema.get("additionalProperties", {}).get("delicate"):
            return self._map(schema, full)
        if self.odd() and self.often(0.3):
            odd = self.chance.choice(_ODD)
            # Left out: a list where text of some format is due, which the server takes for bytes, or lets pass and
            # then cannot apply to; and null in a map of bytes, which is one thing as sent and another as read.
            if (isinstance(odd, list) and "format" in schema) or (odd is None and schema.get("delicate")):
                return ""
            return copy.deepcopy(odd)
        if "examples" in schema:
            return self.any_of(tuple(schema["examples"]), (*_ODD_TEXTS, *_ODD_MOMENTS))
        if "enum" in schema:
            return self.any_of(tuple(schema["enum"]), _ODD_TEXTS)
        if schema.get("x-kubernetes-int-or-string"):
            return self.any_of((1, 2, "50%", "ab"), (1.5, True, "", None))
        return self._make(schema.get("type"))(schema, full)

    def _make(self, kind: str | None) -> Callable[[Mapping[str, Any], float], Any]:
        makers: dict[str | None, Callable[[Mapping[str, Any], float], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": self._string,
            "integer": lambda _schema, _full: self.any_of((1, 2, 3), _ODD_NUMBERS),
            "number": lambda _schema, _full: self.any_of((1, 2, 0.5), _ODD_NUMBERS),
            "boolean": lambda _schema, _full: self.any_of((True, False), _ODD),
        }
        return makers.get(kind, lambda _schema, _full: copy.deepcopy(self.chance.choice(_FREE)))

    def _object(self, schema: Mapping[str, Any], full: float) -> dict[str, Any]:
        found = {}
        for key, inner in schema.get("properties", {}).items():
            if (not self.odd()) if key in schema.get("required", ()) else self.often(full):
                found[key] = self.of(inner, full)
        if "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields"):
            found |= self._map(schema, full)
        elif self.odd():
            found["unknown"] = copy.deepcopy(self.chance.choice(_FREE))
        return found

    def _map(self, schema: Mapping[str, Any], full: float) -> dict[str, Any]:
        inner = schema.get("additionalProperties") or {}
        count = self.chance.choice((0, 1, 1, 2))
        return {self.any_of(_KEYS, _ODD_KEYS): self.of(inner, full) for _ in range(count)}

    def _array(self, schema: Mapping[str, Any], full: float) -> list[Any]:
        items = [self.of(schema["items"], full) for _ in range(self.chance.choice((0, 1, 1, 2, 2, 3)))]
        if self.odd():
            return items * 2 if self.duplicates else items
        if schema.get("x-kubernetes-list-type") in {"set", "map"}:
            keys = schema.get("x-kubernetes-list-map-keys", ())
            named = {repr([_field(item, key) for key in keys] if keys else item): item for item in items}
            return list(named.values())
        return items

    def _string(self, schema: Mapping[str, Any], full: float) -> str:
        if schema.get("format") == "date-time":
            found: str = self.any_of(_MOMENTS, _ODD_MOMENTS)
            return found
        text: str = self.any_of(_TEXTS, _ODD_TEXTS)
        return text

    # --- metadata

    def metadata(self, full: float) -> dict[str, Any]:
        """Return fields of metadata other than name and namespace; for an apply none that only the server sets."""
        makers: dict[str, Callable[[], Any]] = {
            "labels": self.labels,
            "annotations": self.annotations,
            "finalizers": self.finalizers,
            "ownerReferences": self.owners,
        }
        found = {key: make() for key, make in makers.items() if self.often(full)}
        if self.odd():
            found |= self.chance.choice(_APPLIED if self.applied else _SYSTEM)
        return found

    def labels(self) -> Any:  # noqa: ANN401
        """Return labels."""
        return self._texts(("1", "2", ""), ("two words", "-x", "x" * 64, self._nothing(), 1, "ü", {}))

    def annotations(self) -> Any:  # noqa: ANN401
        """Return annotations."""
        return self._texts(("1", "two words", ""), (self._nothing(), 1, True, "ü\n", []))

    def _nothing(self) -> str | None:
        """Return null; in a label or annotation that is applied the server notices only later that it means empty."""
        return "" if self.applied else None

    def _texts(self, usual: tuple[Any, ...], odd: tuple[Any, ...]) -> Any:  # noqa: ANN401
        if self.odd():
            return self.chance.choice((None, {}, [], "text", {"x": self._nothing()}))
        keys = [self.any_of((*_KEYS, "t.io/k"), _ODD_KEYS) for _ in range(self.chance.choice((1, 1, 2)))]
        return {key: self.any_of(usual, odd) for key in keys}

    def finalizers(self) -> Any:  # noqa: ANN401
        """Return finalizers."""
        if self.odd():
            twice = ["t.io/a"] * (2 if self.duplicates else 1)
            return self.chance.choice((None, [], {}, "t.io/a", [None], [""], [1], twice, ["t.io/a", "t.io/a b"]))
        found = [self.any_of(("t.io/a", "t.io/b"), ("nodomain", "two words", "/x", "t.io/c"))]
        if self.often(0.3) and "t.io/c" not in found:
            found.append("t.io/c")
        return found

    def owners(self) -> Any:  # noqa: ANN401
        """Return ownerReferences."""
        if self.odd() and self.often(0.3):
            return self.chance.choice((None, [], {}, "text"))
        found = [self.any_of(_OWNERS, _ODD_OWNERS)]
        if self.duplicates and self.often(0.3):
            found.append(self.any_of(_OWNERS[2:], _ODD_OWNERS))
        return found


# Not among them: deletionGracePeriodSeconds, selfLink and generation, which no client of ours sets and the server keeps
# for some kinds; and times and versions that cannot be read, which it answers with 500 or overlooks.
_SYSTEM: tuple[dict[str, Any], ...] = (
    {"uid": "mine"},
    {"uid": ""},
    {"generation": "7"},
    {"creationTimestamp": "2020-01-01T00:00:00Z"},
    {"creationTimestamp": None},
    {"deletionTimestamp": "2020-01-01T00:00:00Z"},
    {"deletionTimestamp": None},
    {"generateName": "gen-"},
    {"generateName": None},
    {"managedFields": []},
    {"managedFields": None},
    {"managedFields": [{}]},
    {"managedFields": [None]},
    {"managedFields": [{"manager": "m1", "operation": "Update"}]},
    {"managedFields": "text"},
    {"unknown": "x"},
    {"clusterName": "x"},
)
_APPLIED: tuple[dict[str, Any], ...] = (
    {"uid": ""},
    {"managedFields": []},
    {"managedFields": None},
    {"managedFields": [{"manager": "m1", "operation": "Update"}]},
    {"unknown": "x"},
)


def _field(item: object, key: str) -> object:
    return item.get(key) if isinstance(item, Mapping) else item
