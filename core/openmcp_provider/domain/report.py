"""What to tell: the status after a pass, and the events that announce a change.

A pure function of what was seen, planned and done. The status of before takes part only in when something changed,
and in
keeping words where nothing did.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from openmcp_provider.domain import standing
from openmcp_provider.domain.assess import Assessment, assess
from openmcp_provider.domain.blocking import cleaning
from openmcp_provider.domain.compare import same
from openmcp_provider.domain.conditions import FALSE, TRUE, Condition, Event, Finding, cut
from openmcp_provider.domain.contested import CONDITION as STABLE
from openmcp_provider.domain.desired import Desired, desired
from openmcp_provider.domain.failure import finding_of
from openmcp_provider.domain.items import COPY_CONDITIONS
from openmcp_provider.domain.objects import Json, conditions, deleting, generation
from openmcp_provider.domain.plan import Done, Failed, Plan
from openmcp_provider.domain.reconcile import config_problems, owner_of, spec_problems, tenant_of
from openmcp_provider.domain.snapshot import Snapshot, Valid
from openmcp_provider.domain.standing import Stage
from openmcp_provider.domain.status import says_ready, stamped
from openmcp_provider.domain.versions import same_version
from openmcp_provider.provider import Advice, Provider

__all__ = ["Report", "report"]

S = TypeVar("S")
C = TypeVar("C")

_OWN = ("phase", "observedGeneration", "conditions", "installedVersion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What to write.

    Attributes:
        status: The whole status; None = leave it as it is.
        events: To record, in order.
    """

    status: Json | None = None
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """What is to be seen of a tenant, whatever the pass did.

    Attributes:
        wanted: What should be there, None where spec or config forbid to know.
        health: How the written objects do.
        facts: Conditions that hold unless something found says otherwise.
        extra: The author's own status fields.
    """

    wanted: Desired | None
    health: Assessment
    facts: tuple[Condition, ...]
    extra: Json


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
    failure = finding_of(provider, snapshot, outcome)
    if isinstance(outcome, Failed):  # what was not written changes nothing of what runs
        plan = replace(plan, steps=plan.steps[: plan.steps.index(outcome.step)])
    findings = _with_failure(plan.findings, failure) if failure else plan.findings
    if deleting(snapshot.instance):
        return _report_deletion(provider, snapshot, plan, findings, now)
    major = [finding for finding in findings if not finding.minor]
    if not major and (not plan.known or isinstance(outcome, Failed)):
        return Report()
    view = _view(provider, snapshot, now)
    verdict = _verdict(provider, snapshot, plan, view, findings)
    return _told(provider, snapshot, verdict, view, now) if verdict else Report()


def _with_failure(findings: tuple[Finding, ...], failure: Finding) -> tuple[Finding, ...]:
    """Return the findings with a failed step among them: behind what blocks everything, before all that just waits.

    What is not even there cannot be waited for: whether the request for access is, is what the failure tells.
    """
    known = tuple(finding for finding in findings if finding.condition.reason != standing.PENDING)
    blocking = tuple(finding for finding in known if finding.error and finding.blocks)
    return (*blocking, failure, *(finding for finding in known if finding not in blocking))


def _view(provider: Provider[S, C], snapshot: Snapshot[S, C], now: datetime) -> _View:
    facts: list[Condition] = []
    usable = True
    if config_problems(provider, snapshot):
        usable = False
    elif isinstance(snapshot.config, Valid):
        facts.append(
            Condition("ProviderConfigValid", TRUE, "Valid", f'ProviderConfig "{snapshot.config_name}" is valid.')
        )
    if spec_problems(provider, snapshot):
        usable = False
    else:
        facts.append(Condition("SpecValid", TRUE, "Valid", "The spec is valid."))
    tenant = tenant_of(provider, snapshot) if usable else None
    wanted = desired(provider, tenant) if tenant else None
    health = assess(provider, owner_of(provider, snapshot), snapshot, wanted, now)
    if wanted:
        if all(standing.stage_of(asked, snapshot) is Stage.GRANTED for asked in wanted.access):
            facts.extend(standing.granted(asked) for asked in wanted.access[:1])
        facts.extend(_copies(snapshot, wanted))
    return _View(
        wanted=wanted, health=health, facts=tuple(facts), extra=provider.status(tenant, health.live) if tenant else {}
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


def _verdict(
    provider: Provider[S, C], snapshot: Snapshot[S, C], plan: Plan, view: _View, findings: tuple[Finding, ...]
) -> _Verdict | None:
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
        moving = health if health and not health.error else _changing(provider, snapshot, view)
        return _said(major or moving, findings)
    sound = not view.health.missing and all(item.state == "Ready" or item.keeps_ready for item in view.health.healths)
    lead = major or health
    if lead is None and view.health.complete:
        message = view.health.message or _ready_message(provider, snapshot, view)
        return _Verdict(ready=Condition("Ready", TRUE, "ReconcileSuccess", message), told=minor)
    if lead is None:
        return _said(_changing(provider, snapshot, view), findings)
    if lead.keeps_ready and was_ready and sound:
        said = before.get("message", "") if says_ready(snapshot.instance) else view.health.message
        ready = Condition("Ready", TRUE, "ReconcileSuccess", said or _ready_message(provider, snapshot, view))
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


def _changing(provider: Provider[S, C], snapshot: Snapshot[S, C], view: _View) -> Finding:
    """Return that something is being written, where nothing more telling is known."""
    installed, wanted = view.health.installed, _version(provider, snapshot)
    if installed and wanted and not same_version(installed, wanted):
        message = f"Upgrading from {installed} to {wanted}: writing the change."
        condition = Condition("Installed", TRUE, "Upgrading", installed)
    elif installed or view.health.complete:
        message = f"Applying changed settings to {_called(provider, installed)}."
        condition = Condition("Installed", TRUE, "Upgrading", installed)
    else:
        message = f"Installing {_called(provider, wanted)}."
        condition = Condition("Installed", FALSE, "Installing", message)
    return Finding(condition=condition, message=message, error=False)


def _ready_message(provider: Provider[S, C], snapshot: Snapshot[S, C], view: _View) -> str:
    return f"{_called(provider, view.health.installed or _version(provider, snapshot))} is installed and ready."


def _called(provider: Provider[S, C], version: str) -> str:
    """Return title and version; the title alone where no version is known."""
    return f"{provider.title} {version}" if version else provider.title


def _version(provider: Provider[S, C], snapshot: Snapshot[S, C]) -> str:
    return provider.version(snapshot.spec.value) if isinstance(snapshot.spec, Valid) else ""


def _report_deletion(
    provider: Provider[S, C], snapshot: Snapshot[S, C], plan: Plan, findings: tuple[Finding, ...], now: datetime
) -> Report:
    if plan.releases or not (plan.steps or findings):
        return Report()
    lead = next((finding for finding in findings if not finding.minor), None) or cleaning(provider.title)
    ready = Condition("Ready", FALSE, "Terminating", lead.message)
    verdict = _Verdict(ready=ready, told=_lead_first(lead, findings), stalled=lead.stalled)
    return _told(provider, snapshot, verdict, _view(provider, snapshot, now), now)


def _told(provider: Provider[S, C], snapshot: Snapshot[S, C], verdict: _Verdict, view: _View, now: datetime) -> Report:
    """Return the report of a verdict: the whole status, and an event for whatever came up."""
    before = conditions(snapshot.instance)
    advice = _advice(provider, snapshot, view)
    told: dict[str, Condition] = {"Ready": verdict.ready}
    kept = [_as_condition(before[kind]) for kind in verdict.keep if kind in before]
    found = [finding.condition for finding in verdict.told]
    stalled = [Condition("Stalled", TRUE, verdict.stalled, verdict.ready.message)] if verdict.stalled else []
    for condition in (
        *kept,
        *found,
        *view.health.conditions(),
        *view.facts,
        *(item.condition for item in advice),
        *stalled,
    ):
        told.setdefault(condition.type, condition)
    for kind in _carried(snapshot, view):
        if kind in before:
            told.setdefault(kind, _as_condition(before[kind]))
    if deleting(snapshot.instance):
        told.setdefault("Installed", cleaning(provider.title).condition)
    status = _status(snapshot, verdict, view, told, now)
    events = tuple(_events(before, verdict, advice))
    return Report(status=None if same(status, snapshot.status) else status, events=events)


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
    status = {key: value for key, value in snapshot.status.items() if key not in _OWN} | dict(view.extra)
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


def _advice(provider: Provider[S, C], snapshot: Snapshot[S, C], view: _View) -> tuple[Advice, ...]:
    if not isinstance(snapshot.spec, Valid):
        return ()
    return tuple(provider.advise(snapshot.spec.value, view.health.installed))


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
