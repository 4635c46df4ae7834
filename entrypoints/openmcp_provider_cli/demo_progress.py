"""What is to be seen of a demo while it runs: a row per tenant, and who watches."""

from collections import Counter
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple, Protocol

from attrs import define, field

from openmcp_adapters.emulation import Request
from openmcp_provider.domain.conditions import TRUE
from openmcp_provider.domain.objects import Json, conditions, dig, generation
from openmcp_provider.runtime.cache import Key

__all__ = ["CLIENT", "GONE", "READY", "WAITING", "Aim", "Progress", "Row", "View"]

CLIENT = "provider"
"""Name of the provider's clients in the log."""
WAITING = "Waiting"
"""The phase of an instance without a status."""
READY = "Ready"
"""The phase, and the condition, of an instance that is as it should be."""
GONE: Literal["Gone"] = "Gone"
"""The phase of an instance that is no more."""

Aim = Literal["Ready", "steady", "Gone"]
"""What is waited for: that all are Ready, that time passes, that all are gone."""


class Row(NamedTuple):
    """One tenant, as last seen.

    Attributes:
        key: The instance.
        phase: Of its status, `WAITING` or `GONE`.
        ready: Whether what was asked for now is there.
        message: What it is told.
        status: All of that.
        since: The virtual second at which phase or message came up.
    """

    key: Key
    phase: str = WAITING
    ready: bool = False
    message: str = ""
    status: Json = MappingProxyType({})
    since: float = 0.0

    @property
    def name(self) -> str:
        """Namespace and name."""
        return "/".join(self.key)

    def seen(self, instance: Json | None, now: float) -> "Row":
        """Return the row as it is with what was seen of the instance; None = it is gone."""
        if instance is None:
            return self._replace(phase=GONE, ready=False, message="", since=now)
        status = instance.get("status") or {}
        told = conditions(instance).get(READY) or {}
        current = status.get("observedGeneration") == generation(instance)
        phase, message = status.get("phase") or WAITING, told.get("message", "")
        return Row(
            key=self.key,
            phase=phase,
            ready=current and phase == READY and told.get("status") == TRUE,
            message=message,
            status=status,
            since=self.since if (phase, message) == (self.phase, self.message) else now,
        )

    @property
    def version(self) -> str:
        """What runs, as the status tells."""
        return dig(self.status, "installedVersion") or ""


@define(eq=False, kw_only=True)
class Progress:
    """How far a demo is.

    Attributes:
        title: What is installed.
        rows: The tenants.
        now: Tells the virtual seconds.
        log: Every request so far.
        aim: What is waited for.
        began: The virtual second at which that began.
        lasts: Virtual seconds until it ends by itself; 0 = not by time.
        changed: The virtual second at which a row last changed.
    """

    title: str
    rows: dict[Key, Row]
    now: Callable[[], float]
    log: Sequence[Request]
    aim: Aim = "Ready"
    began: float = 0.0
    lasts: float = 0.0
    changed: float = 0.0
    _counted: int = 0
    _requests: int = field(default=0)

    def begin(self, aim: Aim, lasts: float = 0.0) -> None:
        """Wait for something else from now on."""
        self.aim, self.lasts = aim, lasts
        self.began = self.changed = self.now()

    @property
    def done(self) -> float:
        """The part of what is waited for that is there, from 0 to 1."""
        if self.lasts:
            return min(1.0, (self.now() - self.began) / self.lasts)
        return sum(self.reached(row) for row in self.rows.values()) / len(self.rows)

    def reached(self, row: Row) -> bool:
        """Tell whether a tenant is where it is waited for."""
        return row.phase == GONE if self.aim == GONE else row.ready

    @property
    def phases(self) -> Counter[str]:
        """How many tenants are in each phase."""
        return Counter(row.phase for row in self.rows.values())

    @property
    def requests(self) -> int:
        """How many requests the provider has sent, watches apart."""
        while self._counted < len(self.log):
            entry = self.log[self._counted]
            self._requests += entry.client == CLIENT and entry.verb != "watch"
            self._counted += 1
        return self._requests


class View(Protocol):
    """Shows a demo to somebody while it runs. Nothing that it does changes what happens."""

    def changed(self, progress: Progress, row: Row) -> None:
        """Be told of a tenant whose phase or message changed."""

    def passed(self, progress: Progress) -> None:
        """Be told that some virtual time has passed."""
