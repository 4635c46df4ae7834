"""The conformance test: what nobody thought of, asked of the in-memory cluster and of a real API server."""

import time

import pytest

from openmcp_testing.conformance import ClusterStage, conformance
from openmcp_testing.control_plane import ApiServer
from openmcp_testing.memory import MemoryHarness
from tests.cluster.clients import connected, play

# One client brings the volume, since it is the server that is compared; the other shows that it answers the same.
SEEDS = {"lightkube": range(600), "kubernetes": range(60)}
ENOUGH = {"lightkube": 20_000, "kubernetes": 1_500}


@pytest.mark.parametrize("client", SEEDS)
def test_conformance(server: ApiServer, client: str) -> None:
    """The same random requests have the same answers in memory and on a real server, and leave the same behind."""

    async def story() -> None:
        begin = time.monotonic()
        async with connected(client, server) as cluster:
            stage = ClusterStage(cluster, f"conformance-{client}")
            report = await conformance(MemoryHarness(), stage, SEEDS[client])
        seconds = time.monotonic() - begin
        assert report.disagreement is None, str(report.disagreement)
        assert report.requests >= ENOUGH[client]
        print(f"\nconformance: {report.requests} requests to the real server, 0 disagreements, {seconds:.0f} seconds")

    play(story)
