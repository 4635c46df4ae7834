"""What the controller would do is foretold without doing it, and then comes about."""

import asyncio
from collections import Counter

import pytest

from openmcp_adapters.emulation import Landscape, SeededRandomness, run
from openmcp_adapters.wire import decoder
from openmcp_provider.domain.objects import ONBOARDING
from openmcp_provider.domain.plan import TakeOver
from openmcp_provider.ports import Forbidden
from openmcp_provider.runtime.controller import Ports, Settings
from openmcp_provider.runtime.preview import Preview, ReadOnly, Unreadable
from openmcp_provider.runtime.recorder import ClusterRecorder
from service_provider_ocm import PROVIDER
from tests.runtime.go_program import gone_by
from tests.runtime.stage import READS, SECRETS, SYSTEM, Stage, play


class _Factory:
    """Makes clients that write nothing."""

    def __init__(self, landscape: Landscape) -> None:
        self._connector = landscape.world.connector("preview")

    def connect(self, kubeconfig: bytes) -> ReadOnly:
        """Return a client."""
        return ReadOnly(self._connector.connect(kubeconfig))


def preview(landscape: Landscape) -> Preview[object, object]:
    """Return a preview on a landscape."""
    onboarding = ReadOnly(landscape.client("preview", ONBOARDING))
    ports = Ports(
        platform=ReadOnly(landscape.client("preview")),
        onboarding=onboarding,
        factory=_Factory(landscape),
        decode=decoder,
        clock=landscape.clock,
        randomness=SeededRandomness(0, "preview"),
        recorder=ClusterRecorder(onboarding, "preview", landscape.clock),
    )
    return Preview(PROVIDER, ports, Settings(config_name="ocm", namespace=SYSTEM))  # type: ignore[arg-type]


def verbs(stage: Stage) -> set[str]:
    """Return what was asked by previews, on every cluster."""
    return {line.verb for line in stage.landscape.traffic.log if line.client == "preview"}


def test_take_over_is_foretold_and_nothing_is_written() -> None:
    """What the Go program wrote is named object by object, with the copy that nobody wants; then it is done."""

    async def story(stage: Stage) -> None:
        await gone_by(stage, "a")
        (found,) = await preview(stage.landscape).foresee()
        assert verbs(stage) <= READS | {"watch"}
        foretold = Counter((type(step).__name__, step.ref.kind) for step in found.plan.writes)
        assert {"HelmRelease", "OCIRepository", "Secret"} == {
            step.ref.kind for step in found.plan.writes if isinstance(step, TakeOver)
        }
        assert found.failure is None
        begin = asyncio.get_running_loop().time()
        stage.start()
        await stage.ready("a")
        await asyncio.sleep(5.0)
        done = stage.requests(since=begin)
        for (action, kind), number in foretold.items():
            verb = {"TakeOver": "patch", "Apply": "apply", "Delete": "delete", "Patch": "patch"}[action]
            made = sum(count for (_, one, what), count in done.items() if (one, what) == (verb, kind))
            assert made >= number, (action, kind)

    play(story)


def test_a_steady_tenant_needs_nothing() -> None:
    """Where everything is as wanted nothing is due, and the status stays."""

    async def story(stage: Stage) -> None:
        await stage.configure()
        await stage.tenant("a")
        await stage.ready("a")
        await asyncio.sleep(5.0)
        (found,) = await preview(stage.landscape).foresee()
        assert () == found.plan.writes
        assert found.told.status is None

    play(story)


def test_a_dead_control_plane_is_told() -> None:
    """A preview does not wait for a cluster that answers nothing, and says what it could not see."""

    async def story(stage: Stage) -> None:
        await stage.configure(values={"manager": {"imagePullSecrets": [{"name": "privateregcred"}]}})
        await stage.pull_secret()
        await stage.tenant("a")
        await stage.ready("a")
        stage.landscape.kill("a")
        (found,) = await preview(stage.landscape).foresee()
        assert any("ControlPlane" in finding.condition.type for finding in found.plan.findings)

    play(story)


def test_what_cannot_be_listed_is_named() -> None:
    """Where a list cannot be had there is nothing to foretell: the message names the kind and the reason."""

    async def story(stage: Stage) -> None:
        stage.landscape.kill_cluster(ONBOARDING)
        with pytest.raises(ExceptionGroup) as caught:
            await preview(stage.landscape).foresee()
        (error,) = caught.value.exceptions
        assert isinstance(error, Unreadable)
        assert "ocms cannot be listed: Unavailable" in str(error)
        stage.landscape.revive_cluster(ONBOARDING)

    play(story)


def test_a_preview_cannot_write() -> None:
    """Whatever the code above does, no write gets through."""

    async def story() -> None:
        async with Landscape() as landscape:
            cluster = ReadOnly(landscape.client("preview"))
            with pytest.raises(Forbidden, match="a preview writes nothing: delete Secret default/a"):
                await cluster.delete(SECRETS, "a", "default")

    run(story)
