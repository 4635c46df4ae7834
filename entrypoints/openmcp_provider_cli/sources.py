"""Secrets and ConfigMaps as given: brought into the form that an API server would store, and checked."""

import base64
import binascii
from collections.abc import Iterator, Mapping

from openmcp_adapters.wire import child, kind_of
from openmcp_provider.provider import Json, Problem

__all__ = ["check_source", "stored"]

_BASE64 = {"Secret": ("data",), "ConfigMap": ("binaryData",)}
_TEXT = {"Secret": ("stringData",), "ConfigMap": ("data",)}


def check_source(body: Json) -> Iterator[Problem]:
    """Yield what an API server would refuse in the data of a Secret or ConfigMap; values are never repeated."""
    kind = body["kind"]
    if not isinstance(body.get("type", ""), str | None):
        yield Problem("type", f"is {kind_of(body['type'])}", "must be text")
    for part in (*_BASE64[kind], *_TEXT[kind]):
        values = body.get(part)
        if not isinstance(values, Mapping | None):
            yield Problem(part, f"is {kind_of(values)}", "must be an object")
            continue
        for key, value in (values or {}).items():
            path = child(part, key)
            if not isinstance(value, str):
                yield Problem(path, f"is {kind_of(value)}", "must be text, in quotes if need be")
            elif part in _BASE64[kind] and _decoded(value) is None:
                plain = ", or as text under stringData" if kind == "Secret" else ""
                yield Problem(path, "is not base64", f"write the value in base64{plain}")


def stored(body: Json) -> Json:
    """Return a checked Secret or ConfigMap as an API server stores it: ``stringData`` merged into ``data``."""
    kept = {key: body[key] for key in ("apiVersion", "kind", "metadata", "type") if body.get(key)}
    if body["kind"] == "ConfigMap":
        return kept | {part: body[part] for part in ("data", "binaryData") if body.get(part)}
    data = {key: _encoded(_decoded(value) or b"") for key, value in (body.get("data") or {}).items()}
    data |= {key: _encoded(value.encode()) for key, value in (body.get("stringData") or {}).items()}
    return kept | {"data": data}


def _decoded(text: str) -> bytes | None:
    """Return what Go decodes, which passes over line breaks; None if it would refuse."""
    try:
        return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
    except (binascii.Error, ValueError):
        return None


def _encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
