"""What the program asks of real servers, counted from their audit logs: one creation, and five steady minutes."""

import argparse
import asyncio
import base64
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from openmcp_adapters.system import SystemRandomness
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster
from openmcp_provider.runtime.resources import SECRETS
from openmcp_testing.control_plane import ApiServer, ControlPlane, install
from openmcp_testing.landscape import ServerLandscape, Servers
from service_provider_ocm import PROVIDER
from tests.cluster.clients import CLIENTS, play
from tests.cluster.estate import OCMS, SYSTEM
from tests.cluster.stage import Stage

PROGRAM = f"{PROVIDER.edition.field_manager}/"
READS = {"get", "list"}
PULL = "privateregcred"


def asked(server: ApiServer, since: float) -> Iterator[Json]:
    """Yield the program's requests that began after a moment, in seconds since the epoch; a watch as it begins."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since))
    for event in server.audit():
        ours = event.get("userAgent", "").startswith(PROGRAM)
        begins = event["stage"] == ("ResponseStarted" if event["verb"] == "watch" else "ResponseComplete")
        if ours and begins and event["requestReceivedTimestamp"] >= moment:
            yield event


def counted(servers: Servers, since: float) -> Counter[tuple[str, str, str]]:
    """Count the program's requests by cluster, verb and resource."""
    named = [("platform", servers.platform), ("onboarding", servers.onboarding)]
    named += [("control plane", server) for server in servers.pool]
    return Counter(
        (where, event["verb"], event["objectRef"]["resource"])
        for where, server in named
        for event in asked(server, since)
        if event.get("objectRef")
    )


def told(title: str, found: Counter[tuple[str, str, str]]) -> None:
    """Print counts."""
    print(title)
    for (where, verb, resource), number in sorted(found.items()):
        print(f"  {where:14} {verb:8} {resource:24} {number}")


async def pull_secret(platform: Cluster) -> None:
    """Write a pull secret."""
    content = base64.b64encode(json.dumps({"auths": {"ghcr.io": {"auth": "eDp5"}}}).encode()).decode()
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": PULL, "namespace": SYSTEM},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": content},
    }
    await platform.apply(SECRETS, manifest, manager="kubectl")


async def measure(servers: Servers, client: str, minutes: float, spec: Json, folder: Path) -> None:
    """Count with one client library and one ProviderConfig."""

    def named(name: str) -> Any:  # noqa: ANN401 - a factory of any library
        return CLIENTS["lightkube"](randomness=SystemRandomness(), user_agent=name)

    async with ServerLandscape(servers, named) as landscape:
        stage = Stage(landscape, servers, client, folder)
        await stage.install()
        await stage.configure(spec)
        await pull_secret(stage.platform)
        for name in ("one", "two", "three"):
            await landscape.create_control_plane(name)
            await landscape.ready(name)
        async with stage.running():
            await stage.ocm("one")
            await stage.all_are("Ready", "one")
            await asyncio.sleep(40)  # half a minute after a tenant came its number is told: that is of no creation
            since = time.time() + 1
            await asyncio.sleep(1)
            await stage.ocm("two")
            await stage.all_are("Ready", "one", "two")
            await asyncio.sleep(3)
            creation = counted(servers, since)
            leases = {key for key in creation if key[2] == "leases"}
            told(
                f"{client}: one creation, Leases apart", Counter({k: n for k, n in creation.items() if k not in leases})
            )
            plain = {k: n for k, n in creation.items() if k not in leases and k[2] != "events" and k[1] != "watch"}
            reads = sum(number for key, number in plain.items() if key[1] in READS)
            print(f"  {reads} R + {sum(plain.values()) - reads} W, Events apart")
            await asyncio.sleep(40)
            since = time.time() + 1
            await asyncio.sleep(60 * minutes)
            told(f"{client}: {minutes:g} steady minutes with two tenants", counted(servers, since))
            for name in ("one", "two"):
                await stage.onboarding.delete(OCMS, name, "default")
            await stage.all_are("", *())
        for name in ("one", "two", "three"):
            await landscape.delete_control_plane(name)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--client", choices=CLIENTS, default="lightkube")
    parser.add_argument("--pull-secrets", action="store_true", help="one for the chart, one for each control plane")
    arguments = parser.parse_args()
    spec: Json = {}
    if arguments.pull_secrets:
        values = {"manager": {"imagePullSecrets": [{"name": PULL}]}}
        spec = {"imagePullSecret": {"name": PULL}, "values": values}
    with ControlPlane(install()) as plane, tempfile.TemporaryDirectory() as folder:
        platform, onboarding, *pool = [plane.api_server(name) for name in ("platform", "onboarding", "a", "b", "c")]
        servers = Servers(platform=platform, onboarding=onboarding, pool=pool)
        play(lambda: measure(servers, arguments.client, arguments.minutes, spec, Path(folder)))


if __name__ == "__main__":
    main()
