"""The contract of the port, held against a real API server through both clients: the judge of all three adapters."""

import pytest

from openmcp_testing.contract import CASES, Case
from openmcp_testing.control_plane import ApiServer
from openmcp_testing.server import ServerHarness
from tests.cluster.clients import CLIENTS, play, proxied


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("client", CLIENTS)
def test_contract(server: ApiServer, client: str, case: Case) -> None:
    """Each rule of the port holds on a real API server."""

    async def story() -> None:
        async with proxied(client, server) as (cluster, proxy):
            await case.run(await ServerHarness.begin(cluster, proxy))

    play(story)
