"""Requests as data: what is asked, with references to what is known only when it is played.

A request that names "the resourceVersion as of two writes ago" means another text on every cluster. So it holds a
reference, and whoever plays it puts in what the cluster had answered.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from openmcp_provider.domain.objects import Json

__all__ = ["GONE", "Edited", "Entries", "Op", "Seen", "Verb", "resolved"]

Verb = Literal["create", "update", "patch", "apply", "delete", "get", "list", "more", "tick"]

GONE: Any = type("Gone", (), {"__repr__": lambda _: "GONE"})()
"""Stands for a field that is taken out, and for what a reference finds nothing for."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the object of the request had at a path, in the answer so many different answers ago."""

    path: tuple[str, ...]
    back: int = 0


@dataclass(frozen=True, slots=True)
class Edited:
    """The object of the request as it was last answered, so many different answers ago, with some fields replaced.

    Attributes:
        edits: Paths with the values that they get; `GONE` takes a field out.
        back: How many answers ago.
    """

    edits: tuple[tuple[tuple[str, ...], Any], ...]
    back: int = 0


@dataclass(frozen=True, slots=True)
class Entries:
    """The object's managedFields, rewritten.

    Attributes:
        way: A key of `WAYS`.
        manager: Whose entries are meant.
    """

    way: str
    manager: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One request.

    Attributes:
        verb: A method of the port; ``more`` asks for the next page of the kind's last list; ``tick`` is no request but
            waits for another second.
        kind: A key of `openmcp_testing.conformance.kinds.KINDS`.
        name: Of the object; of a cluster-scoped one the namespace comes before it.
        body: What is sent, with references in it.
        manager: The field manager.
        subresource: Through which subresource.
        patch: The sort of patch.
        force: Of an apply.
        uid: Of an apply, or a delete's precondition.
        resource_version: A delete's precondition.
        labels: A list's label selector.
        fields: A list's field selector.
        limit: A list's limit.
        metadata_only: Whether a list is of metadata alone.
    """

    verb: Verb
    kind: str = ""
    name: str = ""
    body: Any = None
    manager: str = ""
    subresource: str = ""
    patch: Literal["json", "merge"] = "merge"
    force: bool = True
    uid: Seen | str = ""
    resource_version: Seen | str = ""
    labels: str = ""
    fields: str = ""
    limit: int = 0
    metadata_only: bool = False

    def __repr__(self) -> str:
        """Show what is not at its default."""
        shown = ((name, getattr(self, name)) for name in self.__slots__)
        fields = self.__dataclass_fields__
        return f"Op({', '.join(f'{name}={value!r}' for name, value in shown if value != fields[name].default)})"


def resolved(value: Any, history: Sequence[Json], skeleton: Json) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return what a request sends, with every reference replaced.

    Args:
        value: With references.
        history: The object's different states, the latest last.
        skeleton: What is sent in the stead of an object that nobody has seen.
    """
    if isinstance(value, Seen):
        found: Any = history[-1 - value.back] if value.back < len(history) else GONE
        for key in value.path:
            found = found.get(key, GONE) if isinstance(found, Mapping) else GONE
        return found
    if isinstance(value, Edited):
        state: Any = history[-1 - value.back] if value.back < len(history) else skeleton
        for path, new in value.edits:
            state = _set(state, path, resolved(new, history, skeleton))
        return state
    if isinstance(value, Entries):
        entries = (history[-1]["metadata"].get("managedFields") if history else None) or []
        # A server has them in the order of their times, in which seconds that pass by chance play a part.
        ordered = sorted(({**entry} for entry in entries), key=_who)
        return WAYS[value.way](ordered, value.manager)
    if isinstance(value, dict):
        inner = {key: resolved(part, history, skeleton) for key, part in value.items()}
        return {key: part for key, part in inner.items() if part is not GONE}
    if isinstance(value, (list, tuple)):
        return [part for part in (resolved(part, history, skeleton) for part in value) if part is not GONE]
    return value


def _who(entry: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(entry.get(key, "") for key in ("operation", "manager", "apiVersion", "subresource"))


def _set(obj: Any, path: tuple[str, ...], value: object) -> Any:  # noqa: ANN401
    if not path:
        return value
    step, *rest = path
    inner = dict(obj) if isinstance(obj, Mapping) else {}
    if not rest and value is GONE:
        inner.pop(step, None)
    elif value is not GONE or step in inner:
        inner[step] = _set(inner.get(step), tuple(rest), value)
    return inner


def _taken_over(entries: list[dict[str, Any]], manager: str) -> list[dict[str, Any]]:
    """Turn a manager's Update entries into one Apply entry, as the provider does with an older program's."""
    own = [entry for entry in entries if entry.get("manager") == manager and not entry.get("subresource")]
    fields: dict[str, Any] = {}
    for entry in own:
        fields = _union(fields, entry.get("fieldsV1") or {})
    merged = [{**own[-1], "operation": "Apply", "fieldsV1": fields}] if own else []
    return [*(entry for entry in entries if entry not in own), *merged]


def _union(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {key: _union(one.get(key, {}), other.get(key, {})) for key in one | other}


def _of_others(entries: list[dict[str, Any]], manager: str) -> list[dict[str, Any]]:
    return [entry for entry in entries if entry.get("manager") != manager]


def _as(**fields: object) -> Callable[[list[dict[str, Any]], str], list[dict[str, Any]]]:
    """Return a way that changes the manager's entries; None takes a field out."""

    def change(entries: list[dict[str, Any]], manager: str) -> list[dict[str, Any]]:
        found = [{**entry, **fields} if entry.get("manager") == manager else entry for entry in entries]
        return [{key: value for key, value in entry.items() if value is not None} for entry in found]

    return change


WAYS: Mapping[str, Callable[[list[dict[str, Any]], str], list[dict[str, Any]]]] = {
    "taken over": _taken_over,
    "all taken over": lambda entries, _: [{**entry, "operation": "Apply"} for entry in entries],
    "dropped": _of_others,
    "renamed": _as(manager="m9"),
    "reversed": lambda entries, _: entries[::-1],
    "twice": lambda entries, _: entries * 2,
    "empty": lambda _entries, _manager: [],
    "cleared": lambda _entries, _manager: [{}],
    "of no operation": _as(operation="Write"),
    "of no version": _as(apiVersion=None),
    "of another version": _as(apiVersion="v7"),
    "of no type": _as(fieldsType=None),
    "of nothing": _as(fieldsV1={}),
    "without fields": _as(fieldsV1=None),
    "of unknown fields": _as(fieldsV1={"f:spec": {"f:nothing": {}}, "f:nowhere": {}}),
    "of the name": _as(fieldsV1={"f:metadata": {"f:name": {}, "f:labels": {".": {}, "f:x": {}}}}),
    "unreadable": _as(fieldsV1={"spec": {}}),
    "of a status": _as(subresource="status"),
}
"""How managedFields are rewritten: gets the entries and whose are meant."""
