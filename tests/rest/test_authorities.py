"""What a client costs before it asks for anything: nothing of the system's authorities where it has its own."""

import ssl

import pytest

from tests.rest.certificates import server_context
from tests.rest.scripted import CONFIG_MAPS, Kind, both, played, says, serving, thing
from tests.rest.test_tls import connected, kubeconfig


@both
@played
async def test_a_tenants_client_loads_no_authorities_of_the_system(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubeconfig brings its own; loading all others for each of a thousand tenants is 850 MiB (case 1.6)."""
    loaded: list[object] = []

    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: loaded.append(True))
    async with serving(says(200, thing()), tls=server_context()) as server:
        cluster = connected(kind, kubeconfig(server))
        found = await cluster.get(CONFIG_MAPS, "a", "n")
        await cluster.close()
    assert found["metadata"]["name"] == "a"
    assert [] == loaded
