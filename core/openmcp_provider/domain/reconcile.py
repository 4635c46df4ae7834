"""The one decision function: what may be done now for one tenant.

It knows no product, no chart and no tool beyond the rules for kinds.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from openmcp_provider.domain import access, items, standing
from openmcp_provider.domain.access import finalizer_on
from openmcp_provider.domain.author import Contained, NoAnswer, contained
from openmcp_provider.domain.conditions import FALSE, Condition, Finding
from openmcp_provider.domain.config import missing
from openmcp_provider.domain.contested import held_back
from openmcp_provider.domain.desired import access_of, desired
from openmcp_provider.domain.draft import Draft
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import ONBOARDING, Ref, deleting, dig, ref_of, uid
from openmcp_provider.domain.ownership import Owner
from openmcp_provider.domain.plan import Patch, Plan
from openmcp_provider.domain.snapshot import Invalid, Missing, Snapshot, Valid
from openmcp_provider.domain.standing import Stage
from openmcp_provider.domain.status import says_ready
from openmcp_provider.domain.teardown import teardown
from openmcp_provider.domain.unanswered import no_answer, nothing_wanted
from openmcp_provider.domain.unserved import unserved
from openmcp_provider.provider import Problem, Provider, Tenant

__all__ = ["config_problems", "marked_owner", "owner_of", "reconcile", "spec_problems", "tenant_of"]

S = TypeVar("S")
C = TypeVar("C")


def reconcile(provider: Provider[S, C], snapshot: Snapshot[S, C], now: datetime) -> Plan:
    """Return what may be done now, as ordered steps, what was found, and when to look again.

    A write that somebody undoes each time is held back. Where the author's code gives no answer nothing is written.
    Deletion does without it.
    """
    author = contained(provider)
    decide = _decide_deletion if deleting(snapshot.instance) else _decide
    return held_back(decide(author, snapshot, now), snapshot, now)


def _decide_deletion(author: Contained[S, C], snapshot: Snapshot[S, C], now: datetime) -> Plan:
    """Return the plan of a deletion; what an older program left unmarked stays if the author's code cannot name it."""
    plan = teardown(author, marked_owner(author, snapshot), snapshot, now)
    try:
        owner_of(author, snapshot)
    except NoAnswer as answer:
        return replace(plan, no_answer=answer)
    return plan


def _decide(author: Contained[S, C], snapshot: Snapshot[S, C], now: datetime) -> Plan:
    """Return the plan as if nobody changed what we write."""
    draft = Draft(now)
    if lacking := unserved(snapshot):
        draft.find(lacking)
        return draft.plan()
    try:
        return _decide_writes(author, snapshot, draft)
    except NoAnswer as answer:
        found = no_answer(author.title, snapshot.instance, answer)
        return Plan(findings=(*draft.findings, found), look=draft.look, no_answer=answer)


def _decide_writes(author: Contained[S, C], snapshot: Snapshot[S, C], draft: Draft) -> Plan:
    """Return what may be written.

    Writes nothing while the ProviderConfig or the spec is missing or invalid, no access before the control plane's own
    ClusterRequest exists, and no item before every tenant cluster is granted and its kubeconfig was read.

    Raises:
        NoAnswer: the author's code gave no answer that can be used.
    """
    for find in (_config_finding, _spec_finding):
        if found := find(author, snapshot):
            draft.find(found)
    waiting = standing.control_plane_finding(author, snapshot, draft.now)
    if waiting and not draft.blocked:
        draft.find(waiting)
    if snapshot.control_plane is None and (until := standing.grace_ends(snapshot)):
        draft.look_at(until)
    if snapshot.control_plane is None or any(finding.error for finding in draft.findings):
        return draft.plan()
    tenant = tenant_of(author, snapshot)
    owner, wanted, poll = owner_of(author, snapshot), desired(author, tenant), author.poll(tenant.config)
    _hold_instance(author, snapshot, draft)
    may_follow = [asked for asked in wanted.access if access.request_cluster(snapshot, asked, draft)]
    stages = [access.obtain(snapshot, asked, draft) for asked in may_follow]
    if all(stage is Stage.GRANTED for stage in stages) and not draft.blocked:
        items.settle(owner, snapshot, wanted, poll, draft)
        if not wanted.own:
            left = any(owner.may_write(ref, live) for ref, live in snapshot.objects().items())
            draft.find(nothing_wanted(author.title, left=left))
    return draft.plan()


def tenant_of(provider: Provider[S, C], snapshot: Snapshot[S, C]) -> Tenant[S, C]:
    """Return the instance as the author's code sees it.

    Raises:
        ValueError: the spec or the config could not be decoded.
    """
    if not isinstance(snapshot.spec, Valid) or isinstance(snapshot.config, Invalid):
        raise ValueError("a tenant whose spec or config could not be decoded has no desired state")  # noqa: TRY004
    name, namespace, home = _place(snapshot)
    secrets: Mapping[str, Ref] = {
        asked.cluster.id: standing.kubeconfig_ref(asked, snapshot.access.get(asked.cluster.id))
        for asked in access_of(provider, name, namespace, home)
    }
    config = snapshot.config.value if isinstance(snapshot.config, Valid) else None
    return Tenant(
        name=name, namespace=namespace, home=home, spec=snapshot.spec.value, config=config, kubeconfigs=secrets
    )


def owner_of(provider: Provider[S, C], snapshot: Snapshot[S, C]) -> Owner:
    """Return the instance as owner of objects.

    Raises:
        NoAnswer: the author's code did not say what older programs may have left.
    """
    name, namespace, _ = _place(snapshot)
    return Owner(provider.edition, name, namespace, contained(provider).unmarked(name, namespace))


def marked_owner(provider: Provider[S, C], snapshot: Snapshot[S, C]) -> Owner:
    """Return the instance as owner of objects, of marked ones alone where the author's code names no others."""
    try:
        return owner_of(provider, snapshot)
    except NoAnswer:
        name, namespace, _ = _place(snapshot)
        return Owner(provider.edition, name, namespace)


def config_problems(provider: Provider[S, C], snapshot: Snapshot[S, C]) -> tuple[Problem, ...]:
    """Return everything that is wrong with the ProviderConfig; for a missing one what the author says of that.

    Raises:
        NoAnswer: the author's code did not say.
    """
    match snapshot.config:
        case Invalid(problems):
            return problems
        case Valid(value):
            return contained(provider).check_config(value)
        case Missing():
            return contained(provider).check_config(None)


def spec_problems(provider: Provider[S, C], snapshot: Snapshot[S, C]) -> tuple[Problem, ...]:
    """Return everything that is wrong with the instance's spec.

    Raises:
        NoAnswer: the author's code did not say.
    """
    if isinstance(snapshot.spec, Invalid):
        return snapshot.spec.problems
    return contained(provider).check_spec(snapshot.spec.value)


def _place(snapshot: Snapshot[S, C]) -> tuple[str, str, str]:
    metadata = snapshot.instance["metadata"]
    return metadata["name"], metadata["namespace"], tenant_namespace(metadata["name"], metadata["namespace"])


def _config_finding(provider: Provider[S, C], snapshot: Snapshot[S, C]) -> Finding | None:
    problems = config_problems(provider, snapshot)
    if not problems:
        return None
    name = snapshot.config_name
    if isinstance(snapshot.config, Missing):
        reason = "ProviderConfigNotFound"
        message = missing(provider.edition, name)
    else:
        reason = "ProviderConfigInvalid"
        message = (
            f'ProviderConfig "{name}" is invalid: the platform operator must fix it; '
            "what is wrong is in its own conditions."
        )
    return Finding(
        condition=Condition("ProviderConfigValid", FALSE, reason, message),
        message=message,
        keeps_ready=True,  # nothing is written because of it, so what runs stays as it is
        silent=says_ready(snapshot.instance),  # a thousand tenants need not hear of one mistake of the operator's
    )


def _spec_finding(provider: Provider[S, C], snapshot: Snapshot[S, C]) -> Finding | None:
    problems = spec_problems(provider, snapshot)
    if not problems:
        return None
    message = (
        "The spec cannot be used: "
        + "; ".join(f"{problem.path} {problem.why} ({problem.want})" for problem in problems)
        + "."
    )
    return Finding(
        condition=Condition("SpecValid", FALSE, "InvalidSpec", message), message=message, stalled="InvalidSpec"
    )


def _hold_instance(provider: Provider[S, C], snapshot: Snapshot[S, C], draft: Draft) -> None:
    finalizer = provider.edition.finalizer
    if finalizer not in (dig(snapshot.instance, "metadata", "finalizers") or ()):
        ref = ref_of(ONBOARDING, snapshot.instance)
        body = finalizer_on(snapshot.instance, finalizer)
        why = "nothing may be written before deletion can be noticed"
        draft.steps.append(
            Patch(ref=ref, uid=uid(snapshot.instance), kind="json", body=body, why=why, field="metadata.finalizers")
        )
