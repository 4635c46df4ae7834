"""helm-controller: installs, upgrades and what becomes of failures, in the shapes of Flux."""

from typing import Any

import pytest

from openmcp_adapters.emulation import Chart, Registry
from openmcp_adapters.emulation.schemas import (
    ACCESS_REQUESTS,
    CRDS,
    DEPLOYMENTS,
    HELM_RELEASES,
    OCI_REPOSITORIES,
    SECRETS,
)
from openmcp_provider.domain.flux_state import installed_version, release_state
from openmcp_provider.domain.objects import Json, conditions, dig, generation, labels
from openmcp_provider.ports import Invalid
from tests.emulation.stage import (
    ACCESS,
    DEPLOYMENT,
    NAME,
    RELEASE,
    REPOSITORY,
    SYSTEM,
    Stage,
    failed,
    is_ready,
    is_stalled,
    message,
    observed,
    play,
    quick,
    told,
)


def _history(release: Json) -> list[tuple[int, str, str]]:
    return [(one["version"], one["status"], one.get("action", "")) for one in dig(release, "status", "history") or ()]


def _version(tag: str, stage: Stage) -> str:
    return f"{tag}+{stage.landscape.registry.tags[REPOSITORY, tag][7:19]}"


# --- install


def test_a_release_is_installed() -> None:
    """Its status is in every field as Flux has it."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        running = await stage.see(
            HELM_RELEASES, lambda obj: "Running" in message(obj, "Ready") and dig(obj, "status", "storageNamespace")
        )
        release = await stage.see(HELM_RELEASES, is_ready)
        status, version = release["status"], _version("0.13.0", stage)
        digest = stage.landscape.registry.tags[REPOSITORY, "0.13.0"]

        doing = "Running 'install' action with timeout of 5m0s"
        assert (told(running, "Ready"), message(running, "Ready")) == (("Unknown", "Progressing"), doing)
        assert (told(running, "Reconciling"), message(running, "Reconciling")) == (("True", "Progressing"), doing)
        assert running["status"]["storageNamespace"] == SYSTEM
        assert running["status"]["observedGeneration"] == -1
        assert running["status"]["lastAttemptedRevisionDigest"] == digest
        said = f"Helm install succeeded for release {SYSTEM}/{RELEASE}.v1 with chart chart@{version}"
        assert told(release, "Ready") == told(release, "Released") == ("True", "InstallSucceeded")
        assert message(release, "Ready") == said
        assert status["observedGeneration"] == status["lastAttemptedGeneration"] == 1
        assert status["lastAttemptedRevision"] == version
        assert status["lastAttemptedReleaseAction"] == "install"
        assert _history(release) == [(1, "deployed", "install")]
        newest = status["history"][0]
        assert (newest["chartVersion"], newest["ociDigest"], newest["appVersion"]) == (version, digest, "0.13.0")
        assert (newest["name"], newest["namespace"], newest["chartName"]) == (RELEASE, SYSTEM, "chart")
        assert release["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
        assert release_state(release, await stage.read(OCI_REPOSITORIES)) == "Ready"
        assert installed_version(release) == "0.13.0"

    play(story)


def test_what_is_installed_is_on_the_control_plane() -> None:
    """Helm's record, a workload that is available and bears the release's name, and the CRDs."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        plane = stage.landscape.control_plane("mcp-01")
        secret = next(plane.objects(SECRETS))
        workload = next(plane.objects(DEPLOYMENTS))
        crds = [obj["spec"]["names"]["kind"] for obj in plane.objects(CRDS)]

        assert (secret["metadata"]["name"], secret["type"]) == (
            f"sh.helm.release.v1.{RELEASE}.v1",
            "helm.sh/release.v1",
        )
        assert labels(secret) == {"owner": "helm", "name": RELEASE, "status": "deployed", "version": "1"}
        assert (workload["metadata"]["name"], workload["metadata"]["namespace"]) == (DEPLOYMENT, SYSTEM)
        assert labels(workload)["helm.toolkit.fluxcd.io/name"] == NAME
        assert labels(workload)["helm.toolkit.fluxcd.io/namespace"] == stage.landscape.home("mcp-01")
        assert dig(workload, "status", "availableReplicas") == 1
        assert sorted(crds) == ["Component", "Deployer", "Replication", "Repository", "Resource"]

    play(story)


def test_each_interval_shows() -> None:
    """About every interval it looks at the control plane: it reconciles for a moment, and stays ready."""

    async def story(stage: Stage) -> None:
        before = await stage.installed()
        during = await stage.see(HELM_RELEASES, lambda obj: told(obj, "Reconciling")[0])
        after = await stage.see(HELM_RELEASES, is_ready)

        assert (told(during, "Ready"), message(during, "Reconciling")) == (
            ("True", "InstallSucceeded"),
            "Fulfilling prerequisites",
        )
        assert before["status"] == after["status"]

    play(story)


def test_a_release_that_nobody_looks_at() -> None:
    """While Flux does not pick it up, nothing is written but the server's default; later it is installed."""

    async def story(stage: Stage) -> None:
        stage.landscape.attend("mcp-01", picked_up=False)
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        await stage.sleep(600)
        release = await stage.read(HELM_RELEASES)
        assert release["status"] == {"observedGeneration": -1}
        assert "finalizers" not in release["metadata"]
        stage.landscape.attend("mcp-01")
        await stage.see(HELM_RELEASES, is_ready)

    play(story)


def test_a_helm_controller_that_is_down() -> None:
    """Nothing happens until it is back; then everything does."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        await stage.landscape.helm_controller.stop()
        await stage.source()
        await stage.release()
        await stage.sleep(600)
        assert (await stage.read(HELM_RELEASES))["status"] == {"observedGeneration": -1}
        await stage.landscape.helm_controller.start()
        await stage.see(HELM_RELEASES, is_ready)

    play(story)


def test_a_helm_controller_that_dies_in_the_middle() -> None:
    """The revision that it left pending is unlocked, counts as failed, and is upgraded over."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        await stage.see(HELM_RELEASES, lambda obj: "Running" in message(obj, "Ready"))
        await stage.sleep(5)
        await stage.landscape.helm_controller.stop()
        assert stage.records() == [("1", "pending-install")]
        await stage.landscape.helm_controller.start()
        await stage.see(HELM_RELEASES, lambda obj: told(obj, "Released") == ("False", "PendingRelease"))
        release = await stage.see(HELM_RELEASES, is_ready)
        assert stage.records() == [("1", "failed"), ("2", "deployed")]
        assert _history(release) == [(2, "deployed", "upgrade")]
        assert told(release, "Released") == ("True", "UpgradeSucceeded")

    play(story)


def test_a_helm_controller_that_dies_while_it_uninstalls() -> None:
    """The revision that it left uninstalling is beyond it, until somebody deletes its record."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("mcp-01").install_failures = 1
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        await stage.see(HELM_RELEASES, lambda obj: "'uninstall'" in message(obj, "Reconciling"))
        await stage.sleep(1)
        await stage.landscape.helm_controller.stop()
        assert stage.records() == [("1", "uninstalling")]
        await stage.landscape.helm_controller.start()
        release = await stage.see(HELM_RELEASES, failed("StateError"))
        assert message(release, "Ready") == "unable to determine state for release with status 'uninstalling'"
        await stage.sleep(3600)
        assert failed("StateError")(await stage.read(HELM_RELEASES))
        tenant = stage.landscape.client("tenant", stage.landscape.cluster_of("mcp-01"))
        await tenant.delete(SECRETS, f"sh.helm.release.v1.{RELEASE}.v1", SYSTEM)
        await stage.poke(HELM_RELEASES, "reset", "resetAt")
        await stage.see(HELM_RELEASES, is_ready)

    play(story)


# --- upgrades


def test_a_new_chart_is_an_upgrade_that_no_generation_tells_of() -> None:
    """The trap: with only the source changed, the release stays ready at its generation until the artifact arrives."""

    async def story(stage: Stage) -> None:
        await stage.installed("0.12.0")
        await stage.source("0.13.0")
        source = await stage.see(OCI_REPOSITORIES, is_ready)
        stale = await stage.read(HELM_RELEASES)
        running = await stage.see(HELM_RELEASES, lambda obj: "'upgrade'" in message(obj, "Ready"))
        release = await stage.see(HELM_RELEASES, is_ready)

        assert is_ready(stale) or told(stale, "Ready")[0] == "True"
        assert release_state(stale, source) == "Progressing"
        assert told(running, "Ready") == ("Unknown", "Progressing")
        assert generation(release) == 1 == dig(release, "status", "observedGeneration")
        assert _history(release) == [(2, "deployed", "upgrade"), (1, "superseded", "install")]
        assert told(release, "Ready") == ("True", "UpgradeSucceeded")
        assert release_state(release, source) == "Ready"
        assert installed_version(release) == "0.13.0"
        assert stage.records() == [("1", "superseded"), ("2", "deployed")]

    play(story)


def test_new_values_are_an_upgrade() -> None:
    """A new generation with other values is deployed anew; one with the same is only observed."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        await stage.release(values={"manager": {"replicas": 2}})
        changed = await stage.see(HELM_RELEASES, is_ready)
        await stage.release(values={"manager": {"replicas": 2}}, interval="2m0s")
        same = await stage.see(HELM_RELEASES, lambda obj: generation(obj) == 3 and is_ready(obj))

        assert [one[0] for one in _history(changed)] == [2, 1]
        assert _history(changed) == _history(same)

    play(story)


def test_values_that_are_no_object_are_no_values() -> None:
    """Flux passes over them silently."""

    async def story(stage: Stage) -> None:
        one = await stage.installed(values=["a", "list"])
        await stage.release(values={})
        other = await stage.see(HELM_RELEASES, lambda obj: generation(obj) == 2 and is_ready(obj))
        assert _history(one) == _history(other) == [(1, "deployed", "install")]

    play(story)


def test_helm_keeps_five_records() -> None:
    """Older ones go, and the history is as long."""

    async def story(stage: Stage) -> None:
        await stage.installed(values={"n": 0})
        for number in range(1, 8):
            await stage.release(values={"n": number})
            await stage.see(HELM_RELEASES, is_ready)
        release = await stage.read(HELM_RELEASES)
        assert [one[0] for one in _history(release)] == [8, 7, 6, 5, 4]
        assert [number for number, _ in stage.records()] == ["4", "5", "6", "7", "8"]

    play(story, delays=quick())


# --- failures


def test_an_install_that_fails_is_tried_four_times() -> None:
    """Between tries it is uninstalled; the last failure stays, and then Flux gives up for good."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("mcp-01").install_failures = float("inf")
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        failing = await stage.see(
            HELM_RELEASES, lambda obj: failed("InstallFailed")(obj) and dig(obj, "status", "installFailures")
        )
        remedied = await stage.see(HELM_RELEASES, lambda obj: told(obj, "Remediated")[0] == "True")
        retrying = await stage.see(HELM_RELEASES, lambda obj: told(obj, "Ready")[0] == "Unknown")
        release = await stage.see(HELM_RELEASES, is_stalled)
        version = release["metadata"]["resourceVersion"]
        await stage.sleep(3600)

        cause = f"timeout waiting for: [Deployment/{SYSTEM}/{DEPLOYMENT} status: 'InProgress']"
        said = (
            f"Helm install failed for release {SYSTEM}/{RELEASE} with chart chart@{_version('0.13.0', stage)}: {cause}"
        )
        assert (message(failing, "Ready"), message(failing, "Released")) == (said, said)
        assert not observed(failing)
        assert dig(failing, "status", "installFailures") == 1
        assert told(remedied, "Remediated") == ("True", "UninstallSucceeded")
        assert told(retrying, "Released") == ("False", "InstallFailed")
        assert told(release, "Stalled") == ("True", "RetriesExceeded")
        assert message(release, "Stalled") == "Failed to install after 4 attempt(s)"
        assert told(release, "Ready") == told(release, "Released") == ("False", "InstallFailed")
        assert observed(release)
        assert "Reconciling" not in conditions(release)
        assert (dig(release, "status", "failures"), dig(release, "status", "installFailures")) == (4, 4)
        assert _history(release)[0] == (1, "failed", "install")
        assert stage.records() == [("1", "failed")]
        assert version == (await stage.read(HELM_RELEASES))["metadata"]["resourceVersion"]

    play(story)


def test_an_install_that_fails_twice_comes_right() -> None:
    """The third try works, and no trace of the failures is left in the conditions."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("mcp-01").install_failures = 2
        release = await stage.installed()
        assert told(release, "Ready") == ("True", "InstallSucceeded")
        assert not {"Remediated", "Stalled", "Reconciling"} & conditions(release).keys()
        assert dig(release, "status", "failures") == 2
        assert _history(release)[0] == (1, "deployed", "install")

    play(story, delays=quick())


def test_an_upgrade_that_fails_is_rolled_back_four_times() -> None:
    """Then Flux gives up, with the old chart deployed again."""

    async def story(stage: Stage) -> None:
        await stage.installed("0.12.0")
        stage.landscape.script("mcp-01").upgrade_failures = float("inf")
        await stage.source("0.13.0")
        failing = await stage.see(HELM_RELEASES, lambda obj: failed("UpgradeFailed")(obj) and len(_history(obj)) > 1)
        release = await stage.see(HELM_RELEASES, is_stalled)
        old = _version("0.12.0", stage)

        assert _history(failing)[:2] == [(2, "failed", "upgrade"), (1, "deployed", "install")]
        assert message(release, "Stalled") == "Failed to upgrade after 4 attempt(s)"
        assert told(release, "Stalled") == ("True", "RetriesExceeded")
        assert told(release, "Ready") == ("False", "RollbackSucceeded")
        assert told(release, "Remediated") == ("True", "RollbackSucceeded")
        assert told(release, "Released") == ("False", "UpgradeFailed")
        said = f"Helm rollback to previous release {SYSTEM}/{RELEASE}.v"
        assert message(release, "Ready").startswith(said)
        assert message(release, "Ready").endswith(f"with chart chart@{old} succeeded")
        assert observed(release)
        assert dig(release, "status", "upgradeFailures") == 4
        assert _history(release)[0] == (9, "deployed", "rollback")
        assert release["status"]["history"][0]["chartVersion"] == old
        assert "ociDigest" not in release["status"]["history"][0]
        assert installed_version(release) == "0.12.0"
        assert release_state(release, await stage.read(OCI_REPOSITORIES)) == "Stalled"
        assert await stage.deployed()

    play(story, delays=quick())


def test_a_stalled_release_comes_right_with_another_version() -> None:
    """A new chart is a new beginning; going back to the old one is in sync at once."""

    async def story(stage: Stage) -> None:
        await stage.installed("0.12.0")
        script = stage.landscape.script("mcp-01")
        script.upgrade_failures = 4
        await stage.source("0.13.0")
        await stage.see(HELM_RELEASES, is_stalled)
        await stage.source("0.12.0")
        back = await stage.see(HELM_RELEASES, is_ready)
        source = await stage.see(OCI_REPOSITORIES, is_ready)
        await stage.source("0.11.0")
        other = await stage.see(HELM_RELEASES, lambda obj: is_ready(obj) and installed_version(obj) == "0.11.0")

        assert release_state(back, source) == "Ready"
        assert not {"Remediated", "Stalled"} & conditions(back).keys()
        assert told(other, "Ready") == ("True", "UpgradeSucceeded")

    play(story, delays=quick())


def test_a_stalled_release_is_retried_when_it_is_reset() -> None:
    """A reset clears the counters; a mere look finds them exhausted."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("mcp-01").install_failures = 4
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        await stage.see(HELM_RELEASES, is_stalled)
        await stage.poke(HELM_RELEASES, "look")
        again = await stage.see(
            HELM_RELEASES, lambda obj: is_stalled(obj) and dig(obj, "status", "lastHandledReconcileAt") == "look"
        )
        await stage.poke(HELM_RELEASES, "reset", "resetAt")
        release = await stage.see(HELM_RELEASES, is_ready)

        assert dig(again, "status", "installFailures") == 4
        assert dig(release, "status", "lastHandledResetAt") == "reset"
        assert "failures" not in release["status"]

    play(story, delays=quick())


def test_an_upgrade_over_a_failed_install_has_nothing_to_go_back_to() -> None:
    """Once the counters are cleared a failed install is upgraded over; if that fails too, Flux stalls at once."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("mcp-01").install_failures = 4
        stage.landscape.script("mcp-01").upgrade_failures = 1
        await stage.control_plane()
        await stage.access()
        await stage.source("0.12.0")
        await stage.release()
        await stage.see(HELM_RELEASES, is_stalled)
        await stage.source("0.13.0")
        release = await stage.see(HELM_RELEASES, lambda obj: told(obj, "Stalled") == ("True", "MissingRollbackTarget"))
        assert told(release, "Ready") == ("False", "UpgradeFailed")
        assert _history(release) == [(2, "failed", "upgrade"), (1, "failed", "install")]
        assert observed(release)

    play(story, delays=quick())


def test_a_forced_look_is_an_upgrade() -> None:
    """It happens once, although nothing changed."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        await stage.poke(HELM_RELEASES, "go", "forceAt")
        await stage.see(HELM_RELEASES, lambda obj: len(_history(obj)) == 2 and is_ready(obj))
        await stage.sleep(300)
        assert _history(await stage.read(HELM_RELEASES))[0] == (2, "deployed", "upgrade")

    play(story, delays=quick())


def test_a_chart_with_another_selector_cannot_be_upgraded_in_place() -> None:
    """From 0.4 to 0.5 the server itself refuses the Deployment, and the release ends rolled back."""

    async def story(stage: Stage) -> None:
        await stage.installed("0.4.0")
        await stage.source("0.5.0")
        release = await stage.see(HELM_RELEASES, is_stalled)
        assert "field is immutable" in message(release, "Released")
        assert installed_version(release) == "0.4.0"

    play(story, delays=quick())


def test_a_rollback_that_fails() -> None:
    """It is told, and tried again."""

    async def story(stage: Stage) -> None:
        await stage.installed("0.12.0")
        script = stage.landscape.script("mcp-01")
        script.upgrade_failures, script.rollback_failures = 1, 1
        await stage.source("0.13.0")
        release = await stage.see(HELM_RELEASES, failed("RollbackFailed"))
        assert told(release, "Remediated") == ("False", "RollbackFailed")
        assert told(release, "Reconciling") == ("True", "Progressing")
        await stage.see(HELM_RELEASES, lambda obj: is_ready(obj) and installed_version(obj) == "0.13.0")

    play(story, delays=quick())


def test_an_upgrade_without_retries_stays_as_it_failed() -> None:
    """Nothing is rolled back where no remediation was asked for."""

    async def story(stage: Stage) -> None:
        await stage.installed("0.12.0", upgrade={"crds": "CreateReplace"})
        stage.landscape.script("mcp-01").upgrade_failures = 1
        await stage.source("0.13.0")
        release = await stage.see(HELM_RELEASES, is_stalled)
        assert told(release, "Ready") == ("False", "UpgradeFailed")
        assert "Remediated" not in conditions(release)
        assert _history(release)[0] == (2, "failed", "upgrade")
        assert message(release, "Stalled") == "Failed to upgrade after 1 attempt(s)"

    play(story, delays=quick())


# --- what it needs


def test_a_source_that_is_not_ready() -> None:
    """Its message is passed on, and the release waits without having observed anything."""

    async def story(stage: Stage) -> None:
        home = await stage.control_plane()
        await stage.access()
        await stage.source("9.9.9")
        await stage.release()
        release = await stage.see(HELM_RELEASES, lambda obj: "MANIFEST_UNKNOWN" in message(obj, "Ready"))
        assert told(release, "Ready") == ("False", "SourceNotReady")
        assert message(release, "Ready").startswith(f"OCIRepository '{home}/{NAME}' is not ready: failed to determine")
        assert told(release, "Reconciling") == ("True", "Progressing")
        assert message(release, "Reconciling") == "Fulfilling prerequisites"
        assert dig(release, "status", "observedGeneration") == -1
        assert "storageNamespace" not in release["status"]
        stage.landscape.registry.publish(REPOSITORY, "9.9.9")
        await stage.see(HELM_RELEASES, is_ready)

    registry = Registry(every_version=False)
    registry.publish(REPOSITORY, "0.13.0")
    play(story, registry=registry)


def test_a_source_that_is_missing() -> None:
    """That is another reason, and mends itself by a back-off."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        await stage.release()
        release = await stage.see(HELM_RELEASES, failed("ArtifactFailed"))
        assert message(release, "Ready").startswith("could not get Source object")
        await stage.source()
        await stage.see(HELM_RELEASES, is_ready)

    play(story)


def test_a_source_whose_refresh_fails_does_no_harm() -> None:
    """What is installed stays ready."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        stage.landscape.registry.outages["ghcr.io"] = "unreachable"
        await stage.see(OCI_REPOSITORIES, failed("OCIArtifactPullFailed"))
        await stage.sleep(600)
        release = await stage.see(HELM_RELEASES, is_ready)
        assert release_state(release, await stage.read(OCI_REPOSITORIES)) == "Ready"

    play(story)


def test_a_chart_of_another_version_than_its_tag() -> None:
    """Flux wants both to be the same."""

    async def story(stage: Stage) -> None:
        stage.landscape.registry.publish(REPOSITORY, "1.2.3", chart=Chart(version="1.2.4"))
        await stage.control_plane()
        await stage.access()
        await stage.source("1.2.3")
        await stage.release()
        release = await stage.see(HELM_RELEASES, failed("ChartMutateError"))
        assert message(release, "Ready") == "artifact revision 1.2.3 does not match chart version 1.2.4"

    play(story)


def test_a_missing_kubeconfig() -> None:
    """It is told, and read again at the next try."""

    async def story(stage: Stage) -> None:
        home = await stage.control_plane()
        await stage.source()
        await stage.release()
        release = await stage.see(HELM_RELEASES, failed("RESTClientError"))
        said = (
            f"could not get KubeConfig secret '{home}/{ACCESS}.kubeconfig': secrets \"{ACCESS}.kubeconfig\" not found"
        )
        assert message(release, "Ready") == said
        assert told(release, "Reconciling") == ("True", "Progressing")
        await stage.access()
        await stage.see(HELM_RELEASES, is_ready)

    play(story)


def test_a_kubeconfig_without_its_key() -> None:
    """The key must be named: the default is another one than openMCP's."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release(kubeConfig={"secretRef": {"name": f"{ACCESS}.kubeconfig"}})
        release = await stage.see(HELM_RELEASES, failed("RESTClientError"))
        assert message(release, "Ready").endswith("does not contain a 'value' key with data")

    play(story)


@pytest.mark.parametrize(("how", "text"), [("refused", "connection refused"), ("frozen", "i/o timeout")])
def test_a_control_plane_that_does_not_answer(how: str, text: str) -> None:
    """The release cannot tell its state; it comes right by itself when the control plane is back."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        stage.landscape.kill("mcp-01", how=how)  # type: ignore[arg-type]
        release = await stage.see(HELM_RELEASES, failed("StateError"))
        assert text in message(release, "Ready")
        assert message(release, "Ready").startswith(
            "Could not determine release state: failed to retrieve last release from storage: query: failed to query"
        )
        assert told(release, "Reconciling") == ("True", "Progressing")
        assert installed_version(release) == "0.13.0"
        await stage.sleep(3600)
        stage.landscape.revive("mcp-01")
        well = await stage.see(HELM_RELEASES, is_ready)
        assert told(well, "Ready") == ("True", "InstallSucceeded")
        assert _history(well) == [(1, "deployed", "install")]

    play(story)


def test_a_token_that_is_not_accepted() -> None:
    """Unauthorized, until the Secret holds another one; a poke spares the wait."""

    async def story(stage: Stage) -> float:
        await stage.installed()
        stage.landscape.revoke_tokens("mcp-01")
        release = await stage.see(HELM_RELEASES, failed("StateError"))
        assert message(release, "Ready").endswith("failed to query with labels: Unauthorized")
        await stage.sleep(3600)
        await stage.landscape.rotate("mcp-01")
        rotated = stage.now
        await stage.poke(HELM_RELEASES, "now")
        await stage.see(HELM_RELEASES, is_ready)
        return stage.now - rotated

    assert play(story) < 2


def test_a_control_plane_that_freezes_in_the_middle_of_an_install() -> None:
    """Such a failure is no attempt: nothing is counted, and all is well afterwards."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        await stage.see(HELM_RELEASES, lambda obj: "Running" in message(obj, "Ready"))
        await stage.sleep(3)
        stage.landscape.kill("mcp-01")
        release = await stage.see(HELM_RELEASES, failed("InstallFailed"))
        assert "connection refused" in message(release, "Ready")
        assert not observed(release)
        assert "failures" not in release["status"]
        await stage.see(HELM_RELEASES, failed("StateError"))
        stage.landscape.revive("mcp-01")
        await stage.see(HELM_RELEASES, is_ready)

    play(story)


def test_a_release_that_is_suspended() -> None:
    """Nothing tells but the spec: its generation is observed, and what it said last stays."""

    async def story(stage: Stage) -> None:
        before = await stage.installed("0.12.0")
        await stage.landscape.suspend("mcp-01")
        await stage.see(HELM_RELEASES, lambda obj: generation(obj) == 2 and observed(obj))
        await stage.source("0.13.0")
        await stage.sleep(3600)
        release = await stage.read(HELM_RELEASES)
        assert release["status"]["conditions"] == before["status"]["conditions"]
        assert installed_version(release) == "0.12.0"
        await stage.landscape.suspend("mcp-01", suspended=False)
        await stage.see(HELM_RELEASES, lambda obj: is_ready(obj) and installed_version(obj) == "0.13.0")

    play(story)


def test_somebody_elses_release_is_taken_over() -> None:
    """A revision that it knows nothing of is upgraded over, at the next number."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        home = stage.landscape.home("mcp-01")
        await stage.landscape.suspend("mcp-01")
        body = {"status": {"history": None}}
        person = stage.landscape.client("operator-person")
        await person.patch(HELM_RELEASES, NAME, home, kind="merge", body=body, subresource="status")
        await stage.landscape.suspend("mcp-01", suspended=False)
        release = await stage.see(HELM_RELEASES, lambda obj: is_ready(obj) and bool(_history(obj)))
        assert _history(release) == [(2, "deployed", "upgrade")]

    play(story)


def test_the_server_refuses_what_flux_would() -> None:
    """Exactly one chart, exactly one kubeconfig, and durations as Go writes them."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        both = {"secretRef": {"name": "x"}, "configMapRef": {"name": "y"}}
        wrong: dict[str, Any]
        for wrong in ({"chart": {}}, {"kubeConfig": both}, {"interval": "1d"}, {"releaseName": "x" * 54}):
            with pytest.raises(Invalid):
                await stage.release(**wrong)
        assert not list(stage.landscape.platform.objects(ACCESS_REQUESTS))

    play(story)
