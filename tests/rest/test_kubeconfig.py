"""What a tenant's kubeconfig may hold, where our own is found, and that no error shows what is written there."""

import asyncio
import copy
import ssl
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from openmcp_adapters.kubeconfig import own_access, tenant_access
from openmcp_adapters.rest.access import Access
from openmcp_adapters.system import SystemClock, SystemRandomness
from tests.rest.certificates import authority_pem, encoded, issued
from tests.rest.scripted import Half, Kind, both

HIDDEN = "topsecret"
PAIR = issued("me")

GOOD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "contexts": [{"name": "other"}, {"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
    "clusters": [
        {
            "name": "k",
            "cluster": {
                "server": "https://api.test:6443/",
                "certificate-authority-data": encoded(authority_pem()),
            },
        }
    ],
    "users": [{"name": "other", "user": {"exec": {}}}, {"name": "u", "user": {"token": f"{HIDDEN}\n"}}],
}


def changed(
    cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None, current: object = "c", **fields: Any
) -> bytes:
    """Return the good kubeconfig with other fields; a user replaces the good one."""
    config = copy.deepcopy({**GOOD, "current-context": current, **fields})
    if cluster is not None:
        config["clusters"][0]["cluster"].update(cluster)
    if user is not None:
        config["users"][1]["user"] = user
    return yaml.safe_dump(config).encode()


def tenant(config: bytes, proxies: dict[str, str] | None = None) -> Access:
    """Return how to reach a tenant's cluster."""
    return tenant_access(config, proxies=proxies or {})


@pytest.mark.parametrize(
    ("user", "access"),
    [
        ({"token": f"{HIDDEN}\n"}, {"token": HIDDEN}),
        ({"username": "u", "password": HIDDEN}, {"username": "u", "password": HIDDEN}),
        ({"client-certificate-data": encoded(PAIR.certificate), "client-key-data": encoded(PAIR.key)}, {}),
    ],
)
def test_tenants(user: dict[str, Any], access: dict[str, Any]) -> None:
    """A tenant's kubeconfig holds an address, and credentials themselves; no text of it shows the credentials."""
    found = tenant(changed(user=user))

    assert "https://api.test:6443" == found.server
    assert access == {key: getattr(found, key) for key in access}
    assert isinstance(found.tls, ssl.SSLContext)
    assert ssl.CERT_REQUIRED == found.tls.verify_mode
    assert HIDDEN not in repr(found)


def test_json_will_do() -> None:
    """A kubeconfig may be written in JSON, and base64 may be broken into lines."""
    data = encoded(authority_pem())
    lines = "\n".join(data[at : at + 64] for at in range(0, len(data), 64))
    assert "https://api.test:6443" == tenant(changed({"certificate-authority-data": lines})).server


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"\xff\xfe\xff", "the kubeconfig: is not YAML in UTF-8"),
        (b"a: [" + HIDDEN.encode(), "the kubeconfig: is not YAML in UTF-8"),
        (b"!!python/object/apply:os.system [topsecret]", "the kubeconfig: is not YAML in UTF-8"),
        (b"", "the kubeconfig: an object with clusters"),
        (b"- topsecret", "the kubeconfig: an object with clusters"),
        (b"a: &a [topsecret]\nb: *a", "the kubeconfig: has aliases"),
        (b"[" * 1000 + b"]" * 1000, "the kubeconfig: has aliases or is nested too deeply"),
        (b" " * 600_000, "the kubeconfig has more than 512 KiB"),
        (changed(current=""), "current-context: the name of a context"),
        (changed(current=HIDDEN), "current-context: the name of one of contexts"),
        (changed(current=5), "current-context: a text is wanted"),
        (changed(contexts=None), "current-context: the name of one of contexts"),
        (changed(contexts=HIDDEN), "contexts: a list is wanted"),
        (changed(contexts=[{"name": "c", "context": HIDDEN}]), "contexts[0].context: an object is wanted"),
        (changed(contexts=[HIDDEN, {"name": "c", "context": {}}]), "contexts[1].context.cluster: the name of one of"),
        (changed(contexts=[{"name": "c", "context": {"cluster": HIDDEN}}]), "contexts[0].context.cluster: the name"),
        (changed(users=[]), "contexts[1].context.user: the name of one of users"),
        (changed(contexts=[{"name": "c", "context": {"cluster": "k"}}]), "contexts[0].context.user: a token, or"),
        (changed(user={}), "users[1].user: a token, or"),
        (changed({"server": None}), "clusters[0].cluster.server: a URL like"),
        (changed({"server": f"https://{HIDDEN}:port"}), "clusters[0].cluster.server: a URL like"),
        (changed({"server": f"https://u:{HIDDEN}@api.test"}), "clusters[0].cluster.server: a URL like"),
        (changed({"server": "api.test:6443"}), "clusters[0].cluster.server: a URL like"),
        (changed({"server": "https://api.test/?x=topsecret"}), "clusters[0].cluster.server: a URL like"),
        (changed({"server": "https://api.test/\x7f"}), "clusters[0].cluster.server: a URL like"),
        (changed({"server": "http://api.test"}), "clusters[0].cluster.server: a URL that begins with https://"),
        (changed({"insecure-skip-tls-verify": True}), "clusters[0].cluster.insecure-skip-tls-verify: put"),
        (changed({"proxy-url": f"http://{HIDDEN}"}), "clusters[0].cluster.proxy-url: a proxy is named"),
        (changed({"certificate-authority": f"/{HIDDEN}"}), "clusters[0].cluster.certificate-authority: put"),
        (changed({"certificate-authority-data": f"{HIDDEN}!"}), "certificate-authority-data: base64 is wanted"),
        (changed({"certificate-authority-data": encoded(HIDDEN)}), "certificate-authority-data: a PEM text is"),
        (
            changed({"certificate-authority-data": encoded(f"-----BEGIN CERTIFICATE-----\n{HIDDEN}")}),
            "clusters[0].cluster.certificate-authority-data: certificates in PEM",
        ),
        (changed(user={"exec": {"command": HIDDEN}}), "users[1].user.exec: no programs are run for a tenant"),
        (changed(user={"auth-provider": {"name": HIDDEN}}), "users[1].user.auth-provider: no client knows it"),
        (changed(user={"token": "t", "as": HIDDEN}), "users[1].user.as: impersonation"),
        (changed(user={"token": "t", "as-groups": [HIDDEN]}), "users[1].user.as-groups: impersonation"),
        (changed(user={"tokenFile": f"/{HIDDEN}"}), "users[1].user.tokenFile: put the token itself"),
        (changed(user={"token": "t", "tokenFile": f"/{HIDDEN}"}), "users[1].user.tokenFile: put the token itself"),
        (changed(user={"client-certificate": HIDDEN}), "users[1].user.client-certificate: put"),
        (changed(user={"client-key": HIDDEN}), "users[1].user.client-key: put"),
        (changed(user={"token": {"is": HIDDEN}}), "users[1].user.token: a text is wanted"),
        (changed(user={"token": f"{HIDDEN}\nx: y"}), "users[1].user.token: one word"),
        (changed(user={"token": f"{HIDDEN}ü"}), "users[1].user.token: one word"),
        (
            changed(user={"client-certificate-data": encoded(PAIR.certificate)}),
            "users[1].user: client-certificate-data",
        ),
        (
            changed(
                user={
                    "client-certificate-data": encoded(PAIR.certificate),
                    "client-key-data": encoded(issued("you").key),
                }
            ),
            "users[1].user: client-certificate-data and client-key-data must be a certificate and its key",
        ),
        (
            changed(
                user={
                    "client-certificate-data": encoded(issued("me", password=b"p").certificate),
                    "client-key-data": encoded(issued("me", password=b"p").key),
                }
            ),
            "users[1].user: client-certificate-data and client-key-data must be",
        ),
    ],
)
@both
def test_refusals(kind: Kind, config: bytes, message: str) -> None:
    """What a tenant's kubeconfig may not hold is named by its place, with what would be right, and never shown."""
    with pytest.raises(ValueError, match=r".") as caught:
        kind(randomness=Half()).connect(config)

    assert message in str(caught.value)
    assert HIDDEN not in str(caught.value)
    assert caught.value.__suppress_context__ or not caught.value.__context__


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for key in value for leaf in _leaves(value[key], (*path, key))]
    if isinstance(value, list):
        return [leaf for index, item in enumerate(value) for leaf in _leaves(item, (*path, index))]
    return [path]


@given(
    path=st.sampled_from(_leaves(GOOD)),
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text().map(lambda text: HIDDEN + text),
        st.lists(st.just(HIDDEN)),
        st.dictionaries(st.text(), st.just(HIDDEN)),
    ),
)
def test_errors_show_nothing(path: tuple[Any, ...], value: Any) -> None:
    """Whatever is written in any place is accepted, or refused with a ValueError that does not show it."""
    config = copy.deepcopy(GOOD)
    parent = config
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    found: Exception | None = None
    try:
        tenant(yaml.safe_dump(config).encode())
    except ValueError as error:
        found = error

    assert type(found) in {ValueError, type(None)}
    assert HIDDEN not in str(found)


def written(folder: Path, name: str, config: bytes) -> str:
    """Write a kubeconfig and return its path."""
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(config)
    return str(file)


def test_the_order_of_configurations(tmp_path: Path) -> None:
    """KUBECONFIG comes first, then a Pod's service account, then the kubeconfig at home; without any it is an error."""
    account = tmp_path / "account"
    environ = {"HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "::1", "KUBERNETES_SERVICE_PORT": "443"}
    named = {"KUBECONFIG": written(tmp_path, "named", changed({"server": "https://named.test"}))}

    def found(**more: str) -> str:
        return own_access({**environ, **more}, proxies={}, service_account=account).server

    with pytest.raises(ValueError, match=r"KUBECONFIG is not set.*account/token.*\.kube/config; set KUBECONFIG"):
        found(KUBECONFIG="")
    written(tmp_path, ".kube/config", changed({"server": "https://home.test"}))
    assert "https://home.test" == found()
    written(account, "token", b"t")
    written(account, "ca.crt", authority_pem().encode())
    assert "https://[::1]:443" == found()
    assert "https://home.test" == found(KUBERNETES_SERVICE_PORT="")
    assert "https://named.test" == found(**named)


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\ntopsecret"])
def test_a_service_account_without_authority(content: bytes | None, tmp_path: Path) -> None:
    """A service account whose ca.crt is of no use is an error that names the file."""
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    written(tmp_path, "token", b"t")
    if content is not None:
        written(tmp_path, "ca.crt", content)
    with pytest.raises(ValueError, match=r"ca\.crt: ") as caught:
        own_access(environ, proxies={}, service_account=tmp_path)
    assert HIDDEN not in str(caught.value)


def test_several_files(tmp_path: Path) -> None:
    """KUBECONFIG may name several files, also some that are not there; of entries with one name the first counts."""
    first = {"users": [{"name": "u", "user": {"tokenFile": "t"}}], "current-context": "c"}
    second = {**GOOD, "current-context": HIDDEN}
    names = [
        written(tmp_path, "one/config", yaml.safe_dump(first).encode()),
        str(tmp_path / "none"),
        written(tmp_path, "two/config", yaml.safe_dump(second).encode()),
    ]
    access = own_access({"KUBECONFIG": ":".join(names)}, proxies={})

    assert ("https://api.test:6443", str(tmp_path / "one" / "t"), "") == (
        access.server,
        access.token_file,
        access.token,
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "KUBECONFIG: there is no file "),
        (b"- x", "config: an object with clusters"),
        (changed(user={"auth-provider": {"name": "oidc"}}), "config: users[1].user.auth-provider: no client"),
        (changed(user={"as": "x"}), "config: users[1].user.as: impersonation"),
        (changed(user={"exec": HIDDEN}), "config: users[1].user.exec: an object with apiVersion and command"),
        (changed(user={"exec": {"command": HIDDEN}}), "config: users[1].user.exec: apiVersion and command"),
        (changed(user={"client-key": "none"}), "config: users[1].user.client-key: "),
        (changed({"proxy-url": f"socks5://{HIDDEN}"}), "config: clusters[0].cluster.proxy-url: a URL"),
        (changed(contexts=[]), "config: current-context: the name of one of contexts"),
    ],
)
def test_own_refusals(config: bytes | None, message: str, tmp_path: Path) -> None:
    """What is wrong with our own kubeconfig is named by file and place, and not shown either."""
    name = str(tmp_path / "config") if config is None else written(tmp_path, "config", config)
    with pytest.raises(ValueError, match=r".") as caught:
        own_access({"KUBECONFIG": name}, proxies={})

    assert message in str(caught.value)
    assert HIDDEN not in str(caught.value)


def test_own_may_name_things(tmp_path: Path) -> None:
    """Our own kubeconfig may name a program beside it, one in PATH, and a proxy, and may do without TLS."""
    for command, found in (
        ("./plugin", str(tmp_path / "plugin")),
        ("plugin", "plugin"),
        ("/bin/plugin", "/bin/plugin"),
    ):
        plugin = {"apiVersion": "v1", "command": command}
        config = changed({"proxy-url": "http://proxy.test:3128"}, {"exec": plugin})
        access = own_access({"KUBECONFIG": written(tmp_path, "config", config)}, proxies={})
        assert (found, "http://proxy.test:3128") == (access.plugin and access.plugin["command"], access.proxy)
    config = changed({"server": "http://127.0.0.1:8001"}, {})
    assert None is own_access({"KUBECONFIG": written(tmp_path, "config", config)}, proxies={}).tls


def test_temporary_files_are_not_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Certificates are taken in without a temporary file, since a Pod's disk may be read-only."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    user = {"client-certificate-data": encoded(PAIR.certificate), "client-key-data": encoded(PAIR.key)}
    assert tenant(changed(user=user)).tls


def test_the_machine() -> None:
    """The machine's clock is in UTC and goes on; its chance stays in its bounds."""
    clock, chance = SystemClock(), SystemRandomness()
    before = clock.monotonic()

    assert "UTC" == clock.now().tzname()
    assert before <= clock.monotonic()
    asyncio.run(clock.sleep(0.01))
    assert before + 0.01 <= clock.monotonic()
    assert all(0 <= chance.random() < 1 for _ in range(100))
