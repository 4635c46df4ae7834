"""What `render` prints is what real servers accept, and what they keep as it is."""

import json
from pathlib import Path
from typing import Any

import pytest

from openmcp_provider.domain.compare import difference
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Resource
from openmcp_provider_cli import main
from service_provider_ocm import PROVIDER
from tests.cluster.clients import CLIENTS, play
from tests.cluster.estate import RELEASES, SOURCES, Servers, estate

MANAGER = PROVIDER.edition.field_manager
EXAMPLES = sorted((Path(__file__).parents[2] / "deploy" / "examples").glob("*.yaml"))
PLURALS = {"AccessRequest": "accessrequests", "Secret": "secrets"} | {
    resource.kind: resource.plural for resource in (SOURCES, RELEASES)
}


@pytest.fixture
def rendered(capfd: pytest.CaptureFixture[str]) -> list[Json]:
    """The platform's documents for the examples."""
    arguments = ["render", "-o", "json", "--show-secrets", "-f", *map(str, EXAMPLES)]
    assert 0 == main(PROVIDER, arguments)
    printed: list[Any] = json.loads(capfd.readouterr().out)
    return [entry["object"] for entry in printed if entry["cluster"] == "platform"]


@pytest.mark.parametrize("client", CLIENTS)
def test_rendered_documents_are_accepted_and_stay(servers: Servers, client: str, rendered: list[Json]) -> None:
    """Every document is applied as it is, under the real definitions; applying it again changes no resourceVersion.

    Flux's definitions have a default for the status. A server stores it with the first write after the creation, which
    in life is Flux's own; without that the second apply would count as a change, once.
    """

    async def story() -> None:
        async with estate(client, servers) as made:
            assert {"AccessRequest", "Secret", "OCIRepository", "HelmRelease"} == {obj["kind"] for obj in rendered}
            for obj in rendered:
                name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
                await made.namespace(namespace)
                resource = Resource(obj["apiVersion"], obj["kind"], PLURALS[obj["kind"]])
                once = await made.platform.apply(resource, obj, manager=MANAGER)
                assert "" == difference(obj, once)
                if resource in {SOURCES, RELEASES}:
                    seen = {**once, "status": {"observedGeneration": 1}}
                    once = await made.platform.update(resource, seen, subresource="status", manager="flux")
                again = await made.platform.apply(resource, obj, manager=MANAGER)
                assert once["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
                await made.platform.delete(resource, name, namespace)

    play(story)
