"""Conditions and findings: what is true of an instance, and which of it matters most."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = ["FALSE", "TRUE", "UNKNOWN", "Condition", "Event", "Finding", "Truth", "cut"]

Truth = Literal["True", "False", "Unknown"]
TRUE: Truth = "True"
FALSE: Truth = "False"
UNKNOWN: Truth = "Unknown"

EVENT_LIMIT = 1024
"""Bytes of an Event's note that a server accepts."""


class Condition(NamedTuple):
    """One entry of ``status.conditions`` without what depends on time."""

    type: str
    status: Truth
    reason: str
    message: str = ""


class Event(NamedTuple):
    """A Kubernetes Event: ``Normal`` or ``Warning``, reason, note of at most 1,024 bytes."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that was found while deciding, and how it is told.

    Attributes:
        condition: The condition that states it.
        message: What the tenant reads in Ready: what, who acts, what next.
        error: Ready's reason is ReconcileError rather than Reconciling.
        keeps_ready: What runs is not touched by it: an instance that was Ready at this generation stays so.
        stalled: Reason of the Stalled condition, empty where waiting helps.
        event: Reason of the event that announces it, empty for the condition's reason.
        alarm: The event is a Warning although it is no error.
        silent: No event announces it.
        reworded: Other words of the same condition are announced too.
        blocks: Nothing beyond it may be written until it is gone.
        minor: Told as a condition and an event, while Ready speaks of the rest.
        retried: A failure with these very inputs is being retried: an earlier error keeps its words.
    """

    condition: Condition
    message: str
    error: bool = True
    keeps_ready: bool = False
    stalled: str = ""
    event: str = ""
    alarm: bool = False
    silent: bool = False
    reworded: bool = False
    blocks: bool = True
    minor: bool = False
    retried: bool = False

    @property
    def announcement(self) -> Event:
        """The event that says that this has come up."""
        warn = self.error or self.alarm
        return Event("Warning" if warn else "Normal", self.event or self.condition.reason, cut(self.message))


def cut(text: str, limit: int = EVENT_LIMIT) -> str:
    """Return the text cut to `limit` bytes of UTF-8, never inside a character."""
    return text.encode()[:limit].decode(errors="ignore")
