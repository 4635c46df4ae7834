"""lightkube's connections and credentials.

Its verbs are not used: an error's class depends on the exact content type there, a delete knows no preconditions, a
watch no bookmarks and no end to silence. See ``tests/rest/test_holes.py``.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import httpx2
import msgspec
from lightkube.config.client_adapter import user_auth
from lightkube.config.models import User, UserExec

from openmcp_adapters.rest import KEEPALIVE, Access, Answer, Request, Timeouts, Transport, translated
from openmcp_provider.domain.errors import Unauthorized

__all__ = ["LightkubeTransport"]

_PLUGINS = {"client.authentication.k8s.io/v1alpha1", "client.authentication.k8s.io/v1beta1"}
# No limit: dozens of watches each hold a connection, and must never keep a request waiting. Only so many as were in use
# at one time are kept when idle.
_LIMITS = httpx2.Limits(max_connections=None, max_keepalive_connections=32, keepalive_expiry=30.0)


class LightkubeTransport(Transport):
    """Connections to one server.

    Args:
        access: How to reach it.
        timeouts: How long to wait.
        user_agent: How to call ourselves.

    Raises:
        ValueError: lightkube cannot run the exec plugin.
    """

    def __init__(self, access: Access, *, timeouts: Timeouts, user_agent: str) -> None:
        self._server = access.server
        self._where = access.where
        self._timeouts = timeouts
        self._extensions = {"sni_hostname": access.server_name} if access.server_name else {}
        self._client = httpx2.AsyncClient(
            auth=_Auth(user_auth(_user(access))),
            headers={"User-Agent": user_agent},
            transport=httpx2.AsyncHTTPTransport(
                verify=access.tls or True, proxy=access.proxy or None, limits=_LIMITS, socket_options=KEEPALIVE
            ),
            trust_env=False,
        )

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Answer]:
        """Send a request; when the context ends, the connection is given back or closed."""
        with translated(self._where, httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError):
            sent = self._client.build_request(
                request.method,
                self._server + request.target,
                content=request.content,
                headers=request.headers,
                timeout=httpx2.Timeout(self._timeouts.read, connect=self._timeouts.connect, read=request.read),
                extensions=self._extensions,
            )
            response = await self._client.send(sent, stream=True)
            try:
                yield Answer(
                    status=response.status_code,
                    retry_after=response.headers.get("Retry-After", ""),
                    chunks=response.aiter_raw(),
                    encoding=response.headers.get("Content-Encoding", "").lower(),
                )
            finally:
                await response.aclose()

    async def close(self) -> None:
        """Close all connections; what is under way fails."""
        await self._client.aclose()


class _Auth(httpx2.Auth):
    """lightkube's way to get and renew credentials; whatever fails in it becomes `Unauthorized`."""

    def __init__(self, auth: httpx2.Auth | None) -> None:
        self._auth = auth or httpx2.Auth()

    async def async_auth_flow(self, request: httpx2.Request) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        async with aclosing(self._auth.async_auth_flow(request)) as flow:
            try:
                sent = await anext(flow)
                while True:
                    response = yield sent
                    sent = await flow.asend(response)
            except StopAsyncIteration:
                return
            except Exception as error:  # noqa: BLE001 - files, programs and their output: anything
                # Its text may quote what a program wrote.
                raise Unauthorized(f"credentials cannot be obtained: {type(error).__name__}") from None


def _user(access: Access) -> User:
    plugin = access.plugin
    if plugin and plugin["apiVersion"] not in _PLUGINS:
        raise ValueError(f"the exec plugin: lightkube knows only {' and '.join(sorted(_PLUGINS))}")
    try:
        converted = msgspec.convert(plugin, UserExec) if plugin else None
    except msgspec.ValidationError:
        raise ValueError("the exec plugin: args are a list of texts, env is one of names and values") from None
    return User(
        token_file=access.token_file or None,
        token=access.token or None,
        exec=converted,
        username=access.username,
        password=access.password,
    )
