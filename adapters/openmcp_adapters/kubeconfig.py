"""Kubeconfigs: what a tenant's may hold, and where the program finds its own.

A tenant's kubeconfig comes from elsewhere, so it may name nothing on this machine: no file, no program, no proxy. The
program's own may. Errors name the place in the kubeconfig and what would be right; they show nothing of what is written
there.
"""

import base64
import binascii
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import yaml
from yaml import events

from openmcp_adapters.rest.access import Access, load_certificate, proxy_for, trust

__all__ = ["SERVICE_ACCOUNT", "own_access", "tenant_access"]

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where Kubernetes puts a Pod's credentials."""

_LARGEST = 512 * 1024  # a Secret holds at most twice that
_DEEPEST = 20
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"

# What only the program's own kubeconfig may have.
_OURS_ALONE = {
    "cluster": {
        "certificate-authority": "put the certificates themselves into certificate-authority-data",
        "insecure-skip-tls-verify": "put the certificate authority into certificate-authority-data",
        "proxy-url": "a proxy is named by the environment of this program",
    },
    "user": {
        "exec": "no programs are run for a tenant; put in a token, or a certificate with its key",
        "tokenFile": "put the token itself into token",
        "client-certificate": "put the certificate itself into client-certificate-data",
        "client-key": "put the key itself into client-key-data",
    },
}
_NOBODYS = {
    "auth-provider": "no client knows it any more; use exec, a token, or a certificate with its key",
    "as": "impersonation is not supported; use credentials of the identity itself",
    "as-uid": "impersonation is not supported; use credentials of the identity itself",
    "as-groups": "impersonation is not supported; use credentials of the identity itself",
    "as-user-extra": "impersonation is not supported; use credentials of the identity itself",
}


class _Part(NamedTuple):
    """A part of a kubeconfig; `folder` is where relative paths begin, None if files may not be named."""

    path: str
    values: Mapping[str, Any]
    folder: Path | None

    def text(self, key: str) -> str:
        value = self.values.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise _wrong(f"{self.path}.{key}", "a text is wanted")
        return value

    def data(self, key: str) -> str:
        """Return a PEM text given as base64 or, where files may be named, in a file."""
        if encoded := self.text(f"{key}-data"):
            path = f"{self.path}.{key}-data"
            try:
                return _pem(base64.b64decode("".join(encoded.split()), validate=True), path)
            except binascii.Error:
                raise _wrong(path, "base64 is wanted") from None
        if (name := self.text(key)) and self.folder:
            return _pem(_read(self.folder / name, f"{self.path}.{key}"), f"{self.path}.{key}")
        return ""


def tenant_access(kubeconfig: bytes, *, proxies: Mapping[str, str]) -> Access:
    """Return how to reach a tenant's cluster.

    Args:
        kubeconfig: As it came.
        proxies: The environment that names proxies.

    Raises:
        ValueError: it cannot be used, or names what only a kubeconfig of our own may.
    """
    if len(kubeconfig) > _LARGEST:
        raise ValueError(f"the kubeconfig has more than {_LARGEST // 1024} KiB")
    cluster, user = _chosen([_Part("", _loaded(kubeconfig, "the kubeconfig"), None)])
    for name, part in (("cluster", cluster), ("user", user)):
        for key, instead in _OURS_ALONE[name].items():
            if part.values.get(key):
                raise _wrong(f"{part.path}.{key}", instead)
    access = _access(cluster, user, proxies)
    if not access.tls:
        raise _wrong(f"{cluster.path}.server", "a URL that begins with https:// is wanted")
    if not (access.token or access.username or user.text("client-certificate-data")):
        raise _wrong(user.path, "a token, or client-certificate-data with client-key-data, is wanted")
    return access


def own_access(
    environ: Mapping[str, str], *, proxies: Mapping[str, str], service_account: Path = SERVICE_ACCOUNT
) -> Access:
    """Return how to reach the program's own cluster, found as every Kubernetes controller finds it.

    Args:
        environ: The program's environment.
        proxies: The environment that names proxies.
        service_account: Where a Pod's credentials are.

    Raises:
        ValueError: there is none, or it cannot be used.
    """
    if named := environ.get("KUBECONFIG"):
        return _from_files([Path(name) for name in named.split(":") if name], "KUBECONFIG", proxies)
    if environ.get(_HOST) and environ.get(_PORT) and (service_account / "token").is_file():
        return _in_cluster(environ, proxies, service_account)
    default = Path(environ.get("HOME") or "/") / ".kube" / "config"
    if default.is_file():
        return _from_files([default], "the kubeconfig", proxies)
    raise ValueError(
        f"no cluster is configured: KUBECONFIG is not set, this is no Pod with a service account ({_HOST}, {_PORT} and "
        f"{service_account / 'token'}), and there is no file {default}; set KUBECONFIG to the path of a kubeconfig"
    )


def _from_files(files: Sequence[Path], what: str, proxies: Mapping[str, str]) -> Access:
    """Of several files those that are there count, and of entries with one name the first."""
    there = [file for file in files if file.is_file()]
    if not there:
        raise _wrong(what, f"there is no file {' or '.join(map(str, files))}")
    parts = []
    for file in there:
        where = f"{what}: {file}: "
        parts.append(_Part(where, _loaded(_read(file, what), where.rstrip(": ")), file.parent.absolute()))
    return _access(*_chosen(parts), proxies)


def _in_cluster(environ: Mapping[str, str], proxies: Mapping[str, str], folder: Path) -> Access:
    host = environ[_HOST]
    server = f"https://{f'[{host}]' if ':' in host else host}:{environ[_PORT]}"
    file = folder / "ca.crt"
    try:
        tls = trust(_pem(_read(file, "the service account"), str(file)))
    except ssl.SSLError:
        raise _wrong(str(file), "certificates in PEM are wanted") from None
    return Access(server=server, tls=tls, token_file=str(folder / "token"), proxy=proxy_for(server, proxies))


def _access(cluster: _Part, user: _Part, proxies: Mapping[str, str]) -> Access:
    for key, instead in _NOBODYS.items():
        if user.values.get(key):
            raise _wrong(f"{user.path}.{key}", instead)
    server = _server(cluster)
    token_file = user.text("tokenFile")
    return Access(
        server=server,
        tls=_tls(cluster, user) if server.startswith("https:") else None,
        server_name=cluster.text("tls-server-name"),
        proxy=_proxy(cluster) or proxy_for(server, proxies),
        token_file=str(user.folder / token_file) if token_file and user.folder else "",
        token=_header(user, "token"),
        plugin=_plugin(user),
        username=user.text("username"),
        password=user.text("password"),
    )


def _server(cluster: _Part) -> str:
    server = cluster.text("server").rstrip("/")
    try:
        url = urlsplit(server)
        fits = url.scheme in {"http", "https"} and url.hostname and url.port != 0
    except ValueError:
        url, fits = urlsplit(""), False
    if not fits or "@" in url.netloc or url.query or url.fragment or not server.isascii() or not server.isprintable():
        raise _wrong(f"{cluster.path}.server", "a URL like https://host:6443 is wanted")
    return server


def _tls(cluster: _Part, user: _Part) -> ssl.SSLContext:
    authority = cluster.data("certificate-authority")
    try:
        context = trust(authority, insecure=cluster.values.get("insecure-skip-tls-verify") is True)
    except ssl.SSLError:
        raise _wrong(f"{cluster.path}.certificate-authority-data", "certificates in PEM are wanted") from None
    certificate, key = user.data("client-certificate"), user.data("client-key")
    if certificate or key:
        try:
            load_certificate(context, certificate, key)
        except ssl.SSLError:
            raise ValueError(
                f"{user.path}: client-certificate-data and client-key-data must be a certificate and its key, in PEM "
                "and without a password"
            ) from None
    return context


def _proxy(cluster: _Part) -> str:
    proxy = cluster.text("proxy-url")
    if proxy and not proxy.startswith(("http://", "https://")):
        raise _wrong(f"{cluster.path}.proxy-url", "a URL that begins with http:// or https:// is wanted")
    return proxy


def _header(user: _Part, key: str) -> str:
    """Return a text that goes into a header; clients show it in their errors if it does not fit there."""
    text = user.text(key).strip()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _wrong(f"{user.path}.{key}", "one word of ASCII characters is wanted")
    return text


def _plugin(user: _Part) -> Mapping[str, Any] | None:
    plugin = user.values.get("exec")
    if not plugin:
        return None
    if not isinstance(plugin, Mapping):
        raise _wrong(f"{user.path}.exec", "an object with apiVersion and command is wanted")
    part = _Part(f"{user.path}.exec", plugin, user.folder)
    command = part.text("command")
    if not command or not part.text("apiVersion"):
        raise _wrong(part.path, "apiVersion and command are wanted")
    # A bare name is looked for in PATH, a relative path from the kubeconfig.
    return {**plugin, "command": str(user.folder / command) if "/" in command and user.folder else command}


def _chosen(parts: Sequence[_Part]) -> tuple[_Part, _Part]:
    """Return cluster and user of the current context; the user is empty where the context names none."""
    first = next((part for part in parts if part.text("current-context")), None)
    if not first:
        raise _wrong(f"{parts[0].path}current-context", "the name of a context is wanted")
    context = _named(parts, "contexts", first.text("current-context"), f"{first.path}current-context")
    cluster = _named(parts, "clusters", context.text("cluster"), f"{context.path}.cluster")
    if user := context.text("user"):
        return cluster, _named(parts, "users", user, f"{context.path}.user")
    return cluster, _Part(f"{context.path}.user", {}, None)


def _named(parts: Sequence[_Part], section: str, name: str, by: str) -> _Part:
    inner = section.removesuffix("s")
    for part in parts:
        entries = part.values.get(section) or []
        if not isinstance(entries, list):
            raise _wrong(f"{part.path}{section}", "a list is wanted")
        for index, entry in enumerate(entries):
            if isinstance(entry, Mapping) and entry.get("name") == name:
                found = entry.get(inner) or {}
                path = f"{part.path}{section}[{index}].{inner}"
                if not isinstance(found, Mapping):
                    raise _wrong(path, "an object is wanted")
                return _Part(path, found, part.folder)
    raise _wrong(by, f"the name of one of {section} is wanted")


def _loaded(text: bytes, what: str) -> Mapping[str, Any]:
    """Return what a YAML text says, without aliases: with them a few lines can stand for gigabytes."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            depth += isinstance(event, events.CollectionStartEvent) - isinstance(event, events.CollectionEndEvent)
            if isinstance(event, events.AliasEvent) or depth > _DEEPEST:
                raise _wrong(what, "has aliases or is nested too deeply")
        found = yaml.load(text, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeError):
        raise _wrong(what, "is not YAML in UTF-8") from None
    if not isinstance(found, Mapping):
        raise _wrong(what, "an object with clusters, contexts, users and current-context is wanted")
    return found


def _wrong(place: str, wanted: str) -> ValueError:
    return ValueError(f"{place}: {wanted}")


def _pem(text: bytes, what: str) -> str:
    found = text.decode("ascii", "ignore")  # what is no ASCII is a comment
    if "-----BEGIN" not in found:
        raise _wrong(what, "a PEM text is wanted")
    return found


def _read(file: Path, what: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _wrong(what, f"{file}: {error.strerror}") from None
