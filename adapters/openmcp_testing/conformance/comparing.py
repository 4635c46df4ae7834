"""Comparing two clusters: the same sequences to both, and the first that they do not agree about, made short."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from typing import Any

from openmcp_testing.conformance.playing import Played, Stage, play
from openmcp_testing.conformance.requests import Op
from openmcp_testing.conformance.sequences import sequence
from openmcp_testing.conformance.shrinking import smaller

__all__ = ["Disagreement", "Pair", "Report", "conformance"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """Where two clusters first differ in a sequence.

    Attributes:
        seed: Of the sequence.
        ops: The sequence, as far as it is needed.
        step: The request whose answers differ; one past the last: what is there at the end differs.
        left: What the one made of it.
        right: What the other made of it.
    """

    seed: int
    ops: tuple[Op, ...]
    step: int
    left: Any
    right: Any

    def __str__(self) -> str:
        """Tell it to people."""
        asked = [f"{'->' if at == self.step else '  '} {at}: {op}" for at, op in enumerate(self.ops)]
        if self.step == len(self.ops):
            asked.append("-> what is there at the end, and what the watches told")
        diff = unified_diff(_lines(self.left), _lines(self.right), "left", "right", lineterm="", n=3)
        return "\n".join((f"seed {self.seed}, request {self.step}:", *asked, *diff))


@dataclass(slots=True, kw_only=True)
class Report:
    """What a comparison came to.

    Attributes:
        sequences: How many were played.
        requests: How many requests each of the two clusters had, apart from cleaning up.
        answers: How often each verb had each outcome.
        disagreement: The first one found, made short.
    """

    sequences: int = 0
    requests: int = 0
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    disagreement: Disagreement | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two clusters, and a namespace on each in which nothing else happens."""

    left: Stage
    right: Stage
    spaces: tuple[str, str]

    @classmethod
    async def of(cls, left: Stage, right: Stage) -> "Pair":
        """Make a namespace on both and return the pair."""
        return cls(left, right, (await left.another_namespace(), await right.another_namespace()))

    async def play(self, ops: Sequence[Op]) -> tuple[Played, Played]:
        """Play a sequence on both."""
        one, other = self.spaces
        return await play(self.left, one, ops), await play(self.right, other, ops)

    async def compare(self, seed: int, ops: Sequence[Op]) -> Disagreement | None:
        """Play a sequence on both, and return where they first differ, if they do."""
        return first_disagreement(seed, ops, *await self.play(ops))

    async def shrunk(self, found: Disagreement) -> Disagreement:
        """Return the disagreement with as few requests, and as little in them, as show one."""
        shorter: Disagreement | None = replace(found, ops=found.ops[: found.step + 1])
        while shorter:
            found, shorter = shorter, None
            for ops in smaller(found.ops):
                if shorter := await self.compare(found.seed, ops):
                    break
        return found


async def conformance(left: Stage, right: Stage, seeds: Iterable[int], *, lanes: int = 8) -> Report:
    """Ask two clusters the same, and compare what they answer and what is there at the end.

    Args:
        left: The one, usually the cluster in question.
        right: The other, usually a real server.
        seeds: What to ask; each stands for one sequence of requests, the same wherever it is played.
        lanes: How many sequences run beside each other, each in a namespace of its own.

    Returns:
        A report; the first disagreement ends the comparison.
    """
    report = Report()
    waiting = iter(seeds)

    async def lane() -> None:
        pair = await Pair.of(left, right)
        for seed in waiting:
            if report.disagreement:
                return
            ops = sequence(seed)
            one, other = await pair.play(ops)
            report.sequences += 1
            report.requests += one.requests
            report.answers.update((op.verb, answer.outcome) for op, answer in zip(ops, one.answers, strict=True))
            found = first_disagreement(seed, ops, one, other)
            if found and not report.disagreement:
                report.disagreement = found
                report.disagreement = await pair.shrunk(found)

    await asyncio.gather(*(lane() for _ in range(lanes)))
    return report


def first_disagreement(seed: int, ops: Sequence[Op], one: Played, other: Played) -> Disagreement | None:
    """Return where two clusters first differ in what they made of a sequence, if they do."""
    for step, (left, right) in enumerate(zip(one.answers, other.answers, strict=True)):
        if not _same(left, right):
            return Disagreement(seed=seed, ops=tuple(ops), step=step, left=left, right=right)
    if not _same(one.end, other.end):
        return Disagreement(seed=seed, ops=tuple(ops), step=len(ops), left=one.end, right=other.end)
    return None


def _lines(value: object) -> list[str]:
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False).splitlines()


def _same(one: object, other: object) -> bool:
    """Tell whether two answers are equal; unlike in Python, true is not 1, and 1 is not 1.0."""
    return one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
