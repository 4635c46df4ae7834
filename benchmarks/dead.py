"""What dead control planes do to the others, on real servers: the time from grant to HelmRelease, its 99th percentile.

Each tenant's control plane gets a copy of an image pull secret before its HelmRelease is written. Control planes share
three servers; each tenant's kubeconfig leads to a proxy of its own, behind which the toolkit's namespace has another
name. In the second run some of the proxies are dead from before their OCMs come until the end: half of them refuse
connections, half let no byte pass. The times are those of tenants that are alive in both runs, from the audit log.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from http import HTTPStatus
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.audit import PULL, pull_secret
from benchmarks.scale import Landscape, client, flags, some_at_once, started, until_all
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import Json, dig
from openmcp_testing.control_plane import ApiServer, ControlPlane, install
from openmcp_testing.landscape import ServerLandscape, Servers
from openmcp_testing.proxy import FaultProxy
from tests.cluster.clients import CLIENTS, play
from tests.cluster.estate import OCMS, RELEASES
from tests.cluster.replicas import figures
from tests.cluster.stage import Stage

TOOLKIT = "ocm-k8s-toolkit-system"
MOST = 1.5
PATIENCE = 600.0  # seconds


class Order(NamedTuple):
    """Control planes to be made, and which of them are to be dead."""

    names: list[str]
    refused: list[str]
    frozen: list[str]


class Run(NamedTuple):
    """Seconds from grant to HelmRelease by tenant, and how many of the tenants that are alive got Ready."""

    seconds: dict[str, float]
    ready: int


def landscape(servers: Servers, orders: Connection, ours: Connection) -> None:
    """Play openMCP and Flux, with a proxy before each control plane."""
    ours.close()

    async def played() -> None:
        async with AsyncExitStack() as stack:
            there = await stage(stack)
            while order := await asyncio.to_thread(orders.recv):
                for number, name in enumerate(order.names):
                    await there.create_control_plane(name)
                    await there.ready(name)
                    proxy = await before(stack, there.server(name), number)
                    there.reroute(name, url=proxy.url)
                    if name in order.refused:
                        await stack.enter_async_context(proxy.unreachable())
                    if name in order.frozen:
                        await stack.enter_async_context(proxy.frozen())
                orders.send("made")

    async def stage(stack: AsyncExitStack) -> ServerLandscape:
        there = await stack.enter_async_context(ServerLandscape(servers, client, shared=True))
        orders.send("ready")
        return there

    async def before(stack: AsyncExitStack, server: ApiServer, number: int) -> FaultProxy:
        proxy = FaultProxy(
            server.url,
            upstream_tls=server.client_context(),
            tls=server.serving_context(),
            words=(TOOLKIT, f"toolkit-{number:04d}"),  # no longer, so that names made of it stay legal
        )
        return await stack.enter_async_context(proxy)

    asyncio.run(played())


def times(platform: ApiServer, names: Iterable[str]) -> dict[str, float]:
    """Return the seconds from grant to HelmRelease of each tenant that got one."""
    homes = {tenant_namespace(name, "default"): name for name in names}
    granted: dict[str, datetime] = {}
    written: dict[str, datetime] = {}
    for event in platform.audit():
        reference = event.get("objectRef") or {}
        name = homes.get(reference.get("namespace", ""))
        moment = datetime.fromisoformat(event["stageTimestamp"])
        if name is None or event["stage"] != "ResponseComplete":
            continue
        if reference["resource"] == "accessrequests" and dig(event, "responseObject", "status", "phase") == "Granted":
            granted.setdefault(name, moment)
        if reference["resource"] == "helmreleases" and event["responseStatus"]["code"] == HTTPStatus.CREATED:
            written.setdefault(name, moment)
    return {name: (moment - granted[name]).total_seconds() for name, moment in written.items()}


async def served(stage: Stage, played: Landscape, order: Order, rate: float) -> int:
    """Have the tenants come; return how many got Ready of those that are alive."""
    await stage.install()
    await stage.configure({"values": {"manager": {"imagePullSecrets": [{"name": PULL}]}}})
    await pull_secret(stage.platform)
    played.orders.send(order)
    await played.answer()
    program = await stage.start("run", *flags())
    drained = asyncio.create_task(program.communicate())
    alive = len(order.names) - len(order.refused) - len(order.frozen)
    try:
        await asyncio.sleep(10)
        if rate:
            for name in order.names:
                await stage.ocm(name)
                await asyncio.sleep(1 / rate)
        else:
            await some_at_once(stage.ocm, order.names)
        with suppress(TimeoutError):  # who was not served by then is missing below
            async with asyncio.timeout(PATIENCE):
                await until_all(stage.platform, RELEASES, alive, lambda _: True)
                await until_all(stage.onboarding, OCMS, alive, lambda obj: dig(obj, "status", "phase") == "Ready")
        found = (await stage.onboarding.list(OCMS, limit=0)).items
        told = figures(program.pid)
        print(f"    {told.cpu:.1f} s of CPU, at most {told.peak:.0f} MiB")
        for kind, names in (("refused", order.refused), ("frozen", order.frozen)):
            one = next((obj for obj in found if obj["metadata"]["name"] in names), None)
            if one is not None:
                print(f"    {kind}: {len(names)}, such as:", _message(one))
        return sum(dig(obj, "status", "phase") == "Ready" for obj in found)
    finally:
        if program.returncode is None:
            program.terminate()
        await drained


def _message(ocm: Json) -> str:
    entry: Json = next((one for one in dig(ocm, "status", "conditions") or () if one["type"] == "Ready"), {})
    return f"{dig(ocm, 'status', 'phase')}, {entry.get('reason')}: {entry.get('message')}"


def run(order: Order, library: str, rate: float) -> Run:
    """Have the tenants come, on new servers."""
    ready: list[int] = []
    with ControlPlane(install()) as plane, tempfile.TemporaryDirectory() as folder:
        servers = started(plane)
        played = Landscape(servers, landscape)
        try:
            played.orders.recv()

            async def story() -> None:
                stage = Stage(played, servers, library, Path(folder))  # type: ignore[arg-type]  # it asks for clients alone
                try:
                    ready.append(await served(stage, played, order, rate))
                finally:
                    for one in (stage.platform, stage.onboarding):
                        await one.close()

            play(story)
        finally:
            played.stop()
        return Run(times(servers.platform, order.names), ready[0])


def compared(number: int, share: float, library: str, rate: float) -> bool:
    """Make both runs and print them; tell whether the others were all served, and about as soon."""
    names = [f"t{index:04d}" for index in range(number)]
    dead = [name for index, name in enumerate(names) if int((index + 1) * share) > int(index * share)]
    alive = [name for name in names if name not in dead]
    print(f"{library}, {number} tenants, " + (f"{rate:g} a second" if rate else "all at once"))
    highest = []
    fine = True
    for title, order in (
        ("all healthy", Order(names, [], [])),
        (f"{len(dead)} dead", Order(names, dead[::2], dead[1::2])),
    ):
        print(f"  {title}")
        done = run(order, library, rate)
        found = sorted(done.seconds.get(name, PATIENCE) for name in alive)
        highest.append(quantiles(found, n=100, method="inclusive")[98])
        print(
            f"    grant to HelmRelease: median {median(found):.2f} s, p99 {highest[-1]:.2f} s, most {found[-1]:.2f} s"
        )
        print(f"    Ready: {done.ready}")
        fine = fine and done.ready >= len(alive)
    print(f"  RATIO of the p99s {highest[1] / highest[0]:.2f}")
    return fine and highest[1] <= MOST * highest[0]


def main() -> int:
    """Measure; return 1 if dead control planes cost the others too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, default=200)
    parser.add_argument("--share", type=float, default=0.3, help="of dead ones")
    parser.add_argument("--client", choices=CLIENTS, default="lightkube")
    parser.add_argument("--rate", type=float, nargs="+", default=[0.0, 4.0], help="tenants a second; 0 = all at once")
    arguments = parser.parse_args()
    found = [compared(arguments.tenants, arguments.share, arguments.client, rate) for rate in arguments.rate]
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
