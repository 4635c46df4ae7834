"""Events: what happened to an object, for people. Losing one fails nothing."""

from datetime import UTC

from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.names import name_hash
from openmcp_provider.domain.objects import Json
from openmcp_provider.domain.rights import NOWHERE
from openmcp_provider.ports import Clock, Cluster, PortError
from openmcp_provider.runtime.resources import EVENTS

__all__ = ["ClusterRecorder"]

_NAME_LIMIT = 200


class ClusterRecorder:
    """Writes Events beside what they are about; those of what has no namespace go to the namespace ``default``.

    Args:
        cluster: Where that lives.
        component: Who reports.
        clock: The time.
    """

    def __init__(self, cluster: Cluster, component: str, clock: Clock) -> None:
        self._cluster = cluster
        self._component = component
        self._clock = clock

    async def record(self, about: Json, event: Event) -> None:
        """Write one Event."""
        moment = self._clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata = about["metadata"]
        namespace = metadata.get("namespace")
        regarding = {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        mark = name_hash(metadata["uid"], event.reason, event.message, moment)
        manifest = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": f"{metadata['name'][:_NAME_LIMIT]}.{mark}", "namespace": namespace or NOWHERE},
            "regarding": regarding | ({"namespace": namespace} if namespace else {}),
            "type": event.type,
            "reason": event.reason,
            "action": "Reconcile",
            "note": event.message,
            "eventTime": moment,
            "reportingController": self._component,
            "reportingInstance": self._component,
        }
        try:
            await self._cluster.create(EVENTS, manifest, manager=self._component)
        except PortError:
            return
