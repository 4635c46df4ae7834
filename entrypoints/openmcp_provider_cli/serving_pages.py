"""The pages of the program: is it alive, is it ready, its metrics."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import NamedTuple

from openmcp_provider_cli.measures import Watch
from openmcp_provider_cli.metrics import CONTENT_TYPE
from openmcp_provider_cli.serving_http import Handler, Request, Response

__all__ = ["SILENCE", "Verdict", "health_page", "metrics_page", "watch_verdicts"]

SILENCE = 180.0
"""Seconds that a watch may say nothing: API servers send a bookmark each minute, and a lost connection is noticed and
replaced within two."""


class Verdict(NamedTuple):
    """What came of a check: its name, and what is wrong, empty if nothing is."""

    name: str
    trouble: str = ""

    def __str__(self) -> str:
        """Return a line as Kubernetes' components write it."""
        return f"[-]{self.name}: {self.trouble}" if self.trouble else f"[+]{self.name} ok"


def health_page(name: str, check: Callable[[], Iterable[Verdict]]) -> Handler:
    """Return a page that answers 200 if every check passes, else 500 with what is wrong.

    Args:
        name: Of the page, for its last line.
        check: Checks everything.
    """

    async def answer(request: Request) -> Response:
        verdicts = list(check())
        failed = any(verdict.trouble for verdict in verdicts)
        if not failed and "verbose" not in request.query:
            return Response(HTTPStatus.OK, b"ok")
        last = f"{name} check {'failed' if failed else 'passed'}"
        status = HTTPStatus.INTERNAL_SERVER_ERROR if failed else HTTPStatus.OK
        return Response.of(status, "\n".join([*map(str, verdicts), last]))

    return answer


def watch_verdicts(watches: Iterable[Watch], longest: float = SILENCE) -> list[Verdict]:
    """Return a verdict for each watch: it has listed what there is, and its server was heard of not long ago."""
    return [Verdict(f"watch {watch.plural}", _trouble(watch, longest)) for watch in watches]


def _trouble(watch: Watch, longest: float) -> str:
    why = f" ({watch.failure})" if watch.failure else ""
    if watch.silence > longest:
        return f"no sign of life for {watch.silence:.0f} s{why}"
    return "" if watch.synced else f"not listed yet{why}"


def metrics_page(text: Callable[[], bytes]) -> Handler:
    """Return the page that Prometheus scrapes."""

    async def answer(_: Request) -> Response:
        return Response(HTTPStatus.OK, text(), CONTENT_TYPE)

    return answer
