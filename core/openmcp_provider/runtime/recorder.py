"""Events: what happened to an instance, for people. Losing one fails nothing."""

from datetime import UTC

from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.names import name_hash
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Clock, Cluster, PortError
from openmcp_provider.runtime.resources import EVENTS

__all__ = ["ClusterRecorder"]

_NAME_LIMIT = 200


class ClusterRecorder:
    """Writes Events beside the instance.

    Args:
        cluster: Where instances live.
        component: Who reports.
        clock: The time.
    """

    def __init__(self, cluster: Cluster, component: str, clock: Clock) -> None:
        self._cluster = cluster
        self._component = component
        self._clock = clock

    async def record(self, instance: Json, event: Event) -> None:
        """Write one Event."""
        moment = self._clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata = instance["metadata"]
        mark = name_hash(metadata["uid"], event.reason, event.message, moment)
        manifest = {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"name": f"{metadata['name'][:_NAME_LIMIT]}.{mark}", "namespace": metadata["namespace"]},
            "regarding": {
                "apiVersion": instance["apiVersion"],
                "kind": instance["kind"],
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": metadata["uid"],
            },
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
