"""The status of a Flux object while it is worked on, and how it is written."""

from collections.abc import Set as AbstractSet
from typing import Any

from openmcp_adapters.emulation.world import World
from openmcp_provider.domain.objects import Json, annotations, dig, generation
from openmcp_provider.ports import Cluster, Resource

__all__ = ["FLUX_FINALIZER", "FORCE", "REQUESTED", "RESET", "Report", "concern"]

FLUX_FINALIZER = "finalizers.fluxcd.io"
REQUESTED = "reconcile.fluxcd.io/requestedAt"
FORCE = "reconcile.fluxcd.io/forceAt"
RESET = "reconcile.fluxcd.io/resetAt"

_GONE = object()
_BETWEEN = 0.002  # seconds between the writes at the end of an action


def concern(obj: Json) -> tuple[Any, ...]:
    """Return what makes a Flux controller look at an object: what it is, its generation, and being asked to."""
    return (dig(obj, "metadata", "uid"), generation(obj), annotations(obj).get(REQUESTED))


class Report:
    """A copy of an object's status to work on.

    Args:
        world: For the time.
        client: Who writes it.
        resource: The kind.
        obj: The object as read.
    """

    def __init__(self, world: World, client: Cluster, resource: Resource, obj: Json) -> None:
        self.generation = generation(obj)
        self.fields: dict[str, Any] = dict(obj.get("status") or {})
        self._world = world
        self._client = client
        self._resource = resource
        self._metadata = obj["metadata"]
        self._conditions: dict[str, Json] = {item["type"]: item for item in self.fields.pop("conditions", None) or ()}
        self._written = dict(self.fields)
        self._told = list(self._conditions.values())

    @property
    def current(self) -> bool:
        """Whether the present generation was observed."""
        return bool(self.fields.get("observedGeneration") == self.generation)

    def status(self, kind: str) -> str:
        """Return the status of a condition, empty where there is none."""
        return str(self._conditions.get(kind, {}).get("status", ""))

    def message(self, kind: str) -> str:
        """Return the message of a condition, empty where there is none."""
        return str(self._conditions.get(kind, {}).get("message", ""))

    def reason(self, kind: str) -> str:
        """Return the reason of a condition, empty where there is none."""
        return str(self._conditions.get(kind, {}).get("reason", ""))

    def say(self, kind: str, status: str, reason: str, message: str) -> None:
        """Set a condition. As with Flux, the time moves also when only reason or message change."""
        before = self._conditions.get(kind, {})
        now = {"type": kind, "status": status, "reason": reason, "message": message}
        same = all(before.get(key) == value for key, value in now.items())
        since = before["lastTransitionTime"] if same else self._world.moment()
        self._conditions[kind] = {**now, "observedGeneration": self.generation, "lastTransitionTime": since}

    def drop(self, *kinds: str) -> None:
        """Take conditions away."""
        for kind in kinds:
            self._conditions.pop(kind, None)

    def progress(self, message: str) -> None:
        """Say that something is being done."""
        self.say("Reconciling", "True", "Progressing", message)
        self.drop("Stalled")

    def begin(self, message: str) -> None:
        """Say that something is being done, and that what comes of it is open."""
        self.progress(message)
        self.say("Ready", "Unknown", "Progressing", message)

    def stall(self, reason: str, message: str) -> None:
        """Say that nothing more is going to be tried; that counts as having observed the generation."""
        self.drop("Reconciling")
        self.say("Stalled", "True", reason, message)
        self.fields["observedGeneration"] = self.generation

    def handled(self, obj: Json) -> None:
        """Record that somebody asked for this look, however it ended."""
        if token := annotations(obj).get(REQUESTED):
            self.fields["lastHandledReconcileAt"] = token

    async def write(self) -> None:
        """Write what changed since it was read or written last."""
        await self._send(self.fields.keys() | self._written.keys(), self._said())

    async def finish(self, *together: str) -> None:
        """Write how an action ended as Flux does, some milliseconds apart.

        First the conditions, while it still says that it is at work, then the other fields, then that the work is over,
        and last of all the observed generation.

        Args:
            together: Fields that are written with the observed generation.
        """
        late = {"observedGeneration", "lastHandledReconcileAt", *together}
        said = self._said()
        at_work = [item for item in self._told if item["type"] == "Reconciling"]
        busy = said if self.status("Reconciling") else [*at_work, *said]
        fields = self.fields.keys() | self._written.keys()
        for keys, told in ((set(), busy), (fields - late, busy), (set(), said)):
            await self._send(keys, told)
            await self._world.pause(_BETWEEN)
        await self._send(fields, said)

    async def _send(self, keys: AbstractSet[str], told: list[Json]) -> None:
        body: dict[str, Any] = {
            key: self.fields.get(key)
            for key in sorted(keys)
            if self.fields.get(key, _GONE) != self._written.get(key, _GONE)
        }
        for key in body:
            self._written.pop(key, None)
            if key in self.fields:
                self._written[key] = self.fields[key]
        if told != self._told:
            body["conditions"] = told
        if not body:
            return
        self._told = told
        await self._client.patch(
            self._resource,
            self._metadata["name"],
            self._metadata.get("namespace", ""),
            kind="merge",
            body={"status": body},
            subresource="status",
        )

    def _said(self) -> list[Json]:
        return [*self._of("Reconciling", "Stalled", "Ready"), *self._others()]

    def _of(self, *kinds: str) -> list[Json]:
        return [self._conditions[kind] for kind in kinds if kind in self._conditions]

    def _others(self) -> list[Json]:
        return [item for kind, item in self._conditions.items() if kind not in {"Reconciling", "Stalled", "Ready"}]
