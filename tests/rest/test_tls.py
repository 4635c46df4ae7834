"""Trust, client certificates and service accounts, over real TLS."""

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from openmcp_adapters.kubernetes import KubernetesClients
from openmcp_provider.ports import Cluster, PortError, Unavailable
from tests.rest.certificates import authority_pem, encoded, issued, server_context
from tests.rest.scripted import (
    CONFIG_MAPS,
    QUICK,
    Half,
    Kind,
    Server,
    both,
    played,
    reaching,
    says,
    serving,
    status,
    thing,
)


def kubeconfig(
    server: Server, user: Mapping[str, Any] | None = None, cluster: Mapping[str, Any] | None = None
) -> bytes:
    """Return a tenant's kubeconfig."""
    trusted = {"certificate-authority-data": encoded(authority_pem())}
    return yaml.safe_dump(
        {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
            "clusters": [{"name": "c", "cluster": {"server": server.url, **trusted, **(cluster or {})}}],
            "users": [{"name": "u", "user": {"token": "t"} if user is None else dict(user)}],
        }
    ).encode()


def connected(kind: Kind, config: bytes) -> Cluster:
    """Return a client of a tenant's cluster."""
    return kind(randomness=Half(), timeouts=QUICK).connect(config)


async def who(request: web.BaseRequest) -> web.StreamResponse:
    """Answer with the name that the client's certificate bears."""
    shown = request.get_extra_info("peercert") or {}
    names = [value for part in shown.get("subject", ()) for _, value in part]
    return await says(200, thing(data={"names": names}))(request)


@both
@played
async def test_a_tenants_cluster(kind: Kind) -> None:
    """A kubeconfig with its authority and a token is all that it takes."""
    async with serving(says(200, thing()), tls=server_context()) as server:
        cluster = connected(kind, kubeconfig(server))
        assert thing() == await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.close()

    assert "Bearer t" == server.seen[0].headers["Authorization"]


@both
@pytest.mark.parametrize(
    "cluster",
    [{"certificate-authority-data": encoded(authority_pem("another"))}, {"tls-server-name": "another.test"}],
    ids=["another authority", "another name"],
)
@played
async def test_a_server_that_is_not_trusted(kind: Kind, cluster: dict[str, str]) -> None:
    """A server whose certificate is of another authority or for another name gets no request; the message says why."""
    async with serving(says(200, thing()), tls=server_context()) as server:
        client = connected(kind, kubeconfig(server, cluster=cluster))
        with pytest.raises(
            Unavailable, match=r"its certificate is not accepted: .*(authority|issuer|[Hh]ostname|self)"
        ):
            await client.get(CONFIG_MAPS, "a", "n")
        await client.close()

    assert [] == server.seen


@both
@played
async def test_a_server_by_another_name(kind: Kind) -> None:
    """With tls-server-name the server's certificate has to bear that name instead of the URL's."""
    async with serving(says(200, thing()), tls=server_context("api.test")) as server:
        cluster = connected(kind, kubeconfig(server, cluster={"tls-server-name": "api.test"}))
        await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.close()


@both
@played
async def test_client_certificates(kind: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A client certificate is shown, and its key is left nowhere on the disk, nor was it ever there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    pair = issued("me")
    user = {"client-certificate-data": encoded(pair.certificate), "client-key-data": encoded(pair.key)}
    async with serving(who, tls=server_context(ask=True)) as server:
        cluster = connected(kind, kubeconfig(server, user))
        assert {"names": ["me"]} == (await cluster.get(CONFIG_MAPS, "a", "n"))["data"]
        await cluster.close()

    assert [] == os.listdir(tmp_path)  # noqa: PTH208 - one name is as good as another


@both
@played
async def test_a_pods_service_account(kind: Kind, tmp_path: Path) -> None:
    """In a Pod address, authority and token are those of its service account, and the token may rotate."""
    (tmp_path / "ca.crt").write_text(authority_pem(), encoding="ascii")
    (tmp_path / "token").write_text("one", encoding="ascii")
    refused = says(401, status(401, "Unauthorized"))
    async with serving(says(200, thing()), refused, says(200, thing()), tls=server_context()) as server:
        environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port)}
        cluster = kind(randomness=Half()).own(environ, service_account=tmp_path)
        await cluster.get(CONFIG_MAPS, "a", "n")
        (tmp_path / "token").write_text("two", encoding="ascii")
        await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.close()

    assert ["Bearer one", "Bearer one", "Bearer two"] == [seen.headers["Authorization"] for seen in server.seen]


@both
@played
async def test_own_files(kind: Kind, tmp_path: Path) -> None:
    """Our own kubeconfig may name files, which lie where it lies, and may trust anybody."""
    pair = issued("me")
    (tmp_path / "me.crt").write_text(pair.certificate, encoding="ascii")
    (tmp_path / "me.key").write_text(pair.key, encoding="ascii")
    (tmp_path / "ca.crt").write_text(f"# Älteste\n{authority_pem()}", encoding="utf-8")
    user = {"client-certificate": "me.crt", "client-key": "me.key"}
    async with serving(who, tls=server_context(ask=True)) as server:
        for trusted in ({"certificate-authority": "ca.crt"}, {"insecure-skip-tls-verify": True}):
            config = kubeconfig(server, user, {"certificate-authority-data": None, **trusted})
            (tmp_path / "config").write_bytes(config)
            cluster = kind(randomness=Half()).own({"KUBECONFIG": str(tmp_path / "config")})
            assert {"names": ["me"]} == (await cluster.get(CONFIG_MAPS, "a", "n"))["data"]
            await cluster.close()


@played
async def test_certificates_of_exec_plugins(tmp_path: Path) -> None:
    """The official client shows a plugin's certificate; when that is refused, a new one, on a new connection."""
    file, version = tmp_path / "plugin.py", "client.authentication.k8s.io/v1"
    for name in ("one", "two"):
        pair = issued(name)
        shown = {"clientCertificateData": pair.certificate, "clientKeyData": pair.key}
        said = {"apiVersion": version, "kind": "ExecCredential", "status": shown}
        (tmp_path / name).write_text(json.dumps(said), encoding="ascii")
    file.write_text(
        f"import os, pathlib\n"
        f"file = pathlib.Path({str(tmp_path / 'one')!r})\n"
        f"print((file if file.exists() else file.with_name('two')).read_text())\n"
        f"file.unlink(missing_ok=True)\n",
        encoding="utf-8",
    )
    plugin = {"apiVersion": version, "command": sys.executable, "args": [str(file)]}
    refused = says(401, status(401, "Unauthorized"))
    async with serving(who, refused, who, tls=server_context(ask=True)) as server:
        config = kubeconfig(server, {"exec": plugin})
        (tmp_path / "config").write_bytes(config)
        cluster = KubernetesClients(randomness=Half()).own({"KUBECONFIG": str(tmp_path / "config")})
        for name in ("one", "two"):
            assert {"names": [name]} == (await cluster.get(CONFIG_MAPS, "a", "n"))["data"]
        await cluster.close()


@both
@played
async def test_plain_text_where_tls_is_wanted(kind: Kind) -> None:
    """A server that does not speak TLS is Unavailable."""
    async with serving(says(200, thing())) as server:
        cluster = connected(kind, kubeconfig(server).replace(b"http://", b"https://"))
        with pytest.raises(Unavailable):
            await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.close()

    async with (
        serving(says(200, thing()), tls=server_context()) as server,
        reaching(kind, server.url.replace("https", "http")) as plain,
    ):
        with pytest.raises(PortError):
            await plain.get(CONFIG_MAPS, "a", "n")
