"""What an answer means, and that no message shows what it must not."""

import errno
import json
import socket
import ssl
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_adapters.rest.errors import refusal, translated
from openmcp_provider.ports import (
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
from tests.rest.scripted import status

HIDDEN = "topsecret"


def refused(code: int, said: object, kind: str = "ConfigMap") -> PortError:
    """Return the error of an answer."""
    return refusal(code, said if isinstance(said, bytes) else json.dumps(said).encode(), kind=kind)


@pytest.mark.parametrize(
    ("code", "said", "error"),
    [
        (400, status(400, "BadRequest"), Invalid),
        (401, status(401, "Unauthorized"), Unauthorized),
        (403, status(403, "Forbidden"), Forbidden),
        (403, status(403, "Forbidden", causes=[{"reason": "NamespaceTerminating"}]), Forbidden),
        (404, status(404, "NotFound"), NotFound),
        (404, b"404 page not found\n", NotFound),
        (405, status(405, "MethodNotAllowed"), Invalid),
        (406, status(406, "NotAcceptable"), Invalid),
        (409, status(409, "AlreadyExists"), AlreadyExists),
        (409, status(409, "Conflict"), Conflict),
        (410, status(410, "Expired"), Expired),
        (410, status(410, "Gone"), Expired),
        (413, status(413, "RequestEntityTooLarge"), Invalid),
        (415, status(415, "UnsupportedMediaType"), Invalid),
        (422, status(422, "Invalid", causes=[{"field": "spec.size"}]), Invalid),
        (422, status(422, "Invalid", causes=[{"field": "metadata.uid"}]), Conflict),
        (429, status(429, "TooManyRequests"), TooManyRequests),
        (500, status(500, "", "failed to create typed patch object (n/a; v1): .x: field not declared"), Invalid),
        (500, status(500, "InternalError"), ServerError),
        (503, status(503, "ServiceUnavailable"), Unavailable),
        (504, status(504, "Timeout"), Unavailable),
        (304, b"", ServerError),
        (418, b"", ServerError),
        (500, b"<html>", ServerError),
        # What is no Status is known by its code alone, ...
        (409, b"<html>", Conflict),
        (410, b"", Expired),
        (429, b"slow down", TooManyRequests),
        (502, b"<html>", Unavailable),
        (403, b"[" * 100_000, Forbidden),
        (401, {"kind": "Error", "reason": "Expired"}, Unauthorized),
        # ... but that something is gone is believed only of an API server.
        (404, b"<html>404 Not Found</html>", Unavailable),
        (404, b"default backend - 404", Unavailable),
        (404, {"message": "no such route"}, Unavailable),
    ],
)
def test_answers(code: int, said: object, error: type[PortError]) -> None:
    """The HTTP status and the Status tell which error it is."""
    assert error is type(refused(code, said))


@pytest.mark.parametrize("details", [None, [], {"causes": None}, {"causes": [1, {}]}, {"retryAfterSeconds": {}}])
def test_odd_statuses(details: object) -> None:
    """A Status whose details are odd still is what its code says."""
    assert TooManyRequests is type(refused(429, {"kind": "Status", "details": details}))
    assert Invalid is type(refused(422, {"kind": "Status", "details": details, "message": 1}, "Secret"))


def test_messages_are_the_servers() -> None:
    """The server says what is wrong; it is shown on one line, and cut."""
    text = 'HelmRelease "x" is invalid:\n* spec.interval: Invalid value: "5": spec.interval should match "m"'
    assert " ".join(text.split()) == str(refused(422, status(422, "Invalid", text), "HelmRelease"))
    assert 300 == len(str(refused(422, status(422, "Invalid", "x" * 1000))))
    assert "HTTP status 503" == str(refused(503, status(503)))
    assert "the server does not serve this kind" == str(refused(404, b"404 page not found\n"))


@pytest.mark.parametrize(
    ("code", "said", "shown"),
    [
        (
            422,
            status(
                422,
                "Invalid",
                f'Secret "a" is invalid: data[x]: Invalid value: "{HIDDEN}"',
                causes=[{"field": "data[x]", "reason": "FieldValueInvalid", "message": f'Invalid value: "{HIDDEN}"'}],
            ),
            "HTTP status 422 Invalid for a Secret; data[x]: FieldValueInvalid",
        ),
        (400, status(400, "BadRequest", f"illegal base64 in {HIDDEN}"), "HTTP status 400 BadRequest for a Secret"),
        (500, status(500, "InternalError", f"webhook: {HIDDEN}"), "HTTP status 500 InternalError for a Secret"),
        (500, status(500, "", f"failed to create typed: {HIDDEN}"), "HTTP status 500 for a Secret"),
        (
            403,
            status(403, "Forbidden", f'admission webhook "w" denied the request: {HIDDEN}'),
            "HTTP status 403 Forbidden for a Secret",
        ),
        (403, status(403, "Forbidden", 'secrets "a" is forbidden'), 'secrets "a" is forbidden'),
        (404, status(404, "NotFound", 'secrets "a" not found'), 'secrets "a" not found'),
    ],
)
def test_messages_about_secrets(code: int, said: Any, shown: str) -> None:
    """Of what a server says about a Secret, only what quotes no values is shown."""
    assert shown == str(refused(code, said, "Secret"))


def fail(error: Exception, *, wrapped: bool) -> None:
    """Fail as a client does whose errors are lookup errors."""
    with translated("api.test:6443", LookupError):
        if wrapped:
            raise LookupError(HIDDEN) from error
        raise error


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (socket.gaierror(-2, HIDDEN), "its name is not known"),
        (ConnectionRefusedError(errno.ECONNREFUSED, HIDDEN), "Connection refused"),
        (ssl.SSLError(HIDDEN), "SSLError"),
        (TimeoutError(HIDDEN), "TimeoutError"),
        (LookupError(HIDDEN), "LookupError"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_no_answer(error: Exception, why: str, wrapped: bool) -> None:
    """Of a connection that failed, the reason is shown in words of the system; what the client wrote is not."""
    with pytest.raises(Unavailable) as caught:
        fail(error, wrapped=wrapped)

    assert f"no answer from api.test:6443: {'LookupError' if wrapped and 'Error' in why else why}" == str(caught.value)
    assert caught.value.__suppress_context__


@given(code=st.integers(100, 599), body=st.one_of(st.binary(), st.text().map(str.encode)))
def test_raw_text_is_never_shown(code: int, body: bytes) -> None:
    """An answer that is no Status is an error of the port, and nothing of it is shown."""
    error = refused(code, HIDDEN.encode() + body)

    assert HIDDEN not in str(error)
    assert str(code) in str(error)
