from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from openmcp_provider.provider import Problem
from openmcp_provider_cli.examine import examine


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Something with required fields of two types."""

    name: str
    count: int
    size: int = 0


def check(spec: Spec) -> Iterable[Problem]:
    """Refuse what is negative."""
    if spec.count < 0:
        yield Problem("spec.count", "is negative", "write a positive number")
    if spec.size < 0:
        yield Problem("spec.size", "is negative", "write a positive number")


@pytest.mark.parametrize(
    ("raw", "paths", "left"),
    [
        ({"name": "a", "count": 1}, [], Spec(name="a", count=1)),
        ({"name": "a", "count": 1, "size": -1}, ["spec.size"], Spec(name="a", count=1)),
        ({"count": 1, "size": "x"}, ["spec.name", "spec.size"], Spec(name="0", count=1)),
        ({"name": 5, "count": 1, "size": -1}, ["spec.name", "spec.size"], Spec(name="0", count=1)),
        ({"name": "a", "count": 1, "siez": 1}, ["spec.siez"], Spec(name="a", count=1)),
        ({"name": "a", "count": "x"}, ["spec.count"], None),
        ({"name": "a", "count": -1, "size": -1}, ["spec.count", "spec.size"], None),
        (None, ["spec"], None),
    ],
)
def test_what_is_left(raw: object, paths: list[str], left: Spec | None) -> None:
    """Every problem is found once, and what has none can still be looked at, as far as a spec can be made of it."""
    found = examine(Spec, check, raw)

    assert [problem.path for problem in found.problems] == paths
    assert found.value == left
