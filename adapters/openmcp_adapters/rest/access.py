"""How a server is reached: address, trust, credentials, proxy."""

import os
import ssl
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from openmcp_provider.domain.objects import Json

__all__ = ["Access", "load_certificate", "proxy_for", "trust"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a client needs to know about a server. Of the credentials the first of those given counts, in this order.

    Attributes:
        server: Its URL, without a slash at the end.
        tls: Whom to trust and, for some, who we are; None for http.
        server_name: The name that its certificate has to bear, if that is not the URL's.
        proxy: The URL of the proxy to use, empty for none.
        token_file: Where a bearer token is read, and read anew when it is not accepted any more.
        token: A bearer token.
        plugin: How to run a program that makes credentials, as in a kubeconfig.
        username: For basic authentication.
        password: For basic authentication.
    """

    server: str
    tls: ssl.SSLContext | None = None
    server_name: str = ""
    proxy: str = field(default="", repr=False)
    token_file: str = ""
    token: str = field(default="", repr=False)
    plugin: Json | None = field(default=None, repr=False)
    username: str = ""
    password: str = field(default="", repr=False)

    @property
    def where(self) -> str:
        """Host and port."""
        return urlsplit(self.server).netloc


def trust(authorities: str = "", *, insecure: bool = False) -> ssl.SSLContext:
    """Return a context that trusts the certificates given, by default those that the machine trusts.

    Raises:
        ssl.SSLError: they are no certificates.
    """
    context = ssl.create_default_context(cadata=authorities or None)
    # New Pythons insist on extensions that certificates of many clusters lack; no other Kubernetes client does.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def load_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Let a context show a client certificate; the key is never written to a disk.

    Raises:
        ssl.SSLError: they are no certificate and key, do not belong together, or the key has a password.
    """
    with _file(f"{certificate}\n{key}\n".encode()) as name:
        context.load_cert_chain(name, password="")  # or else OpenSSL asks on the terminal


def proxy_for(server: str, environ: Mapping[str, str]) -> str:
    """Return the proxy that an environment names for a server, empty for none, by the rules of Go's client.

    Raises:
        ValueError: it is none that all clients know.
    """
    url = urlsplit(server)
    name = f"{url.scheme}_proxy"
    proxy = environ.get(name.upper()) or environ.get(name) or ""
    without = environ.get("NO_PROXY") or environ.get("no_proxy") or ""
    port = str(url.port or (443 if url.scheme == "https" else 80))
    if not proxy or _direct(url.hostname or "", port, without.lower().split(",")):
        return ""
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise ValueError(f"{name.upper()}: a proxy whose URL begins with http:// or https:// is wanted")
    return proxy


def _direct(host: str, port: str, entries: list[str]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address and address.is_loopback):
        return True
    for entry in map(str.strip, entries):
        if entry == "*":
            return True
        if "/" in entry:
            try:
                if address and address in ip_network(entry, strict=False):
                    return True
            except ValueError:
                pass
            continue
        name, colon, wanted = entry.rpartition(":") if entry.count(":") == 1 else (entry.strip("[]"), "", "")
        if not name or (colon and wanted != port):
            continue
        name = name.removeprefix("*")
        if host == name or host.endswith(name if name.startswith(".") else f".{name}"):
            return True
    return False


@contextmanager
def _file(content: bytes) -> Iterator[str]:
    """Offer content by the name of a file, which is what OpenSSL wants."""
    if sys.platform == "linux":
        with open(os.memfd_create("certificate"), "wb") as memory:  # noqa: PTH123 - a file without a path
            memory.write(content)
            memory.flush()
            yield f"/proc/self/fd/{memory.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            yield file.name
