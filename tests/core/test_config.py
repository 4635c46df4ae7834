"""What the platform operator reads on the ProviderConfig."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider.domain.conditions import EVENT_LIMIT, Condition
from openmcp_provider.domain.config import absent, announcement, judge, judge_references, report_config, said
from openmcp_provider.domain.copies import DOCKER_CONFIG, Source, source_of
from openmcp_provider.domain.objects import Json, conditions
from openmcp_provider.provider import Problem, Reference
from service_provider_ocm import PROVIDER

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CONFIG = {"metadata": {"name": "ocm", "generation": 3}, "spec": {}}
PROBLEMS = [
    Problem("spec.pollInterval", '"1 day" is not a duration', 'write "1m"'),
    Problem("spec.chartURL", "has a tag", "leave it away"),
]
VALID, INVALID = judge(()), judge(PROBLEMS)
PULL_SECRET = Reference("spec.imagePullSecret.name", "login", type=DOCKER_CONFIG)


def told(status: Json | None) -> Any:
    """Return the condition that a status has."""
    assert status is not None
    return conditions({"status": status})["Valid"]


def secret(content: bytes, kind: str = DOCKER_CONFIG, key: str = ".dockerconfigjson") -> Source:
    """Return a Secret as it is known."""
    data = {key: base64.b64encode(content).decode()}
    return source_of({"kind": "Secret", "type": kind, "metadata": {"name": "login"}, "data": data})


def judged(found: Source | str | None, *more: Reference) -> Condition | None:
    """Return what is said of a ProviderConfig that names a Secret."""
    return judge_references("ocm", "openmcp-system", (PULL_SECRET, *more), lambda _: found)


def test_every_problem_is_told() -> None:
    """An invalid ProviderConfig says all that is wrong with it, where, and what would be right."""
    found = told(report_config(CONFIG, INVALID, NOW, tenants=0))
    assert ("False", "Invalid", 3) == (found["status"], found["reason"], found["observedGeneration"])
    assert all(str(problem) in found["message"] for problem in PROBLEMS)


def test_a_valid_one_says_so_once() -> None:
    """What was told already is not written again, and the time moves only with the status."""
    status = report_config(CONFIG, VALID, NOW, tenants=2)
    later = NOW + timedelta(hours=1)
    assert report_config({**CONFIG, "status": status}, VALID, later, tenants=2) is None
    broken = report_config({**CONFIG, "status": status}, judge(PROBLEMS[:1]), later, tenants=2)
    again = report_config({**CONFIG, "status": broken}, INVALID, later + timedelta(hours=1), tenants=2)
    times = [told(one)["lastTransitionTime"] for one in (status, broken, again)]
    assert ["2026-06-01T00:00:00Z", "2026-06-01T01:00:00Z", "2026-06-01T01:00:00Z"] == times


def test_others_conditions_stay() -> None:
    """Only our own condition is touched."""
    theirs = {"type": "Audited", "status": "True"}
    status = report_config({**CONFIG, "status": {"conditions": [theirs], "more": 1}}, VALID, NOW, tenants=0)
    assert status is not None
    assert theirs in status["conditions"]
    assert status["more"] == 1


def test_how_many_tenants_follow_it_is_told() -> None:
    """A count is a number, and changes nothing else."""
    before = report_config(CONFIG, VALID, NOW, tenants=0)
    after = report_config({**CONFIG, "status": before}, VALID, NOW + timedelta(hours=1), tenants=7)
    assert before is not None
    assert {**before, "tenants": 7} == after


@given(st.lists(st.tuples(st.text(), st.text(), st.text()).map(lambda parts: Problem(*parts)), min_size=1))
def test_an_event_is_what_the_server_takes(problems: list[Problem]) -> None:
    """Whatever an author says is wrong, the Event of it and the condition have an end."""
    condition = judge(problems)
    event = announcement("ocm", None, condition)
    assert event is not None
    assert len(event.message.encode()) <= EVENT_LIMIT
    assert len(condition.message) <= 32768


def test_a_quoted_value_has_an_end() -> None:
    """A megabyte for an interval: the path, why, and what would be right are told all the same (case 5.5)."""
    config = PROVIDER.config(poll_interval="9" * 1_000_000)
    event = announcement("ocm", None, judge(PROVIDER.check_config(config)))
    assert event is not None
    start = 'ProviderConfig "ocm" is invalid: spec.pollInterval: "999'
    assert (True, True) == (event.message.startswith(start), len(event.message) < 600)
    assert '9" is not a duration; write numbers with units h, m, s or ms, such as "1m" or "1m30s".' in event.message


def test_no_more_than_ten_problems_are_told() -> None:
    """The rest is counted."""
    condition = judge([Problem(f"spec.values[{at}]", "is wrong", "correct it") for at in range(12)])
    assert "spec.values[9]" in condition.message
    assert condition.message.endswith("correct it and 2 more. Running tenants stay as they are.")


@pytest.mark.parametrize(
    ("found", "status", "reason", "words"),
    [
        (
            None,
            "False",
            "PullSecretNotFound",
            "is missing: the platform operator must create it, of type kubernetes.io/dockerconfigjson.",
        ),
        (
            secret(b"{}", "Opaque"),
            "False",
            "PullSecretInvalid",
            (
                'cannot be used: it is of type "Opaque" and must be of type "kubernetes.io/dockerconfigjson"; '
                "the platform operator must correct it."
            ),
        ),
        (
            secret(b"{}", key="config.json"),
            "False",
            "PullSecretInvalid",
            'cannot be used: it has no key ".dockerconfigjson"; the platform operator must correct it.',
        ),
        (
            secret(b"hunter2"),
            "False",
            "PullSecretInvalid",
            'cannot be used: the value of ".dockerconfigjson" is not JSON; the platform operator must correct it.',
        ),
        (
            secret(b"[]"),
            "False",
            "PullSecretInvalid",
            (
                'cannot be used: the value of ".dockerconfigjson" is not a JSON object; '
                "the platform operator must correct it."
            ),
        ),
        ("Forbidden; this is retried", "Unknown", "PullSecretUnknown", "cannot be read: Forbidden; this is retried."),
    ],
)
def test_what_is_wrong_with_a_secret(found: Source | str | None, status: str, reason: str, words: str) -> None:
    """It is named, with where it is named, who acts, and what happens then, and no byte of it is shown (case 5.5)."""
    start = 'Secret openmcp-system/login, named by spec.imagePullSecret.name of ProviderConfig "ocm",'
    message = f"{start} {words} Running tenants stay as they are; the rest continues automatically."
    assert Condition("Valid", "False" if status == "False" else "Unknown", reason, message) == judged(found)
    event = announcement("ocm", VALID, Condition("Valid", "False", reason, message))
    assert event is not None
    assert ("Warning", reason, message) == event
    assert "hunter2" not in message


def test_what_is_named_and_fine_is_not_told() -> None:
    """A Secret that can be used is no problem, and one that is named twice is told once."""
    again = Reference("spec.values.manager.imagePullSecrets[0].name", "login", type=DOCKER_CONFIG)
    assert judged(secret(b"{}"), again) is None
    found = judged(None, again)
    assert found is not None
    assert 1 == found.message.count("is missing")


def test_a_configmap_is_told_as_one() -> None:
    """What is named need not be a Secret, nor of any type."""
    found = judge_references("x", "ns", [Reference("spec.settings", "sizes", "ConfigMap")], lambda _: None)
    assert found is not None
    assert "ConfigMapNotFound" == found.reason
    assert found.message.startswith(
        'ConfigMap ns/sizes, named by spec.settings of ProviderConfig "x", is missing: '
        "the platform operator must create it. "
    )


def test_an_event_tells_of_a_change_alone() -> None:
    """What is said already is not announced again, and what was always valid not at all (case 5.5)."""
    assert announcement("ocm", None, VALID) is None
    assert announcement("ocm", VALID, VALID) is None
    assert announcement("ocm", INVALID, INVALID) is None
    assert announcement("ocm", VALID._replace(message="Other words."), VALID) is None
    broken, other = announcement("ocm", VALID, INVALID), announcement("ocm", INVALID, judge(PROBLEMS[:1]))
    assert broken is not None
    assert ("Warning", "ProviderConfigInvalid") == broken[:2]
    assert broken.message.startswith('ProviderConfig "ocm" is invalid: spec.pollInterval: "1 day" is not a duration;')
    assert other is not None
    assert ("Normal", "ProviderConfigValid", 'ProviderConfig "ocm" is valid.') == announcement("ocm", INVALID, VALID)


def test_what_is_said_is_read_again() -> None:
    """After a restart the condition tells what was said."""
    status = report_config(CONFIG, INVALID, NOW, tenants=0)
    assert said(CONFIG) is None
    assert said({**CONFIG, "status": status}) == INVALID


def test_a_missing_one_is_named() -> None:
    """Of others there are, which may have been meant, the first are named."""
    start = (
        'No ProviderConfig found: the platform operator must create ProviderConfig "ocm" '
        "(ocm.services.openmcp.cloud/v1alpha1) on the platform. Running tenants stay as they are."
    )
    assert start == absent(PROVIDER.edition, "ocm", ()).message
    hint = f"{start} What is there under another name is not followed: ocmm."
    assert hint == absent(PROVIDER.edition, "ocm", ["ocmm"]).message
    many = absent(PROVIDER.edition, "ocm", [f"x{at}" for at in range(10, 30)]).message
    assert many.endswith("x18, x19 and 10 more.")
