"""What the REST layer asks of a client library: send this, and hand over the bytes that come back."""

import json
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal, Protocol

from openmcp_provider.domain.objects import Json

__all__ = ["JSON", "KEEPALIVE", "Answer", "Body", "Request", "Timeouts", "Transport"]

JSON = "application/json"

Body = Json | list[Json]

_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")

KEEPALIVE: Sequence[tuple[int, int, int]] = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
"""Options of every socket: a peer that vanished without a word is noticed after 75 seconds, also by an idle watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long to wait, in seconds.

    Attributes:
        connect: For a connection, its TLS included.
        read: For the next bytes of an answer, and for the other side to take ours.
        watch: The shortest and the longest time that a watch is asked to last; each draws its own, so that not all
            come back at once.
        silence: How much longer than that a watch may say nothing before it counts as broken.
    """

    connect: float = 10.0
    read: float = 30.0
    watch: tuple[float, float] = (240.0, 360.0)
    silence: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is sent.

    Attributes:
        method: Of HTTP.
        target: Path and query, quoted.
        read: How long to wait for the next bytes.
        accept: The media type wanted.
        body: JSON, None for no body.
        content_type: Of the body.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    target: str
    read: float
    accept: str = JSON
    body: Body | None = None
    content_type: str = JSON

    @property
    def content(self) -> bytes | None:
        """The body as it is sent: UTF-8, since a server reads what is applied as YAML, which has no surrogate pairs.

        What YAML does not take as it is, or takes for the end of a line, is escaped.
        """
        if self.body is None:
            return None
        text = json.dumps(self.body, ensure_ascii=False)
        return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode()

    @property
    def headers(self) -> dict[str, str]:
        """What says the forms of body and answer."""
        # Unpacked, a small answer may be a large one; and on the way to a cluster CPU is dearer than the network.
        return {"Accept": self.accept, "Accept-Encoding": "identity"} | (
            {} if self.body is None else {"Content-Type": self.content_type}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What comes back.

    Attributes:
        status: Of HTTP.
        retry_after: The header, empty if there is none.
        chunks: The body, in whatever pieces it arrives, as it is sent.
        encoding: How it is packed, which nobody asked for.
    """

    status: int
    retry_after: str
    chunks: AsyncIterator[bytes]
    encoding: str = ""

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class Transport(Protocol):
    """A client library's connections to one server, with its credentials.

    It follows no redirects and repeats nothing, except once, with fresh credentials, what was answered 401.
    """

    def open(self, request: Request) -> AbstractAsyncContextManager[Answer]:
        """Send a request; when the context ends, the connection is given back or closed.

        Raises:
            Unavailable: nothing, or not all of it, came back; also while the body is read.
            Unauthorized: there are no credentials to send.
        """

    async def close(self) -> None:
        """Close all connections; what is under way fails."""
