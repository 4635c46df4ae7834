"""What a real API server stores otherwise than sent is no difference, once it has answered."""

from datetime import UTC, datetime
from typing import Any

import pytest

from openmcp_provider.domain.compare import departure
from openmcp_provider.domain.contested import sent
from openmcp_provider.domain.copies import apart
from openmcp_provider.domain.objects import PLATFORM, Json, ref_of
from openmcp_provider.domain.ownership import observe, owns_beyond
from openmcp_provider.domain.plan import Apply
from openmcp_provider.ports import Resource
from openmcp_testing.control_plane import ApiServer
from tests.cluster.clients import CLIENTS, connected, play

DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments")
SECRETS = Resource("v1", "Secret", "secrets")
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
OWN = "service-provider-ocm"


def deployment(**pod: Any) -> Json:
    """Return a Deployment with these fields of its pod."""
    labels = {"app": "x"}
    container = {"name": "main", "image": "example.org/main", **pod.pop("container", {})}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], **pod}}
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": spec}


CASES: dict[str, tuple[Resource, Json]] = {
    "quantities": (
        DEPLOYMENTS,
        deployment(container={"resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": 1}}}),
    ),
    "empty": (DEPLOYMENTS, deployment(initContainers=[], volumes=[], container={"env": [{"name": "a", "value": ""}]})),
    "false": (DEPLOYMENTS, deployment(hostNetwork=False, nodeSelector={}, securityContext={})),
    "text": (SECRETS, {"apiVersion": "v1", "kind": "Secret", "metadata": {}, "stringData": {"a": "b"}}),
    "null": (CONFIG_MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "data": {"a": "b", "k": None}}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_server_stores_otherwise_is_no_difference(server: ApiServer, case: str) -> None:
    """After one write nothing is to be written any more, neither for a field nor for its ownership (case 1.1)."""
    resource, found = CASES[case]

    async def story() -> None:
        async with connected(next(iter(CLIENTS)), server) as cluster:
            manifest, sealed = apart({**found, "metadata": {"name": f"stored-{case}", "namespace": "default"}})
            step = Apply(ref=ref_of(PLATFORM, manifest), manifest=manifest, sealed=sealed)
            made = observe(await cluster.apply(resource, step.body(), manager=OWN), OWN)
            again = sent(None, step, made, datetime.now(UTC), ready=0)
            live = observe(await cluster.get(resource, f"stored-{case}", "default"), OWN)
            assert not departure(manifest, live.object, again.kept or live.object)
            assert sealed is None or sealed.digest == live.digest
            owned = {path for path in live.owns or () if not (sealed and path[0] in {"f:data", "f:binaryData"})}
            assert not owns_beyond(owned, manifest)

    play(story)
