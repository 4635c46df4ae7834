"""What the library may know of a kind, beyond that it is an object.

A rule is data: functions over plain objects. Deciding and telling use rules without knowing the kinds behind them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from openmcp_provider.domain.objects import Json, Ref
from openmcp_provider.provider import Health

__all__ = ["HealthContext", "KindRule", "Read", "ReleaseRule"]


class Read(NamedTuple):
    """A Secret or ConfigMap in the object's own namespace that its controller reads."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthContext:
    """What a rule is told beside the object.

    Attributes:
        title: What tenants call the thing that is installed.
        version: The version asked for, empty where the provider knows none.
        config_name: Name of the ProviderConfig.
        live: Every live object of the tenant, by reference.
        copies: The name of the source of each copy.
        recorded: The installed version that our own last status tells, empty where none does.
        applied: When our fields of this object were last written, None if that is not known.
        now: The present.
    """

    title: str
    version: str
    config_name: str
    live: Mapping[Ref, Json]
    copies: Mapping[Ref, str]
    applied: datetime | None
    now: datetime
    recorded: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRule:
    """For kinds whose controller installs on another cluster and uninstalls when the object is deleted.

    Attributes:
        access: Name of the Secret, in the object's namespace, through which the other cluster is reached.
        attempted: Whether anything may be installed there.
        suspended: Whether a person stopped the controller; deleting now would orphan what is installed.
        let_go: Merge patch that makes a terminating object go without touching the other cluster.
        describe: What stays on the other cluster if it is let go, in words.
        forgotten: Whether the controller lost track of what it installed: deleting now would orphan it.
        failure: What the controller says about a deletion that does not succeed, empty if nothing.
        access_lost: Why the controller cannot work on the other cluster at all, empty if it can.
    """

    access: Callable[[Json], str]
    attempted: Callable[[Json], bool]
    suspended: Callable[[Json], bool]
    let_go: Json
    describe: Callable[[Json], str]
    forgotten: Callable[[Json], bool]
    failure: Callable[[Json], str]
    access_lost: Callable[[Json], str]


def _reads_nothing(_: Json) -> tuple[Read, ...]:
    return ()


def _overlooks_nothing(_: Ref, __: Json, ___: Mapping[Ref, Json]) -> str:
    return ""


def _is_never_due(_: Json, __: datetime) -> datetime | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class KindRule:
    """The rule for one kind.

    Attributes:
        health: How an object of this kind does; its reference tells the cluster.
        reads: What its controller reads beside it.
        due: When its controller should have reacted to what was written last; None once it has.
        poke: Annotation that makes the controller look at once, empty where it watches what it reads.
        overlooked: A token if its controller has to be asked to look again, for it does not notice by itself that what
            it waits for came; the same for the same situation, and empty where there is nothing to ask for.
        condition: Type of the condition that tells of an object of this kind.
        finalizer: The finalizer of its controller, empty where it sets none.
        controller: What people call its controller.
        release: Set for kinds that install on another cluster.
    """

    health: Callable[[Ref, Json, HealthContext], Health]
    reads: Callable[[Json], tuple[Read, ...]] = _reads_nothing
    due: Callable[[Json, datetime], datetime | None] = _is_never_due
    poke: str = ""
    overlooked: Callable[[Ref, Json, Mapping[Ref, Json]], str] = _overlooks_nothing
    condition: str = "Installed"
    finalizer: str = ""
    controller: str = "Its controller"
    release: ReleaseRule | None = None
