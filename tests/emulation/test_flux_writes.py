"""What the objects of Flux say between two states at rest, write by write, as it was seen of the real controllers."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from openmcp_adapters.emulation import Chart, Registry
from openmcp_adapters.emulation.charts import ocm_chart
from openmcp_adapters.emulation.schemas import HELM_RELEASES, OCI_REPOSITORIES
from openmcp_provider.domain.objects import Json, conditions, dig, generation
from openmcp_provider.ports import Resource
from tests.emulation.stage import (
    REPOSITORY,
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

SCHEMA = (
    "values don't meet the specifications of the schema(s) in the following chart(s):\n"
    "chart:\n- at '/manager/replicas': got string, want integer\n"
)
TEMPLATE = """chart/templates/deployment.yaml:12:22
  executing "chart/templates/deployment.yaml" at <include "labels" .>:
    error calling include:
chart/templates/_helpers.tpl:5:3
  executing "labels" at <.Values.a.b>:
    nil pointer evaluating interface {}.b"""


class Trace:
    """Keeps every version of an object, with the time of its write."""

    def __init__(self, stage: Stage, resource: Resource) -> None:
        self.versions: list[tuple[float, Json]] = []
        self._stage, self._resource = stage, resource
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            for obj in self._stage.landscape.platform.objects(self._resource):
                if not self.versions or self.versions[-1][1] != obj:
                    self.versions.append((self._stage.now, obj))
            await asyncio.sleep(0.0005)

    def end(self) -> list[tuple[float, Json]]:
        """Stop, and return what was seen."""
        self._task.cancel()
        return self.versions

    def since(self, wanted: Callable[[Json], object]) -> list[tuple[float, Json]]:
        """Stop, and return what was seen from the first version on that is as wanted."""
        seen = self.end()
        first = next(place for place, (_, obj) in enumerate(seen) if wanted(obj))
        return seen[first:]


def refusing(*versions: str, words: str, allowed: Json | None = None) -> Registry:
    """Return a registry with versions of the chart that cannot be rendered, unless with these values."""

    def made(version: str) -> Chart:
        chart = ocm_chart(version)
        return Chart(
            version=version,
            app_version=version,
            selector=chart.selector,
            crds=chart.crds,
            rejects=lambda values: words if version in versions and values != allowed else "",
        )

    return Registry(chart=made)


def _history(release: Json) -> list[tuple[int, str, str]]:
    return [(one["version"], one["status"], one.get("action", "")) for one in dig(release, "status", "history") or ()]


def _observed(obj: Json) -> int:
    return int(dig(obj, "status", "observedGeneration"))


def test_an_install_ends_in_four_writes() -> None:
    """Conditions, history, the end of reconciling, and last the observed generation; all within 40 ms."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        trace = Trace(stage, HELM_RELEASES)
        await stage.see(HELM_RELEASES, is_ready)
        seen = trace.since(lambda obj: told(obj, "Ready")[0] == "True")
        said = [(told(obj, "Reconciling")[0], _history(obj), _observed(obj)) for _, obj in seen]
        deployed = [(1, "deployed", "install")]
        assert said == [("True", [], -1), ("True", deployed, -1), ("", deployed, -1), ("", deployed, 1)]
        assert seen[-1][0] - seen[0][0] <= 0.04

    play(story)


def test_a_release_that_looks_too_early_looks_again_after_half_a_minute() -> None:
    """Woken by Ready it finds the generation unobserved; being asked to look ends the wait."""

    async def story(stage: Stage, asks: bool) -> float:
        await stage.installed()
        began = stage.now
        await stage.source(interval="7m0s")
        await stage.release(interval="7m0s")
        words = "latest generation of object has not been reconciled"
        early = await stage.see(HELM_RELEASES, lambda obj: words in message(obj, "Ready"))
        assert told(early, "Ready") == ("False", "SourceNotReady")
        await stage.see(OCI_REPOSITORIES, lambda obj: is_ready(obj) and generation(obj) == 2)
        if asks:
            await stage.poke(HELM_RELEASES, "now")
        await stage.see(HELM_RELEASES, lambda obj: is_ready(obj) and generation(obj) == 2)
        return stage.now - began

    assert 25 < play(lambda stage: story(stage, asks=False)) < 40
    assert play(lambda stage: story(stage, asks=True)) < 4


def test_an_install_is_tried_again_some_seconds_after_it_was_taken_back() -> None:
    """Until then it says that it failed, that it was uninstalled, and that it is going to be tried again."""

    async def story(stage: Stage) -> None:
        stage.landscape.script("mcp-01").install_failures = 1
        await stage.control_plane()
        await stage.access()
        await stage.source()
        await stage.release()
        trace = Trace(stage, HELM_RELEASES)
        await stage.see(HELM_RELEASES, is_ready)
        seen = trace.since(lambda obj: _history(obj) == [(1, "uninstalling", "uninstall-remediation")])
        (began, back), (again, _) = (
            seen[0],
            next((when, obj) for when, obj in seen if "Running" in message(obj, "Ready")),
        )

        assert told(back, "Ready") == ("False", "InstallFailed")
        assert told(back, "Remediated") == ("True", "UninstallSucceeded")
        assert told(back, "Reconciling") == ("True", "ProgressingWithRetry")
        assert 10 <= again - began <= 13

    play(story)


@pytest.mark.parametrize("words", [SCHEMA, TEMPLATE], ids=["schema", "template"])
def test_an_upgrade_that_cannot_be_rendered(words: str) -> None:
    """Nothing is recorded: only one counter rises, nothing is rolled back, nothing stalls, and it is tried for ever."""

    async def story(stage: Stage) -> None:
        before = await stage.installed("0.12.0")
        await stage.source("0.13.0")
        first = await stage.see(HELM_RELEASES, lambda obj: failed("UpgradeFailed")(obj) and dig(obj, *FAILURES) == 1)
        await stage.sleep(3600)
        later = await stage.see(HELM_RELEASES, failed("UpgradeFailed"))

        for release in (first, later):
            assert dig(release, "status", "history") == dig(before, "status", "history")
            assert observed(release)
            assert {"upgradeFailures", "installFailures"}.isdisjoint(release["status"])
            assert not {"Stalled", "Remediated"} & conditions(release).keys()
            assert told(release, "Reconciling") == ("True", "Progressing")
            assert told(release, "Released") == ("False", "UpgradeFailed")
            assert message(release, "Ready").endswith(f": {words.strip()}")
        assert 8 <= dig(later, *FAILURES) <= 20
        assert stage.records() == [("1", "deployed")]
        await stage.source("0.14.0")
        await stage.see(HELM_RELEASES, lambda obj: is_ready(obj) and len(_history(obj)) == 2)

    play(story, registry=refusing("0.13.0", words=words))


def test_values_that_cannot_be_rendered_are_not_observed() -> None:
    """Where the spec changed, the observed generation stays behind until the values are right."""

    async def story(stage: Stage) -> None:
        await stage.installed("0.13.0", values={"a": 1})
        await stage.release(values={"a": "one"})
        release = await stage.see(HELM_RELEASES, lambda obj: failed("UpgradeFailed")(obj) and dig(obj, *FAILURES))
        assert (generation(release), _observed(release)) == (2, 1)
        await stage.release(values={"a": 1})
        well = await stage.see(HELM_RELEASES, is_ready)
        assert _history(well) == [(1, "deployed", "install")]

    play(story, registry=refusing("0.13.0", words=SCHEMA, allowed={"a": 1}))


def test_an_install_that_cannot_be_rendered() -> None:
    """There is no record and no history, and another version is installed, not upgraded to."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        await stage.access()
        await stage.source("0.13.0")
        await stage.release()
        release = await stage.see(HELM_RELEASES, lambda obj: failed("InstallFailed")(obj) and dig(obj, *FAILURES))
        await stage.sleep(600)
        assert not _history(release)
        assert not stage.records()
        assert dig(release, "status", "storageNamespace")
        assert _observed(release) == -1
        await stage.source("0.14.0")
        well = await stage.see(HELM_RELEASES, is_ready)
        assert _history(well) == [(1, "deployed", "install")]

    play(story, registry=refusing("0.13.0", words=TEMPLATE))


def test_a_rollback_disturbs_the_history() -> None:
    """What failed loses its digest and its action, and the order is not that of the revisions."""

    async def story(stage: Stage) -> None:
        await stage.installed("0.12.0")
        stage.landscape.script("mcp-01").upgrade_failures = float("inf")
        await stage.source("0.13.0")
        release = await stage.see(HELM_RELEASES, is_stalled)
        versions = [version for version, _, _ in _history(release)]
        assert versions != sorted(versions, reverse=True)
        assert versions[0] == 9
        lost = [one for one in release["status"]["history"] if one["status"] == "failed"]
        assert lost
        assert all("ociDigest" not in one and "action" not in one for one in lost)

    play(story, delays=quick())


def test_a_release_says_so_before_it_vanishes() -> None:
    """The last that is read of it is that it is not ready, for it was uninstalled."""

    async def story(stage: Stage) -> None:
        await stage.installed()
        trace = Trace(stage, HELM_RELEASES)
        await stage.delete_release()
        await stage.release_gone()
        last = trace.end()[-1][1]
        assert told(last, "Ready") == told(last, "Released") == ("False", "UninstallSucceeded")

    play(story)


def test_an_artifact_server_that_is_down() -> None:
    """For over a minute it fulfils prerequisites, while Ready stays True."""

    async def story(stage: Stage) -> None:
        await stage.installed("0.12.0")
        stage.landscape.script("mcp-01").delays.load = 75.0
        await stage.source("0.13.0")
        await stage.see(OCI_REPOSITORIES, lambda obj: is_ready(obj) and generation(obj) == 2)
        await stage.sleep(60)
        release = await stage.read(HELM_RELEASES)
        assert told(release, "Ready") == ("True", "InstallSucceeded")
        assert message(release, "Reconciling") == "Fulfilling prerequisites"
        await stage.see(HELM_RELEASES, lambda obj: told(obj, "Ready") == ("True", "UpgradeSucceeded"))

    play(story)


@pytest.mark.parametrize("login", [None, ("me", "wrong")])
def test_a_registry_that_takes_passwords_says_the_same_for_wrong_ones_and_none(login: tuple[str, str] | None) -> None:
    """Unauthorized, with Docker's detail about the scope."""

    async def story(stage: Stage) -> None:
        await stage.control_plane()
        if login:
            await stage.pull_secret(*login)
        spec: dict[str, Any] = {"secretRef": {"name": "pull"}} if login else {}
        await stage.source(**spec)
        source = await stage.see(OCI_REPOSITORIES, failed("OCIArtifactPullFailed"))
        repository = REPOSITORY.partition("/")[2]
        assert message(source, "Ready").endswith(
            "/manifests/0.13.0: UNAUTHORIZED: authentication required; "
            f"[map[Action:pull Class: Name:{repository} Type:repository]]"
        )

    play(story, registry=Registry(credentials={"ghcr.io": ("me", "right")}, basic={"ghcr.io"}))


FAILURES: tuple[Any, ...] = ("status", "failures")
