"""The program itself on real servers: started as openMCP's operator starts it, with no more rights than it says."""

import asyncio
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from openmcp_provider.domain.objects import dig
from openmcp_provider.ports import NotFound
from openmcp_provider.runtime.resources import CRDS, SERVICE_PROVIDERS
from openmcp_testing.control_plane import Binaries, ControlPlane
from openmcp_testing.landscape import Servers
from tests.cluster.clients import CLIENTS
from tests.cluster.estate import CONFIGS, OCMS, RELEASES, SOURCES
from tests.cluster.stage import ACCOUNT, Stage, allow, init_rights, on_stage


@pytest.fixture(scope="module")
def servers(plane: ControlPlane) -> Iterator[Servers]:
    """A platform, an onboarding cluster and three control planes."""
    started = [plane.api_server(f"program-{name}") for name in ("platform", "onboarding", "a", "b", "c")]
    platform, onboarding, *pool = started
    yield Servers(platform=platform, onboarding=onboarding, pool=pool)
    for server in started:
        server.stop()


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
                _prometheus_likes(figures)
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


def _prometheus_likes(figures: str) -> None:
    """Have promtool check a page of metrics; where there is none, in CI alone it must be."""
    promtool = shutil.which("promtool")
    if promtool is None:
        assert not os.environ.get("CI"), "needed: promtool"
        return
    done = subprocess.run([promtool, "check", "metrics"], input=figures, capture_output=True, text=True, check=False)
    assert (0, "", "") == (done.returncode, done.stdout, done.stderr)


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
