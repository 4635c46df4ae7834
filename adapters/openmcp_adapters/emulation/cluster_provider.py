"""A cluster provider of openMCP: makes the clusters, and hands out kubeconfigs for them."""

import base64
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from openmcp_adapters.emulation.access import PROFILE, PROVIDER, operation
from openmcp_adapters.emulation.actor import Actor, hold, release, seen, write_status
from openmcp_adapters.emulation.schemas import ACCESS_REQUESTS, CLUSTERS, SECRETS
from openmcp_adapters.emulation.world import World
from openmcp_provider.domain.names import kubeconfig_secret_name
from openmcp_provider.domain.objects import Json, deleting, dig, generation, labels, uid
from openmcp_provider.ports import AlreadyExists, NotFound
from openmcp_provider.runtime.cache import Cache, Key

__all__ = ["RENEWAL", "AccessGranter", "ClusterMaker"]

_FINALIZER = "clusters.openmcp.cloud/finalizer"
RENEWAL = 0.8
"""The part of its life after which it is renewed."""


class ClusterMaker(Actor):
    """Makes and unmakes clusters."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "cluster-provider")

    def watched(self) -> list[Cache[Any]]:
        """Watch Clusters."""
        return [self.cache(CLUSTERS, seen())]

    async def work(self, key: Key) -> float | None:
        """Make a cluster, or let it go with everything on it."""
        cluster = await self.platform.get(CLUSTERS, key.name, key.namespace)
        delays = self.world.script(key.namespace).delays
        exclusive = dig(cluster, "spec", "tenancy") == "Exclusive"
        if deleting(cluster):
            await self.world.pause(delays.deprovision)
            if exclusive:
                await self.world.demolish(key.name)
            await release(self.platform, CLUSTERS, cluster, _FINALIZER)
            return None
        cluster = await hold(self.platform, CLUSTERS, cluster, _FINALIZER)
        if dig(cluster, "status", "phase") == "Ready":
            return None
        if not self.world.exists(key.name):
            await self.world.pause(delays.provision)
            await self.world.build(key.name)
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Emulated",
            "message": "",
            "lastTransitionTime": self.world.moment(),
        }
        seen_at = generation(cluster)
        await write_status(
            self.platform, CLUSTERS, cluster, phase="Ready", observedGeneration=seen_at, conditions=[ready]
        )
        return None


class AccessGranter(Actor):
    """Answers AccessRequests with kubeconfigs, and renews these in place before they expire."""

    def __init__(self, world: World) -> None:
        super().__init__(world, "cluster-provider")

    def watched(self) -> list[Cache[Any]]:
        """Watch the requests."""
        return [self.cache(ACCESS_REQUESTS, _concern)]

    async def work(self, key: Key) -> float | None:
        """Grant, deny, renew, or revoke; return when the token is to be renewed."""
        request = await self.platform.get(ACCESS_REQUESTS, key.name, key.namespace)
        if deleting(request):
            await self.world.revoke(request)
            await release(self.platform, ACCESS_REQUESTS, request, _FINALIZER)
            return None
        if not _responsible(request) or operation(request) == "ignore":
            return None
        script = self.world.script(key.namespace)
        if script.access == "never":
            return None
        if script.access == "deny":
            await self._answer(request, "Denied")
            return None
        request = await hold(self.platform, ACCESS_REQUESTS, request, _FINALIZER)
        cluster = request["spec"]["clusterRef"]
        found = await self._ready(cluster)
        if not found:
            return self.again(1.0, key)
        new = dig(request, "status", "phase") != "Granted"
        secret = await self._secret(request)
        if secret is None or not _owns(request, secret) or self._due(secret) <= 0:
            if new:
                await self.world.pause(script.delays.grant)
            secret = await self._write(request, cluster["name"], secret)
        elif new:  # it asks for other rights than before
            await self.world.permit(cluster["name"], request)
        await self._answer(request, "Granted", secretRef={"name": secret["metadata"]["name"]})
        return max(1.0, self._due(secret))

    async def rotate(self, key: Key) -> None:
        """Write a new token into a request's Secret; the old one is accepted until it expires."""
        request = await self.platform.get(ACCESS_REQUESTS, key.name, key.namespace)
        await self._write(request, request["spec"]["clusterRef"]["name"], await self._secret(request))

    async def _ready(self, cluster: Json) -> bool:
        try:
            found = await self.platform.get(CLUSTERS, cluster["name"], cluster["namespace"])
        except NotFound:
            return False
        return dig(found, "status", "phase") == "Ready" and not deleting(found)

    async def _secret(self, request: Json) -> Json | None:
        name = kubeconfig_secret_name(request["metadata"]["name"])
        try:
            return await self.platform.get(SECRETS, name, request["metadata"]["namespace"])
        except NotFound:
            return None

    async def _write(self, request: Json, cluster: str, old: Json | None) -> Json:
        """Make credentials and write them down."""
        metadata = request["metadata"]
        granted = await self.world.grant(cluster, request)
        owner = {
            "apiVersion": ACCESS_REQUESTS.api_version,
            "kind": ACCESS_REQUESTS.kind,
            "name": metadata["name"],
            "uid": uid(request),
            "controller": True,
        }
        secret: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": kubeconfig_secret_name(metadata["name"]),
                "namespace": metadata["namespace"],
                "ownerReferences": [owner],
            },
            "type": "Opaque",
            "data": {
                "kubeconfig": _encode(granted.kubeconfig),
                "creationTimestamp": _encode(_seconds(self.world.now())),
                "expirationTimestamp": _encode(_seconds(granted.expires)),
            },
        }
        if old is not None:
            with suppress(NotFound):  # a former request's, which the garbage collector took meanwhile
                return await self._renewed(old, secret)
        try:
            return await self.platform.create(SECRETS, secret)
        except AlreadyExists:  # somebody else's, or one's own, whose answer was lost: the next look sees it
            found = await self.platform.get(SECRETS, secret["metadata"]["name"], metadata["namespace"])
            return await self._renewed(found, secret)

    async def _renewed(self, old: Json, secret: Json) -> Json:
        """Write new credentials over old ones, owned by the request they are for: the former one's may be collected."""
        metadata = {**old["metadata"], "ownerReferences": secret["metadata"]["ownerReferences"]}
        return await self.platform.update(SECRETS, {**old, "metadata": metadata, "data": secret["data"]})

    def _due(self, secret: Json) -> float:
        """Return in how many seconds a token is to be renewed; none in it = at once."""
        data = secret.get("data") or {}
        try:
            created, expires = (_decode(data[key]) for key in ("creationTimestamp", "expirationTimestamp"))
        except (KeyError, ValueError):
            return 0.0
        return (created + RENEWAL * (expires - created)) - self.world.now().timestamp()

    async def _answer(self, request: Json, phase: str, **more: Any) -> None:  # noqa: ANN401 - JSON
        seen_at = generation(request)
        await write_status(self.platform, ACCESS_REQUESTS, request, phase=phase, observedGeneration=seen_at, **more)


def _concern(request: Json) -> tuple[Any, ...]:
    status = request.get("status") or {}
    return (*seen()(request), status.get("phase"), status.get("observedGeneration"), operation(request))


def _owns(request: Json, secret: Json) -> bool:
    """Tell whether a Secret belongs to a request, and not to a former one of its name."""
    return any(owner["uid"] == uid(request) for owner in dig(secret, "metadata", "ownerReferences") or ())


def _responsible(request: Json) -> bool:
    """Tell whether a request is prepared, and not about to be prepared anew."""
    if not {PROVIDER, PROFILE} <= labels(request).keys() or not dig(request, "spec", "clusterRef"):
        return False
    current = dig(request, "status", "observedGeneration") == generation(request)
    return current and dig(request, "status", "phase") in {"Pending", "Granted"}


def _seconds(moment: datetime) -> bytes:
    return str(int(moment.astimezone(UTC).timestamp())).encode()


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decode(text: str) -> float:
    return float(base64.b64decode(text))
