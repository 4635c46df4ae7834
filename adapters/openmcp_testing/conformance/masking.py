"""Masking: what two clusters may call differently gets the same name on both, in the order in which it appears."""

import json
import re
from typing import Any

from openmcp_provider.domain.objects import Json

__all__ = ["Mask"]

_UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GENERATED = re.compile(r"\bgen-[a-z0-9]{5}\b")


class Mask:
    """The names of one sequence.

    Args:
        namespace: Where it is played.
    """

    def __init__(self, namespace: str) -> None:
        self._namespace = re.compile(rf'"{re.escape(namespace)}(?=["-])')
        self._names: dict[str, str] = {}
        self._versions: dict[int, str] = {}
        self._times: dict[str, str] = {}
        self._ticks = 0

    def tick(self) -> None:
        """Note that a second has passed on purpose; whether one passed otherwise is chance, and is not told."""
        self._ticks += 1

    def object(self, obj: Json) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Return an object as it looks on every cluster."""
        text = json.dumps(obj, sort_keys=True, ensure_ascii=False)
        text = _GENERATED.sub(lambda found: self._name(found[0], "generated"), text)
        text = _UID.sub(lambda found: self._name(found[0], "uid"), text)
        found = json.loads(self._namespace.sub('"<namespace>', text))
        # The answer to the write that lets an object go may say null where another answer says nothing.
        metadata = {key: value for key, value in found.get("metadata", {}).items() if value is not None}
        found["metadata"] = metadata
        if version := metadata.get("resourceVersion"):
            metadata["resourceVersion"] = self._version(int(version))
        for key in ("creationTimestamp", "deletionTimestamp"):
            if key in metadata:
                metadata[key] = self._time(metadata[key])
        entries = metadata.get("managedFields") or ()
        for entry in entries:
            if "time" in entry:
                entry["time"] = self._time(entry["time"])
        if entries:
            # They are in the order of their times, which may be of two seconds here and of one there.
            metadata["managedFields"] = sorted(entries, key=lambda entry: json.dumps(entry, sort_keys=True))
        return found

    def _name(self, text: str, sort: str) -> str:
        return self._names.setdefault(text, f"<{sort} {len(self._names)}>")

    def _version(self, number: int) -> str:
        """Return a name that tells whether a version is new, and whether one that is new is greater than all others."""
        if number not in self._versions:
            late = "" if number >= max(self._versions, default=0) else ", and late"
            self._versions[number] = f"<version {len(self._versions)}{late}>"
        return self._versions[number]

    def _time(self, text: str) -> str:
        return self._times.setdefault(text, f"<time after {self._ticks} ticks>")
