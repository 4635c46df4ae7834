"""helm-controller: what becomes of a release whose HelmRelease is deleted, in every situation of Flux."""

from typing import Any

import pytest

from openmcp_adapters.emulation.schemas import CRDS, HELM_RELEASES, OCI_REPOSITORIES, SECRETS
from openmcp_provider.domain.objects import deleting, dig, generation
from openmcp_provider.ports import NotFound, Resource
from tests.emulation.stage import (
    ACCESS,
    NAME,
    Stage,
    failed,
    message,
    observed,
    play,
    quick,
    told,
)

COMPONENTS = Resource("delivery.ocm.software/v1alpha1", "Component", "components")


async def _component(stage: Stage) -> None:
    """Have a tenant's object of the toolkit, which something holds."""
    tenant = stage.landscape.client("tenant", stage.landscape.cluster_of("mcp-01"))
    manifest = {
        "apiVersion": COMPONENTS.api_version,
        "kind": COMPONENTS.kind,
        "metadata": {"name": "mine", "namespace": "default"},
        "spec": {},
    }
    await tenant.create(COMPONENTS, manifest)


def _objects(stage: Stage, resource: Resource) -> list[dict[str, Any]]:
    return list(stage.landscape.control_plane("mcp-01").objects(resource))


def test_a_deleted_release_is_uninstalled() -> None:
    """Records and workload go first, then the HelmRelease; CRDs with their objects, and the namespace, stay."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        await _component(stage)
        await stage.delete_release()
        await stage.sleep(1)
        assert deleting(await stage.read(HELM_RELEASES))
        assert stage.records() == [("1", "uninstalling")]
        await stage.release_gone()
        assert not await stage.deployed()
        assert stage.records() == []
        assert len(_objects(stage, CRDS)) == 5
        assert len(_objects(stage, COMPONENTS)) == 1

    play(story)


def test_old_charts_take_their_crds_along() -> None:
    """Up to 0.5.0 uninstalling deletes the CRDs, and so every object of a tenant's."""

    async def story(stage: Stage) -> None:
        await stage.installed("0.5.0")
        await _component(stage)
        await stage.delete_release()
        await stage.release_gone()
        assert _objects(stage, CRDS) == []

    play(story)


def test_a_release_goes_without_its_source() -> None:
    """The chart is not needed for it."""

    async def story(stage: Stage) -> None:
        home = (await stage.installed())["metadata"]["namespace"]
        await stage.platform.delete(OCI_REPOSITORIES, NAME, home)
        await stage.delete_release()
        await stage.release_gone()
        assert not await stage.deployed()

    play(story)


def test_a_suspended_release_is_left_behind() -> None:
    """The HelmRelease goes at once, and what was installed stays, without a word."""

    async def story(stage: Stage) -> float:
        await stage.installed()
        await stage.landscape.suspend("mcp-01")
        await stage.see(HELM_RELEASES, lambda obj: generation(obj) == 2 and observed(obj))
        began = stage.now
        await stage.delete_release()
        await stage.release_gone()
        assert await stage.deployed()
        assert stage.records() == [("1", "deployed")]
        return stage.now - began

    assert play(story) < 0.1


def test_suspending_lets_a_stuck_release_go() -> None:
    """That is how one gives up a control plane that does not answer any more."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        stage.landscape.kill("mcp-01")
        await stage.delete_release()
        await stage.see(HELM_RELEASES, failed("UninstallFailed"))
        await stage.sleep(3600)
        assert deleting(await stage.read(HELM_RELEASES))
        await stage.landscape.suspend("mcp-01")
        await stage.sleep(1)
        with pytest.raises(NotFound):
            await stage.read(HELM_RELEASES)

    play(story)


def test_a_release_without_its_kubeconfig_is_left_behind() -> None:
    """The silent orphan: Flux takes a missing Secret for the end of the cluster."""

    async def story(stage: Stage) -> None:
        home = (await stage.installed())["metadata"]["namespace"]
        await stage.platform.delete(SECRETS, f"{ACCESS}.kubeconfig", home)
        await stage.delete_release()
        await stage.release_gone()
        assert await stage.deployed()
        assert stage.records() == [("1", "deployed")]

    play(story)


def test_a_release_that_was_never_attempted_goes() -> None:
    """Without a storage namespace in its status there is nothing to uninstall."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.release()
        await stage.see(HELM_RELEASES, failed("ArtifactFailed"))
        stage.landscape.kill("mcp-01")
        await stage.delete_release()
        await stage.release_gone()

    play(story)


def test_a_release_without_history_goes() -> None:
    """What never got as far as a record is not uninstalled either."""

    async def story(stage: Stage) -> None:
        stage.landscape.kill("mcp-01")
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        await stage.see(HELM_RELEASES, lambda obj: failed("StateError")(obj) and dig(obj, "status", "storageNamespace"))
        await stage.delete_release()
        await stage.release_gone()

    play(story)


@pytest.mark.parametrize(
    ("how", "text"), [("refused", "connection refused"), ("frozen", "i/o timeout"), ("revoked", "Unauthorized")]
)
def test_a_control_plane_that_does_not_answer_keeps_its_release(how: Any, text: str) -> None:
    """Uninstalling is tried for ever, with every failure told and counted; when it is back, the release goes."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        if how == "revoked":
            stage.landscape.revoke_tokens("mcp-01")
        else:
            stage.landscape.kill("mcp-01", how=how)
        await stage.delete_release()
        release = await stage.see(
            HELM_RELEASES, lambda obj: failed("UninstallFailed")(obj) and dig(obj, "status", "failures")
        )
        assert message(release, "Ready").startswith("Helm uninstall failed for release ocm-k8s-toolkit-system/ocm-k8s-")
        assert text in message(release, "Ready")
        assert told(release, "Released") == ("False", "UninstallFailed")
        assert dig(release, "status", "failures") == 1
        await stage.sleep(3600)
        assert 8 <= dig(await stage.read(HELM_RELEASES), "status", "failures") <= 20
        stage.landscape.revive("mcp-01")
        await stage.landscape.rotate("mcp-01")
        await stage.poke(HELM_RELEASES, "now")
        began = stage.now
        await stage.release_gone()
        assert stage.now - began < 40
        assert not await stage.deployed()

    play(story)


def test_a_kubeconfig_that_lost_its_key_keeps_its_release() -> None:
    """Unlike a missing Secret that is an error."""

    async def story(stage: Stage) -> None:
        home = (await stage.installed())["metadata"]["namespace"]
        body = {"data": {"kubeconfig": None}}
        await stage.platform.patch(SECRETS, f"{ACCESS}.kubeconfig", home, kind="merge", body=body)
        await stage.delete_release()
        release = await stage.see(HELM_RELEASES, failed("UninstallFailed"))
        assert message(release, "Ready").startswith("failed to build REST client getter to uninstall release: ")

    play(story)


def test_a_release_whose_record_is_gone_counts_as_uninstalled() -> None:
    """Whoever deletes Helm's record makes Flux forget the workload."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        tenant = stage.landscape.client("tenant", stage.landscape.cluster_of("mcp-01"))
        await tenant.delete(SECRETS, "sh.helm.release.v1.ocm-k8s-toolkit.v1", "ocm-k8s-toolkit-system")
        await stage.delete_release()
        await stage.release_gone()
        assert await stage.deployed()

    play(story)


def test_an_uninstall_that_takes_too_long_leaves_the_workload() -> None:
    """The trap: the record is gone by then, so the next try finds nothing to do, and the HelmRelease goes."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        stage.landscape.script("mcp-01").uninstall_timeouts = 1
        await stage.delete_release()
        release = await stage.see(HELM_RELEASES, failed("UninstallFailed"))
        assert message(release, "Ready").endswith(": timed out waiting for the condition")
        assert stage.records() == []
        await stage.release_gone()
        assert await stage.deployed()
        await stage.landscape.clear_leftovers("mcp-01")
        assert not await stage.deployed()

    play(story, delays=quick())


def test_a_deletion_waits_for_the_action_that_runs() -> None:
    """An install that is under way is finished first."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        await stage.see(HELM_RELEASES, lambda obj: "Running" in message(obj, "Ready"))
        await stage.delete_release()
        await stage.see(HELM_RELEASES, lambda obj: told(obj, "Ready") == ("True", "InstallSucceeded"))
        await stage.release_gone()
        assert not await stage.deployed()

    play(story)


def test_nothing_is_deleted_while_helm_controller_is_down() -> None:
    """The HelmRelease waits for it."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        await stage.landscape.helm_controller.stop()
        await stage.delete_release()
        await stage.sleep(3600)
        assert deleting(await stage.read(HELM_RELEASES))
        assert await stage.deployed()
        await stage.landscape.helm_controller.start()
        await stage.release_gone()
        assert not await stage.deployed()

    play(story)


def test_a_stalled_release_is_uninstalled_like_any() -> None:
    """What the last failed try left is taken away."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("mcp-01").install_failures = float("inf")
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        await stage.see(HELM_RELEASES, lambda obj: told(obj, "Stalled")[0] == "True")
        assert await stage.deployed()
        await stage.delete_release()
        await stage.release_gone()
        assert not await stage.deployed()

    play(story, delays=quick())


def test_deleting_the_kubeconfig_lets_a_stuck_release_go() -> None:
    """So a namespace that is deleted makes orphans: its Secrets have no finalizers and go first."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        stage.landscape.kill("mcp-01")
        await stage.delete_release()
        await stage.see(HELM_RELEASES, failed("UninstallFailed"))
        home = stage.landscape.home("mcp-01")
        await stage.landscape.client("operator-person").delete(SECRETS, f"{ACCESS}.kubeconfig", home)
        await stage.release_gone()
        stage.landscape.revive("mcp-01")
        assert await stage.deployed()

    play(story)
