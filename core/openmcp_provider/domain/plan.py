"""A plan: what may be done now, as ordered steps, when to look again, and what was found on the way.

Steps are data. They are printed by a preview and carried out by the executor; the first that fails ends the pass. No
step
shows the bytes of a Secret.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from openmcp_provider.domain.author import NoAnswer
from openmcp_provider.domain.conditions import Finding
from openmcp_provider.domain.copies import Sealed
from openmcp_provider.domain.errors import PortError
from openmcp_provider.domain.objects import Json, Ref

__all__ = [
    "Apply",
    "Create",
    "Delete",
    "Done",
    "Failed",
    "Patch",
    "Plan",
    "ReadCluster",
    "ReadKubeconfig",
    "ReadPlane",
    "Step",
    "TakeOver",
    "explain",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """POST. A name that is taken counts as done where `exists_ok`; else the taken object enters the next snapshot."""

    ref: Ref
    manifest: Json
    exists_ok: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """Server-side apply of our fields, forced.

    Attributes:
        ref: The object.
        manifest: Our fields; without data where `sealed` has it.
        uid: Of the object that was seen; empty = none was, and the executor first makes sure that the name is free.
        sealed: The data of a copy.
        why: In words.
        changes: What runs changes with it: more than metadata, or than the data of a copy that was there.
        field: The dotted path of a field for which it is sent; empty where the object is missing.
    """

    ref: Ref
    manifest: Json
    uid: str = ""
    sealed: Sealed | None = None
    why: str = ""
    changes: bool = True
    field: str = ""

    def body(self) -> Json:
        """Return the manifest as it is sent, data included."""
        return {**self.manifest, **self.sealed.reveal()} if self.sealed else self.manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeOver:
    """One JSON patch, built from a live read, that turns the older program's managedFields entry into ours."""

    ref: Ref
    uid: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A patch, JSON (with its own tests) or merge; `field` is the dotted path of a field for which it is sent."""

    ref: Ref
    uid: str
    kind: Literal["json", "merge"]
    body: Json | tuple[Json, ...]
    why: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """DELETE with the uid as precondition, after a live read that it is still the object that was decided about.

    Attributes:
        ref: The object.
        uid: Of the object that was decided about.
        why: In words.
        changes: What runs changes with it; not where the same object is created again right after.
    """

    ref: Ref
    uid: str
    why: str = ""
    changes: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadKubeconfig:
    """GET of a kubeconfig Secret."""

    cluster: str
    ref: Ref
    grant: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCluster:
    """Read a cluster.

    Attributes:
        cluster: Its id; the platform's for a sweep there.
        sweep: Look also for unmarked objects of older programs.
        guards: Look for objects that block deletion.
        verify: Look for residues; asked only once the releases are gone.
        why: In words.
    """

    cluster: str
    sweep: bool = False
    guards: bool = False
    verify: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPlane:
    """Live GET of a tenant cluster's ClusterRequest and Cluster."""

    cluster: str
    why: str = ""


Step = Create | Apply | TakeOver | Patch | Delete | ReadKubeconfig | ReadCluster | ReadPlane
Writes = Create | Apply | TakeOver | Patch | Delete
Reads = ReadKubeconfig | ReadCluster | ReadPlane
_READS = (ReadKubeconfig, ReadCluster, ReadPlane)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What may be done now.

    Attributes:
        steps: In order.
        findings: What was found, the most telling first.
        look: When to look again although nothing happened; None = only when something does.
        known: Nothing that decides is still to be read; else nothing is told yet.
        releases: The last step takes our finalizer off the instance.
        contested: Objects that somebody changes each time we write them: writing them again changes nothing.
        was_ready: The instance was Ready, at its present generation, before that began.
        no_answer: Why the author's code did not say what is needed to decide more; None = it did.
    """

    steps: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()
    look: timedelta | None = None
    known: bool = True
    releases: bool = False
    contested: frozenset[Ref] = frozenset()
    was_ready: bool = False
    no_answer: NoAnswer | None = None

    @property
    def writes(self) -> tuple[Writes, ...]:
        """The steps that change something."""
        return tuple(step for step in self.steps if not isinstance(step, _READS))

    @property
    def reads(self) -> tuple[Reads, ...]:
        """The steps that change nothing."""
        return tuple(step for step in self.steps if isinstance(step, _READS))

    @property
    def changes(self) -> bool:
        """Whether a step changes what runs.

        Access, finalizers, adoption, requests to reconcile and renewed copies do not, nor what somebody changes each
        time: Ready stays what it was.
        """
        steps = [step for step in self.steps if isinstance(step, (Apply, Delete)) and step.changes]
        return any(step.ref not in self.contested for step in steps)

    @property
    def takes_over(self) -> bool:
        """Whether something of an older program's is taken over."""
        return any(isinstance(step, TakeOver) for step in self.steps)


@dataclass(frozen=True, slots=True)
class Done:
    """Every step succeeded."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A step failed, and the ones after it were not tried."""

    step: Step
    error: PortError


def explain(plan: Plan) -> tuple[str, ...]:
    """Return the plan in words, a line a step, then what was found."""
    lines = [_explain(step) for step in plan.steps]
    lines.extend(
        f"found {item.condition.type}={item.condition.status} {item.condition.reason}: {item.message}"
        for item in plan.findings
    )
    return tuple(lines)


def _explain(step: Step) -> str:
    match step:
        case ReadKubeconfig():
            what = f"read {step.ref} on platform"
        case ReadCluster():
            what = f"read cluster {step.cluster}"
        case ReadPlane():
            what = f"read ClusterRequest and Cluster of {step.cluster}"
        case Patch():
            what = f"patch {step.ref} on {step.ref.cluster}"
        case TakeOver():
            what = f"take over {step.ref} on {step.ref.cluster}"
        case _:
            what = f"{type(step).__name__.lower()} {step.ref} on {step.ref.cluster}"
    return f"{what}: {step.why}" if step.why else what
