"""How long deciding takes for a steady tenant: one `reconcile` and one `report`, in microseconds.

Beside it, in the same run, what no program can do without: reading the objects from JSON. Machines differ and
are noisy; the ratio is what to keep.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from openmcp_provider.domain.plan import Done
from openmcp_provider.domain.reconcile import reconcile
from openmcp_provider.domain.report import report
from service_provider_ocm import PROVIDER
from tests.core.ocm_world import OcmWorld, config

ROUNDS = 15
CALLS = 200


def microseconds(call: Callable[[], object]) -> float:
    """Return the median over rounds of the mean time of a call."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        times.append((time.perf_counter() - began) / CALLS * 1e6)
    return statistics.median(times)


def main() -> None:
    """Measure and print."""
    world = OcmWorld("0.6.0", config(manager_secret="privateregcred")).until_ready()
    snapshot, now = world.snapshot(), world.now
    plan = reconcile(PROVIDER, snapshot, now)
    told = report(PROVIDER, snapshot, plan, Done(), now)
    assert not plan.steps, "the tenant is not steady"
    assert told.status is None, "the status is not steady"
    text = json.dumps([snapshot.instance, snapshot.access["mcp"], *(live.object for live in snapshot.live.values())])

    decide = microseconds(lambda: reconcile(PROVIDER, snapshot, now))
    tell = microseconds(lambda: report(PROVIDER, snapshot, plan, Done(), now))
    read = microseconds(lambda: json.loads(text))
    print(f"reconcile of a steady tenant    {decide:8.1f} us")
    print(f"report of a steady tenant       {tell:8.1f} us")
    print(f"both                            {decide + tell:8.1f} us = {1e6 / (decide + tell):,.0f} tenants a second")
    print(f"json.loads of its {len(text):5d} bytes    {read:8.1f} us; both / json.loads = {(decide + tell) / read:.1f}")


if __name__ == "__main__":
    main()
