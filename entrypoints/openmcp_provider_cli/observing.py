"""Telling several observers what the runtime tells one."""

from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.objects import Json
from openmcp_provider.domain.plan import Done, Failed, Plan
from openmcp_provider.domain.report import Report
from openmcp_provider.ports import PortError
from openmcp_provider.runtime.cache import Key
from openmcp_provider.runtime.observing import Observer

__all__ = ["Observers"]


class Observers(Observer):
    """Tells several, in order.

    Args:
        observers: Whom.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def changed(self, key: Key, before: Json | None, after: Json | None) -> None:
        """An instance changed."""
        for observer in self._observers:
            observer.changed(key, before, after)

    def began(self, key: Key) -> None:
        """A worker took a tenant."""
        for observer in self._observers:
            observer.began(key)

    def passed(self, key: Key, plan: Plan, outcome: Done | Failed, told: Report) -> None:
        """A pass ended."""
        for observer in self._observers:
            observer.passed(key, plan, outcome, told)

    def untold(self, key: Key, error: PortError) -> None:
        """The status could not be written."""
        for observer in self._observers:
            observer.untold(key, error)

    def late(self, key: Key) -> None:
        """A pass was given up."""
        for observer in self._observers:
            observer.late(key)

    def crashed(self, key: Key, error: Exception) -> None:
        """A pass met a mistake in the program."""
        for observer in self._observers:
            observer.crashed(key, error)

    def ended(self, key: Key) -> None:
        """The worker is free again."""
        for observer in self._observers:
            observer.ended(key)

    def config_told(self, name: str, event: Event) -> None:
        """There is something new to say of the ProviderConfig."""
        for observer in self._observers:
            observer.config_told(name, event)

    def config_untold(self, name: str, error: PortError) -> None:
        """The status of the ProviderConfig could not be written."""
        for observer in self._observers:
            observer.config_untold(name, error)

    def watch_failed(self, cluster: str, kind: str, error: PortError) -> None:
        """A list or watch failed."""
        for observer in self._observers:
            observer.watch_failed(cluster, kind, error)
