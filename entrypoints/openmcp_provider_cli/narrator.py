"""Tells in the log what the runtime does. Core logs nothing."""

from datetime import timedelta
from uuid import uuid4

from openmcp_provider.domain.author import ProviderMistake
from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.objects import Json
from openmcp_provider.domain.plan import Done, Failed, Plan, explain
from openmcp_provider.domain.report import Report
from openmcp_provider.ports import PortError
from openmcp_provider.runtime.cache import Key
from openmcp_provider.runtime.observing import Observer
from openmcp_provider_cli.logs import Log, bind

__all__ = ["Narrator"]


class Narrator(Observer):
    """Logs every pass: what a tenant is told as it happens, each step for who looks for a mistake.

    Every line of a pass, also one of a library, names the tenant and the pass.

    Args:
        controller: The provider's name.
    """

    def __init__(self, controller: str) -> None:
        self._controller = controller
        self._log = Log("controller")

    def changed(self, key: Key, before: Json | None, after: Json | None) -> None:
        """Log that an instance came or went."""
        if before is None or after is None:
            self._log.debug("instance gone" if after is None else "instance found", **_tenant(key))

    def began(self, key: Key) -> None:
        """Name tenant and pass in what follows."""
        bind(controller=self._controller, **_tenant(key), reconcileID=str(uuid4()))

    def passed(self, key: Key, plan: Plan, outcome: Done | Failed, told: Report) -> None:
        """Log what was done, what failed, and what the tenant is told."""
        self._log.debug(
            "pass done" if isinstance(outcome, Done) else "pass failed",
            steps=explain(plan),
            look=None if plan.look is None else plan.look / timedelta(seconds=1),
            writesStatus=told.status is not None,
        )
        if isinstance(outcome, Failed):
            say = self._log.debug if outcome.error.retried_silently else self._log.error
            say("a step failed", outcome.error, step=explain(Plan(steps=(outcome.step,)))[0])
        for mistake in (plan.no_answer, told.mistake):
            if isinstance(mistake, ProviderMistake):
                self._log.error("the provider's own code is wrong", function=mistake.function, mistake=mistake.why)
                break
        for event in told.events:
            self._tell(event)

    def untold(self, key: Key, error: PortError) -> None:
        """Log that the status was not written."""
        self._log.error("the status could not be written", error)

    def late(self, key: Key) -> None:
        """Log that a pass was given up."""
        self._log.error("the pass took too long and was given up")

    def crashed(self, key: Key, error: Exception) -> None:
        """Log a mistake in the program."""
        self._log.error("a mistake in the program ended the pass", error)

    def config_told(self, name: str, event: Event) -> None:
        """Log what the platform operator is told."""
        self._tell(event, kind="ProviderConfig", name=name)

    def config_untold(self, name: str, error: PortError) -> None:
        """Log that the status was not written."""
        self._log.error("the status could not be written", error, kind="ProviderConfig", name=name)

    def _tell(self, event: Event, **about: object) -> None:
        say = self._log.info if event.type == "Normal" else self._log.warn
        say(event.message, reason=event.reason, **about)

    def watch_failed(self, cluster: str, kind: str, error: PortError) -> None:
        """Log that a watch broke."""
        self._log.warn("a watch failed", error, cluster=cluster, kind=kind)


def _tenant(key: Key) -> dict[str, object]:
    return {"namespace": key.namespace, "name": key.name}
