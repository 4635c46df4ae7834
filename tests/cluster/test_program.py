"""The program itself on real servers: started as openMCP's operator starts it, with no more rights than it says."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from openmcp_adapters.system import SystemRandomness
from openmcp_provider.domain.objects import Json, dig
from openmcp_provider.domain.rights import Right, platform_rights
from openmcp_provider.ports import Cluster, NotFound, Resource
from openmcp_provider.runtime.resources import CRDS, SERVICE_PROVIDERS
from openmcp_testing.control_plane import Binaries, ControlPlane
from openmcp_testing.landscape import ServerLandscape, Servers
from service_provider_ocm import PROVIDER
from tests.cluster.clients import CLIENTS, play
from tests.cluster.estate import CONFIGS, OCMS, RELEASES, SOURCES, SYSTEM, until

GROUP = "rbac.authorization.k8s.io"
COMMON = ("--environment=test", "--verbosity=INFO", "--provider-name=ocm")
RUN = ("--leader-elect=true", "--metrics-bind-address=:8080", "--metrics-secure=false")
ACCOUNT = "sp-ocm"


@pytest.fixture(scope="module")
def servers(plane: ControlPlane) -> Iterator[Servers]:
    """A platform, an onboarding cluster and three control planes."""
    started = [plane.api_server(f"program-{name}") for name in ("platform", "onboarding", "a", "b", "c")]
    platform, onboarding, *pool = started
    yield Servers(platform=platform, onboarding=onboarding, pool=pool)
    for server in started:
        server.stop()


def init_rights() -> tuple[Right, ...]:
    """Return what `init` needs on the platform."""
    wanted = [("clusters.openmcp.cloud", kind, "get create") for kind in ("clusterrequests", "accessrequests")]
    wanted += [
        ("clusters.openmcp.cloud", "accessrequests", "patch"),
        ("", "secrets", "get"),
        ("apiextensions.k8s.io", "customresourcedefinitions", "get create patch"),
        ("openmcp.cloud", "serviceproviders", "get"),
        ("openmcp.cloud", "serviceproviders/status", "patch"),
    ]
    return tuple(
        Right("platform", verb, group, resource) for group, resource, verbs in wanted for verb in verbs.split()
    )


async def allow(platform: Cluster, account: str, rights: Iterable[Right]) -> None:
    """Give a user these rights, in these namespaces, and no others."""
    wanted: dict[str, list[Json]] = {}
    for right in rights:
        rule = {"apiGroups": [right.group], "resources": [right.resource], "verbs": [right.verb]}
        wanted.setdefault(right.namespace, []).append(rule)
    for namespace, rules in wanted.items():
        kind = "Role" if namespace else "ClusterRole"
        metadata = {"name": account, **({"namespace": namespace} if namespace else {})}
        binding = {
            "roleRef": {"apiGroup": GROUP, "kind": kind, "name": account},
            "subjects": [{"kind": "User", "apiGroup": GROUP, "name": account}],
        }
        for one, fields in ((kind, {"rules": rules}), (f"{kind}Binding", binding)):
            resource = Resource(f"{GROUP}/v1", one, f"{one.lower()}s", namespaced=bool(namespace))
            manifest = {"apiVersion": resource.api_version, "kind": one, "metadata": metadata, **fields}
            await platform.apply(resource, manifest, manager="test")


class Stage:
    """A landscape without our definitions, and our program on it."""

    def __init__(self, landscape: ServerLandscape, servers: Servers, client: str, folder: Path) -> None:
        self.landscape = landscape
        self.servers = servers
        self.platform = landscape.client("operator-person")
        self.onboarding = landscape.client("tenant", "onboarding")
        self._client = client
        self._folder = folder

    def _environment(self, account: str) -> dict[str, str]:
        kubeconfig = self._folder / f"{account}.kubeconfig"
        kubeconfig.write_bytes(self.servers.platform.kubeconfig(account, ()))
        given = {"POD_NAME": "sp-ocm-0", "POD_NAMESPACE": SYSTEM, "POD_IP": "127.0.0.1"}
        return {**os.environ, **given, "POD_SERVICE_ACCOUNT_NAME": account, "KUBECONFIG": str(kubeconfig)}

    async def start(self, command: str, *arguments: str, account: str = ACCOUNT) -> asyncio.subprocess.Process:
        """Start the program."""
        chosen = () if self._client == "lightkube" else (f"--client={self._client}",)
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "service_provider_ocm_cli", command, *COMMON, *arguments, *chosen),
            env=self._environment(account),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    async def ends(self, process: asyncio.subprocess.Process, code: int) -> tuple[str, list[Json]]:
        """Wait for the end; return standard output, and the lines of the log."""
        out, err = await asyncio.wait_for(process.communicate(), 60.0)
        assert code == process.returncode, err.decode()
        return out.decode(), [json.loads(line) for line in err.decode().splitlines()]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the program, which must end with 0 when it is told to stop, and have complained about nothing."""
        process = await self.start("run", *RUN)
        try:
            yield
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        _, lines = await self.ends(process, 0)
        assert [] == [line for line in lines if line["level"] == "error"]
        assert "no longer leading" in [line["msg"] for line in lines]

    async def ocm(self, name: str) -> None:
        """Have a tenant ask for the toolkit."""
        metadata = {"name": name, "namespace": "default"}
        manifest = {
            "apiVersion": OCMS.api_version,
            "kind": OCMS.kind,
            "metadata": metadata,
            "spec": {"version": "0.6.0"},
        }
        await self.onboarding.create(OCMS, manifest)

    async def phases(self) -> dict[str, str]:
        """Return the phase of every OCM."""
        found = (await self.onboarding.list(OCMS)).items
        return {item["metadata"]["name"]: dig(item, "status", "phase") or "" for item in found}

    async def all_are(self, phase: str, *names: str) -> None:
        """Wait until these and no others are there, in a phase."""
        wanted = dict.fromkeys(names, phase)

        async def holds() -> bool:
            return await self.phases() == wanted

        await until(holds)


def on_stage(servers: Servers, client: str, folder: Path, story: Callable[[Stage], Awaitable[None]]) -> None:
    """Play a story."""

    def named(name: str) -> Any:
        return CLIENTS["lightkube"](randomness=SystemRandomness(), user_agent=name)

    async def told() -> None:
        async with asyncio.timeout(200.0), ServerLandscape(servers, named) as landscape:
            stage = Stage(landscape, servers, client, folder)
            await allow(stage.platform, ACCOUNT, platform_rights(PROVIDER, SYSTEM, elect=True))
            await allow(stage.platform, f"{ACCOUNT}-init", init_rights())
            await story(stage)

    play(told)


async def page(address: str) -> str:
    """Return a page."""

    def read() -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=10) as answer:
            return str(answer.read().decode())

    return await asyncio.to_thread(read)


def kubectl(binaries: Binaries, kubeconfig: Path, *arguments: str) -> str:
    """Return what kubectl prints."""
    command = [binaries.path("kubectl"), f"--kubeconfig={kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_program_takes_tenants_to_ready_and_to_gone(binaries: Binaries, servers: Servers, tmp_path: Path) -> None:
    """`init`, then `run`, as the operator starts them, with both clients and no more rights than they need."""
    for client in CLIENTS:

        async def story(stage: Stage) -> None:
            await stage.ends(await stage.start("init", account=f"{ACCOUNT}-init"), 0)
            _, lines = await stage.ends(await stage.start("init", account=f"{ACCOUNT}-init"), 0)
            assert "done" == lines[-1]["msg"]
            assert not [line for line in lines if "was changed" in line["msg"] or "was created" in line["msg"]]
            assert dig(await stage.platform.get(SERVICE_PROVIDERS, "ocm"), "status", "resources")
            config = {"apiVersion": CONFIGS.api_version, "kind": CONFIGS.kind, "metadata": {"name": "ocm"}, "spec": {}}
            await stage.platform.apply(CONFIGS, config, manager="kubectl")
            names = ("one", "three", "two")
            for name in names:
                await stage.landscape.create_control_plane(name)
            async with stage.running():
                for name in names:
                    await stage.ocm(name)
                await stage.all_are("Ready", *names)
                assert "ok" == await page("http://127.0.0.1:8081/readyz")
                figures = await page("http://127.0.0.1:8080/metrics")
                assert 'leader_election_master_status{name="232f9e39.openmcp.cloud"} 1.0' in figures
                assert 'openmcp_provider_tenants{controller="ocm",phase="Ready"' in figures
                _people_see_them(binaries, servers, tmp_path)
                out, _ = await stage.ends(await stage.start("plan", "--exit-code", "-o", "json"), 0)
                assert [[], [], []] == [one["writes"] for one in json.loads(out)["tenants"]]
                assert [] == json.loads(out)["missingRights"]
                for name in names:
                    await stage.onboarding.delete(OCMS, name, "default")
                await stage.all_are("", *())
            for resource in (SOURCES, RELEASES):
                assert [] == list((await stage.platform.list(resource)).items)
            for name in names:
                await stage.landscape.delete_control_plane(name)

        on_stage(servers, client, tmp_path, story)


def _people_see_them(binaries: Binaries, servers: Servers, folder: Path) -> None:
    """See what kubectl shows of ready tenants, and select and wait by it."""
    kubeconfig = folder / "tenant.kubeconfig"
    kubeconfig.write_bytes(servers.onboarding.kubeconfig("tenant"))
    wide = kubectl(binaries, kubeconfig, "get", "ocm", "-A", "-o", "wide").splitlines()
    assert ["NAMESPACE", "NAME", "PHASE", "READY", "VERSION", "INSTALLED", "AGE", "REASON", "MESSAGE"] == wide[
        0
    ].split()
    assert ["default", "one", "Ready", "True", "0.6.0", "0.6.0"] == wide[1].split()[:6]
    unready = kubectl(binaries, kubeconfig, "get", "ocm", "-A", "--field-selector=status.phase!=Ready", "--output=name")
    assert "" == unready
    waited = kubectl(
        binaries, kubeconfig, "wait", "ocm", "--all", "-n", "default", "--for=condition=Ready", "--timeout=5s"
    )
    assert 3 == waited.count("condition met")
    described = kubectl(binaries, kubeconfig, "describe", "ocm", "one", "-n", "default")
    assert "is installed and ready" in described
    assert "Events:" in described
    assert "<none>" not in described.rpartition("Events:")[2]


def test_init_fails_where_something_is_missing(servers: Servers, tmp_path: Path) -> None:
    """Without the right to write definitions it ends with 1 and says which one; nothing else is claimed."""

    async def story(stage: Stage) -> None:
        less = [right for right in init_rights() if right.resource != "customresourcedefinitions"]
        await allow(stage.platform, "poor", less)
        _, lines = await stage.ends(await stage.start("init", account="poor"), 1)
        assert "providerconfigs.ocm.services.openmcp.cloud on the platform cluster: Forbidden" in lines[-1]["msg"]
        with pytest.raises(NotFound):
            await stage.platform.get(CRDS, "nobody.ocm.services.openmcp.cloud")

    on_stage(servers, "lightkube", tmp_path, story)
