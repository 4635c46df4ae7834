"""A port of the loopback address that can be closed, and opened again."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

__all__ = ["Listener"]


class Listener:
    """Keeps a free port for its whole life; nobody else gets it while it is closed. Closed at first.

    Not a server of asyncio, since that closes its socket when it stops to accept, and tells nobody of connections that
    are still being made.

    Args:
        protocol: Makes what serves a connection.
        tls: Makes connections secure; None = plain.

    Attributes:
        port: The port.
    """

    def __init__(self, protocol: Callable[[], asyncio.BaseProtocol], tls: ssl.SSLContext | None) -> None:
        self._protocol = protocol
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        # Bound, but never listening: keeps the port ours while nobody listens on it.
        self._reservation = _bound(0)
        self.port: int = self._reservation.getsockname()[1]
        self._socket: socket.socket | None = None
        self._connecting: dict[asyncio.Task[None], socket.socket] = {}

    def serve(self) -> None:
        """Accept connections, also those that wait since `hold`."""
        if not self._socket:
            self._socket = _bound(self.port)
            self._socket.listen()
        self._loop.add_reader(self._socket, self._accept, self._socket)

    def hold(self) -> None:
        """Let connections be made, but do not talk on new ones."""
        if self._socket:
            self._loop.remove_reader(self._socket)

    def refuse(self) -> None:
        """Let no connection be made, nor one that is being made come about. Those that were made are not touched."""
        self.hold()
        if self._socket:
            self._socket.close()
            self._socket = None
        for connection in self._connecting.values():
            with suppress(OSError):  # gone already
                connection.shutdown(socket.SHUT_RDWR)

    async def close(self) -> None:
        """Give the port back."""
        self.refuse()
        self._reservation.close()
        await asyncio.gather(*self._connecting)

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):  # its client has changed its mind
            return
        connection.settimeout(0)
        task = self._loop.create_task(self._connect(connection))
        self._connecting[task] = connection
        task.add_done_callback(self._connecting.pop)

    async def _connect(self, connection: socket.socket) -> None:
        with suppress(OSError):  # clients may go away, or not trust us
            await self._loop.connect_accepted_socket(self._protocol, connection, ssl=self._tls)


def _bound(port: int) -> socket.socket:
    found = socket.socket()
    found.settimeout(0)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", port))
    return found
