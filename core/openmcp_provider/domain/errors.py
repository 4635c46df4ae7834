"""What a call through the port can fail with.

Every adapter translates its client's errors into these, and no client's own exception crosses the port. A message never
carries a request body, a header or an answer's raw text, since those may hold secrets.
"""

__all__ = [
    "AlreadyExists",
    "Conflict",
    "Expired",
    "Forbidden",
    "Invalid",
    "NotFound",
    "PortError",
    "ServerError",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
]


class PortError(Exception):
    """A request to a cluster did not do what was asked.

    Args:
        message: What the server or the connection said, cut to what is safe to show.
    """

    retried_silently = False
    """Whether this is an ordinary part of working together, which the next pass settles without a word to anybody."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message

    @property
    def reason(self) -> str:
        """The name of the kind of failure, in Kubernetes' words."""
        return type(self).__name__


class NotFound(PortError):
    """404: there is no such object, or its kind is not served."""

    retried_silently = True


class Conflict(PortError):
    """409: the object changed since it was read, or is another one than meant."""

    retried_silently = True


class AlreadyExists(PortError):
    """409 on create: the name is taken."""

    retried_silently = True


class Invalid(PortError):
    """400 or 422: the server refuses what was sent; sending it again will not help."""


class Forbidden(PortError):
    """403: the credentials do not allow it."""


class Unauthorized(PortError):
    """401: the credentials are not, or no longer, accepted."""


class Expired(PortError):
    """410: a resourceVersion or a continue token is too old; list again."""

    retried_silently = True


class TooManyRequests(PortError):
    """429: the server asks to wait.

    Args:
        message: As for `PortError`.
        retry_after: Seconds to wait, where the server said so.
    """

    retried_silently = True

    def __init__(self, message: str = "", retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ServerError(PortError):
    """An answer that is an error, 500, or that nobody can make sense of: the server is there, and what it says counts.

    A write may have happened all the same.
    """


class Unavailable(PortError):
    """No answer: a time-out, no connection, or 502, 503, 504; a write may have happened all the same."""
