"""Kubeconfigs that come late, change, move or go away, and clusters that are replaced under their names."""

import asyncio

import pytest

from openmcp_provider.domain.objects import Json, dig
from tests.runtime.stage import ACCESS, RELEASES, SECRETS, Stage, play


def conditions(status: Json) -> dict[str, tuple[str, str]]:
    """Return status and reason of each condition."""
    return {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}


@pytest.mark.parametrize("seed", range(4))
def test_an_instance_made_anew_right_after_its_end_becomes_ready(seed: int) -> None:
    """The new AccessRequest gets a token and a Secret of its own, whatever becomes of the former one's (case 4.4)."""

    async def story(stage: Stage) -> None:
        await stage.configure()
        await stage.tenant("a")
        await stage.ready("a")
        await stage.delete("a")
        await stage.gone("a")
        await asyncio.sleep(0.2 * seed)
        await stage.ocm("a")
        await stage.ready("a", within=120.0)
        (request,) = (await stage.landscape.client("tenant").list(ACCESS)).items
        secret = await stage.get(SECRETS, dig(request, "status", "secretRef", "name"), request["metadata"]["namespace"])
        assert secret is not None
        assert [request["metadata"]["uid"]] == [owner["uid"] for owner in secret["metadata"]["ownerReferences"]]

    play(story, seed=seed)
