"""What passes through a proxy: requests as they come, and the answers and events that it makes up."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self

__all__ = ["Answer", "Request", "event", "failure"]

# How clients write a true boolean; Go understands them all.
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})


class Request(NamedTuple):
    """A request as it came.

    Attributes:
        method: In capitals.
        path: Decoded, without the query.
        query: Decoded; of a key that is there twice, the first.
        headers: Names are found in any case.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def watches(self) -> bool:
        """Whether it asks for a watch."""
        return self.query.get("watch") in _TRUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that the proxy gives by itself."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def failure(cls, code: int, reason: str, message: str, **headers: str) -> Self:
        """Return a failure as an API server tells it; in names of headers, write an underscore for a dash."""
        body = json.dumps(failure(code, reason, message)).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(status=code, body=body, headers={"Content-Type": "application/json", **named})


def failure(code: int, reason: str, message: str) -> dict[str, object]:
    """Return the Status that tells of a failure."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def event(kind: str, obj: Mapping[str, object]) -> bytes:
    """Return the line that tells of an event of a watch."""
    return json.dumps({"type": kind, "object": obj}, separators=(",", ":")).encode() + b"\n"
