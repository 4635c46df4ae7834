"""Two providers with one field manager for one tenant: the old and the new API group side by side."""

import asyncio
from dataclasses import replace

from openmcp_adapters.emulation import SeededRandomness
from openmcp_adapters.wire import decoder
from openmcp_provider.domain.names import MANAGED_BY
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, generation, labels
from openmcp_provider.runtime.controller import Controller, Ports, Settings
from openmcp_provider.runtime.recorder import ClusterRecorder
from openmcp_provider.runtime.resources import instances, provider_configs
from service_provider_ocm import PROVIDER
from service_provider_ocm.provider import OcmProvider
from tests.runtime.stage import RELEASES, SOURCES, SYSTEM, Stage, play

GROUP = "ocm.services.example.org"
OTHER = OcmProvider(
    edition=replace(PROVIDER.edition, group=GROUP, finalizer=f"{GROUP}/finalizer", access_controller=GROUP)
)
NAME = "sp-ocm-k8s-toolkit"


async def another(stage: Stage) -> "asyncio.Task[None]":
    """Serve the other group's instances, of which there is one for the same tenant."""
    landscape = stage.landscape
    for crd in OTHER.crds:
        landscape.world.memory(labels(crd)["openmcp.cloud/cluster"]).install(crd)
    onboarding = landscape.client("other", ONBOARDING)
    ports = Ports(
        platform=landscape.client("other"),
        onboarding=onboarding,
        factory=landscape.world.connector("other"),
        decode=decoder,
        clock=landscape.clock,
        randomness=SeededRandomness(0, "other"),
        recorder=ClusterRecorder(onboarding, "other", landscape.clock),
    )
    config = provider_configs(OTHER.edition)
    spec = {"imagePullSecret": {"name": "privateregcred"}}
    manifest = {"apiVersion": config.api_version, "kind": "ProviderConfig", "metadata": {"name": "ocm"}, "spec": spec}
    await landscape.client("operator-person").apply(config, manifest, manager="kubectl")
    kind = instances(OTHER.edition)
    metadata = {"name": "a", "namespace": "default"}
    instance = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": {"version": "0.6.0"}}
    await landscape.client("tenant", ONBOARDING).apply(kind, instance, manager="kubectl")
    controller = Controller(OTHER, ports, Settings(config_name="ocm", namespace=SYSTEM))
    return asyncio.get_running_loop().create_task(controller.run())


def test_the_objects_of_one_provider_are_not_written_by_another() -> None:
    """They stay as the first wrote them, which stays Ready; the other says that the name is taken (case 6.8)."""

    async def story(stage: Stage) -> None:
        await stage.pull_secret()
        await stage.configure(imagePullSecret={"name": "privateregcred"})
        await stage.tenant("a")
        await stage.ready("a")
        task = await another(stage)
        await asyncio.sleep(300.0)
        home = stage.landscape.home("a")
        for resource in (SOURCES, RELEASES):
            found = await stage.get(resource, NAME, home)
            assert found is not None
            assert 1 == generation(found)
            assert PROVIDER.edition.access_controller == labels(found)[MANAGED_BY]
        assert "Ready" == (await stage.status("a"))["phase"]
        other = await stage.get(instances(OTHER.edition), "a", "default", ONBOARDING)
        assert other is not None
        assert "NameTaken" in [item["reason"] for item in other["status"]["conditions"]]
        log = [line for line in stage.landscape.traffic.log if line.client == "other" and line.cluster == PLATFORM]
        assert sum(line.verb in {"apply", "patch"} for line in log) <= 3
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    play(story)
