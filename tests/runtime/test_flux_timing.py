"""What tenants read while Flux writes its results piece by piece, and how Flux is made to look again in time."""

import asyncio
from typing import Any

from openmcp_provider.domain.objects import ONBOARDING, Json, annotations, conditions, dig
from openmcp_provider.ports import Resource
from tests.runtime.stage import OCMS, RELEASES, SOURCES, Stage, play

EVENTS = Resource("events.k8s.io/v1", "Event", "events")
POKE = "reconcile.fluxcd.io/requestedAt"
SECRET: dict[str, Any] = {"imagePullSecret": {"name": "privateregcred"}}
NAME = "sp-ocm-k8s-toolkit"


async def ready(stage: Stage) -> None:
    """Have an OCM that is Ready."""
    await stage.configure(**SECRET)
    await stage.pull_secret()
    await stage.tenant("a")
    await stage.ready("a")


async def texts(stage: Stage, ends: str, *, version: str, within: float = 600.0) -> list[Json]:
    """Return every status that is written until the OCM is Ready with a version."""
    seen: list[Json] = []
    client = stage.landscape.client("tenant", ONBOARDING)
    loop = asyncio.get_running_loop()
    end = loop.time() + within
    while True:
        status = dig(await client.get(OCMS, "a", "default"), "status") or {}
        if status and (not seen or seen[-1] != status):
            seen.append(status)
        if status.get("phase") == ends and status.get("installedVersion") == version and len(seen) > 1:
            return seen
        assert loop.time() < end, seen[-1]
        await asyncio.sleep(0.001)


async def told(stage: Stage) -> list[tuple[str, str]]:
    """Return reason and note of every event, in order."""
    page = await stage.landscape.client("tenant", ONBOARDING).list(EVENTS)
    found = sorted(page.items, key=lambda event: event["eventTime"])
    return [(event["reason"], event["note"]) for event in found]


def said(statuses: list[Json], kind: str) -> list[tuple[str, str, str]]:
    """Return status, reason and message of a condition over time."""
    found = [conditions({"status": status}).get(kind, {}) for status in statuses]
    return [(one.get("status", ""), one.get("reason", ""), one.get("message", "")) for one in found]


def test_the_end_of_a_first_install_is_still_installing() -> None:
    """Flux writes history and Ready before its observed generation: no upgrade is told of in between (case 2.1)."""

    async def story(stage: Stage) -> None:
        await stage.configure(**SECRET)
        await stage.pull_secret()
        await stage.tenant("a")
        await stage.told("a", "Helm install is running")
        seen = await texts(stage, "Ready", version="0.6.0")
        await asyncio.sleep(60)
        assert {"Installing", "Deployed"} == {reason for _, reason, _ in said(seen, "Installed")}
        assert not any("Applying" in message for _, _, message in said(seen, "Ready"))
        reasons = [reason for reason, _ in await told(stage)]
        assert reasons.count("Installing") == 1
        assert "Upgrading" not in reasons

    play(story)


def test_a_version_change_says_from_and_to() -> None:
    """The first status and the one Event name both versions (case 2.2)."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        await stage.ocm("a", "0.7.0")
        seen = await texts(stage, "Ready", version="0.7.0")
        await asyncio.sleep(60)
        moving = [message for _, reason, message in said(seen, "Ready") if reason == "Reconciling"]
        assert moving
        assert all(message.startswith("Upgrading from 0.6.0 to 0.7.0: ") for message in moving), moving
        (note,) = [note for reason, note in await told(stage) if reason == "Upgrading"]
        assert note.startswith("Upgrading from 0.6.0 to 0.7.0: ")

    play(story)


def test_a_new_copy_for_an_installed_tenant_is_no_installation() -> None:
    """An image pull secret is added to the values: what runs stays told as installed (case 2.3)."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        await stage.pull_secret("images")
        await stage.configure(**SECRET, values={"manager": {"imagePullSecrets": [{"name": "images"}]}})
        await stage.told("a", "Applying changed settings", within=60)
        seen = await texts(stage, "Ready", version="0.6.0")
        assert {"True"} == {status for status, _, _ in said(seen, "Installed")}
        assert "Installing" not in [reason for reason, _ in await told(stage)][-3:]

    play(story)


def test_flux_is_asked_once_to_take_up_a_source_that_is_ready() -> None:
    """Both objects change; Flux looks at the release too early and would look again after 30 seconds (case 3.1)."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        home = stage.landscape.home("a")
        start = asyncio.get_running_loop().time()
        await stage.configure(**SECRET, pollInterval="7m0s")
        seen = await texts(stage, "Ready", version="0.6.0", within=20)
        took = asyncio.get_running_loop().time() - start
        assert took < 5, took
        assert any("waiting for Flux to take up the chart" in message for _, _, message in said(seen, "Ready"))
        assert {"True"} == {status for status, _, _ in said(seen, "Installed")}
        release = await stage.get(RELEASES, NAME, home)
        token = annotations(release or {}).get(POKE)
        assert token
        assert token == dig(release, "status", "lastHandledReconcileAt")
        patches = stage.requests(since=start)["platform", "patch", "HelmRelease"]
        await asyncio.sleep(300)
        assert patches == stage.requests(since=start)["platform", "patch", "HelmRelease"] == 1

    play(story)


def test_a_deleted_source_leaves_what_runs_installed() -> None:
    """Somebody deletes the OCIRepository while the toolkit runs: the chart's condition tells (case 2.9)."""

    async def story(stage: Stage) -> None:
        await ready(stage)
        home = stage.landscape.home("a")
        person = stage.landscape.client("operator-person")
        held = {"metadata": {"finalizers": ["finalizers.fluxcd.io", "example.com/held"]}}
        await person.patch(SOURCES, NAME, home, kind="merge", body=held)
        await person.delete(SOURCES, NAME, home)
        status = await stage.told("a", "is being deleted by somebody")
        assert [("True", "Deployed")] == [one[:2] for one in said([status], "Installed")]
        assert [("False", "BeingDeleted")] == [one[:2] for one in said([status], "ChartAvailable")]
        released: Json = {"metadata": {"finalizers": []}}
        await person.patch(SOURCES, NAME, home, kind="merge", body=released)
        await stage.ready("a")

    play(story)


async def killed_in_an_upgrade(stage: Stage) -> None:
    """Have helm-controller die in the midst of an upgrade."""
    await ready(stage)
    await stage.ocm("a", "0.7.0")
    await stage.told("a", "Helm upgrade is running")
    await asyncio.sleep(3)
    await stage.landscape.helm_controller.stop()


def test_what_runs_stays_installed_when_flux_forgets_it() -> None:
    """helm-controller dies in an upgrade and clears the history on its restart: words of an upgrade (case 2.5)."""

    async def story(stage: Stage) -> None:
        await killed_in_an_upgrade(stage)
        stage.landscape.script("a").upgrade_failures = 1
        await stage.landscape.helm_controller.start()
        await asyncio.sleep(0.01)
        seen: list[Json] = []
        for _ in range(400):
            seen.append(await stage.status("a"))
            await asyncio.sleep(0.25)
        assert {"True"} == {status for status, _, _ in said(seen, "Installed")}
        assert {"0.6.0"} == {status.get("installedVersion") for status in seen}
        assert not any("Installing" in message for _, _, message in said(seen, "Ready"))
        assert "Upgrade to 0.7.0 failed." in said(seen, "Ready")[-1][2]

    play(story)


def test_a_release_that_flux_forgot_is_not_deleted_before_it_is_known_again() -> None:
    """An OCM goes while the history is empty: Flux would let the release go and leave it installed (case 2.6)."""

    async def story(stage: Stage) -> None:
        await killed_in_an_upgrade(stage)
        home = stage.landscape.home("a")
        body: dict[str, Any] = {"status": {"history": []}}
        hand = stage.landscape.client("helm-controller")
        await hand.patch(RELEASES, NAME, home, kind="merge", body=body, subresource="status")
        await stage.delete("a")
        await stage.told("a", "`helm uninstall`")
        await asyncio.sleep(120)
        release = await stage.get(RELEASES, NAME, home)
        assert release is not None
        assert "deletionTimestamp" not in release["metadata"]
        await stage.landscape.helm_controller.start()
        await stage.gone("a")
        plane = stage.landscape.cluster_of("a")
        deployments = Resource("apps/v1", "Deployment", "deployments")
        assert not (await stage.landscape.client("tenant", plane).list(deployments)).items

    play(story)


def test_an_action_that_never_ends_is_told_after_its_own_time_out() -> None:
    """Flux says for ever that an install runs: then its words, since when, and who must look (case 3.3)."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("a").delays.install = 7200
        await stage.configure(**SECRET)
        await stage.pull_secret()
        await stage.tenant("a")
        await stage.told("a", "Helm install is running")
        await asyncio.sleep(300)
        assert "Helm install is running" in said([await stage.status("a")], "Ready")[0][2]
        status = await stage.told("a", "Running 'install' action with timeout of 5m0s. That must be over", within=300)
        assert said([status], "Installed")[0][:2] == ("Unknown", "FluxNotResponding")
        assert "Only the platform operator can help" in said([status], "Ready")[0][2]

    play(story)
