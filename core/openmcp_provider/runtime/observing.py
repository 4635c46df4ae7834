"""What the runtime tells whoever wants to count or to log; it does nothing with what it is told."""

from typing import Any

from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.objects import Json
from openmcp_provider.domain.plan import Done, Failed, Plan
from openmcp_provider.domain.report import Report
from openmcp_provider.ports import PortError
from openmcp_provider.runtime.cache import Key

__all__ = ["Observer", "QueueObserver"]


class Observer:
    """Told of every pass, of what leads to one, and of the ProviderConfig; does nothing by itself.

    A pass is: `began`, then at most one of `passed`, `late` and `crashed`, perhaps `untold` after `passed`, then
    `ended`. All of them are called in the task of that pass.
    """

    def changed(self, key: Key, before: Json | None, after: Json | None) -> None:
        """An instance changed in the cache; None = it was not, or is no longer, there."""

    def began(self, key: Key) -> None:
        """A worker took a tenant."""

    def passed(self, key: Key, plan: Plan, outcome: Done | Failed, told: Report) -> None:
        """A pass decided and did what it could."""

    def untold(self, key: Key, error: PortError) -> None:
        """The status could not be written; it is tried again with a back-off."""

    def late(self, key: Key) -> None:
        """A pass took longer than it may and was given up; it is tried again with a back-off."""

    def crashed(self, key: Key, error: Exception) -> None:
        """A pass met a mistake in the program; it is tried again with a back-off."""

    def ended(self, key: Key) -> None:
        """The worker is free again, whether there was anything to decide or not."""

    def config_told(self, name: str, event: Event) -> None:
        """What there is to say of the ProviderConfig changed, or is not known here yet; its Event says the same."""

    def config_untold(self, name: str, error: PortError) -> None:
        """The status of the ProviderConfig could not be written; it is tried again with a back-off."""

    def watch_failed(self, cluster: str, kind: str, error: PortError) -> None:
        """A list or watch of a cache failed; it is tried again."""


class QueueObserver:
    """Told what becomes of the keys of a queue; does nothing by itself."""

    def added(self, key: Any) -> None:  # noqa: ANN401 - whatever the queue's keys are
        """A key waits from now on, or will once the work on it is over."""

    def retried(self, key: Any) -> None:  # noqa: ANN401
        """A key waits for its back-off."""

    def taken(self, key: Any) -> None:  # noqa: ANN401
        """A key is worked on from now on."""

    def done(self, key: Any) -> None:  # noqa: ANN401
        """A key is no longer worked on."""

    def dropped(self, key: Any) -> None:  # noqa: ANN401
        """A key waits no more since it is gone."""
