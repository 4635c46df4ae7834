"""What is known of each tenant: the platform's caches, the last reads, and the snapshot that they make together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from openmcp_provider.domain.copies import Source
from openmcp_provider.domain.desired import access_of
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import PLATFORM, Json, Ref, ref_of
from openmcp_provider.domain.ownership import Live
from openmcp_provider.domain.snapshot import (
    Content,
    Invalid,
    Kubeconfig,
    Missing,
    NotRead,
    Plane,
    Refused,
    Sent,
    Snapshot,
    Unreachable,
    Valid,
)
from openmcp_provider.ports import Decoder
from openmcp_provider.provider import Provider
from openmcp_provider.runtime.cache import Cache, Key

__all__ = ["Caches", "Reads", "View"]

S = TypeVar("S")
C = TypeVar("C")


@dataclass(slots=True)
class Reads:
    """The last read of everything about one tenant that is not cached; a restart may lose it.

    Attributes:
        clusters: Of each tenant cluster, and of the platform's unmarked objects.
        kubeconfigs: Of each kubeconfig Secret.
        planes: Of each tenant cluster's ClusterRequest and Cluster.
        met: Objects that hold a name which was thought free.
        sent: Our last writes, by object and kind of write, while they may have to be made again.
    """

    clusters: dict[str, NotRead | Unreachable | Refused | Content] = field(default_factory=dict)
    kubeconfigs: dict[str, Kubeconfig] = field(default_factory=dict)
    planes: dict[str, Plane] = field(default_factory=dict)
    met: dict[Ref, Live] = field(default_factory=dict)
    sent: dict[tuple[Ref, str], Sent] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caches:
    """The caches that snapshots are made of.

    Attributes:
        instances: On the onboarding cluster.
        configs: The one ProviderConfig that is followed.
        requests: ClusterRequests.
        access: AccessRequests of ours.
        owned: Objects of each owned kind on the platform, by API version and kind.
        sources: Secrets and ConfigMaps of the provider's namespace that something refers to, by kind and name.
    """

    instances: Cache[Json]
    configs: Cache[Json]
    requests: Cache[Json]
    access: Cache[Json]
    owned: Mapping[tuple[str, str], Cache[Live]]
    sources: dict[tuple[str, str], Cache[Source]]

    def all(self) -> tuple[Cache[Any], ...]:
        """Return every cache."""
        fixed = (self.instances, self.configs, self.requests, self.access)
        return (*fixed, *self.owned.values(), *self.sources.values())


class View(Generic[S, C]):
    """Makes snapshots.

    Args:
        provider: Whose tenants.
        caches: What is cached.
        decode: Decodes specs.
        config_name: The ProviderConfig that is followed.
        namespace: The provider's own.
    """

    def __init__(
        self, provider: Provider[S, C], caches: Caches, decode: Decoder, *, config_name: str, namespace: str
    ) -> None:
        self._provider = provider
        self._caches = caches
        self._decode = decode
        self._config_name = config_name
        self._namespace = namespace
        self._config: tuple[Json | None, Valid[C] | Invalid | Missing] = (None, Missing())

    def config_object(self) -> Json | None:
        """Return the ProviderConfig as it is, None if there is none."""
        return self._caches.configs.get(Key("", self._config_name))

    def config(self) -> Valid[C] | Invalid | Missing:
        """Return the ProviderConfig, decoded once a change; one that is being deleted still counts."""
        found = self.config_object()
        if found is None:
            return Missing()
        if found is not self._config[0]:
            self._config = (found, self._decode(self._provider.config, found.get("spec")))
        return self._config[1]

    def snapshot(self, key: Key, reads: Reads) -> Snapshot[S, C] | None:
        """Return what is known of a tenant, None if there is no such instance."""
        instance = self._caches.instances.get(key)
        if instance is None:
            return None
        home = tenant_namespace(key.name, key.namespace)
        requests, access = {}, {}
        for asked in access_of(self._provider, key.name, key.namespace, home):
            cluster = asked.cluster.id
            if asked.request and (found := self._requested(self._caches.requests, asked.request, reads)):
                requests[cluster] = found
            if found := self._requested(self._caches.access, asked.access, reads):
                access[cluster] = found
        return Snapshot(
            instance=instance,
            spec=self._decode(self._provider.spec, instance.get("spec")),
            config=self.config(),
            config_name=self._config_name,
            namespace=self._namespace,
            control_plane=self._caches.requests.get(Key(home, key.name)),
            requests=requests,
            access=access,
            kubeconfigs=dict(reads.kubeconfigs),
            sources=self._sources(),
            live=self._live(home, reads),
            reads=dict(reads.clusters),
            planes=dict(reads.planes),
            sent=dict(reads.sent),
            unserved=tuple(sorted(kind for kind, cache in self._caches.owned.items() if not cache.served)),
        )

    def _requested(self, cache: Cache[Json], wanted: Json, reads: Reads) -> Json | None:
        found = cache.get(Key(wanted["metadata"]["namespace"], wanted["metadata"]["name"]))
        met = reads.met.get(ref_of(PLATFORM, wanted))
        return found or (met.object if met else None)

    def _sources(self) -> Mapping[tuple[str, str], Source]:
        found = {
            (kind, name): cache.get(Key(self._namespace, name)) for (kind, name), cache in self._caches.sources.items()
        }
        return {name: source for name, source in found.items() if source is not None}

    def _live(self, home: str, reads: Reads) -> dict[Ref, Live]:
        live = {ref: met for ref, met in reads.met.items() if ref.cluster == PLATFORM}
        for (api_version, kind), cache in self._caches.owned.items():
            for name in cache.names(home):
                value = cache.get(Key(home, name))
                if value is not None:
                    live[Ref(PLATFORM, api_version, kind, name, home)] = value
        return live
