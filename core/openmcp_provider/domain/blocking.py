"""What deletion waits for, in words: what, who must act, what follows."""

from collections.abc import Iterable, Sequence
from typing import Any

from openmcp_provider.domain import standing
from openmcp_provider.domain.conditions import FALSE, TRUE, UNKNOWN, Condition, Finding
from openmcp_provider.domain.desired import Access
from openmcp_provider.domain.held import BLOCKED
from openmcp_provider.domain.names import MANAGED_BY, shorten
from openmcp_provider.domain.objects import Ref, conditions, dig
from openmcp_provider.domain.snapshot import Guarded, Snapshot
from openmcp_provider.provider import Edition, Provider

__all__ = [
    "BLOCKED",
    "abandoned",
    "blocked_by_forgotten",
    "blocked_by_guards",
    "blocked_by_leftovers",
    "blocked_by_suspension",
    "cleaning",
    "still_abandoned",
    "uninstalling",
    "unlisted",
    "waiting_for_access",
]

_GIVEN_UP = ("Abandoned", "ControlPlaneGone")

_NAMES = 10


def cleaning(title: str) -> Finding:
    """Deletion goes on by itself."""
    condition = Condition("Installed", UNKNOWN, "Terminating", f"{title} is being taken away.")
    return Finding(condition=condition, message="Cleanup in progress", error=False, silent=True)


def blocked_by_forgotten(ref: Ref, controller: str, what: str) -> Finding:
    """A controller lost track of its release, and would let it go without uninstalling."""
    message = (
        f"deletion blocked: {controller} lost track of {what} and would leave it there. It was asked to look again, "
        "and the rest continues then. If this stays, the platform operator must run `helm uninstall` "
        f"on the control plane, rather than delete records there, and abandon the rest [{ref}]."
    )
    return _blocked("ReleaseForgotten", message)


def uninstalling(title: str, ref: Ref, failure: str) -> Finding:
    """A release is on its way out; `failure` is what its controller says of trouble, empty if there is none."""
    message = f"Uninstalling {title}: waiting for {ref} to go."
    if failure:
        message = (
            f"Uninstalling {title} fails and is retried automatically: {failure} "
            f"If this persists, ask the platform operator [{ref}]."
        )
        return Finding(
            condition=Condition("Installed", UNKNOWN, "UninstallFailed", message),
            message=message,
            event="UninstallFailed",
        )
    return Finding(condition=Condition("Installed", UNKNOWN, "Uninstalling", message), message=message, error=False)


def blocked_by_guards(asked: Access, guarded: Sequence[Guarded]) -> Finding:
    """Objects of the tenant's need what would be uninstalled."""
    count = len(guarded)
    listed = _listed(
        f"{item.ref}{f' ({item.hint})' if item.hint else ''}" for item in sorted(guarded, key=lambda item: item.ref)
    )
    message = (
        f"deletion blocked: {count} {'resource' if count == 1 else 'resources'} on the {asked.cluster.title} must be "
        "deleted first: "
        f"{listed}. Delete {'it' if count == 1 else 'them'}; the rest continues automatically."
    )
    return _blocked("UserResourcesPresent", message)


def unlisted(asked: Access, kinds: Iterable[str]) -> Finding:
    """Whether such objects exist cannot be told."""
    message = (
        f"deletion blocked: the {asked.cluster.title} could not list {', '.join(sorted(kinds))}, so whether anything "
        "still needs what would be "
        "uninstalled is not known. This is retried automatically; if it persists, ask the platform operator."
    )
    return _blocked("GuardsUnknown", message)


def blocked_by_leftovers(provider: Provider[Any, Any], asked: Access, leftovers: Sequence[Ref]) -> Finding:
    """Uninstalling ended, but not everything is gone."""
    message = (
        f"deletion blocked: uninstalling {provider.title} left {_listed(str(ref) for ref in sorted(leftovers))} on "
        f"the {asked.cluster.title}. "
        f"They may still be terminating; if this persists, delete them, or give them up with annotation "
        f"{provider.edition.abandon}: "
        '"true" on this object.'
    )
    return _blocked("ReleaseLeftovers", message)


def blocked_by_suspension(ref: Ref) -> Finding:
    """A person suspended a release; deleting it now would orphan what it installed."""
    message = (
        f"deletion blocked: {ref} is suspended by a person, and deleting it now would leave what it installed behind. "
        f"The platform operator must resume it [{ref}]; the rest continues automatically."
    )
    return _blocked("Suspended", message)


def waiting_for_access(snapshot: Snapshot[Any, Any], asked: Access, title: str) -> Finding:
    """Something is installed, and there is no ClusterRequest to ask for access with."""
    message = (
        f"deletion blocked: {title} is installed on {standing.target_of(snapshot, asked)}, whose ClusterRequest is "
        "gone while the cluster may still exist. Ask the platform operator "
        f"[ClusterRequest {standing.metadata_path(asked.access)}]."
    )
    return _blocked("ControlPlaneUnknown", message)


def abandoned(
    edition: Edition, snapshot: Snapshot[Any, Any], asked: Access, stays: Sequence[str], *, by_person: bool
) -> tuple[Finding, ...]:
    """What is installed is given up: by a person, or because the cluster is gone. Told once; the words stay."""
    reason = "Abandoned" if by_person else "ControlPlaneGone"
    mark = shorten(edition.access_controller)
    left = f"{_listed(stays) or 'nothing that has a name here'}, and whatever bears the label {MANAGED_BY}={mark}"
    target = standing.target_of(snapshot, asked)
    if by_person:
        message = (
            f"What is installed on {target} is given up; these stay there: {left}. "
            "Remove them by hand if the cluster still exists."
        )
    else:
        message = f"{target[0].upper()}{target[1:]} no longer exists, and with it went: {left}."
    earlier = _given_up_before(snapshot)
    return _given_up(reason, earlier[1] if earlier[0] == reason else message)


def still_abandoned(snapshot: Snapshot[Any, Any]) -> tuple[Finding, ...]:
    """What was given up stays told while the rest goes; nothing if nothing was."""
    reason, message = _given_up_before(snapshot)
    return _given_up(reason, message) if reason else ()


def _given_up_before(snapshot: Snapshot[Any, Any]) -> tuple[str, str]:
    """Return reason and words of what was told to be given up, both empty if nothing was."""
    found = conditions(snapshot.instance)
    told = [found[kind] for kind in ("Installed", BLOCKED) if dig(found, kind, "reason") in _GIVEN_UP]
    return (told[0]["reason"], told[0].get("message", "")) if told else ("", "")


def _given_up(reason: str, message: str) -> tuple[Finding, ...]:
    """Return that nothing there blocks deletion, and what that means for what is installed.

    The latter is announced: the former may give way to something else that blocks.
    """
    alarm = reason == "Abandoned"
    return (
        Finding(
            condition=Condition(BLOCKED, FALSE, reason, message),
            message=message,
            error=alarm,
            blocks=False,
            silent=True,
        ),
        Finding(
            condition=Condition("Installed", UNKNOWN, reason, message),
            message=message,
            error=alarm,
            blocks=False,
            minor=True,
        ),
    )


def _blocked(reason: str, message: str) -> Finding:
    return Finding(condition=Condition(BLOCKED, TRUE, reason, message), message=message, event="DeletionBlocked")


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    more = f" and {len(found) - _NAMES} more" if len(found) > _NAMES else ""
    return ", ".join(found[:_NAMES]) + more
