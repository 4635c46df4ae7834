"""The program itself, as a process of its own on real servers, with no more rights than it says."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

from openmcp_adapters.system import SystemRandomness
from openmcp_provider.domain.objects import Json, dig
from openmcp_provider.domain.rights import Right, platform_rights
from openmcp_provider.ports import Cluster, Resource
from openmcp_testing.landscape import ServerLandscape, Servers
from service_provider_ocm import PROVIDER
from tests.cluster.clients import CLIENTS, play
from tests.cluster.estate import CONFIGS, OCMS, SYSTEM, until

GROUP = "rbac.authorization.k8s.io"
COMMON = ("--environment=test", "--verbosity=INFO", "--provider-name=ocm")
RUN = ("--leader-elect=true", "--metrics-bind-address=:8080", "--metrics-secure=false")
ACCOUNT = "sp-ocm"


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

    def _environment(self, account: str, pod: str) -> dict[str, str]:
        kubeconfig = self._folder / f"{account}.{pod}.kubeconfig"
        kubeconfig.write_bytes(self.servers.platform.kubeconfig(account, ()))
        given = {"POD_NAME": pod, "POD_NAMESPACE": SYSTEM, "POD_IP": "127.0.0.1"}
        return {**os.environ, **given, "POD_SERVICE_ACCOUNT_NAME": account, "KUBECONFIG": str(kubeconfig)}

    async def permit(self) -> None:
        """Give `init` and `run` the rights that they need, each its own."""
        await allow(self.platform, ACCOUNT, platform_rights(PROVIDER, SYSTEM, elect=True))
        await allow(self.platform, f"{ACCOUNT}-init", init_rights())

    async def install(self) -> None:
        """Do what comes before `run`: give rights, and run `init`."""
        await self.permit()
        await self.ends(await self.start("init", account=f"{ACCOUNT}-init"), 0)

    async def configure(self, spec: Json) -> None:
        """Write the ProviderConfig."""
        manifest = {"apiVersion": CONFIGS.api_version, "kind": CONFIGS.kind, "metadata": {"name": "ocm"}, "spec": spec}
        await self.platform.apply(CONFIGS, manifest, manager="kubectl")

    async def start(
        self, command: str, *arguments: str, account: str = ACCOUNT, pod: str = "sp-ocm-0", log: Path | None = None
    ) -> asyncio.subprocess.Process:
        """Start the program.

        Args:
            command: ``init``, ``run`` or ``plan``.
            arguments: Further flags.
            account: Whose rights it has.
            pod: The name of its pod.
            log: Where its log is added to, instead of a pipe that somebody must read.
        """
        chosen = () if self._client == "lightkube" else (f"--client={self._client}",)
        with nullcontext(subprocess.PIPE) if log is None else log.open("ab") as errors:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "service_provider_ocm_cli", command, *COMMON, *arguments, *chosen),
                env=self._environment(account, pod),
                stdout=subprocess.PIPE,
                stderr=errors,
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
        except BaseException:
            _end(process)
            _, err = await process.communicate()
            print(err.decode())
            raise
        _end(process)
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


def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()


def on_stage(servers: Servers, client: str, folder: Path, story: Callable[[Stage], Awaitable[None]]) -> None:
    """Play a story."""

    def named(name: str) -> Any:
        return CLIENTS["lightkube"](randomness=SystemRandomness(), user_agent=name)

    async def told() -> None:
        async with asyncio.timeout(200.0), ServerLandscape(servers, named) as landscape:
            stage = Stage(landscape, servers, client, folder)
            await stage.permit()
            await story(stage)

    play(told)
