"""Every failure shape of Flux and every state of deletion, played on the landscape and told as it is."""

import asyncio
from typing import Any

import pytest

from openmcp_adapters.emulation.registry import Registry
from openmcp_provider.domain.objects import ONBOARDING, Json, dig
from openmcp_provider.ports import Resource
from tests.runtime.stage import ACCESS, OCMS, RELEASES, SECRETS, Stage, play

SECRET: dict[str, Any] = {"imagePullSecret": {"name": "privateregcred"}}
CHART = "ghcr.io/open-component-model/kubernetes/controller/chart"
EVENTS = Resource("events.k8s.io/v1", "Event", "events")
ABANDON = "ocm.services.openmcp.cloud/abandon"


async def begun(stage: Stage, *, spec: dict[str, Any] | None = None, version: str = "0.6.0") -> None:
    """Write config, pull secret, control plane and OCM."""
    await stage.configure(**(SECRET if spec is None else spec))
    await stage.pull_secret()
    await stage.tenant("a", version)


async def ready(stage: Stage, **how: Any) -> None:
    """Go on until Ready."""
    await begun(stage, **how)
    await stage.ready("a")


def condition(status: Json, kind: str) -> tuple[str, str]:
    """Return status and reason of a condition."""
    found: Json = next((item for item in status["conditions"] if item["type"] == kind), {})
    return found.get("status", ""), found.get("reason", "")


async def release(stage: Stage) -> Json | None:
    """Return the HelmRelease."""
    return await stage.get(RELEASES, "sp-ocm-k8s-toolkit", stage.landscape.home("a"))


async def annotate(stage: Stage) -> None:
    """Give up what is installed."""
    body = {"metadata": {"annotations": {ABANDON: "true"}}}
    await stage.landscape.client("tenant", ONBOARDING).patch(OCMS, "a", "default", kind="merge", body=body)


# -- failure shapes --------------------------------------------------------------------------------------------------


def test_a_missing_tag() -> None:
    """A version that does not exist is told, and mended by another one."""
    registry = Registry(every_version=False)
    registry.publish(CHART, "0.6.0")

    async def story(stage: Stage) -> None:
        await begun(stage, version="9.9.9")
        status = await stage.told("a", "Version 9.9.9 does not exist")
        assert condition(status, "ChartAvailable") == ("False", "VersionNotFound")
        await stage.ocm("a", "0.6.0")
        await stage.ready("a")

    play(story, registry=registry)


def test_a_missing_tag_beside_an_installed_version() -> None:
    """What is installed stays, and is said to."""
    registry = Registry(every_version=False)
    registry.publish(CHART, "0.6.0")

    async def story(stage: Stage) -> None:
        await ready(stage)
        await stage.ocm("a", "9.9.9")
        status = await stage.told("a", "0.6.0 stays installed.")
        assert status["installedVersion"] == "0.6.0"
        assert status["phase"] == "Progressing"

    play(story, registry=registry)


def test_a_refusal_ends_with_the_right_secret() -> None:
    """Refused credentials are told, and a rotated secret is tried at once."""
    registry = Registry(credentials={"ghcr.io": ("user", "right")})

    async def story(stage: Stage) -> None:
        await begun(stage)
        status = await stage.told("a", 'refused the chart (DENIED) with pull secret "privateregcred"')
        assert condition(status, "ChartAvailable") == ("False", "RegistryAccessDenied")
        await asyncio.sleep(120.0)
        before = stage.landscape.clock.monotonic()
        await stage.pull_secret(auth="dXNlcjpyaWdodA==")
        assert await stage.ready("a") - before < 30.0

    play(story, registry=registry)


@pytest.mark.parametrize(
    ("outage", "reason"),
    [
        ("rate limited", "RegistryRateLimited"),
        ("unreachable", "RegistryUnreachable"),
        ("untrusted", "RegistryUntrusted"),
    ],
)
def test_a_registry_that_does_not_serve(outage: Any, reason: str) -> None:
    """Each way in which a registry fails is told apart."""
    registry = Registry(outages={"ghcr.io": outage})

    async def story(stage: Stage) -> None:
        await begun(stage)
        status = await stage.told("a", "ghcr.io")
        assert condition(status, "ChartAvailable") == ("False", reason)
        assert condition(status, "Ready") == ("False", "ReconcileError")
        registry.outages.clear()
        await stage.ready("a", within=1200.0)

    play(story, registry=registry)


def test_a_registry_that_fails_later_leaves_ready_alone() -> None:
    """With the artifact there a failing refresh is a warning on the chart, no more."""
    registry = Registry()

    async def story(stage: Stage) -> None:
        await ready(stage)
        registry.outages["ghcr.io"] = "unreachable"
        await asyncio.sleep(180.0)
        status = await stage.status("a")
        assert condition(status, "Ready") == ("True", "ReconcileSuccess")
        assert condition(status, "ChartAvailable")[0] == "True"

    play(story, registry=registry)


def test_an_install_that_never_works() -> None:
    """After its retries Flux gives up; that is told as stalled, with the cause."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("a").install_failures = 99
        await begun(stage)
        status = await stage.told("a", "Not retried", within=1200.0)
        assert condition(status, "Installed") == ("False", "InstallFailed")
        assert condition(status, "Stalled") == ("True", "RetriesExceeded")
        assert condition(status, "Ready") == ("False", "ReconcileError")

    play(story)


def test_an_install_that_works_at_last() -> None:
    """A failed try is an error with steady words until it works."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("a").install_failures = 2
        await begun(stage)
        await stage.told("a", "Installing 0.6.0 failed.")
        seen = set()
        while (status := await stage.status("a"))["phase"] != "Ready":
            seen.add(condition(status, "Ready"))
            await asyncio.sleep(1.0)
        assert seen == {("False", "ReconcileError")}

    play(story)


def test_an_upgrade_that_is_rolled_back() -> None:
    """Version, installed version, cause and what to do are told; the next version mends it."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        script = stage.landscape.script("a")
        script.upgrade_failures, script.cause = 99, "spec.selector: field is immutable"
        await stage.ocm("a", "0.7.0")
        status = await stage.told("a", "was rolled back; 0.6.0 is installed again.", within=1200.0)
        assert condition(status, "Installed") == ("True", "RolledBack")
        assert condition(status, "Stalled") == ("True", "RetriesExceeded")
        assert status["installedVersion"] == "0.6.0"
        script.upgrade_failures = 0
        await stage.ocm("a", "0.8.0")
        await stage.ready("a")

    play(story)


def test_flux_that_does_not_pick_it_up() -> None:
    """Two minutes without a sign of Flux are told, and forgotten when it comes."""

    async def story(stage: Stage) -> None:
        stage.landscape.attend("a", picked_up=False)
        await begun(stage)
        status = await stage.told("a", "Flux", within=300.0)
        assert condition(status, "Installed") == ("Unknown", "FluxNotResponding")
        stage.landscape.attend("a")
        await stage.ready("a")

    play(story)


def test_a_suspended_release() -> None:
    """What a person holds is told, and Ready again when it is let go."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        await stage.landscape.suspend("a")
        status = await stage.told("a", "suspended")
        assert condition(status, "Installed") == ("Unknown", "Suspended")
        await stage.landscape.suspend("a", suspended=False)
        await stage.ready("a")

    play(story)


@pytest.mark.parametrize("end", ["kill", "revoke"])
def test_a_control_plane_that_is_lost_while_ready(end: str) -> None:
    """Ready stays; the condition says that Flux does not reach it, or is not let in, and passes."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        expected = "Unreachable" if end == "kill" else "CredentialsExpired"
        if end == "kill":
            stage.landscape.kill("a")
        else:
            stage.landscape.revoke_tokens("a")

        async def told() -> bool:
            return condition(await stage.status("a"), "ControlPlaneAccess") == ("False", expected)

        await stage.until(told)
        assert condition(await stage.status("a"), "Ready") == ("True", "ReconcileSuccess")
        if end == "kill":
            stage.landscape.revive("a")
        else:
            await stage.landscape.rotate("a")

        async def well() -> bool:
            return condition(await stage.status("a"), "ControlPlaneAccess") == ("True", "Granted")

        await stage.until(well, within=1200.0)

    play(story)


def test_access_denied() -> None:
    """A denial is told."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("a").access = "deny"
        await begun(stage)
        status = await stage.told("a", "The platform denied access")
        assert condition(status, "ControlPlaneAccess") == ("False", "AccessDenied")

    play(story)


# -- deletion --------------------------------------------------------------------------------------------------------


def test_deletion_of_what_never_had_a_control_plane() -> None:
    """It goes at once."""

    async def story(stage: Stage) -> None:
        await stage.configure(**SECRET)
        await stage.ocm("a")
        await stage.told("a", "No control plane")
        await stage.delete("a")
        assert await stage.gone("a", within=2.0)

    play(story)


@pytest.mark.parametrize("answer", ["never", "deny"])
def test_deletion_without_access(answer: Any) -> None:
    """Access that was never granted is given up."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("a").access = answer
        await begun(stage)
        await stage.told("a", "access")
        await stage.delete("a")
        await stage.gone("a")
        assert not (await stage.landscape.client("tenant").list(ACCESS)).items

    play(story)


def test_deletion_of_a_running_toolkit() -> None:
    """Everything is uninstalled before access goes: no orphan."""

    async def story(stage: Stage) -> None:
        await ready(stage, spec={**SECRET, "values": {"manager": {"imagePullSecrets": [{"name": "privateregcred"}]}}})
        there = stage.landscape.client("tenant", stage.landscape.cluster_of("a"))
        assert (await there.list(Resource("apps/v1", "Deployment", "deployments"))).items
        await stage.delete("a")
        await stage.gone("a")
        assert not (await there.list(Resource("apps/v1", "Deployment", "deployments"))).items
        assert not (await there.list(SECRETS, namespace="ocm-k8s-toolkit-system")).items

    play(story)


def test_deletion_that_the_tenants_resources_block() -> None:
    """Objects of the toolkit's kinds are named, and the rest follows when they are gone."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        there = stage.landscape.client("tenant", stage.landscape.cluster_of("a"))
        (kind,) = [one for one in await there.served("delivery.ocm.software") if one.kind == "Repository"]
        manifest = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": "mirror", "namespace": "default"},
            "spec": {"suspend": True},
        }
        await there.apply(kind, manifest, manager="kubectl")
        await stage.delete("a")
        status = await stage.told("a", "Repository default/mirror (suspended: resume it, else it never goes)")
        assert condition(status, "DeletionBlocked") == ("True", "UserResourcesPresent")
        assert await release(stage) is not None
        await there.delete(kind, "mirror", "default")
        await stage.gone("a")

    play(story)


def test_deletion_with_a_lost_access() -> None:
    """Access that went away is asked for again before the release goes: nothing is orphaned."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        home = stage.landscape.home("a")
        (request,) = (await stage.landscape.client("tenant").list(ACCESS, namespace=home)).items
        await stage.stop()
        person = stage.landscape.client("operator-person")
        name = request["metadata"]["name"]
        await person.patch(ACCESS, name, home, kind="merge", body={"metadata": {"finalizers": None}})
        await person.delete(ACCESS, name, home)
        await stage.delete("a")
        await asyncio.sleep(5.0)
        stage.start()
        await stage.gone("a")
        there = stage.landscape.client("tenant", stage.landscape.cluster_of("a"))
        assert not (await there.list(Resource("apps/v1", "Deployment", "deployments"))).items

    play(story)


@pytest.mark.parametrize("how", ["refused", "frozen"])
def test_deletion_with_an_unreachable_control_plane(how: Any) -> None:
    """It waits, says so, and goes on when the control plane is back."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        stage.landscape.kill("a", how=how)
        await stage.delete("a")
        await stage.told("a", "cannot be reached")
        assert not dig(await release(stage), "metadata", "deletionTimestamp")
        stage.landscape.revive("a")
        await stage.gone("a", within=1200.0)

    play(story)


def test_deletion_of_a_suspended_release() -> None:
    """A suspended release is not deleted: Flux would orphan what it installed."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        await stage.landscape.suspend("a")
        await stage.delete("a")
        await stage.told("a", "suspended by a person")
        assert not dig(await release(stage), "metadata", "deletionTimestamp")
        await stage.landscape.suspend("a", suspended=False)
        await stage.gone("a")

    play(story)


@pytest.mark.parametrize("end", ["gone", "abandoned"])
def test_deletion_when_the_control_plane_is_gone_or_given_up(end: str) -> None:
    """Flux is made to let go, and an event lists what stays."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        if end == "gone":
            await stage.landscape.destroy_control_plane("a")
            await asyncio.sleep(10.0)
        else:
            stage.landscape.kill("a")
            await annotate(stage)
        await stage.delete("a")
        await stage.gone("a", within=1200.0)
        events = (
            await stage.landscape.client("tenant", ONBOARDING).list(Resource("events.k8s.io/v1", "Event", "events"))
        ).items
        reason = "ControlPlaneGone" if end == "gone" else "Abandoned"
        told = [event["note"] for event in events if event["reason"] == reason]
        assert len(told) == 1
        assert "ocm-k8s-toolkit" in told[0]

    play(story)


def test_deletion_with_leftovers() -> None:
    """What an uninstallation left behind is waited for, and named."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        stage.landscape.script("a").uninstall_timeouts = 1
        await stage.delete("a")
        status = await stage.told("a", "ocm-k8s-toolkit-controller-manager", within=1200.0)
        assert condition(status, "DeletionBlocked") == ("True", "ReleaseLeftovers")
        await stage.landscape.clear_leftovers("a")
        await stage.gone("a")

    play(story)


def test_a_control_plane_goes_with_its_ocm() -> None:
    """The operator deletes the OCM first and waits for it; then the control plane goes."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        status = {
            "status": {"resources": [{"group": "ocm.services.openmcp.cloud", "version": "v1alpha1", "kind": "OCM"}]}
        }
        registration = Resource("openmcp.cloud/v1alpha1", "ServiceProvider", "serviceproviders", namespaced=False)
        person = stage.landscape.client("operator-person")
        await person.patch(registration, "ocm", kind="merge", body=status, subresource="status")
        await asyncio.wait_for(stage.landscape.delete_control_plane("a"), 600.0)
        assert await stage.get(OCMS, "a", "default", ONBOARDING) is None

    play(story)


def test_changed_settings_of_an_installed_version() -> None:
    """A Ready of the settings before does not count: the tenant reads that they are applied, then Ready again."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        await stage.configure(**SECRET, values={"manager": {"replicas": 2}})
        status = await stage.told("a", "0.6.0")
        assert condition(await stage.told("a", "Applying changed settings"), "Installed") == ("True", "Upgrading")
        assert status["installedVersion"] == "0.6.0"
        await stage.ready("a")
        found = await release(stage)
        assert len(dig(found, "status", "history")) == 2

    play(story)


def test_a_copy_that_somebody_deletes_comes_back() -> None:
    """A pull secret that is gone on the platform is written again, whatever Flux said meanwhile."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        home = stage.landscape.home("a")
        person = stage.landscape.client("operator-person")
        await person.delete(SECRETS, "sp-ocm-privateregcred", home)

        async def back() -> bool:
            return await stage.get(SECRETS, "sp-ocm-privateregcred", home) is not None

        await stage.until(back, within=5.0)
        await stage.ready("a")

    play(story)


@pytest.mark.parametrize("dead", [False, True])
def test_deletion_before_a_release_was_written(dead: bool) -> None:
    """With access but without a release the control plane is read before the access goes; a dead one is waited for."""

    async def story(stage: Stage) -> None:
        await stage.configure(**SECRET)
        await stage.tenant("a")
        await stage.told("a", "is missing on the platform")
        assert await release(stage) is None
        if dead:
            stage.landscape.kill("a")
        await stage.delete("a")
        if dead:
            await stage.told("a", "cannot be reached")
            assert (await stage.landscape.client("tenant").list(ACCESS)).items
            stage.landscape.revive("a")
        await stage.gone("a")
        assert not (await stage.landscape.client("tenant").list(ACCESS)).items

    play(story)


def test_deletion_with_access_that_is_denied_after_an_installation() -> None:
    """A denial stops the deletion, orphans nothing, and names who must act."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        home = stage.landscape.home("a")
        person = stage.landscape.client("operator-person")
        (request,) = (await person.list(ACCESS, namespace=home)).items
        body = {"status": {"phase": "Denied"}}
        name = request["metadata"]["name"]
        await person.patch(ACCESS, name, home, kind="merge", body=body, subresource="status")
        await stage.delete("a")

        async def terminating() -> bool:
            return bool((await stage.status("a"))["phase"] == "Terminating")

        await stage.until(terminating)
        await stage.told("a", "The platform denied access")
        await asyncio.sleep(60.0)
        assert not dig(await release(stage), "metadata", "deletionTimestamp")
        granted = {"status": {"phase": "Granted"}}
        await person.patch(ACCESS, name, home, kind="merge", body=granted, subresource="status")
        await stage.gone("a")

    play(story)
