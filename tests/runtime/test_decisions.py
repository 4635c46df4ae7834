"""What the runtime adds to deciding: own writes are waited for, and deletes are confirmed by live reads."""

import asyncio
from typing import Any

import pytest

from openmcp_adapters.emulation import SeededRandomness, VirtualClock, run
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.copies import source_of
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json, Ref, dig
from openmcp_provider.domain.ownership import observe
from openmcp_provider.domain.plan import Apply, Delete, Done, Failed, Plan
from openmcp_provider.domain.snapshot import Missing, Snapshot, Valid
from openmcp_provider.ports import AlreadyExists, Conflict, Resource
from openmcp_provider.runtime.cache import Cache, Key, Selection
from openmcp_provider.runtime.executor import Executor
from openmcp_provider.runtime.holds import Holds
from openmcp_provider.runtime.recorder import ClusterRecorder
from openmcp_provider.runtime.tenants import Tenants
from openmcp_provider.runtime.views import Reads
from service_provider_ocm import PROVIDER
from service_provider_ocm.api import OcmSpec
from tests.runtime.stage import OCMS, SECRETS

MANAGER = PROVIDER.edition.field_manager
HOME = "mcp--4b6f2253-c68f-836b-927e-f2ee28e25584"
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
COPY = Ref(PLATFORM, "v1", "Secret", "sp-ocm-x", HOME)
MANIFEST: Json = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {
        "name": COPY.name,
        "namespace": HOME,
        "labels": {"openmcp.cloud/managed-by": PROVIDER.edition.access_controller},
    },
}


class Nobody:
    """Connects to nothing."""

    def connect(self, kubeconfig: bytes) -> Any:
        """Refuse."""
        raise ValueError("there is no other cluster")


class Bench:
    """An executor on two clusters, with one instance and one copy of ours."""

    def __init__(self) -> None:
        clock = VirtualClock()
        self.platform = MemoryCluster(PLATFORM, now=clock.now)
        self.onboarding = MemoryCluster(ONBOARDING, now=clock.now)
        for crd in PROVIDER.crds:
            if crd["metadata"]["labels"]["openmcp.cloud/cluster"] == ONBOARDING:
                self.onboarding.install(crd)
        self.executor = Executor(PROVIDER, self.platform, self.onboarding, Nobody(), Tenants(), clock)
        self.reads = Reads()

    async def begin(self) -> Snapshot[Any, Any]:
        """Write both, and return what caches would hold."""
        await self.platform.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}})
        instance = await self.onboarding.create(
            OCMS,
            {
                "apiVersion": OCMS.api_version,
                "kind": "OCM",
                "metadata": {"name": "mcp-01", "namespace": "default"},
                "spec": {"version": "0.6.0"},
            },
        )
        copy = await self.platform.apply(SECRETS, MANIFEST, manager=MANAGER)
        return Snapshot(
            instance=instance,
            spec=Valid(OcmSpec(version="0.6.0")),
            config=Missing(),
            config_name="ocm",
            namespace="openmcp-system",
            live={COPY: observe(copy, MANAGER)},
        )

    async def execute(self, snapshot: Snapshot[Any, Any], *steps: Any) -> Done | Failed:
        """Carry steps out."""

        async def abroad(doing: Any) -> None:
            await doing

        outcome, _ = await self.executor.execute(Plan(steps=steps), snapshot, self.reads, abroad)
        return outcome

    async def copy(self) -> Json | None:
        """Return the copy, None if it is gone."""
        found = (await self.platform.list(SECRETS, namespace=HOME)).items
        return found[0] if found else None


async def _spec_changes(bench: Bench) -> None:
    body = {"spec": {"version": "0.7.0"}}
    await bench.onboarding.patch(OCMS, "mcp-01", "default", kind="merge", body=body)


async def _instance_made_anew(bench: Bench) -> None:
    found = await bench.onboarding.get(OCMS, "mcp-01", "default")
    await bench.onboarding.delete(OCMS, "mcp-01", "default")
    await bench.onboarding.create(
        OCMS,
        {
            **{key: found[key] for key in ("apiVersion", "kind", "spec")},
            "metadata": {"name": "mcp-01", "namespace": "default"},
        },
    )


async def _copy_made_anew(bench: Bench) -> None:
    await bench.platform.delete(SECRETS, COPY.name, HOME)
    await bench.platform.apply(SECRETS, MANIFEST, manager=MANAGER)


async def _mark_taken_away(bench: Bench) -> None:
    labels: Json = {"metadata": {"labels": None, "managedFields": [{}]}}
    await bench.platform.patch(SECRETS, COPY.name, HOME, kind="merge", body=labels)


@pytest.mark.parametrize("change", [_spec_changes, _instance_made_anew, _copy_made_anew, _mark_taken_away])
def test_a_delete_is_confirmed_by_live_reads(change: Any) -> None:
    """If instance or object are no longer what was decided on, nothing is deleted and the pass ends."""

    async def story() -> None:
        bench = Bench()
        snapshot = await bench.begin()
        step = Delete(ref=COPY, uid=snapshot.live[COPY].uid)
        await change(bench)
        outcome = await bench.execute(snapshot, step)
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, Conflict)
        assert await bench.copy() is not None

    run(story)


def test_a_delete_of_what_is_unchanged_goes_through() -> None:
    """What is as it was decided on goes; what is gone already counts as done."""

    async def story() -> None:
        bench = Bench()
        snapshot = await bench.begin()
        step = Delete(ref=COPY, uid=snapshot.live[COPY].uid)
        assert await bench.execute(snapshot, step) == Done()
        assert await bench.copy() is None
        assert await bench.execute(snapshot, step) == Done()

    run(story)


def test_a_name_that_is_taken_is_met_and_not_overwritten() -> None:
    """An apply without uid looks first: what it finds enters the next snapshot, untouched."""

    async def story() -> None:
        bench = Bench()
        snapshot = await bench.begin()
        await bench.platform.delete(SECRETS, COPY.name, HOME)
        theirs = {**MANIFEST, "metadata": {"name": COPY.name, "namespace": HOME}, "data": {"mine": "eA=="}}
        made = await bench.platform.apply(SECRETS, theirs, manager="kubectl")
        sealed = source_of({**theirs, "data": {"ours": "eQ=="}}).sealed
        outcome = await bench.execute(snapshot, Apply(ref=COPY, manifest=MANIFEST, sealed=sealed))
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, AlreadyExists)
        assert COPY in bench.reads.met
        found = await bench.copy()
        assert dig(found, "metadata", "resourceVersion") == made["metadata"]["resourceVersion"]

    run(story)


def test_an_own_write_holds_its_tenant_until_it_is_seen() -> None:
    """A cache that is behind an own write would have it written twice; after half a minute it holds no more."""

    async def story() -> None:
        clock = VirtualClock()
        cluster = MemoryCluster(PLATFORM, now=clock.now)
        cache: Cache[Json] = Cache(
            cluster,
            Selection(SECRETS),
            keep=lambda obj: obj,
            changed=lambda *_: None,
            clock=clock,
            randomness=SeededRandomness(0, "test"),
        )
        holds: Holds[str] = Holds(clock)
        running = asyncio.get_running_loop().create_task(cache.run())
        await cache.synced.wait()
        metadata = {"name": "x", "namespace": "default"}
        made = await cluster.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
        holds.add("tenant", cache, Key("default", "x"), made["metadata"]["resourceVersion"])
        assert holds.holds("tenant")
        assert not holds.holds("other")
        await asyncio.sleep(1.0)
        assert not holds.holds("tenant")
        await cluster.delete(SECRETS, "x", "default")
        holds.add("tenant", cache, Key("default", "x"), "")
        assert holds.holds("tenant")
        await asyncio.sleep(1.0)
        assert not holds.holds("tenant")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        holds.add("tenant", cache, Key("default", "x"), "999999")
        assert holds.holds("tenant")
        await asyncio.sleep(31.0)
        assert not holds.holds("tenant")

    run(story)


def test_an_event_that_cannot_be_written_fails_nothing() -> None:
    """Events go beside the instance, and losing one is no error."""

    async def story() -> None:
        bench = Bench()
        snapshot = await bench.begin()
        recorder = ClusterRecorder(bench.onboarding, MANAGER, VirtualClock())
        event = Event("Warning", "AccessDenied", "The platform denied access.")
        await recorder.record(snapshot.instance, event)
        (found,) = (await bench.onboarding.list(Resource("events.k8s.io/v1", "Event", "events"))).items
        assert (found["reason"], found["note"], found["type"]) == (event.reason, event.message, event.type)
        assert found["regarding"]["uid"] == snapshot.instance["metadata"]["uid"]
        elsewhere = {**snapshot.instance, "metadata": {**snapshot.instance["metadata"], "namespace": "nowhere"}}
        await recorder.record(elsewhere, event)

    run(story)
