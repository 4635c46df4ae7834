"""Small HTTP servers in the program's own event loop, for probes and metrics.

Whoever asks may be slow, rude or many: each connection has one request, a few seconds and a bounded head, and only so
many are served at once. The others wait before the door.
"""

import asyncio
import contextlib
import errno
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from openmcp_provider_cli.logs import Log
from openmcp_provider_cli.serving_http import Handler, Refused, Request, Response, parse, rendered

__all__ = ["Address", "Limits", "bind_address", "cause", "listen", "serve"]

_ADDRESS = re.compile(r"(?:\[(?P<six>[^\[\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})")
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*")
_LAST_PORT = 65535
_NO_IPV6 = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}

_log = Log("serving")


class Address(NamedTuple):
    """Where to listen; no host = on every address of the machine."""

    host: str
    port: int


def bind_address(text: str) -> Address | None:
    """Return the address that a flag means, as Go's programs write it: ``:8081``, ``127.0.0.1:8081``, ``[::1]:8081``.

    Returns:
        None for ``0``, which switches the server off.

    Raises:
        ValueError: it is none.
    """
    if text == "0":
        return None
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > _LAST_PORT or not _is_host(found["host"], found["six"]):
        raise ValueError(f'{text!r} is no address: ":8081", "127.0.0.1:8081", "[::1]:8081", or "0" for none is wanted')
    return Address(found["host"] or found["six"] or "", int(found["port"]))


def _is_host(host: str | None, six: str | None) -> bool:
    try:
        return isinstance(ip_address(six), IPv6Address) if six is not None else not host or bool(ip_address(host))
    except ValueError:
        # What consists of digits and dots is meant as an address; no name ends in a number.
        return bool(host and _HOST.fullmatch(host) and not host.rpartition(".")[2].isdigit())


def listen(address: Address) -> socket.socket:
    """Return a socket that listens.

    Raises:
        OSError: the address is taken, or not this machine's.
    """
    if address.host:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        return _listening(address, family)
    try:
        return _listening(address, socket.AF_INET6, both=True)
    except OSError as error:
        if error.errno not in _NO_IPV6:
            raise
        return _listening(address, socket.AF_INET)


def cause(error: OSError) -> str:
    """Return why `listen` failed, in the system's words: Python's own go on with the address as it has it."""
    return (error.strerror or type(error).__name__).partition(" (while attempting")[0]


def _listening(address: Address, family: socket.AddressFamily, *, both: bool = False) -> socket.socket:
    listener = socket.create_server(address, family=family, backlog=128, dualstack_ipv6=both)
    listener.setblocking(False)  # noqa: FBT003 - the socket's signature
    return listener


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a server bears.

    Attributes:
        connections: At once.
        seconds: For a request to come in and be answered.
        grace: Seconds more, for the answer to be read.
        head: Bytes of a request.
    """

    connections: int = 50
    seconds: float = 10.0
    grace: float = 2.0
    head: int = 16 * 1024


async def serve(
    listener: socket.socket,
    routes: Mapping[str, Handler],
    *,
    tls: Callable[[], ssl.SSLContext] | None = None,
    limits: Limits = Limits(),
) -> None:
    """Serve until cancelled; the listener is closed then.

    Args:
        listener: Of `listen`.
        routes: Who answers, by path.
        tls: Says with which certificate, for each connection anew; None = without TLS.
        limits: What to bear.
    """
    slots = asyncio.Semaphore(limits.connections)

    def over(sock: socket.socket, _: asyncio.Task[None]) -> None:
        sock.close()  # where the task never began, nobody else did
        slots.release()

    try:
        async with asyncio.TaskGroup() as group:
            while True:
                await slots.acquire()
                sock = await _accepted(listener)
                task = group.create_task(_converse(sock, routes, tls, limits))
                task.add_done_callback(partial(over, sock))
    finally:
        listener.close()


async def _accepted(listener: socket.socket) -> socket.socket:
    while True:
        try:
            sock, _ = await asyncio.get_running_loop().sock_accept(listener)
        except OSError as error:  # no more files, or the other side is gone already
            _log.warn("a connection was not accepted", why=error.strerror)
            await asyncio.sleep(1.0)
        else:
            return sock


async def _converse(
    sock: socket.socket,
    routes: Mapping[str, Handler],
    tls: Callable[[], ssl.SSLContext] | None,
    limits: Limits,
) -> None:
    """Take one request and answer it, whatever it is. Nothing that happens here ends the server."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=limits.head)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport: asyncio.Transport | None = None
    try:
        async with asyncio.timeout(limits.seconds + limits.grace):
            context = tls() if tls else None
            patience = limits.seconds if tls else None
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, sock, ssl=context, ssl_handshake_timeout=patience, ssl_shutdown_timeout=patience
            )
            writer = asyncio.StreamWriter(transport, protocol, reader, loop)
            answer = await _answer(reader, routes, limits)
            writer.write(answer)
            await writer.drain()
            await _part(reader, writer, limits)
    except (OSError, TimeoutError, EOFError):
        return  # the other side is gone, or does not read
    except Exception as error:  # noqa: BLE001 - see above
        _log.error("a connection failed", error)
    finally:
        if transport is not None:
            transport.abort()


async def _answer(reader: asyncio.StreamReader, routes: Mapping[str, Handler], limits: Limits) -> bytes:
    """Read a request and return the bytes of its answer.

    Raises:
        EOFError: the other side left before it had asked for anything.
    """
    late, method = HTTPStatus.REQUEST_TIMEOUT, "GET"
    try:
        async with asyncio.timeout(limits.seconds):
            head = await reader.readuntil(b"\r\n\r\n")
            request = parse(head[:-4])
            late, method = HTTPStatus.SERVICE_UNAVAILABLE, request.method
            response = await _page(routes, request)
    except Refused as refused:
        response = refused.response
    except asyncio.LimitOverrunError:
        response = Response.of(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
    except TimeoutError:
        response = Response.of(late)
    return rendered(response, method)


async def _page(routes: Mapping[str, Handler], request: Request) -> Response:
    handler = routes.get(request.path)
    if handler is None:
        return Response.of(HTTPStatus.NOT_FOUND)
    try:
        return await handler(request)
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001 - a page that fails is an answer too
        _log.error("a page failed", error, path=request.path)
        return Response.of(HTTPStatus.INTERNAL_SERVER_ERROR)


async def _part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: Limits) -> None:
    """Close a connection so that the answer arrives: to close with something unread would throw it away."""
    if writer.can_write_eof():
        writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limits.grace / 2):
                while await reader.read(limits.head):
                    pass
    writer.close()
    await writer.wait_closed()
