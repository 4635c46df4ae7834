"""The switch from the Go program to this one with many tenants, on real servers, judged by their audit logs.

Tenants are written as openMCP, v0.1.1 and Flux leave them. Then `plan` foretells, and `run` takes over, as a process of
its own; half-way it is killed and started again, and a new tenant comes. Nobody else writes meanwhile. It must be so:

- what is written is what was foretold; no object gets a new generation, none loses a finalizer, nothing is written for
  nothing;
- take-overs begin at no more than the set rate, and a new tenant waits for none of them;
- at the end `plan` finds nothing to be done.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.scale import client
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster
from openmcp_provider.runtime.resources import SECRETS
from openmcp_provider.runtime.settings import Settings
from openmcp_testing.control_plane import ControlPlane, install
from openmcp_testing.control_plane.process import free_port
from openmcp_testing.landscape import ServerLandscape, Servers
from tests.cluster.clients import CLIENTS, play
from tests.cluster.estate import SYSTEM
from tests.cluster.go_program import CONFIG, PULL, Tenants
from tests.cluster.replicas import Figures, figures
from tests.cluster.stage import Stage
from tests.cluster.takeover_proof import PROGRAM, Due, History, foretold

RATE = Settings(config_name="", namespace="").takeovers
NEWCOMER = "newcomer"
PROMPT = timedelta(seconds=3)
"""Until a new tenant's access is asked for, whatever else is under way."""


class Place:
    """The servers without anybody acting on them, as `Stage` needs a landscape."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers

    def client(self, name: str, cluster: str = "platform") -> Cluster:
        """Return an admin's client."""
        server = self._servers.onboarding if cluster == "onboarding" else self._servers.platform
        return client(name).connect(server.kubeconfig(name))


class Program:
    """`run` as a process, and what its metrics say."""

    def __init__(self, stage: Stage, log: Path) -> None:
        self._stage = stage
        self._log = log
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._seen = False
        self.costs: list[Figures] = []

    async def start(self) -> None:
        """Start it."""
        self._seen = False
        flags = (f"--metrics-bind-address=127.0.0.1:{self._port}", "--health-probe-bind-address=0")
        self._process = await self._stage.start("run", "--metrics-secure=false", *flags, log=self._log)

    async def end(self, *, kill: bool = False) -> None:
        """End it."""
        assert self._process is not None
        self.costs.append(figures(self._process.pid))
        (self._process.kill if kill else self._process.terminate)()
        await self._process.communicate()
        assert self._process.returncode == (-9 if kill else 0), self._log.read_text()[-3000:]

    async def metrics(self) -> str:
        """Return its metrics, nothing while it has none."""

        def read() -> str:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with suppress(OSError), opener.open(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
                return str(answer.read().decode())
            return ""

        assert self._process is not None
        assert self._process.returncode is None, self._log.read_text()[-3000:]
        return await asyncio.to_thread(read)

    async def until_left(self, number: int) -> None:
        """Wait until no more objects than these are to be taken over, as its metrics say once they have seen any."""
        while True:
            found = re.search(r'takeovers_pending\{controller="ocm"\} ([0-9.]+)', await self.metrics())
            left = float(found[1]) if found else 0.0
            self._seen = self._seen or left > 0
            if self._seen and left <= number:
                return
            await asyncio.sleep(0.2)

    async def until_ready(self, number: int) -> None:
        """Wait until so many tenants are Ready, as its metrics say, for a few seconds."""
        quiet = 0
        while quiet < 10:  # noqa: PLR2004 - looks, half a second each
            found = re.search(r'_tenants\{controller="ocm",phase="Ready",[^}]*\} ([0-9.]+)', await self.metrics())
            quiet = quiet + 1 if found and float(found[1]) == number else 0
            await asyncio.sleep(0.5)

    def complaints(self) -> list[str]:
        """Return the lines of its log that complain."""
        lines = map(json.loads, self._log.read_text().splitlines())
        return [line["msg"] for line in lines if line["level"] in {"error", "warn", "warning"}]


async def prepare(servers: Servers, folder: Path, library: str) -> None:
    """Have openMCP let the program in, as at its first start; then nobody of openMCP and Flux acts any more."""

    def named(name: str) -> Any:  # noqa: ANN401 - a factory of any library
        return client(name)

    async with ServerLandscape(servers, named, life=timedelta(hours=12)) as landscape:
        stage = Stage(landscape, servers, library, folder)
        await stage.install()
        await stage.configure(CONFIG)
        program = Program(stage, folder / "first.log")
        await program.start()
        while "watch_silence_seconds{" not in await program.metrics():  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.2)
        await program.end()
    servers.platform.stop()  # and with it Kubernetes' controllers
    servers.platform.start()


async def tell(stage: Stage, expected: int) -> Json:
    """Have `plan` foretell, with the exit code that is expected."""
    began = time.monotonic()
    process = await stage.start("plan", "--exit-code", "-o", "json")
    out, err = await process.communicate()
    assert process.returncode == expected, f"plan ended with {process.returncode}: {out.decode()[:2000]}{err.decode()}"
    found: Json = json.loads(out)
    due, over = (sum(bool(tenant[what]) for tenant in found["tenants"]) for what in ("writes", "takeovers"))
    print(
        f"plan: exit code {expected} after {time.monotonic() - began:.1f} s; {len(found['tenants'])} tenants,"
        f" {due} would be written to, {over} taken over"
    )
    steps = Counter(str(Counter(f"{one['action']} {one['kind']}" for one in t["writes"])) for t in found["tenants"])
    for what, number in steps.items():
        print(f"  {number} tenants: {what.removeprefix('Counter')}")
    assert not found["missingRights"]
    return found


class Course(NamedTuple):
    """What happened.

    Attributes:
        began: When the program was started.
        seconds: From then on, until the last object was taken over.
        before: What `plan` foretold.
        costs: Of each process.
        complaints: In its log.
    """

    began: datetime
    seconds: float
    before: Json
    costs: list[Figures]
    complaints: list[str]


async def switch(servers: Servers, folder: Path, library: str, number: int) -> Course:
    """Leave tenants as the Go program does, and switch."""
    stage = Stage(Place(servers), servers, library, folder)  # type: ignore[arg-type]  # all it needs
    try:
        secret = {"type": "kubernetes.io/dockerconfigjson", "data": {".dockerconfigjson": "eyJhdXRocyI6e319"}}
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": PULL, "namespace": SYSTEM}, **secret}
        await stage.platform.create(SECRETS, manifest)
        nowhere = servers.platform.kubeconfig("nobody", url="https://127.0.0.1:9")
        tenants = Tenants(stage.platform, stage.onboarding, secret, nowhere)
        written = time.monotonic()
        await tenants.leave(f"t{index:04d}" for index in range(number))
        await tenants.control_plane(NEWCOMER)
        print(f"{number} tenants of the Go program written in {time.monotonic() - written:.1f} s")
        before = await tell(stage, 3)
        program = Program(stage, folder / "run.log")
        began, started = datetime.now(UTC), time.monotonic()
        await program.start()
        await program.until_left(2 * number * 3 // 4)
        await stage.ocm(NEWCOMER)
        await program.until_left(2 * number // 2)
        await program.end(kill=True)
        await program.start()
        await program.until_left(0)
        seconds = time.monotonic() - started
        await program.until_ready(number)
        await program.end()
        await tell(stage, 0)
        return Course(began, seconds, before, program.costs, program.complaints())
    finally:
        for one in (stage.platform, stage.onboarding):
            await one.close()


class Verdict:
    """Collects what is claimed, and prints it."""

    def __init__(self) -> None:
        self.holds = True

    def claim(self, what: str, against: Iterable[object]) -> None:
        """Claim something; it holds if there is nothing against it."""
        found = list(against)
        self.holds = self.holds and not found
        print(f"{'yes' if not found else 'NO '} {what}", *found[:5], sep="\n      ")


def judge(servers: Servers, course: Course, number: int) -> bool:
    """Print what the audit logs say; return whether everything was as it must be."""
    history = History({"platform": servers.platform.audit(), "onboarding": servers.onboarding.audit()}, course.began)
    print(f"writes of the program, user agent {PROGRAM}...")
    for what, count in sorted(history.counted().items()):
        print(f"  {what:55} {count}")
    wanted, done = foretold(course.before), history.done()
    place = tenant_namespace(NEWCOMER, "default")
    done = Counter({due: count for due, count in done.items() if due.namespace != place and due.name != NEWCOMER})
    more = Counter(f"{due.action} {due.resource}" for due, count in done.items() if count > wanted[due])
    print(f"foretold {sum(wanted.values())}, written {sum(done.values())}; more often than foretold: {dict(more)}")
    begun, lasted = history.begun(), history.lasted()
    # A start has one turn at once; the program was started twice.
    rate = (len(begun) - 1) / ((begun[-1] - begun[0]).total_seconds() or 1.0)
    print(
        f"take-over of {len(begun)} tenants: {course.seconds:.1f} s from the start of the program,"
        f" {rate:.1f} tenants a second of {RATE:g} at the most;"
        f" one takes {median(lasted):.2f} s, at most {lasted[-1]:.2f} s"
    )
    busiest = {cluster: history.busiest(cluster) for cluster in ("platform", "onboarding")}
    print(
        f"most writes in a second: {busiest}; CPU {sum(one.cpu for one in course.costs):.1f} s,"
        f" at most {max(one.peak for one in course.costs):.0f} MiB"
    )
    asked = history.moment("platform", "accessrequests", place)
    came = next(w.began for w in history.all if w.obj["metadata"]["name"] == NEWCOMER and w.server == "onboarding")
    verdict = Verdict()
    verdict.claim("every tenant was taken over", () if len(begun) == number else [f"{len(begun)} of {number} were"])
    verdict.claim("no object has a new generation", history.grown())
    verdict.claim("no finalizer was lost", history.let_go())
    verdict.claim("nothing was written for nothing", history.useless())
    verdict.claim("all that was foretold was written", _missing(wanted, done))
    verdict.claim("nothing else was written", _missing(done, wanted))
    verdict.claim("no write was refused", history.refused.items())
    verdict.claim("never more take-overs began than set", _too_fast(begun))
    late = asked is None or asked - came > PROMPT
    after = f"after {(asked - came).total_seconds():.2f} s" if asked else "never"
    verdict.claim(f"a new tenant's access was asked for {after}", ["too late"] if late else ())
    verdict.claim("the program complained of nothing", course.complaints)
    return verdict.holds


def _missing(these: Counter[Due], those: Counter[Due]) -> list[Due]:
    return sorted(these.keys() - those.keys())


def _too_fast(begun: list[datetime]) -> list[str]:
    """Return a minute in which more began than may: one more for each start, and a second's worth that came late.

    When they began is told by the platform's server, which is late when it is busy, and then gets several at once.
    """
    minute = timedelta(minutes=1)
    most = RATE * (minute.total_seconds() + 1) + 2
    for first, moment in enumerate(begun):
        within = sum(other - moment < minute for other in begun[first : first + int(most) + 10])
        if within > most:
            return [f"{within} in a minute from {moment}"]
    return []


def main() -> None:
    """Switch, and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tenants", type=int, default=3000)
    parser.add_argument("--client", choices=CLIENTS, default="lightkube")
    arguments = parser.parse_args()
    with ControlPlane(install()) as plane, tempfile.TemporaryDirectory() as folder:
        platform, onboarding = (plane.api_server(name, bodies=True) for name in ("platform", "onboarding"))
        servers = Servers(platform=platform, onboarding=onboarding, pool=())
        courses: list[Course] = []

        async def played() -> None:
            await prepare(servers, Path(folder), arguments.client)
            courses.append(await switch(servers, Path(folder), arguments.client, arguments.tenants))

        play(played)
        sys.exit(0 if judge(servers, courses[0], arguments.tenants) else 1)


if __name__ == "__main__":
    main()
