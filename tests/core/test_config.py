"""What the platform operator reads on the ProviderConfig."""

from datetime import UTC, datetime, timedelta

from openmcp_provider.domain.config import report_config
from openmcp_provider.domain.objects import conditions
from openmcp_provider.provider import Problem

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CONFIG = {"metadata": {"name": "ocm", "generation": 3}, "spec": {}}
PROBLEMS = [
    Problem("spec.pollInterval", '"1 day" is not a duration', 'write "1m"'),
    Problem("spec.chartURL", "has a tag", "leave it away"),
]


def test_every_problem_is_told() -> None:
    """An invalid ProviderConfig says all that is wrong with it, where, and what would be right."""
    status = report_config(CONFIG, PROBLEMS, NOW)
    assert status is not None
    told = conditions({"status": status})["Valid"]
    assert ("False", "Invalid", 3) == (told["status"], told["reason"], told["observedGeneration"])
    assert all(str(problem) in told["message"] for problem in PROBLEMS)


def test_a_valid_one_says_so_once() -> None:
    """What was told already is not written again, and the time moves only with the status."""
    status = report_config(CONFIG, (), NOW)
    assert status is not None
    later = NOW + timedelta(hours=1)
    assert report_config({**CONFIG, "status": status}, (), later) is None
    broken = report_config({**CONFIG, "status": status}, PROBLEMS[:1], later)
    assert broken is not None
    again = report_config({**CONFIG, "status": broken}, PROBLEMS, later + timedelta(hours=1))
    assert again is not None
    times = [conditions({"status": one})["Valid"]["lastTransitionTime"] for one in (status, broken, again)]
    assert ["2026-06-01T00:00:00Z", "2026-06-01T01:00:00Z", "2026-06-01T01:00:00Z"] == times


def test_others_conditions_stay() -> None:
    """Only our own condition is touched."""
    theirs = {"type": "Audited", "status": "True"}
    status = report_config({**CONFIG, "status": {"conditions": [theirs], "more": 1}}, (), NOW)
    assert status is not None
    assert theirs in status["conditions"]
    assert status["more"] == 1


def test_how_many_tenants_follow_it_is_told() -> None:
    """A count changes one condition, none of the others, and saying nothing new leaves it there."""
    message = {0: "No tenant follows it.", 1: "1 tenant follows it.", 7: "7 tenants follow it."}
    status = None
    for count, text in message.items():
        status = report_config({**CONFIG, "status": status or {}}, (), NOW, followers=count)
        assert status is not None
        told = conditions({"status": status})
        assert (text, "Every field can be used.") == (told["InUse"]["message"], told["Valid"]["message"])
    assert report_config({**CONFIG, "status": status}, (), NOW) is None
    assert report_config({**CONFIG, "status": status}, (), NOW, followers=7) is None
