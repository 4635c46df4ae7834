"""What `run` says of itself at start, of its addresses, and while another process leads."""

import asyncio
import errno
import json
import logging
import platform
import socket
from argparse import Namespace
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import pytest

from openmcp_adapters.emulation import SeededRandomness, VirtualClock
from openmcp_adapters.emulation import run as run_virtually
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.ports import Clock, Resource
from openmcp_provider.runtime.election import LEASES
from openmcp_provider_cli import main
from openmcp_provider_cli.logs import Log
from openmcp_provider_cli.program import Setting
from openmcp_provider_cli.running import Run
from service_provider_ocm import PROVIDER
from tests.docs.pages import DOCS

LEASE = PROVIDER.edition.lease


def setting(clock: Clock, **arguments: Any) -> Setting:
    """Return what `run` works with, on a platform in memory."""
    flags = {
        "leader_elect": True,
        "kube_api_qps": 0.0,
        "health_probe_bind_address": "0",
        "metrics_bind_address": "0",
        "metrics_secure": False,
    }
    cluster = MemoryCluster(now=clock.now)
    return Setting(
        provider=PROVIDER,
        arguments=Namespace(**flags | arguments),
        name="ocm",
        namespace="openmcp-system",
        identity="me",
        platform=cluster,
        factory=cast("Any", None),
        onboarding=cast("Any", None),
        clock=cast("Any", clock),
        randomness=cast("Any", SeededRandomness(0, "me")),
        lines=Log("setup"),
    )


def test_a_standby_says_who_leads(caplog: pytest.LogCaptureFixture) -> None:
    """A replica that waits for its turn says so at once, and who leads, and again when that changes (case 7)."""
    caplog.set_level(logging.INFO, "openmcp")

    async def story() -> None:
        work = setting(VirtualClock())

        async def hold(holder: str) -> None:
            metadata = {"name": LEASE, "namespace": "openmcp-system"}
            spec = {"holderIdentity": holder, "leaseDurationSeconds": 15}
            lease = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
            await work.platform.apply(LEASES, lease, manager="other")

        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "openmcp-system"}}
        await work.platform.create(Resource("v1", "Namespace", "namespaces", namespaced=False), space)
        await hold("pod-a_1")
        leading = asyncio.get_running_loop().create_task(Run(work)._lead())
        await asyncio.sleep(10.0)
        await hold("pod-b_1")
        await asyncio.sleep(10.0)
        leading.cancel()
        await asyncio.wait({leading})

    run_virtually(story)

    lease = f"Lease openmcp-system/{LEASE}"
    assert [record.getMessage() for record in caplog.records] == [
        f"standby: pod-a_1 leads, as holder of {lease}",
        f"standby: pod-b_1 leads, as holder of {lease}",
    ]


@pytest.fixture
def taken() -> Iterator[str]:
    """Return an address that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def platform_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name a platform, which nobody comes to ask."""
    user, cluster = {"token": "t"}, {"server": "https://127.0.0.1:1"}
    kubeconfig = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(kubeconfig))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setenv("POD_NAMESPACE", "openmcp-system")


def refused(capfd: pytest.CaptureFixture[str], **addresses: str) -> str:
    """Run where an address cannot be listened on, and return what is said of it."""
    flags = {"health-probe": "0", "metrics": "0"} | addresses
    given = [f"--{name}-bind-address={address}" for name, address in flags.items()]

    assert main(PROVIDER, ["run", "--provider-name=ocm", "--metrics-secure=false", *given]) == 1

    out, err = capfd.readouterr()
    _, told = map(json.loads, err.splitlines())
    assert ("", "error") == (out, told["level"])
    return str(told["msg"])


@pytest.mark.parametrize("name", ["health-probe", "metrics"])
@pytest.mark.usefixtures("platform_named")
def test_an_address_that_is_taken(name: str, taken: str, capfd: pytest.CaptureFixture[str]) -> None:
    """It is named as it was written, with its flag, the cause and what to do (case 7)."""
    why = f"--{name}-bind-address: cannot listen on {taken}: Address already in use"

    assert refused(capfd, **{name: taken}) == f'{why}; stop what listens there, or give another port, or "0" for none'


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied"),
            "Permission denied; ports below 1024 are for root: give a",
        ),
        (OSError(errno.EADDRNOTAVAIL, "Cannot assign"), "Cannot assign; give an address of this machine, such as"),
        (socket.gaierror(socket.EAI_NONAME, "Name not known"), "Name not known; give an address of this machine, such"),
    ],
)
@pytest.mark.usefixtures("platform_named")
def test_an_address_that_cannot_be_had(
    error: OSError, told: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The cause is the system's, without a word of Python's, and is followed by what to do (case 7)."""

    def refuse(address: object, **_: object) -> None:
        raise type(error)(error.errno, f"{error.strerror} (while attempting to bind on address {address!r})")

    monkeypatch.setattr(socket, "create_server", refuse)
    said = refused(capfd, metrics="[::1]:80")

    assert said.startswith(f"--metrics-bind-address: cannot listen on [::1]:80: {told}")
    assert "Address(" not in said


@pytest.mark.parametrize("client", ["lightkube", "kubernetes"])
def test_the_first_line_says_what_runs(
    client: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Program, version, Python, client and important flags, before anything is asked of a cluster (case 7)."""
    monkeypatch.setenv("POD_NAMESPACE", "openmcp-system")
    monkeypatch.setenv("POD_NAME", "sp-ocm-0")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)

    assert main(PROVIDER, ["run", "--provider-name=ocm", "--leader-elect", f"--client={client}"]) == 1

    out, err = capfd.readouterr()
    first = json.loads(err.splitlines()[0])
    told = {key: value for key, value in first.items() if key not in {"ts", "level", "logger", "identity"}}
    assert out == ""
    assert first["level"] == "info"
    assert first["identity"].startswith("sp-ocm-0_")
    assert told == {
        "msg": f"starting run of service-provider-ocm {metadata.version('service-provider-ocm')}",
        "python": platform.python_version(),
        "client": client,
        "podNamespace": "openmcp-system",
        "providerName": "ocm",
        "leaderElect": True,
        "healthProbeBindAddress": ":8081",
        "metricsBindAddress": "0",
        "metricsSecure": True,
        "kubeAPIQPS": 0.0,
    }
    page = (DOCS / "metrics.md").read_text(encoding="utf-8")
    assert [] == [key for key in first if f"`{key}`" not in page]
