"""Servers of the program under test, and clients that ask them well or badly."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from openmcp_provider_cli.serving import Address, Limits, listen, serve
from openmcp_provider_cli.serving_http import Handler

__all__ = ["Answer", "ask", "get", "read", "served"]

LOCAL = Address("127.0.0.1", 0)


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: str


@asynccontextmanager
async def served(
    routes: Mapping[str, Handler],
    *,
    tls: Callable[[], ssl.SSLContext] | None = None,
    limits: Limits | None = None,
    address: Address = LOCAL,
) -> AsyncIterator[int]:
    """Serve on a free port; give it."""
    listener = listen(address)
    port: int = listener.getsockname()[1]
    task = asyncio.create_task(serve(listener, routes, tls=tls, limits=limits or Limits()))
    try:
        yield port
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert listener.fileno() == -1


async def ask(port: int, sent: bytes, **how: Any) -> Answer:
    """Send bytes and read the answer to its end."""
    reader, writer = await asyncio.open_connection(how.pop("host", "127.0.0.1"), port, **how)
    try:
        writer.write(sent)
        return await read(reader)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def read(reader: asyncio.StreamReader) -> Answer:
    """Read an answer to its end; it says itself how long it is."""
    async with asyncio.timeout(10.0):
        whole = await reader.read(-1)
    head, found, body = whole.partition(b"\r\n\r\n")
    assert found, whole
    first, *lines = head.decode().split("\r\n")
    version, status, _ = first.split(" ", 2)
    headers = dict(line.split(": ", 1) for line in lines)
    assert "HTTP/1.1" == version
    assert "close" == headers["Connection"]
    assert body == b"" or len(body) == int(headers["Content-Length"])
    return Answer(int(status), headers, body.decode())


async def get(port: int, path: str, *, token: str = "", method: str = "GET", **how: Any) -> Answer:
    """Ask for a page."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    return await ask(port, f"{method} {path} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n".encode(), **how)


def reset(sock: socket.socket) -> None:
    """Break a connection off."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    sock.close()
