"""etcd, and API servers on it: real control planes on the loopback address, each with a certificate authority."""

import base64
import json
import secrets
import ssl
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from openmcp_provider.domain.objects import Json
from openmcp_testing.control_plane.binaries import Binaries
from openmcp_testing.control_plane.certificates import Authority, Certificate, new_key
from openmcp_testing.control_plane.process import Process, free_port

__all__ = ["ADMINS", "ApiServer", "Etcd"]

ADMINS = "system:masters"
"""The group that may do everything."""

_PATIENCE = 60.0  # seconds for a server to get ready
_WRITES = ["create", "update", "patch", "delete", "deletecollection"]


class Etcd:
    """The store of any number of API servers.

    Args:
        binaries: The programs.
        folder: For data and log.
    """

    def __init__(self, binaries: Binaries, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.url, peers = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        command = [
            binaries.path("etcd"),
            f"--data-dir={folder / 'data'}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",  # nothing outlives the tests
            "--log-level=warn",
        ]
        self.process = Process("etcd", command, folder / "etcd.log")
        self.process.wait_until(lambda: _answers(f"{self.url}/health"), _PATIENCE)

    def compact(self) -> None:
        """Forget all history up to now: a watch that an API server does not serve from memory finds it expired."""
        revision = self._call("range", {"key": base64.b64encode(b"\0").decode(), "limit": "1"})["header"]["revision"]
        self._call("compaction", {"revision": revision, "physical": True})

    def stop(self) -> None:
        """End it."""
        self.process.stop()

    def _call(self, method: str, body: Json) -> Any:  # noqa: ANN401 - JSON has no narrower type
        request = urllib.request.Request(f"{self.url}/v3/kv/{method}", json.dumps(body).encode())  # noqa: S310 - ours
        with _opener().open(request, timeout=_PATIENCE) as answer:
            return json.load(answer)


class ApiServer:
    """A kube-apiserver, alone: whatever controllers do stays undone, unless `start_controllers` is called.

    Args:
        name: Tells servers apart; also the prefix of its keys in etcd.
        binaries: The programs.
        etcd: Where it keeps its objects.
        folder: For certificates and logs.
        bodies: Whether the audit log has of each write what was sent and what was answered, Secrets too.

    Attributes:
        url: Its address.
        admin_token: By which it knows an admin where no client certificate reaches it: behind a proxy.
    """

    def __init__(self, name: str, *, binaries: Binaries, etcd: Etcd, folder: Path, bodies: bool = False) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self._folder = folder
        self._binaries = binaries
        self._authority = Authority()
        self.admin_token = secrets.token_urlsafe(32)
        self._tls: ssl.SSLContext | None = None
        self._process: Process | None = None
        self._managers: list[Process] = []
        folder.mkdir(parents=True)
        serving = self._authority.server()
        files = {
            "ca.crt": self.ca,
            "tls.crt": serving.certificate,
            "tls.key": serving.key,
            "accounts.key": new_key(),
            "audit-policy.json": json.dumps(_policy(bodies=bodies)).encode(),
            "tokens.csv": f'{self.admin_token},admin,admin,"{ADMINS}"\n'.encode(),
        }
        for file, content in files.items():
            self._write(file, content)
        self._command = [
            binaries.path("kube-apiserver"),
            f"--etcd-servers={etcd.url}",
            f"--etcd-prefix=/{name}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}",
            f"--tls-cert-file={folder / 'tls.crt'}",
            f"--tls-private-key-file={folder / 'tls.key'}",
            f"--client-ca-file={folder / 'ca.crt'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder / 'accounts.key'}",
            f"--service-account-signing-key-file={folder / 'accounts.key'}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",  # no controller makes the accounts that it asks for
            f"--audit-policy-file={folder / 'audit-policy.json'}",
            f"--audit-log-path={folder / 'audit.log'}",
            "--audit-log-maxsize=100000",  # megabytes: one file, however long it runs
        ]
        self.start()

    @property
    def ca(self) -> bytes:
        """The certificate of the authority that signed the server's, PEM."""
        return self._authority.certificate

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._process is not None

    @property
    def controlled(self) -> bool:
        """Whether controllers were started for it, and not stopped with it since."""
        return bool(self._managers)

    def start(self) -> None:
        """Start it, again after `stop`: at the same address, with the same certificates and objects.

        Raises:
            ServerFailed: it does not get ready.
        """
        self._process = Process(f"kube-apiserver {self.name}", self._command, self._folder / "kube-apiserver.log")
        context = self.client_context()
        self._process.wait_until(lambda: _answers(f"{self.url}/readyz", context), _PATIENCE)

    def stop(self) -> None:
        """End it, and its controllers."""
        while self._managers:
            self._managers.pop().stop()
        if self._process is not None:
            self._process.stop()
        self._process = None

    def kill(self) -> None:
        """End it at once: connections break, nothing is said."""
        if self._process is not None:
            self._process.kill()
        self._process = None

    @property
    def process(self) -> Process:
        """The running server, for freezing.

        Raises:
            RuntimeError: it does not run.
        """
        if self._process is None:
            raise RuntimeError(f"kube-apiserver {self.name} does not run")
        return self._process

    def start_controllers(self, *names: str) -> None:
        """Run kube-controller-manager with these controllers, such as ``namespace-controller``.

        Raises:
            NoBinaries: the program is not at hand.
            ServerFailed: it does not get ready.
        """
        self._write("controllers.kubeconfig", self.kubeconfig("system:kube-controller-manager", (ADMINS,)))
        port = free_port()
        command = [
            self._binaries.path("kube-controller-manager"),
            f"--kubeconfig={self._folder / 'controllers.kubeconfig'}",
            f"--controllers={','.join(names)}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            f"--cert-dir={self._folder}",
            f"--service-account-private-key-file={self._folder / 'accounts.key'}",
            f"--root-ca-file={self._folder / 'ca.crt'}",
        ]
        manager = Process(f"controllers of {self.name}", command, self._folder / "kube-controller-manager.log")
        self._managers.append(manager)
        anybody = ssl.create_default_context()
        anybody.check_hostname = False
        anybody.verify_mode = ssl.CERT_NONE  # it makes its certificate itself, and only whether it answers counts
        manager.wait_until(lambda: _answers(f"https://127.0.0.1:{port}/healthz", anybody), _PATIENCE)

    def kubeconfig(
        self, user: str = "admin", groups: Sequence[str] = (ADMINS,), *, token: str = "", url: str = ""
    ) -> bytes:
        """Return a kubeconfig with everything inline.

        Args:
            user: Who it is for, known by a new client certificate.
            groups: The user's groups.
            token: Known by this token instead.
            url: Another address of the server, say of a proxy.
        """
        if token:
            credentials = {"token": token}
        else:
            issued = self.client_certificate(user, groups)
            credentials = {
                "client-certificate-data": _base64(issued.certificate),
                "client-key-data": _base64(issued.key),
            }
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": self.name,
                    "cluster": {"server": url or self.url, "certificate-authority-data": _base64(self.ca)},
                }
            ],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": user}}],
            "current-context": self.name,
        }
        return json.dumps(content, indent=1).encode()  # which is YAML too

    def client_certificate(self, user: str, groups: Sequence[str] = ()) -> Certificate:
        """Return a certificate by which the server knows a user."""
        return self._authority.client(user, groups)

    def serving_context(self) -> ssl.SSLContext:
        """Return what a proxy before the server serves with, so that the server's kubeconfigs hold for it too."""
        if self._tls is None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(self._folder / "tls.crt", self._folder / "tls.key")
        return self._tls

    def client_context(self) -> ssl.SSLContext:
        """Return what a client trusts the server with."""
        return ssl.create_default_context(cadata=self.ca.decode())

    def audit(self) -> Iterator[Json]:
        """Yield the events of the audit log so far: one per request, a watch once as it begins and once as it ends."""
        log = self._folder / "audit.log"
        if log.exists():
            with log.open("rb") as lines:
                for line in lines:
                    if line.endswith(b"\n"):
                        yield json.loads(line)

    def _write(self, file: str, content: bytes) -> None:
        path = self._folder / file
        path.touch(mode=0o600)
        path.write_bytes(content)


def _policy(*, bodies: bool) -> Json:
    """Return what the audit log keeps: that there was a request, and on demand the bodies of writes."""
    rules = [{"level": "RequestResponse", "verbs": _WRITES}] if bodies else []
    return {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [*rules, {"level": "Metadata"}],
    }


def _opener(context: ssl.SSLContext | None = None) -> urllib.request.OpenerDirector:
    """Return what asks servers on this machine, past any proxy that the environment names."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))


def _answers(url: str, context: ssl.SSLContext | None = None) -> bool:
    try:
        with _opener(context).open(url, timeout=5):
            return True
    except OSError:  # also HTTP's errors
        return False


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
