"""As much of HTTP/1.1 as a prober or a scraper speaks, read strictly: GET and HEAD without a body, one a connection."""

import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qs

__all__ = ["PLAIN", "Handler", "Refused", "Request", "Response", "parse", "rendered"]

PLAIN = "text/plain; charset=utf-8"

_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (/[!-~]*) HTTP/([0-9])\.([0-9])")
_FIELD = re.compile(
    r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*((?:[!-~\x80-\xff](?:[ \t!-~\x80-\xff]*[!-~\x80-\xff])?)?)[ \t]*"
)
# Two of one of these mean that somebody in between may have understood something else than we do.
_ONCE = frozenset({"authorization", "content-length", "host", "transfer-encoding"})


class Request(NamedTuple):
    """What is asked for.

    Attributes:
        method: ``GET`` or ``HEAD``.
        path: As it was sent.
        query: Names and last values.
        headers: By name in lower case.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


class Response(NamedTuple):
    """What is answered."""

    status: HTTPStatus
    body: bytes
    content_type: str = PLAIN
    headers: Mapping[str, str] = {}

    @classmethod
    def of(cls, status: HTTPStatus, text: str = "", headers: Mapping[str, str] | None = None) -> "Response":
        """Return a response in plain text, by default the status in words."""
        return cls(status, f"{text or status.phrase}\n".encode(), headers=headers or {})


Handler = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """A request that is not understood, or not wanted."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def parse(head: bytes) -> Request:
    """Return the request that a head says: everything up to, and without, the empty line.

    Raises:
        Refused: it is none, or one with a body, or one of another method.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise _refused(HTTPStatus.BAD_REQUEST)
    method, target, major, minor = line.groups()
    if major != "1" or minor not in {"0", "1"}:
        raise _refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    headers = _headers(lines)
    if minor == "1" and "host" not in headers:
        raise _refused(HTTPStatus.BAD_REQUEST)
    if method not in {"GET", "HEAD"}:
        raise _refused(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
    if "transfer-encoding" in headers or headers.get("content-length", "0") != "0":
        raise _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    path, _, query = target.partition("?")
    values = parse_qs(query, keep_blank_values=True)
    return Request(method, path, {name: found[-1] for name, found in values.items()}, headers)


def _headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for text in lines:
        field = _FIELD.fullmatch(text)
        if field is None:
            raise _refused(HTTPStatus.BAD_REQUEST)
        name, value = field[1].lower(), field[2]
        if name in headers and name in _ONCE:
            raise _refused(HTTPStatus.BAD_REQUEST)
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _refused(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Refused:
    return Refused(Response.of(status, headers=headers))


def rendered(response: Response, method: str = "GET") -> bytes:
    """Return a response as bytes; the connection ends with it."""
    headers = {
        "Content-Type": response.content_type,
        "Content-Length": str(len(response.body)),
        "X-Content-Type-Options": "nosniff",
        "Connection": "close",
        **response.headers,
    }
    lines = [f"HTTP/1.1 {response.status.value} {response.status.phrase}", *map(": ".join, headers.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + (b"" if method == "HEAD" else response.body)
