"""Who may read the metrics: the API server is asked, as every controller does it.

Whose token it is says a TokenReview, whether they may a SubjectAccessReview. Somebody who may has, on the platform:
``nonResourceURLs: ["/metrics"], verbs: ["get"]``.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from http import HTTPStatus

from openmcp_provider.domain.objects import dig
from openmcp_provider.ports import Clock, Cluster, PortError, Resource
from openmcp_provider_cli.logs import Log
from openmcp_provider_cli.serving_http import Handler, Request, Response

__all__ = ["Gate"]

TOKEN_REVIEWS = Resource("authentication.k8s.io/v1", "TokenReview", "tokenreviews", namespaced=False)
ACCESS_REVIEWS = Resource("authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews", namespaced=False)

ALLOWED_FOR, REFUSED_FOR = 60.0, 10.0
"""Seconds that an answer of the API server holds."""

MOST_ANSWERS = 256
MOST_REVIEWS = 4
"""How many reviews may be under way: who tries tokens must not burden the API server."""

_BEARER = re.compile(r"[Bb][Ee][Aa][Rr][Ee][Rr] +([A-Za-z0-9._~+/-]+=*)")

_log = Log("serving")


class Gate:
    """Lets through who may.

    Args:
        cluster: Whose API server is asked.
        clock: The time.
    """

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster = cluster
        self._clock = clock
        self._answers: OrderedDict[tuple[bytes, str, str], tuple[HTTPStatus, float]] = OrderedDict()
        self._reviews = asyncio.Semaphore(MOST_REVIEWS)

    def guarded(self, handler: Handler) -> Handler:
        """Return a handler that answers only who may ask it."""

        async def answer(request: Request) -> Response:
            status = await self._judge(request)
            if status is HTTPStatus.OK:
                return await handler(request)
            headers = {"WWW-Authenticate": "Bearer"} if status is HTTPStatus.UNAUTHORIZED else None
            return Response.of(status, headers=headers)

        return answer

    async def _judge(self, request: Request) -> HTTPStatus:
        found = _BEARER.fullmatch(request.headers.get("authorization", ""))
        if found is None:
            return HTTPStatus.UNAUTHORIZED
        # Tokens themselves are not kept.
        question = (hashlib.sha256(found[1].encode()).digest(), request.method.lower(), request.path)
        status, until = self._answers.get(question, (None, 0.0))
        if status is not None and self._clock.monotonic() < until:
            return status
        try:
            async with self._reviews:
                status = await self._review(found[1], verb=question[1], path=question[2])
        except PortError as error:
            _log.error("who asks for metrics cannot be checked", error)
            return HTTPStatus.INTERNAL_SERVER_ERROR
        self._remember(question, status)
        return status

    def _remember(self, question: tuple[bytes, str, str], status: HTTPStatus) -> None:
        lasts = ALLOWED_FOR if status is HTTPStatus.OK else REFUSED_FOR
        self._answers.pop(question, None)
        self._answers[question] = status, self._clock.monotonic() + lasts
        while len(self._answers) > MOST_ANSWERS:
            self._answers.popitem(last=False)

    async def _review(self, token: str, *, verb: str, path: str) -> HTTPStatus:
        review = await self._ask(TOKEN_REVIEWS, {"token": token})
        user = dig(review, "status", "user")
        if dig(review, "status", "authenticated") is not True or not dig(user, "username"):
            return HTTPStatus.UNAUTHORIZED
        spec = {
            "user": user["username"],
            **{key: user[key] for key in ("uid", "groups", "extra") if user.get(key)},
            "nonResourceAttributes": {"path": path, "verb": verb},
        }
        allowed = dig(await self._ask(ACCESS_REVIEWS, spec), "status", "allowed")
        return HTTPStatus.OK if allowed is True else HTTPStatus.FORBIDDEN

    async def _ask(self, resource: Resource, spec: object) -> object:
        return await self._cluster.create(
            resource, {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        )
