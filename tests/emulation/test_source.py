"""source-controller, in the shapes of Flux."""

import pytest

from openmcp_adapters.emulation import Chart, Registry
from openmcp_adapters.emulation.registry import Outage
from openmcp_adapters.emulation.schemas import OCI_REPOSITORIES, SECRETS
from openmcp_provider.domain.flux_state import source_state
from openmcp_provider.domain.objects import Json, conditions, deleting, dig, generation
from openmcp_provider.ports import Invalid, NotFound
from tests.emulation.stage import NAME, REPOSITORY, Stage, failed, is_ready, is_stalled, message, observed, play, told


def published(*tags: str) -> Registry:
    """Return a registry that has these versions and no others."""
    registry = Registry(every_version=False)
    for tag in tags:
        registry.publish(REPOSITORY, tag)
    return registry


def test_a_new_source_is_unobserved() -> None:
    """The server itself says so, before any controller looks at it."""

    async def story(stage: Stage) -> Json:
        stage.landscape.attend("mcp-01", picked_up=False)
        await stage.control_plane()
        await stage.source()
        await stage.sleep(600)
        return await stage.read(OCI_REPOSITORIES)

    assert {"observedGeneration": -1} == play(story)["status"]


def test_a_source_becomes_ready() -> None:
    """With artifact, revision, observed generation and two conditions, by way of a build."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source("0.13.0", layerSelector={"mediaType": "x", "operation": "copy"})
        building = await stage.see(OCI_REPOSITORIES, lambda obj: "new revision" in message(obj, "Ready"))
        source = await stage.see(OCI_REPOSITORIES, is_ready)
        status = source["status"]
        digest = stage.landscape.registry.tags[REPOSITORY, "0.13.0"]

        assert told(building, "Reconciling") == ("True", "Progressing")
        assert told(building, "Ready") == ("Unknown", "Progressing")
        assert dig(building, "status", "observedGeneration") == -1
        assert "ArtifactOutdated" not in conditions(building)
        assert source["metadata"]["finalizers"] == ["finalizers.fluxcd.io"]
        assert status["observedGeneration"] == 1
        assert status["artifact"]["revision"] == f"0.13.0@{digest}"
        assert status["artifact"]["digest"] != digest
        assert status["artifact"]["metadata"]["org.opencontainers.image.version"] == "0.13.0"
        assert status["observedLayerSelector"] == {"mediaType": "x", "operation": "copy"}
        assert told(source, "Ready") == told(source, "ArtifactInStorage") == ("True", "Succeeded")
        assert message(source, "Ready") == f"stored artifact for digest '0.13.0@{digest}'"

    play(story)


def test_each_interval_shows() -> None:
    """About every interval it looks again: for a moment it reconciles, and nothing else changes."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source()
        before = await stage.see(OCI_REPOSITORIES, is_ready)
        began = stage.now
        during = await stage.see(OCI_REPOSITORIES, lambda obj: told(obj, "Reconciling")[0])
        waited = stage.now - began
        after = await stage.see(OCI_REPOSITORIES, is_ready)

        assert 56 <= waited <= 64
        assert told(during, "Ready") == ("True", "Succeeded")
        assert observed(during)
        assert before["status"] == after["status"]

    play(story)


def test_an_interval_of_nothing_is_no_interval() -> None:
    """With ``0s`` it looks only when something changes."""

    async def story(stage: Stage) -> int:
        await stage.control_plane()
        await stage.source(interval="0s")
        await stage.see(OCI_REPOSITORIES, is_ready)
        await stage.sleep(3600)
        return stage.landscape.registry.pulls[REPOSITORY, "0.13.0"]

    assert play(story) == 1


def test_a_missing_tag() -> None:
    """Flux says so under a reason for everything, keeps the old generation and tries again, ever more rarely."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source("9.9.9")
        source = await stage.see(OCI_REPOSITORIES, failed("OCIArtifactPullFailed"))
        await stage.sleep(3600)
        pulls = stage.landscape.registry.pulls[REPOSITORY, "9.9.9"]
        stage.landscape.registry.publish(REPOSITORY, "9.9.9")
        ready = await stage.see(OCI_REPOSITORIES, is_ready)

        wanted = f"failed to determine artifact digest: GET https://ghcr.io/v2/{REPOSITORY[8:]}/manifests/9.9.9: "
        assert message(source, "Ready") == wanted + "MANIFEST_UNKNOWN: manifest unknown; map[Tag:9.9.9]"
        assert told(source, "FetchFailed") == ("True", "OCIArtifactPullFailed")
        assert told(source, "Reconciling") == ("True", "ProgressingWithRetry")
        assert message(source, "Reconciling") == "processing object: new generation -1 -> 1"
        assert dig(source, "status", "observedGeneration") == -1
        assert 10 <= pulls <= 16
        assert "FetchFailed" not in conditions(ready)

    play(story, registry=published("0.13.0"))


def test_a_retry_shows() -> None:
    """While it is tried again Ready is unknown, and that the fetch failed stays."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source("9.9.9")
        await stage.see(OCI_REPOSITORIES, failed("OCIArtifactPullFailed"))
        source = await stage.see(OCI_REPOSITORIES, lambda obj: told(obj, "Ready")[0] == "Unknown")
        assert told(source, "FetchFailed") == ("True", "OCIArtifactPullFailed")
        assert source_state(source) == "Failing"

    play(story, registry=published())


def test_a_tag_that_changes_to_a_missing_one() -> None:
    """The old artifact and the old generation stay."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source("0.12.0")
        await stage.see(OCI_REPOSITORIES, is_ready)
        await stage.source("9.9.9")
        source = await stage.see(OCI_REPOSITORIES, failed("OCIArtifactPullFailed"))

        assert (generation(source), dig(source, "status", "observedGeneration")) == (2, 1)
        assert dig(source, "status", "artifact", "revision").startswith("0.12.0@")
        assert message(source, "Reconciling") == "processing object: new generation 1 -> 2"
        assert told(source, "ArtifactInStorage") == ("True", "Succeeded")
        assert conditions(source)["ArtifactInStorage"]["observedGeneration"] == 1
        assert conditions(source)["Ready"]["observedGeneration"] == 2

    play(story, registry=published("0.12.0"))


def test_a_changed_tag_keeps_ready_for_a_while() -> None:
    """The trap: Ready=True outlives the change, and only the generation tells."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source("0.12.0")
        await stage.see(OCI_REPOSITORIES, is_ready)
        await stage.source("0.13.0")
        stale = await stage.see(OCI_REPOSITORIES, lambda obj: told(obj, "Reconciling")[0])
        outdated = await stage.see(OCI_REPOSITORIES, lambda obj: told(obj, "ArtifactOutdated")[0])
        ready = await stage.see(OCI_REPOSITORIES, is_ready)

        assert told(stale, "Ready") == ("True", "Succeeded")
        assert not observed(stale)
        assert told(outdated, "ArtifactOutdated") == ("True", "NewRevision")
        assert told(outdated, "Ready") == ("Unknown", "Progressing")
        assert dig(ready, "status", "artifact", "revision").startswith("0.13.0@")
        assert "ArtifactOutdated" not in conditions(ready)

    play(story)


@pytest.mark.parametrize(
    ("outage", "text"),
    [
        ("denied", "DENIED: denied"),
        ("rate limited", "TOOMANYREQUESTS"),
        ("unreachable", "no such host"),
        ("untrusted", "x509: certificate signed by unknown authority"),
    ],
)
def test_a_registry_that_gives_nothing(outage: Outage, text: str) -> None:
    """Each outage is told in the registry's words; afterwards all is well by itself."""

    async def story(stage: Stage) -> None:
        stage.landscape.registry.outages["ghcr.io"] = outage
        await stage.control_plane()
        await stage.source()
        source = await stage.see(OCI_REPOSITORIES, failed("OCIArtifactPullFailed"))
        assert text in message(source, "Ready")
        assert source_state(source) == "Failing"
        stage.landscape.registry.outages.clear()
        await stage.see(OCI_REPOSITORIES, is_ready)

    play(story)


def test_a_refresh_that_fails() -> None:
    """The artifact and the observed generation stay: that is a warning, no more."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source()
        await stage.see(OCI_REPOSITORIES, is_ready)
        stage.landscape.registry.outages[REPOSITORY] = "unreachable"
        source = await stage.see(OCI_REPOSITORIES, failed("OCIArtifactPullFailed"))
        assert observed(source)
        assert source_state(source) == "Degraded"

    play(story)


def _guarded() -> Registry:
    return Registry(credentials={"ghcr.io": ("user", "right")})


def test_a_registry_may_want_a_login() -> None:
    """Without a pull secret it asks for one, with a wrong one it denies, with the right one it gives."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source()
        anonymous = await stage.see(OCI_REPOSITORIES, failed("OCIArtifactPullFailed"))
        await stage.pull_secret("user", "wrong")
        await stage.source(secretRef={"name": "pull"})
        wrong = await stage.see(OCI_REPOSITORIES, lambda obj: "DENIED" in message(obj, "Ready"))
        await stage.pull_secret("user", "right")
        await stage.poke(OCI_REPOSITORIES, "1")
        ready = await stage.see(OCI_REPOSITORIES, is_ready)

        assert "UNAUTHORIZED" in message(anonymous, "Ready")
        assert "https://ghcr.io/token?scope=repository%3A" in message(wrong, "Ready")
        assert dig(ready, "status", "lastHandledReconcileAt") == "1"

    play(story, registry=_guarded())


def test_a_pull_secret_of_another_type_is_passed_over() -> None:
    """The pull is anonymous then, and nobody says why."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.pull_secret("user", "right", kind="Opaque")
        await stage.source(secretRef={"name": "pull"})
        source = await stage.see(OCI_REPOSITORIES, failed("OCIArtifactPullFailed"))
        assert "UNAUTHORIZED" in message(source, "Ready")

    play(story, registry=_guarded())


def test_a_missing_pull_secret() -> None:
    """That has a reason of its own."""

    async def story(stage: Stage) -> str:
        home = await stage.control_plane()
        await stage.source(secretRef={"name": "pull"})
        source = await stage.see(OCI_REPOSITORIES, failed("AuthenticationFailed"))
        wanted = f"failed to get credential: failed to get secret '{home}/pull': secrets \"pull\" not found"
        assert message(source, "Ready") == wanted
        assert told(source, "FetchFailed") == ("True", "AuthenticationFailed")
        return wanted

    play(story)


def test_nobody_watches_pull_secrets() -> None:
    """A rotated one is noticed at the next interval, or at once when somebody asks for a look."""

    async def story(stage: Stage) -> tuple[float, float]:
        await stage.control_plane()
        await stage.pull_secret("user", "wrong")
        await stage.source(secretRef={"name": "pull"}, interval="10m0s")
        await stage.see(OCI_REPOSITORIES, failed("OCIArtifactPullFailed"))
        await stage.sleep(1800)
        await stage.pull_secret("user", "right")
        written = stage.now
        await stage.sleep(20)
        unnoticed = await stage.read(OCI_REPOSITORIES)
        assert failed("OCIArtifactPullFailed")(unnoticed)
        await stage.poke(OCI_REPOSITORIES, "now")
        await stage.see(OCI_REPOSITORIES, is_ready)
        return written, stage.now

    written, ready = play(story, registry=_guarded())

    assert ready - written < 23


def test_asking_for_a_look_is_recorded_even_if_it_fails() -> None:
    """``lastHandledReconcileAt`` means handled, not well."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source("9.9.9")
        await stage.see(OCI_REPOSITORIES, failed("OCIArtifactPullFailed"))
        await stage.sleep(3600)
        await stage.poke(OCI_REPOSITORIES, "token")
        asked = stage.now
        source = await stage.see(OCI_REPOSITORIES, lambda obj: dig(obj, "status", "lastHandledReconcileAt") == "token")
        assert failed("OCIArtifactPullFailed")(source)
        assert stage.now - asked < 2

    play(story, registry=published())


def test_an_address_that_cannot_be_read() -> None:
    """Stalled: the generation counts as observed, and it is never tried again until it is changed."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source(url="oci://ghcr.io/Upper/Case")
        source = await stage.see(OCI_REPOSITORIES, is_stalled)
        version = source["metadata"]["resourceVersion"]
        await stage.sleep(86_400)
        assert version == (await stage.read(OCI_REPOSITORIES))["metadata"]["resourceVersion"]
        assert observed(source)
        for kind, status in (("Stalled", "True"), ("Ready", "False"), ("FetchFailed", "True")):
            assert told(source, kind) == (status, "URLInvalid")
        assert "Reconciling" not in conditions(source)
        await stage.source()
        await stage.see(OCI_REPOSITORIES, is_ready)

    play(story, bookmark_seconds=3600, watch_seconds=3600)


def test_a_suspended_source_stays_as_it_was() -> None:
    """Only its generation is observed."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source("0.12.0")
        before = await stage.see(OCI_REPOSITORIES, is_ready)
        await stage.source("0.13.0", suspend=True)
        await stage.see(OCI_REPOSITORIES, observed)
        await stage.sleep(3600)
        after = await stage.read(OCI_REPOSITORIES)

        assert generation(after) == 2
        assert after["status"]["conditions"] == before["status"]["conditions"]
        assert after["status"]["artifact"] == before["status"]["artifact"]

    play(story)


def test_a_deleted_source_goes() -> None:
    """It needs nothing but a living source-controller."""

    async def story(stage: Stage) -> None:
        home = await stage.control_plane()
        await stage.source()
        await stage.see(OCI_REPOSITORIES, is_ready)
        await stage.landscape.source_controller.stop()
        await stage.platform.delete(OCI_REPOSITORIES, NAME, home)
        await stage.sleep(3600)
        assert deleting(await stage.read(OCI_REPOSITORIES))
        await stage.landscape.source_controller.start()
        await stage.sleep(1)
        with pytest.raises(NotFound):
            await stage.read(OCI_REPOSITORIES)

    play(story)


def test_a_tag_that_moves_is_noticed() -> None:
    """At the next interval there is a new digest, and a new artifact."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.source()
        before = await stage.see(OCI_REPOSITORIES, is_ready)
        digest = stage.landscape.registry.publish(REPOSITORY, "0.13.0", chart=Chart(version="0.13.0", name="other"))
        after = await stage.see(
            OCI_REPOSITORIES, lambda obj: dig(obj, "status", "artifact", "revision") == f"0.13.0@{digest}"
        )
        assert dig(before, "status", "artifact", "revision") != dig(after, "status", "artifact", "revision")

    play(story)


def test_the_server_refuses_what_flux_would() -> None:
    """Its schema wants an ``oci://`` address and durations as Go writes them."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        for wrong in ({"url": "https://ghcr.io/x"}, {"interval": "1 minute"}, {"interval": "-1m0s"}):
            with pytest.raises(Invalid):
                await stage.source(**wrong)
        assert not list(stage.landscape.platform.objects(SECRETS))

    play(story)
