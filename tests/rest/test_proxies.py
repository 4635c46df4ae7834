"""Which proxy is used for which server, as Go's client decides it."""

import asyncio
from pathlib import Path

import pytest

from openmcp_adapters.rest.access import proxy_for
from openmcp_provider.ports import Unavailable
from tests.rest.certificates import server_context
from tests.rest.scripted import CONFIG_MAPS, QUICK, Half, Kind, both, played, says, serving, status, thing
from tests.rest.test_kubeconfig import changed

PROXY = "http://proxy.test:3128"


@pytest.mark.parametrize(
    ("server", "environ", "proxy"),
    [
        ("https://api.test", {}, ""),
        ("https://api.test", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://api.test", {"https_proxy": PROXY}, PROXY),
        ("https://api.test", {"https_proxy": "http://other", "HTTPS_PROXY": PROXY}, PROXY),
        ("https://api.test", {"HTTPS_PROXY": "proxy.test:3128"}, PROXY),
        ("https://api.test", {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, ""),
        ("http://api.test", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://127.0.0.1:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, ""),
        ("https://api.test", {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, ""),
        ("https://api.test", {"HTTPS_PROXY": PROXY, "no_proxy": "x, API.test"}, ""),
        ("https://api.test", {"HTTPS_PROXY": PROXY, "NO_PROXY": "test"}, ""),
        ("https://api.test", {"HTTPS_PROXY": PROXY, "NO_PROXY": ".test"}, ""),
        ("https://api.test", {"HTTPS_PROXY": PROXY, "NO_PROXY": "*.test"}, ""),
        ("https://api.test", {"HTTPS_PROXY": PROXY, "NO_PROXY": ".api.test,i.test,,"}, PROXY),
        ("https://api.test", {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.test:443"}, ""),
        ("https://api.test", {"HTTPS_PROXY": PROXY, "NO_PROXY": "api.test:6443"}, PROXY),
        ("https://10.96.0.1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.96.0.0/12"}, ""),
        ("https://10.96.0.1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.96.0.1"}, ""),
        ("https://10.96.0.1", {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/16,odd/1"}, PROXY),
        ("https://[fd00::1]", {"HTTPS_PROXY": PROXY, "NO_PROXY": "fd00::/8"}, ""),
        ("https://[fd00::1]", {"HTTPS_PROXY": PROXY, "NO_PROXY": "[fd00::1]"}, ""),
    ],
)
def test_the_environments_proxy(server: str, environ: dict[str, str], proxy: str) -> None:
    """The environment names proxies by scheme, and whom to reach without one; the loopback is reached without one."""
    assert proxy == proxy_for(server, environ)


def test_proxies_that_not_all_clients_know() -> None:
    """A proxy of another kind is an error that names the variable and does not show its value."""
    with pytest.raises(ValueError, match=r"^HTTPS_PROXY: a proxy whose URL begins with http") as caught:
        proxy_for("https://api.test", {"HTTPS_PROXY": "socks5://user:topsecret@proxy.test"})
    assert "topsecret" not in str(caught.value)


@both
@played
async def test_requests_go_through_the_proxy(kind: Kind) -> None:
    """With a proxy, a request for another host goes to it as a tunnel; one that it refuses is Unavailable."""
    async with serving(says(403, status(403, "Forbidden"))) as proxy:
        clients = kind(randomness=Half(), timeouts=QUICK, proxies={"HTTPS_PROXY": proxy.url})
        cluster = clients.connect(changed())
        with pytest.raises(Unavailable):
            await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.close()

    assert [("CONNECT", "api.test:6443", None)] == [
        (seen.method, seen.path, seen.headers.get("Authorization")) for seen in proxy.seen
    ]


@both
@played
async def test_tunnels(kind: Kind) -> None:
    """A tunnel through the proxy carries TLS with the server itself, under whatever name that has to have."""
    tasks: list[asyncio.Task[None]] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def tunnel(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0])
        there = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        tasks.extend(asyncio.ensure_future(carry(*ends)) for ends in ((reader, there[1]), (there[0], writer)))

    asked: list[bytes] = []
    proxy = await asyncio.start_server(tunnel, "127.0.0.1", 0)
    environ = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"}
    async with serving(says(200, thing()), tls=server_context("inner.test")) as server, proxy:
        clients = kind(randomness=Half(), timeouts=QUICK, proxies=environ)
        cluster = clients.connect(changed({"tls-server-name": "inner.test"}))
        assert thing() == await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.close()
        await asyncio.gather(*tasks)

    assert [b"CONNECT api.test:6443 HTTP/1.1"] == asked


@both
@played
async def test_the_loopback_is_never_proxied(kind: Kind, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server on the loopback address is reached directly, also where the client's own ways would take a proxy."""
    async with serving(says(200, thing())) as server, serving(says(403, "")) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        (tmp_path / "config").write_bytes(changed({"server": server.url}))
        cluster = kind(randomness=Half(), timeouts=QUICK).own({"KUBECONFIG": str(tmp_path / "config")})
        await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.close()

    assert (1, 0) == (len(server.seen), len(proxy.seen))
