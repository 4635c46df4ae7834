"""Credentials: sent as they are, renewed once when refused, and shown to nobody."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from openmcp_adapters.kubernetes import KubernetesClients
from openmcp_adapters.lightkube import LightkubeClients
from openmcp_provider.ports import PortError, Unauthorized
from tests.rest.scripted import (
    CONFIG_MAPS,
    Half,
    Kind,
    Server,
    both,
    closed,
    event,
    played,
    reaching,
    says,
    serving,
    status,
    streams,
    thing,
)

REFUSED = says(401, status(401, "Unauthorized", "Unauthorized"))
V1BETA1 = "client.authentication.k8s.io/v1beta1"


def shown(server: Server) -> list[str]:
    """Return the credentials that a server was shown."""
    return [seen.headers.get("Authorization", "") for seen in server.seen]


@both
@pytest.mark.parametrize(
    ("access", "header"),
    [
        ({}, ""),
        ({"token": "t"}, "Bearer t"),
        ({"username": "u", "password": "p"}, "Basic dTpw"),
        ({"token": "t", "username": "u", "password": "p"}, "Bearer t"),
    ],
)
@played
async def test_given_credentials(kind: Kind, access: dict[str, Any], header: str) -> None:
    """Credentials that are given are sent as they are, and not again once they are refused."""
    async with serving(says(200, thing()), REFUSED) as server, reaching(kind, server, **access) as cluster:
        await cluster.get(CONFIG_MAPS, "a", "n")
        with pytest.raises(Unauthorized):
            await cluster.get(CONFIG_MAPS, "a", "n")

    assert [header, header] == shown(server)


@both
@played
async def test_a_token_that_rotates(kind: Kind, tmp_path: Path) -> None:
    """After a 401 the token is read anew, and the request sent once more; so a rotated token is not noticed."""
    file = tmp_path / "token"
    file.write_text("one\n", encoding="utf-8")
    script = says(200, thing()), REFUSED, says(200, thing()), REFUSED, streams(event("ADDED", thing()))
    async with serving(*script) as server, reaching(kind, server, token_file=str(file)) as cluster:
        await cluster.get(CONFIG_MAPS, "a", "n")
        file.write_text("two\n", encoding="utf-8")
        assert thing() == await cluster.update(CONFIG_MAPS, thing())
        file.write_text("three\n", encoding="utf-8")
        assert ["ADDED"] == [found.type async for found in cluster.watch(CONFIG_MAPS, resource_version="1")]

    assert ["Bearer one", "Bearer one", "Bearer two", "Bearer two", "Bearer three"] == shown(server)
    assert server.seen[1].body == server.seen[2].body == thing()


@both
@played
async def test_a_token_that_stays_refused(kind: Kind, tmp_path: Path) -> None:
    """A token that is refused after it was read anew is Unauthorized, after two requests at most."""
    file = tmp_path / "token"
    file.write_text("one", encoding="utf-8")
    async with serving(REFUSED) as server, reaching(kind, server, token_file=str(file)) as cluster:
        with pytest.raises(Unauthorized):
            await cluster.get(CONFIG_MAPS, "a", "n")

    assert len(server.seen) <= 2


@both
@pytest.mark.parametrize("content", [None, b"\xff", b"a\nb"])
@played
async def test_a_token_that_cannot_be_read(kind: Kind, content: bytes | None, tmp_path: Path) -> None:
    """A token that is not there, or cannot be one, is an error of the port that shows nothing of it."""
    file = tmp_path / "token"
    if content:
        file.write_bytes(b"topsecret" + content)
    async with serving(says(200, thing())) as server, reaching(kind, server, token_file=str(file)) as cluster:
        with pytest.raises(PortError) as caught:
            await cluster.get(CONFIG_MAPS, "a", "n")

    assert ([], False) == (server.seen, "topsecret" in repr(caught.value))
    assert caught.value.__suppress_context__


def plugin(folder: Path, script: str, version: str = V1BETA1) -> dict[str, Any]:
    """Return how to run a program that makes credentials."""
    file = folder / "plugin.py"
    file.write_text(script, encoding="utf-8")
    return {"apiVersion": version, "command": sys.executable, "args": [str(file)], "env": [{"name": "X", "value": "1"}]}


def counting(folder: Path, version: str = V1BETA1) -> str:
    """Return a program that makes another token each time."""
    said = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": "t"}}
    return (
        f"import json, os, pathlib\n"
        f"assert os.environ['X'] == '1'\n"
        f"file = pathlib.Path({str(folder / 'count')!r})\n"
        f"file.write_text((file.read_text() if file.exists() else '') + 'x')\n"
        f"said = {said!r}\n"
        f"said['status']['token'] += str(len(file.read_text()))\n"
        f"print(json.dumps(said))\n"
    )


@both
@played
async def test_exec_plugins(kind: Kind, tmp_path: Path) -> None:
    """A plugin's token is kept until it is refused; then the plugin runs again, once."""
    script = says(200, thing()), says(200, thing()), REFUSED, says(200, thing())
    made = plugin(tmp_path, counting(tmp_path))
    async with serving(*script) as server, reaching(kind, server, plugin=made) as cluster:
        for _ in range(3):
            await cluster.get(CONFIG_MAPS, "a", "n")

    assert ["Bearer t1", "Bearer t1", "Bearer t1", "Bearer t2"] == shown(server)


@both
@pytest.mark.parametrize(
    "script",
    [
        "import sys; sys.exit('topsecret')",
        "print('topsecret')",
        "print('{}')",
        'print(\'{"status": {"x": "topsecret"}}\')',
    ],
)
@played
async def test_exec_plugins_that_fail(kind: Kind, script: str, tmp_path: Path) -> None:
    """A plugin that makes no credentials is Unauthorized; what it wrote is not shown, and nothing is sent."""
    made = plugin(tmp_path, script)
    async with serving(says(200, thing())) as server, reaching(kind, server, plugin=made) as cluster:
        with pytest.raises(Unauthorized, match=r"^credentials cannot be obtained: ") as caught:
            await cluster.get(CONFIG_MAPS, "a", "n")

    assert ([], False) == (server.seen, "topsecret" in repr(caught.value))
    assert caught.value.__suppress_context__


@both
@played
async def test_exec_plugins_that_fail_later(kind: Kind, tmp_path: Path) -> None:
    """A plugin that fails when it is asked for fresh credentials is Unauthorized, and no connection is held."""
    made = plugin(tmp_path, counting(tmp_path) + "assert said['status']['token'] == 't1'\n")
    async with serving(says(200, thing()), REFUSED) as server, reaching(kind, server, plugin=made) as cluster:
        await cluster.get(CONFIG_MAPS, "a", "n")
        with pytest.raises(Unauthorized, match=r"^credentials cannot be obtained: "):
            await cluster.get(CONFIG_MAPS, "a", "n")
        await closed(server, all_but=1)  # that of the refused answer, if its pool has it

    assert 2 == len(server.seen)


@both
@played
async def test_exec_plugins_that_are_not_there(kind: Kind) -> None:
    """A plugin that is not installed is Unauthorized."""
    made = {"apiVersion": V1BETA1, "command": "/no/such/program"}
    async with serving(says(200, thing())) as server, reaching(kind, server, plugin=made) as cluster:
        with pytest.raises(Unauthorized, match="FileNotFoundError"):
            await cluster.get(CONFIG_MAPS, "a", "n")


@played
async def test_many_refused_requests_run_a_plugin_once(tmp_path: Path) -> None:
    """Where many requests are refused at once, the official client's plugin runs once for all of them."""
    script = says(200, thing()), *[REFUSED] * 5, says(200, thing())
    made = plugin(tmp_path, counting(tmp_path))
    async with serving(*script) as server, reaching(KubernetesClients, server, plugin=made) as cluster:
        await cluster.get(CONFIG_MAPS, "a", "n")
        await asyncio.gather(*(cluster.get(CONFIG_MAPS, "a", "n") for _ in range(5)))

    assert ["Bearer t1"] * 6 + ["Bearer t2"] * 5 == shown(server)


@played
async def test_exec_plugins_of_version_1(tmp_path: Path) -> None:
    """The official client runs plugins of version v1; lightkube says at once that it cannot."""
    version = "client.authentication.k8s.io/v1"
    made = plugin(tmp_path, counting(tmp_path, version), version)
    async with serving(says(200, thing())) as server:
        async with reaching(KubernetesClients, server, plugin=made) as cluster:
            await cluster.get(CONFIG_MAPS, "a", "n")
        with pytest.raises(ValueError, match="lightkube knows only"):
            async with reaching(LightkubeClients, server, plugin=made):
                pass

    assert ["Bearer t1"] == shown(server)


@both
@played
async def test_token_files_of_a_kubeconfig(kind: Kind, tmp_path: Path) -> None:
    """A tokenFile lies where the kubeconfig says, and is read when it is needed."""
    async with serving(says(200, thing())) as server:
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": f"{server.url}/"}}],
            "users": [{"name": "u", "user": {"tokenFile": "token"}}],
        }
        (tmp_path / "config").write_text(json.dumps(config), encoding="utf-8")
        cluster = kind(randomness=Half()).own({"KUBECONFIG": str(tmp_path / "config")})
        (tmp_path / "token").write_text("one", encoding="utf-8")
        await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.close()

    assert ["Bearer one"] == shown(server)
