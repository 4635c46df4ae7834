"""Finalizers that hold what is being deleted, on the landscape: time alone must make the words turn."""

import asyncio
from typing import Any

import pytest

from openmcp_provider.domain.objects import PLATFORM, Json
from openmcp_provider.ports import Resource
from tests.runtime.stage import ACCESS, RELEASES, SECRETS, SOURCES, Stage, play

FOREIGN = "example.com/hold"
NAMESPACE = "ocm-k8s-toolkit-system"


def condition(status: Json, kind: str) -> tuple[str, str]:
    """Return status and reason of a condition."""
    found: Json = next((item for item in status["conditions"] if item["type"] == kind), {})
    return found.get("status", ""), found.get("reason", "")


async def finalizers(stage: Stage, cluster: str, resource: Resource, name: str, namespace: str, *names: str) -> None:
    """Have somebody set the finalizers of an object, beside those that end in `fluxcd.io` or `openmcp.cloud`."""
    person = stage.landscape.client("operator-person", cluster)
    found = await person.get(resource, name, namespace)
    kept = [name for name in found["metadata"].get("finalizers", ()) if not name.startswith("example.com")]
    body: dict[str, Any] = {"metadata": {"finalizers": [*kept, *names]}}
    await person.patch(resource, name, namespace, kind="merge", body=body)


@pytest.mark.parametrize("kind", ["OCIRepository", "HelmRelease", "AccessRequest", "copy", "copy on the control plane"])
def test_a_foreign_finalizer_is_named_and_deletion_ends_without_it(kind: str) -> None:
    """Nothing happens while the finalizer is there, and yet it is named within seconds, and let go of (case 5.1)."""

    async def story(stage: Stage) -> None:
        manager = {"imagePullSecrets": [{"name": "privateregcred"}]}
        await stage.configure(imagePullSecret={"name": "privateregcred"}, values={"manager": manager})
        await stage.pull_secret()
        await stage.tenant("a")
        await stage.ready("a")
        home = stage.landscape.home("a")
        held = {
            "OCIRepository": (PLATFORM, SOURCES, "sp-ocm-k8s-toolkit", home),
            "HelmRelease": (PLATFORM, RELEASES, "sp-ocm-k8s-toolkit", home),
            "AccessRequest": (PLATFORM, ACCESS, "ocm.services.openmcp.cloud--a--mcp", home),
            "copy": (PLATFORM, SECRETS, "sp-ocm-privateregcred", home),
            "copy on the control plane": (stage.landscape.cluster_of("a"), SECRETS, "privateregcred", NAMESPACE),
        }[kind]
        await finalizers(stage, *held, FOREIGN)
        await stage.delete("a")
        status = await stage.told("a", f'finalizer "{FOREIGN}" is left', within=90.0)
        assert condition(status, "DeletionBlocked") == ("True", "HeldByFinalizer")
        await stage.told("a", "deletion blocked: ", within=65.0)
        await asyncio.sleep(600.0)
        await finalizers(stage, *held)
        await stage.gone("a", within=60.0)

    play(story)
