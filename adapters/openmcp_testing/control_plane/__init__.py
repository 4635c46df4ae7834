"""Real control planes for tests: etcd and any number of kube-apiservers on the loopback address.

::

    with ControlPlane(install()) as plane:
        server = plane.api_server("platform")
        cluster = clients.connect(server.kubeconfig())

Each server has its own certificates, RBAC, service account keys, audit log and kubeconfigs; all share one etcd. Every
process is stopped by its pid when the context ends, and by its guard when the test run dies without ending it.
"""

import contextlib
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from openmcp_testing.control_plane.binaries import Binaries, NoBinaries, find, install, missing
from openmcp_testing.control_plane.process import ServerFailed
from openmcp_testing.control_plane.servers import ADMINS, ApiServer, Etcd

__all__ = [
    "ADMINS",
    "ApiServer",
    "Binaries",
    "ControlPlane",
    "Etcd",
    "NoBinaries",
    "ServerFailed",
    "find",
    "install",
    "missing",
]


class ControlPlane:
    """One etcd and the API servers on it; a context manager.

    Args:
        binaries: The programs, see `install`.
    """

    def __init__(self, binaries: Binaries) -> None:
        self._binaries = binaries
        self._stack = contextlib.ExitStack()
        self._folder: Path | None = None

    def __enter__(self) -> Self:
        """Start etcd.

        Raises:
            ServerFailed: it does not get ready.
        """
        with self._stack as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="control-plane-")))
            self.etcd = Etcd(self._binaries, self._folder / "etcd")
            stack.callback(self.etcd.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop every server and remove everything they wrote."""
        self._stack.close()

    def api_server(self, name: str, *, bodies: bool = False) -> ApiServer:
        """Start an API server under its own prefix of etcd.

        Args:
            name: Tells servers apart.
            bodies: Whether its audit log has of each write what was sent and what was answered, Secrets too.

        Raises:
            ServerFailed: it does not get ready.
        """
        if self._folder is None:
            raise RuntimeError("a control plane is entered before it is used")
        server = ApiServer(name, binaries=self._binaries, etcd=self.etcd, folder=self._folder / name, bodies=bodies)
        self._stack.callback(server.stop)
        return server
