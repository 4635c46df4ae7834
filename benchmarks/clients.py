"""What the adapters of real clients cost: requests a second, and this process's CPU time for each of them.

They ask a real API server on this machine. Beside them, in the same run, a client by hand does the same with nothing of
ours: aiohttp and `json`. Machines differ and are noisy; the ratios to it are what to keep. How many requests a second
there are is up to the server too, which has the same CPUs; CPU time is the client's alone.
"""

import asyncio
import gc
import itertools
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from operator import truediv
from pathlib import Path
from statistics import median

import aiohttp

sys.path.insert(0, str(Path(__file__).parent.parent))

from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Resource, WatchEvent
from openmcp_testing.contract.objects import NAMESPACES, WIDGET, version
from openmcp_testing.control_plane import ApiServer, ControlPlane, install, missing
from openmcp_testing.serving import serve
from tests.cluster.clients import CLIENTS, clients

ROUNDS = 12  # and one before that does not count, in which connections are made
CALLS = 64  # of a sort, in a round
EVENTS = 2000
IN_FLIGHT = (1, 16)
BY_HAND = "by hand"
BENCH = "bench"  # namespace and field manager
NAMES = [f"object-{number:02d}" for number in range(max(IN_FLIGHT))]  # one for each in flight, or writes would conflict
NOTES = {f"note-{number:02d}": "as long as most of what people write into a chart's values" for number in range(32)}
CONDITIONS = [{"type": name, "status": "True"} for name in ("Ready", "Synced", "Released", "Healthy")]
changes = itertools.count()


class _ByHand:
    """What a careful author would write for one kind in one namespace; called as the port is."""

    def __init__(self, server: ApiServer, resource: Resource) -> None:
        self._path = f"/apis/{resource.api_version}/namespaces/{BENCH}/{resource.plural}"
        self._session = aiohttp.ClientSession(
            server.url,
            connector=aiohttp.TCPConnector(ssl=server.client_context()),
            headers={"Authorization": f"Bearer {server.admin_token}"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=30),
            raise_for_status=True,
        )
        self.close = self._session.close

    async def get(self, resource: Resource, name: str, namespace: str) -> Json:
        return await self._ask("GET", name)

    async def apply(self, resource: Resource, manifest: Json, *, manager: str) -> Json:
        target = f"{manifest['metadata']['name']}?fieldManager={manager}&force=true"
        return await self._ask("PATCH", target, manifest, "application/apply-patch+yaml")

    async def patch(
        self, resource: Resource, name: str, namespace: str, *, kind: str, body: Json, subresource: str, manager: str
    ) -> Json:
        target = f"{name}/{subresource}?fieldManager={manager}"
        return await self._ask("PATCH", target, body, f"application/{kind}-patch+json")

    async def watch(self, resource: Resource, *, resource_version: str, namespace: str) -> AsyncGenerator[Json, None]:
        query = f"watch=1&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion={resource_version}"
        async with self._session.get(f"{self._path}?{query}", timeout=aiohttp.ClientTimeout(sock_read=330)) as answer:
            begun = b""
            async for piece in answer.content.iter_any():
                *lines, begun = (begun + piece).split(b"\n")
                for line in lines:
                    yield json.loads(line)

    async def _ask(self, method: str, target: str, body: Json | None = None, content_type: str = "") -> Json:
        data, headers = (json.dumps(body).encode(), {"Content-Type": content_type}) if body else (None, None)
        async with self._session.request(method, f"{self._path}/{target}", data=data, headers=headers) as answer:
            found: Json = json.loads(await answer.read())
            return found


Client = Cluster | _ByHand
Call = Callable[[Client, str], Awaitable[Json]]
Cost = tuple[float, float]  # so many in a second, CPU microseconds of each
Costs = dict[str, dict[str, list[Cost]]]  # by what is done, by client: of each round


def calls(resource: Resource) -> Mapping[str, Call]:
    """Return what is done to an object, by name; the first makes it, each write changes it."""

    async def apply(client: Client, name: str) -> Json:
        metadata = {"name": name, "namespace": BENCH}
        spec = {"size": 1, "notes": {**NOTES, "change": str(next(changes))}}
        manifest = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}
        return await client.apply(resource, manifest, manager=BENCH)

    async def patch(client: Client, name: str) -> Json:
        body = {"status": {"phase": "Ready", "count": next(changes), "conditions": CONDITIONS}}
        return await client.patch(resource, name, BENCH, kind="merge", body=body, subresource="status", manager=BENCH)

    return {"apply": apply, "status patch": patch, "get": lambda client, name: client.get(resource, name, BENCH)}


async def requests(client: Client, call: Call, in_flight: int) -> list[int]:
    """Make the calls; return the resourceVersions in the answers."""

    async def some(name: str) -> list[int]:
        return [int(version(await call(client, name))) for _ in range(CALLS // in_flight)]

    return [*itertools.chain(*await asyncio.gather(*map(some, NAMES[:in_flight])))]


async def events(client: Client, resource: Resource, since: int) -> list[int]:
    """Watch until all events came; return their objects' resourceVersions."""
    found: list[int] = []
    stream = client.watch(resource, resource_version=str(since), namespace=BENCH)
    async with asyncio.timeout(60), aclosing(stream):
        async for said in stream:
            kind, obj = (said.type, said.object) if isinstance(said, WatchEvent) else (said["type"], said["object"])
            found += [] if kind == "BOOKMARK" else [int(version(obj))]
            if len(found) == EVENTS:
                break
    return found


async def measured(work: Awaitable[list[int]]) -> tuple[Cost, list[int]]:
    """Do something; return what each part of it cost, and what was found."""
    gc.collect()  # nobody pays for what others left behind
    began, cpu = time.perf_counter(), time.process_time()
    found = await work
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - began
    return (len(found) / seconds, cpu / len(found) * 1e6), found


async def measure(those: list[tuple[str, Client]], resource: Resource) -> Costs:
    """Measure everything in each round, and check that it really happened."""
    costs: Costs = defaultdict(lambda: defaultdict(list))
    orders = [those[turn % len(those) :] + those[: turn % len(those)] for turn in range(1 + ROUNDS)]
    written: list[int] = []
    for order, (what, call), in_flight in itertools.product(orders, calls(resource).items(), IN_FLIGHT):
        for name, client in order:
            cost, found = await measured(requests(client, call, in_flight))
            assert len(set(found)) == (in_flight if what == "get" else CALLS), f"{what} did not do what it should"
            costs[f"{what}, {in_flight} in flight"][name].append(cost)
            written += [] if what == "get" else found
    since, *awaited = sorted(written)[-1 - EVENTS :]
    for name, client in itertools.chain(*orders):
        cost, found = await measured(events(client, resource, since))
        assert found == awaited, "the events are not those of the writes"
        costs["event of a watch"][name].append(cost)
    return costs


def show(costs: Costs) -> None:
    """Print medians over the rounds; in brackets those of the ratios to the client by hand in the same round."""
    for unit, title in enumerate(("a second", "CPU microseconds")):
        print(f"\n{title:25}", *[f"{name:>17}" for name in (BY_HAND, *CLIENTS)])
        for what, row in costs.items():
            columns = [[cost[unit] for cost in row[name][1:]] for name in (BY_HAND, *CLIENTS)]
            cells = [f"{median(column):10,.0f} ({median(map(truediv, column, columns[0])):.2f})" for column in columns]
            print(f"{what:25}", *cells)


async def run(server: ApiServer) -> None:
    """Connect the clients, measure and print."""
    kubeconfig = server.kubeconfig(token=server.admin_token)
    async with AsyncExitStack() as stack:
        adapters: dict[str, Cluster] = {name: clients(name).connect(kubeconfig) for name in CLIENTS}
        first, *_ = adapters.values()
        resource = await serve(first, WIDGET)
        those: list[tuple[str, Client]] = [(BY_HAND, _ByHand(server, resource)), *adapters.items()]
        for _, client in those:
            stack.push_async_callback(client.close)
        await first.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": BENCH}})
        costs = await measure(those, resource)
        size = len(json.dumps(await first.get(resource, NAMES[0], BENCH), separators=(",", ":")))
    print(f"{os.cpu_count()} CPUs; objects of {size:,} bytes; {ROUNDS} rounds: {CALLS} calls each, {EVENTS:,} events")
    show(costs)


def main() -> None:
    """Measure and print, where there is a server to be had."""
    if why := missing():
        print(f"clients are not measured: {why}")
        return
    binaries = install()
    print("Python", sys.version.split()[0], *itertools.chain(*binaries.versions().items()))
    with ControlPlane(binaries) as plane:
        asyncio.run(run(plane.api_server(BENCH)))


if __name__ == "__main__":
    main()
