"""What failed, in the port's words: an HTTP answer, an ERROR event of a watch, or no answer at all.

A server's own message is shown, cut, since it names objects and says what would be right. It may also quote values of
what was sent. So nothing of it is shown where a Secret's values could be in it, and a body that is not a Status never.
"""

import math
import os
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from openmcp_adapters.rest.limits import Limits, TooLarge, parsed
from openmcp_provider.domain.errors import (
    AlreadyExists,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NotFound,
    PortError,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from openmcp_provider.domain.objects import Json

__all__ = ["event_error", "refusal", "translated"]

_LONGEST = 300
_INVALID = frozenset({400, 405, 406, 413, 415, 422})
# Messages with these codes name objects and fields, and quote no values - unless an admission webhook wrote them.
_NAMES_ALONE = frozenset({401, 403, 404, 409, 410, 429})
_WEBHOOK = "admission webhook"
# The two answers of an API server to a path that it does not serve: a Status, or this text.
_UNSERVED = b"404 page not found"
_PLAIN: Mapping[int, type[PortError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    410: Expired,
    # What stands before a server says so, or the server while it is not ready: nobody has looked at the request.
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


def refusal(code: int, body: bytes, *, kind: str, retry_after: str = "", limits: Limits | None = None) -> PortError:
    """Return the error that an HTTP answer means; its content type does not matter.

    Args:
        code: The HTTP status.
        body: The answer's body.
        kind: The kind that was asked for.
        retry_after: The header of that name.
        limits: What the body may cost.
    """
    try:
        said = parsed(body, limits)
    except (ValueError, RecursionError, TooLarge):
        said = None
    if not isinstance(said, Mapping) or said.get("kind") != "Status":
        said = {"message": "the server does not serve this kind"} if body.startswith(_UNSERVED) else {}
        if code == HTTPStatus.NOT_FOUND and not said:
            # A gateway before a server that is away answers so too, and from that nobody may take that a thing is gone.
            return Unavailable("HTTP status 404, but not from an API server")
    return _error(code, said, kind, retry_after)


def event_error(status: object, *, kind: str) -> PortError:
    """Return the error that the object of a watch's ERROR event means."""
    said = _mapping(status)
    code = said.get("code")
    return _error(code if isinstance(code, int) else 500, said, kind)


@contextmanager
def translated(where: str, *errors: type[Exception]) -> Iterator[None]:
    """Turn what a client raises while it sends or reads into `Unavailable`; its own text, which may hold headers, goes.

    Args:
        where: Host and port, for the message.
        errors: The base classes of the client's exceptions; those of the operating system are known.
    """
    known: tuple[type[Exception], ...] = (OSError, *errors)
    try:
        yield
    except known as error:
        raise Unavailable(f"no answer from {where}: {_why(error)}") from None


def _error(code: int, said: Json, kind: str, retry_after: str = "") -> PortError:
    reason, details = said.get("reason"), _mapping(said.get("details"))
    causes = [cause for cause in details.get("causes") or () if isinstance(cause, Mapping)]
    message = _message(code, said, causes, kind)
    if code == HTTPStatus.TOO_MANY_REQUESTS:
        return TooManyRequests(message, _seconds(retry_after, details.get("retryAfterSeconds")))
    if code == HTTPStatus.CONFLICT:
        return AlreadyExists(message) if reason == "AlreadyExists" else Conflict(message)
    if code == HTTPStatus.UNPROCESSABLE_ENTITY and any(cause.get("field") == "metadata.uid" for cause in causes):
        return Conflict(message)
    if code in _INVALID or str(said.get("message", "")).startswith("failed to create typed"):
        return Invalid(message)
    if reason == "Expired":
        return Expired(message)
    return _PLAIN.get(code, ServerError)(message)


def _message(code: int, said: Json, causes: list[Json], kind: str) -> str:
    text = " ".join(str(said.get("message") or f"HTTP status {code}").split())
    if kind == "Secret" and (code not in _NAMES_ALONE or text.startswith(_WEBHOOK)):
        fields = [f"{cause.get('field', '')}: {cause.get('reason', '')}" for cause in causes]
        text = "; ".join([" ".join(f"HTTP status {code} {said.get('reason', '')} for a Secret".split()), *fields])
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _seconds(*values: object) -> float | None:
    """Return the first of several values that is a number of seconds."""
    for value in values:
        try:
            seconds = float(str(value))
        except ValueError:
            continue
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _why(error: BaseException) -> str:
    """Say why there was no answer, in words of the operating system or of OpenSSL, else by the name of the error.

    Those words are in the errors that the client's own were made of; some of the client's own pose as them.
    """
    found: BaseException | None = error
    while found:
        if isinstance(found, ssl.SSLCertVerificationError) and hasattr(found, "verify_message"):
            return f"its certificate is not accepted: {found.verify_message}"
        if isinstance(found, ssl.SSLError) and hasattr(found, "reason"):
            return f"TLS failed: {found.reason}"
        if isinstance(found, socket.gaierror):
            return "its name is not known"
        if isinstance(found, OSError) and not isinstance(found, ssl.SSLError) and found.errno and found.errno > 0:
            return os.strerror(found.errno)
        found = found.__cause__ or found.__context__
    return type(error).__name__
