"""The connections of kubernetes.aio, and its exec plugins.

This is the one module that imports it, since new minors of it break callers. Its generated calls and models are not
used, nor its way to TLS, which leaves keys in files.
"""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config.exec_provider import ExecProvider
from kubernetes.aio.config.kube_config import ConfigNode

from openmcp_adapters.rest import KEEPALIVE, Access, Answer, Request, Timeouts, Transport, translated
from openmcp_adapters.rest.access import load_certificate
from openmcp_provider.domain.errors import ServerError, Unauthorized, Unavailable

__all__ = ["KubernetesTransport"]

_TOKEN = "BearerToken"  # so the client calls what it sends as Authorization


class _Identity(NamedTuple):
    """What is shown to the server: a header, or a certificate with its key."""

    header: str = ""
    certificate: str = ""
    key: str = ""


class KubernetesTransport(Transport):
    """Connections to one server.

    Args:
        access: How to reach it.
        timeouts: How long to wait.
        user_agent: How to call ourselves.
    """

    def __init__(self, access: Access, *, timeouts: Timeouts, user_agent: str) -> None:
        configuration = Configuration(host=access.server)
        configuration.proxy = access.proxy or None
        # The client makes a context of its own, which is not used. Without authorities it would load all those of the
        # system: 850 KiB and 20 ms of CPU for each tenant.
        configuration.ca_cert_data = b"".join(access.tls.get_ca_certs(binary_form=True)) if access.tls else None
        configuration.tls_server_name = access.server_name or None
        self._access = access
        self._timeouts = timeouts
        self._api = ApiClient(configuration)
        self._api.user_agent = user_agent
        self._identity: _Identity | None = None
        self._identifying = asyncio.Lock()
        self._responses: set[aiohttp.ClientResponse] = set()
        self._closed = False

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[Answer]:
        """Send a request; when the context ends, the connection is given back or closed."""
        with translated(self._access.where, aiohttp.ClientError):
            identity = await self._identified()
            response = await self._send(request)
            try:
                if response.status == HTTPStatus.UNAUTHORIZED and await self._identified(refused=identity) != identity:
                    response.release()
                    response = await self._send(request)
                self._responses.add(response)
                yield Answer(
                    status=response.status,
                    retry_after=response.headers.get("Retry-After", ""),
                    chunks=response.content.iter_any(),
                    encoding=response.headers.get("Content-Encoding", "").lower(),
                )
            finally:
                self._responses.discard(response)
                response.close()  # of no consequence where all was read: then the pool has the connection already

    async def close(self) -> None:
        """Close all connections; what is under way fails."""
        self._closed = True
        await self._hang_up()

    async def _hang_up(self) -> None:
        for response in [*self._responses]:
            response.close()  # whoever reads it would wait for ever: the session does not tell them
        await self._api.close()
        self._api.rest_client.pool_manager = None

    async def _send(self, request: Request) -> aiohttp.ClientResponse:
        if self._closed:
            raise Unavailable("this client is closed")
        if self._api.rest_client.pool_manager is None:
            self._api.rest_client.pool_manager = self._session()
        # The client makes JSON of what it is given with a media type of JSON; anything else it sends as it is.
        sent = request.body if request.content_type.endswith("json") else request.content
        method, url, headers, body, _ = await self._api.param_serialize(
            request.method, request.target, header_params=request.headers, body=sent, auth_settings=[_TOKEN]
        )
        timeout = aiohttp.ClientTimeout(connect=self._timeouts.connect, sock_read=request.read)
        # While a large body is being taken, the client's own time-out for reading does not run.
        async with asyncio.timeout(self._timeouts.connect + request.read):
            answer = await self._api.call_api(method, url, headers, body, _request_timeout=timeout)
        response: aiohttp.ClientResponse = answer.response
        return response

    def _session(self) -> aiohttp.ClientSession:
        """Return a pool; it has to be made inside of an event loop, and the client's own would have a limit."""
        # No limit: dozens of watches each hold a connection, and must never keep a request waiting.
        connector = aiohttp.TCPConnector(
            limit=0, ssl=self._access.tls or True, keepalive_timeout=30.0, socket_factory=_socket
        )
        return aiohttp.ClientSession(connector=connector, middlewares=(self._once,), auto_decompress=False)

    async def _once(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Keep the client from repeating a request whose connection broke, and from following redirects."""
        with translated(self._access.where, aiohttp.ClientError):
            response = await handler(request)
        if HTTPStatus.MULTIPLE_CHOICES <= response.status < HTTPStatus.BAD_REQUEST:
            response.close()
            raise ServerError(f"HTTP status {response.status}")
        return response

    async def _identified(self, refused: _Identity | None = None) -> _Identity:
        """Return who we are: anew if that is not known yet, or is what was refused."""
        async with self._identifying:
            if self._identity is None or self._identity == refused:
                try:
                    identity = await self._identify()
                    if identity.certificate and self._access.tls:
                        load_certificate(self._access.tls, identity.certificate, identity.key)
                except Exception as error:  # noqa: BLE001 - files, programs and their output: anything
                    # Its text may quote what a program wrote.
                    raise Unauthorized(f"credentials cannot be obtained: {type(error).__name__}") from None
                if refused and refused.certificate:
                    await self._hang_up()  # the connections show the old certificate
                self._identity = identity
                self._api.configuration.api_key = {_TOKEN: identity.header} if identity.header else {}
            return self._identity

    async def _identify(self) -> _Identity:
        access = self._access
        if access.token_file:
            return _bearer(_content(access.token_file))
        if access.token:
            return _bearer(access.token)
        if access.plugin:
            status: dict[str, Any] = await ExecProvider(ConfigNode("exec", dict(access.plugin))).run()
            if token := status.get("token"):
                return _bearer(token)
            return _Identity(certificate=status["clientCertificateData"], key=status["clientKeyData"])
        if access.username:
            both = f"{access.username}:{access.password}".encode()
            return _Identity(f"Basic {base64.b64encode(both).decode()}")
        return _Identity()


def _bearer(token: str) -> _Identity:
    token = token.strip()
    if not token.isascii() or not token.isprintable():  # the client shows what does not fit into a header
        raise ValueError
    return _Identity(f"Bearer {token}")


def _content(file: str) -> str:
    return Path(file).read_text(encoding="utf-8")


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    made = socket.socket(*address[:3])
    for option in KEEPALIVE:
        made.setsockopt(*option)
    return made
