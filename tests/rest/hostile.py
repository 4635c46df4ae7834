"""A control plane that does harm, read through one client beside a good one; a program, since memory is a process's.

Prints, as JSON: what was raised, the peak memory in MiB, the longest time in milliseconds for which the event loop was
held, and how often the good cluster answered meanwhile. CPU time of the thread counts, so a busy machine does no harm.
"""

import asyncio
import gc
import json
import re
import sys
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from openmcp_provider.domain.errors import PortError
from openmcp_provider.ports import Cluster
from openmcp_provider.runtime.reader import every
from tests.rest.certificates import server_context
from tests.rest.scripted import CONFIG_MAPS, Kind, Play, listed, says, serving, thing
from tests.rest.test_tls import connected, kubeconfig

ITEM = b'{"metadata":{"name":"a","namespace":"n"}},'


def pieces(head: bytes, piece: bytes, times: int | None, **headers: str) -> Play:
    """Answer with a body of many pieces; None = without end."""

    async def play(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", **headers})
        response.enable_chunked_encoding()
        await response.prepare(request)
        with suppress(ConnectionError):
            await response.write(head)
            count = 0
            while times is None or count < times:
                await response.write(piece)
                await asyncio.sleep(0)
                count += 1
        return response

    return play


def endless_pages() -> Play:
    """Answer with page after page."""
    page: dict[str, Any] = listed(*[thing(str(number)) for number in range(100)])
    page["metadata"]["continue"] = "more"
    return says(200, page)


def endless_large_pages() -> Play:
    """Answer with page after page of one large object."""
    page: dict[str, Any] = listed(thing(data={"text": "a" * 4_000_000}))
    page["metadata"]["continue"] = "more"
    return says(200, page)


async def drips(request: web.BaseRequest) -> web.StreamResponse:
    """Answer with a byte now and then."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    with suppress(ConnectionError):
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.2)
    return response


def bomb(size: int) -> bytes:
    """Return a little that unpacks to so many MiB."""
    packer = zlib.compressobj(wbits=31)
    return b"".join([packer.compress(b" " * (1 << 20)) for _ in range(size)]) + packer.flush()


def plays(row: str) -> dict[str, Play]:
    """Return what each hostile server answers; only the one of `row` is used."""
    return {
        "endless": pieces(b'{"items":["', b"a" * (1 << 20), None),
        "bomb": says(200, bomb(256) if row == "bomb" else b"", Content_Encoding="gzip"),
        "objects": pieces(b'{"kind":"ConfigMapList","metadata":{"resourceVersion":"1"},"items":[', ITEM * 1000, 600),
        "pages": endless_pages(),
        "large pages": endless_large_pages(),
        "drip": drips,
        "redirect": says(302, b"", Location="https://127.0.0.1:1/elsewhere"),
        "nested": says(200, b"[" * 2_000_000),
        "nested within limits": says(200, b'{"items":' + b"[" * 900 + b",".join([b"[1]"] * 5000) + b"]" * 900 + b"}"),
        "small values": says(200, b"[" + b"[]," * 1_000_000 + b"[]]"),
        "error": pieces(b"", b"[]," * 300_000, None),
    }


def peak() -> float:
    """Return the peak memory of this process in MiB; what the system reports of children counts their parent's too."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", Path("/proc/self/status").read_text(encoding="ascii"), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


class Ticker:
    """Measures for how long the loop is held at most."""

    longest = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - began)


async def asked(cluster: Cluster) -> str:
    """Read a list as the runtime does, and return what went wrong."""
    try:
        async with asyncio.timeout(4.0):
            await every(cluster, CONFIG_MAPS, namespace="n")
    except PortError as error:
        return f"{type(error).__name__}: {error}"
    except TimeoutError:
        return "deadline"
    return ""


async def served(cluster: Cluster) -> AsyncIterator[None]:
    """Yield each time the good cluster answers."""
    while True:
        await cluster.get(CONFIG_MAPS, "a", "n")
        yield


async def story(kind: Kind, row: str) -> dict[str, Any]:
    """Read the hostile cluster, and the good one meanwhile."""
    tls = server_context()
    async with serving(plays(row)[row], tls=tls) as bad, serving(says(200, thing()), tls=tls) as good:
        config = [kubeconfig(server) for server in (bad, good)]
        hostile, friendly = (connected(kind, one) for one in config)
        count, ticker = 0, Ticker()
        await friendly.get(CONFIG_MAPS, "a", "n")

        async def others() -> None:
            nonlocal count
            async for _ in served(friendly):
                count += 1
                await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(ticker.run()), asyncio.create_task(others())]
        await asyncio.sleep(0.05)
        gc.collect()
        gc.freeze()  # what the modules of the tests hold is not the program's
        await asyncio.sleep(0.01)  # that took a while, too
        ticker.longest = 0.0
        found = await asked(hostile)
        held = ticker.longest
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(hostile.close(), friendly.close())
    return {"error": found, "peak": peak(), "held": held * 1000, "served": count}


if __name__ == "__main__":
    from openmcp_adapters.kubernetes import KubernetesClients
    from openmcp_adapters.lightkube import LightkubeClients

    client: Kind = KubernetesClients if sys.argv[1] == "kubernetes" else LightkubeClients
    print(json.dumps(asyncio.run(story(client, sys.argv[2]))))
