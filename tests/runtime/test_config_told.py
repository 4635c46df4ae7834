"""What the platform operator reads on the ProviderConfig, in its Events, and hears of it."""

import asyncio
import base64
from typing import Any

import pytest

from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.objects import PLATFORM, Json
from openmcp_provider.ports import Resource
from tests.runtime.stage import CONFIGS, SECRETS, SYSTEM, Stage, play
from tests.runtime.test_states import condition

EVENTS = Resource("events.k8s.io/v1", "Event", "events")
INVALID = (
    'ProviderConfig "ocm" is invalid: spec.pollInterval: "1 day" is not a duration; write numbers with units '
    'h, m, s or ms, such as "1m" or "1m30s". Running tenants stay as they are.'
)
VALID = 'ProviderConfig "ocm" is valid.'
LOGIN = 'Secret openmcp-system/login, named by spec.imagePullSecret.name of ProviderConfig "ocm",'
REST = "Running tenants stay as they are; the rest continues automatically."
SECRET_BYTES = "aHVudGVyMg"


async def events(stage: Stage) -> list[Event]:
    """Return the Events about the ProviderConfig, in order."""
    page = await stage.landscape.client("operator-person").list(EVENTS, namespace="default")
    found = sorted(page.items, key=lambda event: str(event["eventTime"]))
    assert all(event["regarding"]["kind"] == "ProviderConfig" for event in found)
    assert all("namespace" not in event["regarding"] for event in found)
    return [Event(event["type"], event["reason"], event["note"]) for event in found]


def heard(stage: Stage) -> list[Event]:
    """Return what there was to log."""
    return stage.watcher.configs


async def config(stage: Stage) -> Json:
    """Return the status of the ProviderConfig."""
    found = await stage.get(CONFIGS, "ocm")
    assert found is not None
    status: Json = found["status"]
    return status


async def begin(stage: Stage, **spec: Any) -> None:
    """Have a ProviderConfig before the controller starts."""
    await stage.stop()
    await stage.configure(**spec)
    stage.watcher.configs.clear()
    stage.start()


async def unusable_secret(stage: Stage) -> None:
    """Write a Secret of the wrong type under the name that the ProviderConfig has."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "login", "namespace": SYSTEM},
        "type": "Opaque",
        "data": {"login": base64.b64encode(SECRET_BYTES.encode()).decode()},
    }
    await stage.landscape.client("operator-person").create(SECRETS, manifest)


def writes(stage: Stage, since: float) -> dict[tuple[str, str], int]:
    """Count writes to the ProviderConfig and of Events on the platform."""
    found = stage.requests(since)
    return {
        (verb, kind): count
        for (cluster, verb, kind), count in found.items()
        if cluster == PLATFORM and kind.partition("/")[0] in ("Event", "ProviderConfig") and verb != "list"
    }


def test_an_invalid_one_is_told_once() -> None:
    """One log line and one Warning Event with the cause for fifty tenants, no other after a restart (case 5.5)."""

    async def story(stage: Stage) -> None:
        await begin(stage)
        for at in range(50):
            await stage.tenant(f"t{at}")
        await stage.ready(*[f"t{at}" for at in range(50)])
        await asyncio.sleep(60.0)
        assert ([], []) == (await events(stage), heard(stage))
        await stage.configure(pollInterval="1 day")
        await asyncio.sleep(60.0)
        warning = ("Warning", "ProviderConfigInvalid", INVALID)
        assert [warning] == await events(stage) == heard(stage)
        await stage.stop()
        stage.start()
        await asyncio.sleep(60.0)
        assert [warning] == await events(stage)
        assert [warning] * 2 == heard(stage)  # each process says so in its own log
        await stage.configure(pollInterval="2 days")
        await asyncio.sleep(1.0)
        other = ("Warning", "ProviderConfigInvalid", INVALID.replace("1 day", "2 days"))
        assert [warning, other] == await events(stage)
        await stage.configure(pollInterval="1m")
        await asyncio.sleep(1.0)
        assert [warning, other, ("Normal", "ProviderConfigValid", VALID)] == await events(stage)
        assert [warning, warning, other, ("Normal", "ProviderConfigValid", VALID)] == heard(stage)

    play(story)


def test_a_restart_tells_what_was_repaired_meanwhile() -> None:
    """What the condition said last counts, whoever said it (case 5.5)."""

    async def story(stage: Stage) -> None:
        await stage.configure(pollInterval="1 day")
        await asyncio.sleep(5.0)
        await stage.stop()
        stage.watcher.configs.clear()
        await stage.configure(pollInterval="1m")
        stage.start()
        await asyncio.sleep(5.0)
        assert ("True", "Valid") == condition(await config(stage), "Valid")
        assert [("Normal", "ProviderConfigValid", VALID)] == heard(stage)
        assert [("Normal", "ProviderConfigValid", VALID)] == (await events(stage))[1:]

    play(story)


@pytest.mark.parametrize("path", ["imagePullSecret", "values"])
def test_a_secret_it_names_is_missing_then_unusable_then_right(path: str) -> None:
    """The condition, one Event and one log line name it, where, why, and who acts, with no byte of it (case 5.5)."""

    async def story(stage: Stage) -> None:
        spec: dict[str, Any] = {"imagePullSecret": {"name": "login"}}
        where = "spec.imagePullSecret.name"
        if path == "values":
            spec = {"values": {"manager": {"imagePullSecrets": [{"name": "other"}, {"name": "login"}]}}}
            where = "spec.values.manager.imagePullSecrets[1].name"
            await stage.pull_secret("other")
        login = LOGIN.replace("spec.imagePullSecret.name", where)
        await begin(stage, **spec)
        kind = "kubernetes.io/dockerconfigjson"
        lacking = ("PullSecretNotFound", f"is missing: the platform operator must create it, of type {kind}")
        expected = [("Warning", lacking[0], f"{login} {lacking[1]}. {REST}")]
        await asyncio.sleep(5.0)
        assert ("False", lacking[0]) == condition(await config(stage), "Valid")
        assert expected == await events(stage) == heard(stage)
        await unusable_secret(stage)
        await asyncio.sleep(5.0)
        assert ("False", "PullSecretInvalid") == condition(await config(stage), "Valid")
        flaw = f'cannot be used: it is of type "Opaque" and must be of type "{kind}"'
        flaw += "; the platform operator must correct it"
        expected.append(("Warning", "PullSecretInvalid", f"{login} {flaw}. {REST}"))
        assert expected == await events(stage) == heard(stage)
        await stage.landscape.client("operator-person").delete(SECRETS, "login", SYSTEM)
        await stage.pull_secret("login")
        await asyncio.sleep(5.0)
        assert ("True", "Valid") == condition(await config(stage), "Valid")
        assert ("Normal", "ProviderConfigValid", VALID) == (await events(stage))[-1] == heard(stage)[-1]
        told = str([await config(stage), await events(stage), heard(stage)])
        assert SECRET_BYTES not in told
        assert base64.b64encode(SECRET_BYTES.encode()).decode() not in told

    play(story)


def test_a_secret_that_goes_is_told_while_tenants_stay_ready() -> None:
    """Nobody's Ready is touched, and the ProviderConfig says what is missing (case 5.5)."""

    async def story(stage: Stage) -> None:
        await stage.pull_secret("login")
        await stage.configure(imagePullSecret={"name": "login"})
        await stage.tenant("a")
        await stage.ready("a")
        await stage.landscape.client("operator-person").delete(SECRETS, "login", SYSTEM)
        await asyncio.sleep(10.0)
        assert ("False", "PullSecretNotFound") == condition(await config(stage), "Valid")
        status = await stage.status("a")
        assert ("Ready", ("True", "ReconcileSuccess")) == (status["phase"], condition(status, "Ready"))
        await stage.pull_secret("login")
        await asyncio.sleep(10.0)
        assert ("True", "Valid") == condition(await config(stage), "Valid")

    play(story)


def test_tenants_are_counted_without_a_storm() -> None:
    """A hundred tenants that come cost a few writes, a restart and five steady minutes none (case 5.5)."""

    async def story(stage: Stage) -> None:
        await stage.configure()
        await asyncio.sleep(1.0)
        assert 0 == (await config(stage))["tenants"]
        since = asyncio.get_running_loop().time()
        for at in range(100):
            await stage.tenant(f"t{at}")
        await stage.ready(*[f"t{at}" for at in range(100)])
        await asyncio.sleep(60.0)
        assert 100 == (await config(stage))["tenants"]
        paced = writes(stage, since)
        assert {("patch", "ProviderConfig/status")} == paced.keys()
        assert paced["patch", "ProviderConfig/status"] <= 1 + (asyncio.get_running_loop().time() - since) / 30.0
        since = asyncio.get_running_loop().time()
        await stage.stop()
        stage.start()
        await asyncio.sleep(300.0)
        assert {} == writes(stage, since)
        await stage.delete("t0")
        await stage.gone("t0")
        await asyncio.sleep(31.0)
        assert (99, {("patch", "ProviderConfig/status"): 1}) == ((await config(stage))["tenants"], writes(stage, since))

    play(story)


def test_without_one_it_is_said_who_acts() -> None:
    """None, one of another name, and one that is renamed: each is told once, and what is right again too (case 5.5)."""

    async def story(stage: Stage) -> None:
        none = (
            'No ProviderConfig found: the platform operator must create ProviderConfig "ocm" '
            "(ocm.services.openmcp.cloud/v1alpha1) on the platform. Running tenants stay as they are."
        )
        await stage.tenant("a")
        await asyncio.sleep(120.0)
        assert [("Warning", "ProviderConfigNotFound", none)] == heard(stage)
        await stage.configure()
        await stage.ready("a")
        assert [("Normal", "ProviderConfigValid", VALID)] == heard(stage)[1:]
        person = stage.landscape.client("operator-person")
        manifest = {"apiVersion": CONFIGS.api_version, "kind": "ProviderConfig", "metadata": {"name": "ocmm"}}
        await person.create(CONFIGS, {**manifest, "spec": {}})
        await person.delete(CONFIGS, "ocm")
        await asyncio.sleep(120.0)
        hint = f"{none} What is there under another name is not followed: ocmm."
        assert [("Warning", "ProviderConfigNotFound", hint)] == heard(stage)[2:]
        other = await stage.get(CONFIGS, "ocmm")
        assert other is not None
        assert "status" not in other
        assert [] == await events(stage)
        assert "Ready" == (await stage.status("a"))["phase"]

    play(story)
