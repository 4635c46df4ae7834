"""Everything that the tests of situations and deletion make a tenant read."""

import inspect
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from openmcp_provider.domain.plan import Plan
from openmcp_provider.domain.report import Report
from tests.core import (
    test_access_trouble,
    test_author_status,
    test_contested_status,
    test_deletion,
    test_held,
    test_status,
)
from tests.core.world import World

__all__ = ["Told", "everything"]


MODULES = (test_status, test_deletion, test_held, test_access_trouble, test_contested_status, test_author_status)


class Told(NamedTuple):
    """What was written and announced, each once.

    Attributes:
        conditions: Type, status, reason and message.
        events: Type and reason.
    """

    conditions: set[tuple[str, str, str, str]]
    events: set[tuple[str, str]]


def everything() -> Told:
    """Play every situation and return what was told."""
    told = Told(set(), set())
    step = World.step

    def listened(world: World) -> tuple[Plan, Report]:
        plan, report = step(world)
        for item in (report.status or {}).get("conditions", ()):
            told.conditions.add((item["type"], item["status"], item["reason"], item["message"]))
        told.events.update((event.type, event.reason) for event in report.events)
        return plan, report

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(World, "step", listened)
        for play in itertools.chain.from_iterable(map(_plays, MODULES)):
            play()
    return told


def _plays(module: ModuleType) -> Iterator[Callable[[], None]]:
    for name, function in vars(module).items():
        if name.startswith("test_"):
            yield from _calls(function)


def _calls(function: Callable[..., None]) -> Iterator[Callable[[], None]]:
    """Yield the test, once for each of its cases."""
    marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
    names = list(inspect.signature(function).parameters)
    if not marks:
        assert not names, f"{function.__name__} wants fixtures"
        yield function
        return
    for values in marks[0].args[1]:
        given: tuple[Any, ...] = values if len(names) > 1 else (values,)
        yield partial(function, *given)
