"""Copies of Secrets and ConfigMaps: what is copied, how equality is told, and how bytes stay out of sight."""

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from openmcp_provider.domain.objects import Json, dig

__all__ = ["DOCKER_CONFIG", "Sealed", "Source", "apart", "digest_of", "source_of", "unusable"]

DOCKER_CONFIG = "kubernetes.io/dockerconfigjson"
"""The type of a pull secret; its one key is ``.dockerconfigjson``."""

_DOCKER_KEY = ".dockerconfigjson"
_PARTS = ("data", "binaryData")
_PLAIN = "stringData"


class Sealed:
    """The data of a Secret or ConfigMap. Neither its text nor its repr nor an error shows a byte of it.

    Args:
        parts: The fields ``data`` and ``binaryData`` of the object, as they are.
    """

    __slots__ = ("_parts", "digest")

    def __init__(self, parts: Mapping[str, Mapping[str, str]]) -> None:
        self._parts = {key: dict(parts[key]) for key in _PARTS if parts.get(key)}
        text = json.dumps(self._parts, sort_keys=True, separators=(",", ":"))
        self.digest = hashlib.sha256(text.encode()).hexdigest()

    def __repr__(self) -> str:
        return f"Sealed({self.digest[:8]})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sealed) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __copy__(self) -> "Sealed":
        return self

    def __deepcopy__(self, _: object) -> "Sealed":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("Sealed cannot be pickled: its bytes would be written down")

    def reveal(self) -> dict[str, dict[str, str]]:
        """Return the fields, for nothing but the request that writes them."""
        return {key: dict(value) for key, value in self._parts.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A Secret or ConfigMap of the provider's namespace that something refers to.

    Attributes:
        kind: ``Secret`` or ``ConfigMap``.
        name: Its name.
        uid: Its uid, empty for one that no server has seen.
        type: The Secret's type, empty for a ConfigMap.
        sealed: Its data.
        flaw: Why it cannot be used whoever uses it, empty if it can.
    """

    kind: str
    name: str
    uid: str
    type: str
    sealed: Sealed
    flaw: str = ""


def source_of(obj: Json) -> Source:
    """Return what a Secret or ConfigMap offers to its copies."""
    secret = obj["kind"] == "Secret"
    kind = obj.get("type") or "Opaque" if secret else ""
    return Source(
        kind=obj["kind"],
        name=obj["metadata"]["name"],
        uid=obj["metadata"].get("uid", ""),
        type=kind,
        sealed=_seal(obj),
        flaw=_docker_flaw(obj) if kind == DOCKER_CONFIG else "",
    )


def unusable(source: Source, wanted_type: str) -> str:
    """Return why a source cannot serve a copy of `wanted_type` (empty = any), empty if it can."""
    if wanted_type and source.type != wanted_type:
        return f'it is of type "{source.type}" and must be of type "{wanted_type}"'
    return source.flaw


def digest_of(obj: Json) -> str:
    """Return the digest of a live Secret's or ConfigMap's data, equal to that of the `Sealed` it was written from."""
    return _seal(obj).digest


def apart(manifest: Json) -> tuple[Json, Sealed | None]:
    """Return a manifest without its data, and the data; None where the kind is none whose data is kept out of sight.

    The data is as a server stores it: `stringData` is part of it, and a key that is null is none.
    """
    if manifest["kind"] not in {"Secret", "ConfigMap"}:
        return manifest, None
    parts = {
        part: {key: text for key, text in (manifest.get(part) or {}).items() if text is not None} for part in _PARTS
    }
    for key, text in (manifest.get(_PLAIN) or {}).items():
        parts["data"][key] = base64.b64encode((text or "").encode()).decode()
    return {key: value for key, value in manifest.items() if key not in {*_PARTS, _PLAIN}}, Sealed(parts)


def _seal(obj: Json) -> Sealed:
    return Sealed({key: obj[key] for key in _PARTS if isinstance(obj.get(key), Mapping)})


def _docker_flaw(obj: Json) -> str:
    """Return why an API server would refuse a pull secret, or a puller could not read it."""
    text = dig(obj, "data", _DOCKER_KEY)
    if not isinstance(text, str):
        return f'it has no key "{_DOCKER_KEY}"'
    unwrapped = text.replace("\r", "").replace("\n", "")  # servers accept base64 in lines, nothing else between
    try:
        content = json.loads(base64.b64decode(unwrapped, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return f'the value of "{_DOCKER_KEY}" is not JSON'
    return "" if isinstance(content, dict) else f'the value of "{_DOCKER_KEY}" is not a JSON object'
