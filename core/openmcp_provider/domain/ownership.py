"""Whose an object is: marks, managedFields, and taking over what the older program of the same name wrote.

Server-side apply records who set which field. Our own entry tells which fields we own, so that a field we stop wanting
goes; an Update entry of our manager tells that the older program wrote there.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openmcp_provider.domain.compare import same
from openmcp_provider.domain.copies import digest_of
from openmcp_provider.domain.names import MANAGED_BY, ONBOARDING_NAME, ONBOARDING_NAMESPACE, shorten
from openmcp_provider.domain.objects import MAPPING, PLATFORM, Json, Ref, annotations, dig, labels, timestamp
from openmcp_provider.provider import Edition

__all__ = [
    "INPUTS",
    "ON_DELETE",
    "WAVE",
    "Live",
    "Owner",
    "Path",
    "marks",
    "observe",
    "owns_beyond",
    "take_over_patch",
    "without_emptied",
]

WAVE = "openmcp.cloud/wave"
ON_DELETE = "openmcp.cloud/on-delete"
INPUTS = "openmcp.cloud/inputs"

Path = tuple[str, ...]
"""Where a field is, as keys of fieldsV1."""

_PARTS = ("data", "binaryData")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"  # holds the data of a Secret once more


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """An object as it is, without managedFields and, for a Secret or ConfigMap, without data.

    Attributes:
        object: The object.
        owns: The fields that our Apply entry owns, as paths of fieldsV1 keys; None = we never applied it.
        applied: When anybody last wrote anything but status, where we applied it at all: from then on its controller
            has something to look at.
        legacy: The older program's entry owns fields outside metadata.
        digest: Of the data of a Secret or ConfigMap, without keys that others added to ours; empty for other kinds.
    """

    object: Json
    owns: frozenset[Path] | None = None
    applied: datetime | None = None
    legacy: bool = False
    digest: str = ""

    @property
    def managed(self) -> bool:
        """Whether managedFields hold an entry of ours that wrote the object, and not only a mark that was copied."""
        return self.owns is not None or self.legacy

    @property
    def uid(self) -> str:
        """``metadata.uid``."""
        return dig(self.object, "metadata", "uid") or ""


@dataclass(frozen=True, slots=True)
class Owner:
    """One instance as the owner of objects.

    Attributes:
        edition: The provider's wire identity.
        name: The instance's name.
        namespace: Its namespace.
        unmarked: The objects that an older program may have written for it, with their wave.
    """

    edition: Edition
    name: str
    namespace: str
    unmarked: tuple[tuple[Ref, int], ...] = ()

    def may_write(self, ref: Ref, live: Live) -> bool:
        """Tell whether the object may be written: it bears our mark, or an older program of ours wrote it.

        What bears somebody else's mark is theirs, even where managedFields name our manager: programs can share it.
        """
        found = labels(live.object)
        wanted = marks(self.edition, self.name, self.namespace, ref.cluster)
        if all(found.get(key) == value for key, value in wanted.items()):
            return True
        theirs = any(found.get(key, value) != value for key, value in wanted.items())
        return not theirs and live.managed and self._legacy_wave(ref) is not None

    def may_delete(self, ref: Ref, live: Live) -> bool:
        """Tell whether the object may be deleted: labels get copied, so a mark alone is not enough."""
        return live.managed and self.may_write(ref, live)

    def wave(self, ref: Ref, live: Live) -> int:
        """Return the wave of an owned object: what it says itself, else what is known of older programs."""
        try:
            return int(annotations(live.object)[WAVE])
        except (KeyError, ValueError):
            return self._legacy_wave(ref) or 0

    def _legacy_wave(self, ref: Ref) -> int | None:
        for candidate, wave in self.unmarked:
            if candidate == ref or (not candidate.name and candidate == ref._replace(name="")):
                return wave
        return None


def marks(edition: Edition, name: str, namespace: str, cluster: str) -> dict[str, str]:
    """Return the labels that every object we write on `cluster` for this instance bears."""
    found = {MANAGED_BY: shorten(edition.access_controller)}
    if cluster != PLATFORM:
        found |= {ONBOARDING_NAME: shorten(name), ONBOARDING_NAMESPACE: shorten(namespace)}
    return found


def observe(obj: Json, manager: str) -> Live:
    """Return an object as caches keep it: managedFields shrunk to what concerns `manager`, data to a digest."""
    entries = _entries(obj, manager)
    applied = next((entry for entry in entries if entry.get("operation") == "Apply"), None)
    owns = frozenset(_leaves(applied.get("fieldsV1") or {})) if applied else None
    secret = obj.get("kind") in {"Secret", "ConfigMap"}
    metadata = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if secret and _LAST_APPLIED in annotations(obj):
        metadata["annotations"] = {key: value for key, value in annotations(obj).items() if key != _LAST_APPLIED}
    kept = {key: value for key, value in obj.items() if not (secret and key in {*_PARTS, "stringData"})}
    return Live(
        object={**kept, "metadata": metadata},
        owns=owns,
        applied=_written(obj) if applied else None,
        legacy=any(_is_legacy(entry) for entry in entries),
        digest=digest_of(_own_data(obj, owns)) if secret else "",
    )


def owns_beyond(owned: Iterable[Path], manifest: Json) -> str:
    """Return the first field, dotted, that is owned but not in the manifest; empty if there is none."""
    return next((_dotted(path) for path in sorted(owned) if not _holds(manifest, path)), "")


def without_emptied(manifest: Json, live: Live) -> Json:
    """Return the manifest without the empty maps that hold something of ours now; most often the manifest itself.

    A server that is told to empty a map makes it null, or refuses where the schema allows no null; and null takes a
    default of a Helm chart away, which an empty map leaves. So the map goes first, and comes back empty in the next
    write, which finds nothing of ours in it any more.
    """
    parents = {path[:end] for path in live.owns or () for end in range(1, len(path))}
    return _filled(manifest, live.object, (), None if live.legacy else parents)


def _filled(wanted: Json, live: object, path: Path, parents: set[Path] | None) -> Json:
    """Leave out what would be emptied; no parents = everything that is there counts as ours."""
    kept = {}
    for key, value in wanted.items():
        at = (*path, f"f:{key}")
        below = live.get(key) if isinstance(live, MAPPING) else None
        if isinstance(value, MAPPING) and isinstance(below, MAPPING) and below:
            left = _filled(value, below, at, parents)
            if left or (parents is not None and at not in parents):
                kept[key] = left
        else:
            kept[key] = value
    return wanted if len(kept) == len(wanted) and all(kept[key] is wanted[key] for key in kept) else kept


def take_over_patch(obj: Json, manager: str) -> tuple[Json, ...]:
    """Return the JSON patch that makes the older program's Update entry our Apply entry; empty if there is none.

    Args:
        obj: The object as just read, with managedFields.
        manager: The field manager of both programs.
    """
    entries = list(dig(obj, "metadata", "managedFields") or ())
    legacy = [entry for entry in entries if entry.get("manager") == manager and _is_legacy(entry)]
    if not legacy:
        return ()
    own = [
        entry
        for entry in entries
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")
    ]
    fields: dict[str, Any] = {}
    for entry in (*own, *legacy):
        fields = _union(fields, entry.get("fieldsV1") or {})
    merged = {**legacy[-1], "operation": "Apply", "fieldsV1": fields}
    rest = [entry for entry in entries if entry not in legacy and entry not in own]
    return (
        {"op": "test", "path": "/metadata/resourceVersion", "value": obj["metadata"]["resourceVersion"]},
        {"op": "replace", "path": "/metadata/managedFields", "value": [*rest, merged]},
    )


def _written(obj: Json) -> datetime | None:
    """Return when the object was last written, its status apart."""
    entries = dig(obj, "metadata", "managedFields") or ()
    times = (timestamp(entry.get("time")) for entry in entries if not entry.get("subresource"))
    return max((time for time in times if time), default=None)


def _entries(obj: Json, manager: str) -> list[Json]:
    found = dig(obj, "metadata", "managedFields") or ()
    return [entry for entry in found if entry.get("manager") == manager and not entry.get("subresource")]


def _own_data(obj: Json, owns: frozenset[Path] | None) -> Json:
    """Return the data without the keys that only others own: a copy that has more than its source is still one."""
    if owns is None:
        return obj
    return {
        part: {
            key: value
            for key, value in (obj.get(part) or {}).items()
            if (f"f:{part}", f"f:{key}") in owns or (f"f:{part}",) in owns
        }
        for part in _PARTS
    }


def _is_legacy(entry: Json) -> bool:
    if entry.get("operation") != "Update" or entry.get("subresource"):
        return False
    return any(path[0] != "f:metadata" for path in _leaves(entry.get("fieldsV1") or {}))


def _leaves(fields: Json, path: Path = ()) -> Iterable[Path]:
    for key, value in fields.items():
        if key == ".":
            continue
        below = [inner for inner in value if inner != "."] if isinstance(value, MAPPING) else []
        if below:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


def _holds(value: object, path: Path) -> bool:
    """Tell whether a manifest says anything at a path of fieldsV1 keys."""
    for at, step in enumerate(path):
        kind, _, rest = step.partition(":")
        if kind == "f":
            if not isinstance(value, MAPPING) or rest not in value:
                return False
            value = value[rest]
        elif not isinstance(value, (list, tuple)):
            return False
        elif kind == "v":
            item = json.loads(rest)
            return any(same(item, other) for other in value)
        elif kind == "i":
            if int(rest) >= len(value):
                return False
            value = value[int(rest)]
        else:
            keys = json.loads(rest)
            tail = path[at + 1 :]
            return any(_matches(item, keys) and _holds(item, tail) for item in value)
    return True


def _matches(item: object, keys: Json) -> bool:
    """Tell whether a list item has these keys; the server fills one in that a manifest leaves to its default."""
    if not isinstance(item, MAPPING) or keys.keys().isdisjoint(item):
        return False
    return all(same(item[key], value) for key, value in keys.items() if key in item)


def _dotted(path: Path) -> str:
    return ".".join(step.partition(":")[2] for step in path)


def _union(one: Json, other: Json) -> dict[str, Any]:
    """Unite two sets of fields. One that a set has as a whole stays so, marked ".", beside what is below it."""
    both = dict(one)
    for key, value in other.items():
        below = _union(both.get(key) or {}, value)
        whole = key in one and below and not (one[key] and value)
        both[key] = {".": {}, **below} if whole else below
    return both
