"""Mistakes in an author's code at work: contained to the tenant, told, retried with a back-off, never in the way."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from openmcp_provider.domain.objects import ONBOARDING, Json, conditions
from openmcp_provider.domain.plan import Done, Failed, Plan
from openmcp_provider.domain.report import Report
from openmcp_provider.provider import Problem, Provider
from openmcp_provider.runtime.cache import Key
from service_provider_ocm.provider import OcmProvider
from tests.runtime import stage as staging
from tests.runtime.stage import CONFIGS, OCMS, Stage, Watcher, play

PER_TENANT = ("desired", "check_spec", "version", "advise", "status")


class Mood:
    """Decides what one function of the provider does.

    Args:
        function: Which one.
    """

    def __init__(self, function: str) -> None:
        self.function = function
        self.instead: Callable[[], Any] | None = None
        self.only = ""

    def provider(self) -> Provider[Any, Any]:
        """Return a provider whose function answers what this says, for one version only if one is named."""
        well: Callable[..., Any] = getattr(OcmProvider, self.function)

        def answer(provider: Any, *arguments: Any) -> Any:
            if self.instead and self.only in repr(arguments):
                return self.instead()
            return well(provider, *arguments)

        made: Provider[Any, Any] = type("Moody", (OcmProvider,), {self.function: answer})()
        return made


def failing() -> Any:
    """Raise what an author's code may raise."""
    raise LookupError("hunter2")


def undecided() -> Any:
    """Say that nothing can be decided."""
    yield Problem("spec.version", "cannot be looked up", "wait until the catalogue answers")


class Counting(Watcher):
    """Counts passes of one tenant."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.count = 0

    def passed(self, key: Key, plan: Plan, outcome: Done | Failed, told: Report) -> None:
        """Count."""
        self.count += key.name == self.name


def told(status: Json) -> dict[str, Json]:
    """Return the conditions of a status by type."""
    return conditions({"status": status})


async def begun(stage: Stage, *versions: str) -> None:
    """Have tenants a, b ... ask for these versions."""
    await stage.pull_secret()
    await stage.configure(imagePullSecret={"name": "privateregcred"}, pollInterval="1m")
    for name, version in zip("ab", versions, strict=False):
        await stage.tenant(name, version)


@pytest.mark.parametrize("function", PER_TENANT)
def test_a_mistake_is_contained_to_its_tenant(function: str) -> None:
    """One tenant's version hits it: the other becomes Ready; both can leave, and nothing of theirs stays (case 6.4)."""
    mood = Mood(function)
    mood.instead, mood.only = failing, "0.7.0"

    async def story(stage: Stage) -> None:
        await begun(stage, "0.6.0", "0.7.0")
        await stage.ready("a")

        async def is_told() -> bool:
            return "ProviderError" in told(await stage.status("b"))

        await stage.until(is_told)
        found = told(await stage.status("b"))["ProviderError"]
        assert ("True", "Raised") == (found["status"], found["reason"])
        assert f"its function {function} raised LookupError (test_author_mistakes.py, line " in found["message"]
        assert "hunter2" not in str(await stage.get(OCMS, "b", "default", ONBOARDING))
        assert "ProviderError" not in told(await stage.status("a"))
        await stage.delete("a")
        await stage.delete("b")
        await stage.gone("a", "b", within=60.0)
        assert not (await stage.landscape.client("tenant").list(staging.RELEASES)).items

    play(story, stage={"provider": mood.provider()})


@pytest.mark.parametrize("function", [*PER_TENANT, "check_config", "poll", "unmarked"])
def test_deletion_ends_whatever_fails(function: str) -> None:
    """A Ready tenant leaves while the function fails for everybody (case 6.4)."""
    mood = Mood(function)

    async def story(stage: Stage) -> None:
        await begun(stage, "0.6.0")
        await stage.ready("a")
        mood.instead = failing
        await stage.delete("a")
        await stage.gone("a", within=60.0)
        for resource in (staging.RELEASES, staging.SOURCES, staging.ACCESS):
            assert not (await stage.landscape.client("tenant").list(resource)).items

    play(story, stage={"provider": mood.provider()})


def test_it_is_retried_ever_more_rarely_and_over_once_it_works() -> None:
    """A few passes in ten minutes and no request; a tenant is served once the function answers (case 6.4)."""
    mood = Mood("desired")
    mood.instead = failing

    async def story(stage: Stage) -> None:
        stage.watcher = watcher = Counting("a")
        await stage.stop()
        stage.start()
        await begun(stage, "0.6.0")
        await stage.told("a", "raised LookupError")
        await asyncio.sleep(60.0)  # the tenant is counted on the ProviderConfig meanwhile
        since, before = stage.landscape.clock.monotonic(), watcher.count
        await asyncio.sleep(600.0)
        assert watcher.count - before <= 9, watcher.count - before
        assert not stage.requests(since)
        mood.instead = None
        await stage.ready("a", within=330.0)
        assert "ProviderError" not in told(await stage.status("a"))

    play(story, stage={"provider": mood.provider()})


def test_a_new_version_is_never_ready_by_the_old_word() -> None:
    """Ready was said of the generation before: what cannot be decided is not Ready (case 6.4)."""
    mood = Mood("desired")
    mood.only = "0.7.0"

    async def story(stage: Stage) -> None:
        await begun(stage, "0.6.0")
        await stage.ready("a")
        mood.instead = failing
        await stage.ocm("a", "0.7.0")
        status = await stage.told("a", "raised LookupError")
        assert "Progressing" == status["phase"]
        assert "0.6.0" == status["installedVersion"]
        await stage.ocm("a", "0.6.0")
        await stage.ready("a")

    play(story, stage={"provider": mood.provider()})


def test_a_check_of_the_config_that_fails_ends_nothing() -> None:
    """The ProviderConfig says that nobody knows, and a Ready tenant stays Ready (case 6.4)."""
    mood = Mood("check_config")

    async def story(stage: Stage) -> None:
        await begun(stage, "0.6.0")
        await stage.ready("a")
        mood.instead = failing
        await stage.configure(imagePullSecret={"name": "privateregcred"}, pollInterval="2m")

        async def is_told() -> bool:
            return bool(told((await stage.get(CONFIGS, "ocm") or {})["status"])["Valid"]["status"] == "Unknown")

        await stage.until(is_told)
        valid = told((await stage.get(CONFIGS, "ocm") or {})["status"])["Valid"]
        assert "ProviderError" == valid["reason"]
        assert "its function check_config raised LookupError" in valid["message"]
        await asyncio.sleep(30.0)
        assert "Ready" == (await stage.status("a"))["phase"]
        found = told(await stage.status("a"))["ProviderError"]
        assert ("True", "Raised") == (found["status"], found["reason"])

    play(story, stage={"provider": mood.provider()})


def test_a_lookup_that_fails_uninstalls_nothing() -> None:
    """What cannot be decided is neither written nor pruned; what runs stays, and so does Ready (case 2.8)."""
    mood = Mood("desired")

    async def story(stage: Stage) -> None:
        await begun(stage, "0.6.0")
        await stage.ready("a")
        home = stage.landscape.home("a")
        before = await stage.get(staging.RELEASES, "sp-ocm-k8s-toolkit", home)
        mood.instead = undecided
        await stage.stop()
        stage.start()
        await asyncio.sleep(120.0)
        after = await stage.get(staging.RELEASES, "sp-ocm-k8s-toolkit", home)
        assert before
        assert after
        assert [before["metadata"]["uid"], before["spec"]] == [after["metadata"]["uid"], after["spec"]]
        status = await stage.status("a")
        assert "Ready" == status["phase"]
        assert "Undecided" == told(status)["Decided"]["reason"]

    play(story, stage={"provider": mood.provider()})


def test_an_empty_answer_uninstalls_and_is_never_ready() -> None:
    """Nothing wanted is nothing installed, and told as that (case 2.8)."""
    mood = Mood("desired")

    async def story(stage: Stage) -> None:
        await begun(stage, "0.6.0")
        await stage.ready("a")
        mood.instead = tuple
        await stage.stop()
        stage.start()
        status = await stage.told("a", "so nothing is installed")
        assert "Progressing" == status["phase"]
        assert "NothingWanted" == told(status)["Installed"]["reason"]
        assert not (await stage.landscape.client("tenant").list(staging.RELEASES)).items

    play(story, stage={"provider": mood.provider()})
