"""What to tell: the status after a pass, and the events that announce a change.

A pure function of what was seen, planned and done. The status of before takes part only in when something changed,
and in
keeping words where nothing did.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from openmcp_provider.domain import standing
from openmcp_provider.domain.assess import Assessment, assess
from openmcp_provider.domain.author import OWN_STATUS, Contained, NoAnswer, ProviderMistake, contained
from openmcp_provider.domain.blocking import cleaning
from openmcp_provider.domain.compare import same
from openmcp_provider.domain.conditions import FALSE, TRUE, Condition, Event, Finding, cut
from openmcp_provider.domain.contested import CONDITION as STABLE
from openmcp_provider.domain.desired import Desired, desired
from openmcp_provider.domain.failure import finding_of
from openmcp_provider.domain.items import COPY_CONDITIONS
from openmcp_provider.domain.objects import Json, conditions, deleting, generation
from openmcp_provider.domain.plan import Done, Failed, Plan
from openmcp_provider.domain.reconcile import config_problems, marked_owner, spec_problems, tenant_of
from openmcp_provider.domain.snapshot import Snapshot, Valid
from openmcp_provider.domain.standing import Stage
from openmcp_provider.domain.status import says_ready, stamped
from openmcp_provider.domain.unanswered import mistake_condition
from openmcp_provider.domain.versions import same_version
from openmcp_provider.provider import Advice, Provider

__all__ = ["Report", "report"]

S = TypeVar("S")
C = TypeVar("C")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What to write.

    Attributes:
        status: The whole status; None = leave it as it is.
        events: To record, in order.
        mistake: What was wrong with the author's code while this was put together; None = nothing.
    """

    status: Json | None = None
    events: tuple[Event, ...] = ()
    mistake: ProviderMistake | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What is to be seen of a tenant, whatever the pass did.

    Attributes:
        wanted: What should be there, None where spec or config forbid to know.
        health: How the written objects do.
        facts: Conditions that hold unless something found says otherwise.
        title: What tenants call the thing.
        version: What the tenant asked for, empty where that is not known.
        extra: The author's own status fields.
        advice: The author's own conditions.
        mistake: The first thing that was wrong with the author's code; None = nothing.
    """

    wanted: Desired | None
    health: Assessment
    facts: tuple[Condition, ...]
    title: str
    version: str
    extra: Json
    advice: tuple[Advice, ...]
    mistake: ProviderMistake | None

    @property
    def called(self) -> str:
        """Title and version of what runs, or else of what was asked for."""
        return _called(self.title, self.health.installed or self.version)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    """What is said.

    Attributes:
        ready: The Ready condition.
        told: Findings that stand beside it or behind it.
        stalled: Reason of the Stalled condition, empty if waiting helps.
        keep: Condition types that keep what they said before.
    """

    ready: Condition
    told: tuple[Finding, ...] = ()
    stalled: str = ""
    keep: tuple[str, ...] = ()


def report(
    provider: Provider[S, C], snapshot: Snapshot[S, C], plan: Plan, outcome: Done | Failed, now: datetime
) -> Report:
    """Return the status to write and the events to record after a pass.

    Never Ready while a step changes what runs; nothing at all while what decides is still to be read, or when a step
    met one of the ordinary conflicts that the next pass settles.
    """
    author = contained(provider)
    failure = finding_of(author, snapshot, outcome)
    if isinstance(outcome, Failed):  # what was not written changes nothing of what runs
        plan = replace(plan, steps=plan.steps[: plan.steps.index(outcome.step)])
    findings = _with_failure(plan.findings, failure) if failure else plan.findings
    if deleting(snapshot.instance):
        return _report_deletion(author, snapshot, plan, findings, now)
    major = [finding for finding in findings if not finding.minor]
    if not major and (not plan.known or isinstance(outcome, Failed)):
        return Report()
    view = _view(author, snapshot, now)
    verdict = _verdict(snapshot, plan, view, findings)
    return _told(snapshot, verdict, view, now) if verdict else Report(mistake=view.mistake)


def _with_failure(findings: tuple[Finding, ...], failure: Finding) -> tuple[Finding, ...]:
    """Return the findings with a failed step among them: behind what blocks everything, before all that just waits.

    What is not even there cannot be waited for: whether the request for access is, is what the failure tells.
    """
    known = tuple(finding for finding in findings if finding.condition.reason != standing.PENDING)
    blocking = tuple(finding for finding in known if finding.error and finding.blocks)
    return (*blocking, failure, *(finding for finding in known if finding not in blocking))


class _Asking:
    """Asks the author's code for what a report can do without, and keeps its first mistake."""

    def __init__(self) -> None:
        self.mistake: ProviderMistake | None = None

    def ask(self, question: Callable[[], T], otherwise: T) -> T:
        """Return an answer, or what stands for it where there is none."""
        try:
            return question()
        except NoAnswer as answer:
            if isinstance(answer, ProviderMistake):
                self.mistake = self.mistake or answer
            return otherwise


def _view(author: Contained[S, C], snapshot: Snapshot[S, C], now: datetime) -> _View:
    asking = _Asking()
    facts: list[Condition] = []
    config = asking.ask(lambda: config_problems(author, snapshot), None)
    if config == () and isinstance(snapshot.config, Valid):
        facts.append(
            Condition("ProviderConfigValid", TRUE, "Valid", f'ProviderConfig "{snapshot.config_name}" is valid.')
        )
    spec = asking.ask(lambda: spec_problems(author, snapshot), None)
    if spec == ():
        facts.append(Condition("SpecValid", TRUE, "Valid", "The spec is valid."))
    tenant = tenant_of(author, snapshot) if config == () == spec else None
    wanted = asking.ask(lambda: desired(author, tenant), None) if tenant else None
    decoded = snapshot.spec if isinstance(snapshot.spec, Valid) else None
    version = asking.ask(lambda: author.version(decoded.value), "") if decoded else ""
    health = assess(author.title, version, marked_owner(author, snapshot), snapshot, wanted, now)
    if wanted:
        if all(standing.stage_of(asked, snapshot) is Stage.GRANTED for asked in wanted.access):
            facts.extend(standing.granted(asked) for asked in wanted.access[:1])
        facts.extend(_copies(snapshot, wanted))
    extra: Json = {}
    advice: tuple[Advice, ...] = ()
    if tenant:
        extra = asking.ask(lambda: author.status(tenant, health.live), extra)
    if decoded:
        advice = asking.ask(lambda: author.advise(decoded.value, health.installed), advice)
    mistake = asking.mistake or health.mistake
    if mistake:
        facts.append(mistake_condition(author.title, mistake))
    return _View(
        wanted=wanted,
        health=health,
        facts=tuple(facts),
        title=author.title,
        version=version,
        extra=extra,
        advice=advice,
        mistake=mistake,
    )


def _copies(snapshot: Snapshot[S, C], wanted: Desired) -> Iterable[Condition]:
    """Return the conditions of the kinds whose copies are all in place."""
    objects = snapshot.objects()
    for kind, (condition, _, title) in COPY_CONDITIONS.items():
        copies = [item for item in wanted.items if item.source and item.ref.kind == kind]
        sources = {item.source: snapshot.sources.get((kind, item.source)) for item in copies}
        fine = all(source and not source.flaw for source in sources.values())
        alike = all(
            item.ref in objects
            and (source := sources[item.source])
            and objects[item.ref].digest == source.sealed.digest
            for item in copies
        )
        if copies and fine and alike:
            names = ", ".join(f'"{name}"' for name in sorted(sources))
            yield Condition(
                condition, TRUE, "Copied", f"{title}{'s' if len(sources) > 1 else ''} {names}: every copy is in place."
            )


def _verdict(snapshot: Snapshot[S, C], plan: Plan, view: _View, findings: tuple[Finding, ...]) -> _Verdict | None:
    """Return what is said of an instance that is not being deleted; None = what was said before stands."""
    before = conditions(snapshot.instance).get("Ready") or {}
    current = before.get("observedGeneration") == generation(snapshot.instance)
    was_ready = says_ready(snapshot.instance) or plan.was_ready
    major = next((finding for finding in findings if not finding.minor), None)
    health = view.health.lead()
    minor = tuple(finding for finding in findings if finding.minor)
    if plan.writes and major is None and health is not None and health.error and not was_ready:
        return None  # what was just written may repair what failed: the next pass sees how that does
    if plan.changes:
        if was_ready and (conditions(snapshot.instance).get(STABLE) or {}).get("status") == FALSE:
            return None  # most likely the write that somebody undoes each time; the next pass sees
        moving = health if health and not health.error else _changing(view)
        return _said(major or moving, findings)
    sound = not view.health.missing and all(item.state == "Ready" or item.keeps_ready for item in view.health.healths)
    lead = major or health
    if lead is None and view.health.complete:
        message = view.health.message or _ready_message(view)
        return _Verdict(ready=Condition("Ready", TRUE, "ReconcileSuccess", message), told=minor)
    if lead is None:
        return _said(_changing(view), findings)
    if lead.keeps_ready and was_ready and sound:
        said = before.get("message", "") if says_ready(snapshot.instance) else view.health.message
        ready = Condition("Ready", TRUE, "ReconcileSuccess", said or _ready_message(view))
        if lead.error or major:
            return _Verdict(ready=ready, told=(*findings, lead))
        return _Verdict(ready=ready, told=minor, keep=view.health.unchanged)
    if lead.retried and current and before.get("reason") == "ReconcileError":
        words = Condition("Ready", FALSE, "ReconcileError", before.get("message", ""))
        return _Verdict(ready=words, told=minor, keep=(lead.condition.type,))
    return _said(lead, findings)


def _said(lead: Finding, findings: tuple[Finding, ...]) -> _Verdict:
    ready = Condition("Ready", FALSE, "ReconcileError" if lead.error else "Reconciling", lead.message)
    return _Verdict(ready=ready, told=_lead_first(lead, findings), stalled=lead.stalled)


def _lead_first(lead: Finding, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return (lead, *(finding for finding in findings if finding is not lead))


def _changing(view: _View) -> Finding:
    """Return that something is being written, where nothing more telling is known."""
    installed, wanted = view.health.installed, view.version
    if installed and wanted and not same_version(installed, wanted):
        message = f"Upgrading from {installed} to {wanted}: writing the change."
        condition = Condition("Installed", TRUE, "Upgrading", installed)
    elif installed or view.health.complete:
        message = f"Applying changed settings to {_called(view.title, installed)}."
        condition = Condition("Installed", TRUE, "Upgrading", installed)
    else:
        message = f"Installing {_called(view.title, wanted)}."
        condition = Condition("Installed", FALSE, "Installing", message)
    return Finding(condition=condition, message=message, error=False)


def _ready_message(view: _View) -> str:
    return f"{view.called} is installed and ready."


def _called(title: str, version: str) -> str:
    """Return title and version; the title alone where no version is known."""
    return f"{title} {version}" if version else title


def _report_deletion(
    author: Contained[S, C], snapshot: Snapshot[S, C], plan: Plan, findings: tuple[Finding, ...], now: datetime
) -> Report:
    if plan.releases or not (plan.steps or findings):
        return Report()
    lead = next((finding for finding in findings if not finding.minor), None) or cleaning(author.title)
    ready = Condition("Ready", FALSE, "Terminating", lead.message)
    verdict = _Verdict(ready=ready, told=_lead_first(lead, findings), stalled=lead.stalled)
    return _told(snapshot, verdict, _view(author, snapshot, now), now)


def _told(snapshot: Snapshot[S, C], verdict: _Verdict, view: _View, now: datetime) -> Report:
    """Return the report of a verdict: the whole status, and an event for whatever came up."""
    before = conditions(snapshot.instance)
    told: dict[str, Condition] = {"Ready": verdict.ready}
    kept = [_as_condition(before[kind]) for kind in verdict.keep if kind in before]
    found = [finding.condition for finding in verdict.told]
    stalled = [Condition("Stalled", TRUE, verdict.stalled, verdict.ready.message)] if verdict.stalled else []
    for condition in (
        *kept,
        *found,
        *view.health.conditions(),
        *view.facts,
        *(item.condition for item in view.advice),
        *stalled,
    ):
        told.setdefault(condition.type, condition)
    for kind in _carried(snapshot, view):
        if kind in before:
            told.setdefault(kind, _as_condition(before[kind]))
    if deleting(snapshot.instance):
        told.setdefault("Installed", cleaning(view.title).condition)
    status = _status(snapshot, verdict, view, told, now)
    events = tuple(_events(before, verdict, view.advice))
    return Report(status=None if same(status, snapshot.status) else status, events=events, mistake=view.mistake)


def _carried(snapshot: Snapshot[S, C], view: _View) -> list[str]:
    """Return the condition types that stay as they were where nothing new is known of them."""
    if deleting(snapshot.instance):
        return _carried_while_deleting(snapshot, view)
    carried = [standing.CONDITION, "ProviderConfigValid", "SpecValid"]
    kinds = {item.ref.kind for item in view.wanted.items if item.source} if view.wanted else set(COPY_CONDITIONS)
    return carried + [COPY_CONDITIONS[kind][0] for kind in sorted(kinds)]


def _carried_while_deleting(snapshot: Snapshot[S, C], view: _View) -> list[str]:
    """Return the condition types that stay while what they are about is still there: the access, copies."""
    access = any(not deleting(request) for request in snapshot.access.values())
    copied = [condition for kind, (condition, _, _) in COPY_CONDITIONS.items() if _any_live(view, kind)]
    return ["ProviderConfigValid", "SpecValid", *copied, *([standing.CONDITION] if access else [])]


def _any_live(view: _View, kind: str) -> bool:
    return any(ref.kind == kind for ref in view.health.live)


def _status(
    snapshot: Snapshot[S, C], verdict: _Verdict, view: _View, told: Mapping[str, Condition], now: datetime
) -> dict[str, Any]:
    status = {key: value for key, value in snapshot.status.items() if key not in OWN_STATUS} | dict(view.extra)
    observed = generation(snapshot.instance)
    status["observedGeneration"] = observed
    status["phase"] = _phase(snapshot, verdict)
    if view.health.installed:
        status["installedVersion"] = view.health.installed
    before = conditions(snapshot.instance)
    status["conditions"] = [
        stamped(condition, before.get(kind), observed, now) for kind, condition in sorted(told.items(), key=_order)
    ]
    return status


def _phase(snapshot: Snapshot[S, C], verdict: _Verdict) -> str:
    if deleting(snapshot.instance):
        return "Terminating"
    return "Ready" if verdict.ready.status == TRUE else "Progressing"


def _order(entry: tuple[str, Condition]) -> tuple[bool, str]:
    return entry[0] != "Ready", entry[0]


def _as_condition(entry: Json) -> Condition:
    return Condition(entry["type"], entry["status"], entry["reason"], entry.get("message", ""))


def _events(before: Mapping[str, Json], verdict: _Verdict, advice: tuple[Advice, ...]) -> Iterable[Event]:
    """Yield an event for each thing that was not so before."""
    turned = _changed(before, verdict.ready)
    if verdict.ready.status == TRUE and turned:
        yield Event("Normal", "Ready", cut(verdict.ready.message))
    seen: set[str] = set()
    for at, finding in enumerate(verdict.told):
        leads = at == 0 and verdict.ready.status != TRUE
        other_words = finding.reworded and finding.message != (before.get(finding.condition.type) or {}).get("message")
        new = _changed(before, finding.condition) or (leads and turned) or other_words
        if new and finding.condition.type not in seen and not finding.silent:
            yield finding.announcement
        seen.add(finding.condition.type)
    for item in advice:
        if _changed(before, item.condition):
            yield Event("Warning", item.event, cut(item.condition.message))


def _changed(before: Mapping[str, Json], condition: Condition) -> bool:
    old = before.get(condition.type) or {}
    return (old.get("status"), old.get("reason")) != (condition.status, condition.reason)
