"""A plan while it is being made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from openmcp_provider.domain.conditions import Finding
from openmcp_provider.domain.objects import Json, Ref, annotations
from openmcp_provider.domain.ownership import Live
from openmcp_provider.domain.plan import Patch, Plan, Step

__all__ = ["Draft"]


@dataclass(slots=True)
class Draft:
    """Collects steps and findings.

    Attributes:
        now: The present.
        steps: In order.
        findings: In order.
        look: The nearest time to look again.
        known: False once something that decides must be read first.
        blocked: True once nothing further may be written in this pass.
    """

    now: datetime
    steps: list[Step] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    look: timedelta | None = None
    known: bool = True
    blocked: bool = False

    def look_at(self, moment: datetime) -> None:
        """Look again at `moment` at the latest; one that has passed is no reason to."""
        if moment > self.now:
            wait = moment - self.now
            self.look = wait if self.look is None else min(self.look, wait)

    def do_at(self, due: datetime, step: Step) -> None:
        """Take a step if it is due, else look again when it is."""
        if due <= self.now:
            self.steps.append(step)
        else:
            self.look_at(due)

    def read_first(self, step: Step) -> None:
        """Read something without which nothing can be decided."""
        self.steps.append(step)
        self.known = False
        self.blocked = True

    def annotate(self, ref: Ref, live: Live, notes: Mapping[str, str], why: str) -> None:
        """Write annotations, unless they are there already."""
        if any(annotations(live.object).get(key) != value for key, value in notes.items()):
            body: Json = {"metadata": {"uid": live.uid, "annotations": notes}}
            self.steps.append(Patch(ref=ref, uid=live.uid, kind="merge", body=body, why=why))

    def find(self, finding: Finding) -> None:
        """Note a finding; one that blocks ends the writing of this pass."""
        self.findings.append(finding)
        self.blocked = self.blocked or finding.blocks

    def plan(self, *, releases: bool = False) -> Plan:
        """Return the plan."""
        return Plan(
            steps=tuple(self.steps), findings=tuple(self.findings), look=self.look, known=self.known, releases=releases
        )
