"""Many tenants at once, on real servers: how long until every HelmRelease is written, beside a bare client's time.

The program runs as its own process, openMCP and Flux are played in another. Control planes share three servers. When
all is done, a bare client makes the same requests again on new servers, those of the program and of openMCP and Flux,
as its audit logs have them: so the ratio tells what all of them together cost over doing nothing but asking. Beside it
memory and CPU time of the program, before there is a tenant and when all have been ready for a while.
"""

import argparse
import asyncio
import math
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.replay import Asked, in_flight, replay, watching
from openmcp_adapters.kubernetes import KubernetesClients
from openmcp_adapters.system import SystemRandomness
from openmcp_provider.domain.objects import Json, dig
from openmcp_provider.ports import Cluster, Resource
from openmcp_testing.control_plane import ApiServer, ControlPlane, install
from openmcp_testing.control_plane.crds import published_crds
from openmcp_testing.control_plane.process import free_port
from openmcp_testing.landscape import ServerLandscape, Servers
from openmcp_testing.serving import serve
from service_provider_ocm import PROVIDER
from tests.cluster.clients import CLIENTS, play
from tests.cluster.estate import OCMS, RELEASES
from tests.cluster.replicas import figures
from tests.cluster.stage import Stage

AT_ONCE = 32
NAMES = ("platform", "onboarding", "a", "b", "c")
OF_KUBERNETES = ("kube-", "Go-http-client")


def started(plane: ControlPlane) -> Servers:
    """Start the servers, whose audit logs keep what was written."""
    platform, onboarding, *pool = [plane.api_server(name, bodies=True) for name in NAMES]
    return Servers(platform=platform, onboarding=onboarding, pool=pool)


def by_name(servers: Servers) -> Mapping[str, ApiServer]:
    """Return the servers by name."""
    return dict(zip(NAMES, (servers.platform, servers.onboarding, *servers.pool), strict=True))


def client(name: str) -> KubernetesClients:
    """Return the clients of whoever has this name."""
    return KubernetesClients(randomness=SystemRandomness(), user_agent=name)


async def some_at_once(work: Callable[[str], Awaitable[object]], names: Iterable[str]) -> None:
    """Do something for each name."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> None:
        async with slots:
            await work(name)

    await asyncio.gather(*map(one, names))


def landscape(servers: Servers, orders: Connection, ours: Connection) -> None:
    """Play openMCP and Flux; control planes are made as names arrive, until there are none in an order."""
    ours.close()  # so that the end of whoever gives orders is noticed

    async def made(landscape: ServerLandscape, name: str) -> None:
        await landscape.create_control_plane(name)
        await landscape.ready(name)

    async def played() -> None:
        async with ServerLandscape(servers, client, shared=True) as there:
            orders.send("ready")
            while names := await asyncio.to_thread(orders.recv):
                await some_at_once(lambda name: made(there, name), names)
                orders.send("made")

    asyncio.run(played())


class Landscape:
    """A landscape in a process of its own, as `Stage` needs it.

    Args:
        servers: Where.
        played: What that process does, with the servers, its end of a pipe, and ours, which it closes.
    """

    def __init__(self, servers: Servers, played: Callable[[Servers, Connection, Connection], None] = landscape) -> None:
        self._servers = servers
        forking = multiprocessing.get_context("fork")
        self.orders, theirs = forking.Pipe()
        self._process = forking.Process(target=played, args=(servers, theirs, self.orders))
        self._process.start()
        theirs.close()

    def client(self, name: str, cluster: str = "platform") -> Cluster:
        """Return a client."""
        server = self._servers.onboarding if cluster == "onboarding" else self._servers.platform
        return client(name).connect(server.kubeconfig(name))

    async def answer(self) -> None:
        """Wait until an order is carried out."""
        await asyncio.to_thread(self.orders.recv)

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid or 0

    def stop(self) -> None:
        """End it."""
        self.orders.send(())
        self._process.join(60)
        self._process.kill()


async def until_all(cluster: Cluster, resource: Resource, number: int, wanted: Callable[[Json], bool]) -> None:
    """Watch until so many objects are as wanted."""
    page = await cluster.list(resource, limit=0)
    fine = {(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in page.items if wanted(obj)}
    if len(fine) >= number:
        return
    async with aclosing(cluster.watch(resource, resource_version=page.resource_version)) as events:
        async for event in events:
            if event.type in {"ADDED", "MODIFIED"}:
                place = (event.object["metadata"]["namespace"], event.object["metadata"]["name"])
                (fine.add if wanted(event.object) else fine.discard)(place)
                if len(fine) >= number:
                    return


def requests(servers: Mapping[str, ApiServer]) -> list[Asked]:
    """Return what everybody but Kubernetes itself asked; of watches that they began."""
    return [
        Asked(name, event)
        for name, server in servers.items()
        for event in server.audit()
        if not event.get("userAgent", "").startswith(OF_KUBERNETES)
        and event.get("objectRef")
        and (event["verb"] != "watch" or event["stage"] == "ResponseStarted")
    ]


def flags() -> list[str]:
    """Return the flags of `run`, with ports that nobody else has."""
    own = (f"--{name}-bind-address=127.0.0.1:{free_port()}" for name in ("metrics", "health-probe"))
    return ["--leader-elect=true", "--metrics-secure=false", *own]


async def grown(stage: Stage, played: Landscape, names: list[str], library: str, steady: float) -> tuple[float, float]:
    """Have all tenants come at once; return when they began to, and when the last HelmRelease was written."""
    await stage.install()
    await stage.configure({})
    program = await stage.start("run", *flags())
    drained = asyncio.create_task(program.communicate())
    try:
        await asyncio.sleep(15)
        none = figures(program.pid)
        await asyncio.sleep(steady)
        idle = figures(program.pid).cpu - none.cpu
        print(f"{library}, no tenant: {none.memory:.0f} MiB, {idle / steady * 1000:.1f} ms of CPU a second")
        played.orders.send(names)
        await played.answer()
        await asyncio.sleep(2)
        before, theirs = figures(program.pid), figures(played.pid)
        print(f"  {len(names)} control planes, no tenant: {before.memory:.0f} MiB")
        began = time.time()
        written = asyncio.create_task(until_all(stage.platform, RELEASES, len(names), lambda _: True))
        ready = asyncio.create_task(
            until_all(stage.onboarding, OCMS, len(names), lambda obj: dig(obj, "status", "phase") == "Ready")
        )
        await asyncio.sleep(0.1)
        await some_at_once(stage.ocm, names)
        print(f"  all OCMs created after {time.time() - began:.1f} s")
        await written
        ended = time.time()
        print(f"  all HelmReleases written after {ended - began:.1f} s")
        await ready
        there = figures(program.pid)
        print(
            f"  all Ready after {time.time() - began:.1f} s; CPU of the program {there.cpu - before.cpu:.1f} s,", end=""
        )
        print(
            f" of openMCP and Flux as played {figures(played.pid).cpu - theirs.cpu:.1f} s; now {there.memory:.0f} MiB"
        )
        await asyncio.sleep(40)
        calm = figures(program.pid)
        await asyncio.sleep(steady)
        last = figures(program.pid)
        growth = (last.memory - none.memory) / len(names) * 1024
        print(
            f"  steady: {last.memory:.0f} MiB, {growth:.0f} KiB more for each tenant, "
            f"{(last.cpu - calm.cpu) / steady * 1000:.1f} ms of CPU a second"
        )
        return began, ended
    finally:
        if program.returncode is None:
            program.terminate()
        _, err = await drained
        bad = [line for line in err.decode().splitlines() if '"level":"error"' in line]
        print(f"  lines of level error: {len(bad)}", *bad[:3], sep="\n  ")


async def bare(servers: Servers, past: list[Asked], asked: list[Asked]) -> float:
    """Make the requests again; return the seconds that it took."""
    places = by_name(servers)
    platform, onboarding = (client("bare").connect(places[name].kubeconfig()) for name in NAMES[:2])
    for crd in (*published_crds(), *PROVIDER.crds):
        where = crd["metadata"].get("labels", {}).get("openmcp.cloud/cluster", "platform")
        await serve(onboarding if where == "onboarding" else platform, crd)
    for one in (platform, onboarding):
        await one.close()
    await replay(places, past, AT_ONCE)
    at_once = max(1, math.ceil(in_flight(one for one in asked if one.event["verb"] != "watch")))
    async with watching(places, [*past, *asked]):
        await asyncio.sleep(2)
        done = await replay(places, asked, at_once)
    different = sum(done.different.values())
    print(f"  the bare client, {at_once} at once: {done.seconds:.1f} s; {different} of {len(asked)} answered otherwise")
    for (verb, resource, then, now), number in done.different.most_common(6):
        print(f"    {verb} {resource}: {then} then, {now} now: {number}")
    return done.seconds


def measure(number: int, library: str, steady: float) -> None:
    """Measure so many tenants."""
    names = [f"t{index:04d}" for index in range(number)]
    with ControlPlane(install()) as plane, tempfile.TemporaryDirectory() as folder:
        servers = started(plane)
        played = Landscape(servers)
        try:
            played.orders.recv()
            moments: list[tuple[float, float]] = []

            async def story() -> None:
                stage = Stage(played, servers, library, Path(folder))  # type: ignore[arg-type]  # it asks for clients alone
                moments.append(await grown(stage, played, names, library, steady))
                for one in (stage.platform, stage.onboarding):
                    await one.close()

            play(story)
        finally:
            played.stop()
        found = requests(by_name(servers))
    [(began, ended)] = moments
    since, until = (datetime.fromtimestamp(moment).astimezone() for moment in (began, ended))
    past = [one for one in found if one.began < since and dig(one.event, "objectRef", "resource") not in _MADE]
    asked = [one for one in found if since <= one.began <= until]
    ours = sum(one.event["userAgent"].startswith(PROVIDER.edition.field_manager) for one in asked)
    print(f"  requests until then: {len(asked)}, {ours} of them the program's; in flight: {in_flight(asked):.1f}")
    with ControlPlane(install()) as plane:
        again = started(plane)
        seconds = asyncio.run(bare(again, [one for one in past if one.event["verb"] not in _READS], asked))
    print(f"  RATIO {(ended - began) / seconds:.2f} ({ended - began:.1f} s over {seconds:.1f} s)")


_MADE = {"customresourcedefinitions", "leases"}
_READS = {"get", "list"}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tenants", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--client", choices=CLIENTS, default="lightkube")
    parser.add_argument("--steady", type=float, default=60.0, help="seconds")
    arguments = parser.parse_args()
    for number in arguments.tenants:
        measure(number, arguments.client, arguments.steady)


if __name__ == "__main__":
    main()
