"""What is known of one tenant at one moment: the input of every decision.

The kinds in it may be of different age. Nothing in it is remembered that could not be observed again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from openmcp_provider.domain.copies import Source
from openmcp_provider.domain.objects import Json, Ref
from openmcp_provider.domain.ownership import Live
from openmcp_provider.provider import Problem

__all__ = [
    "Content",
    "Guarded",
    "Invalid",
    "Kubeconfig",
    "Missing",
    "NotRead",
    "Plane",
    "Refused",
    "Sent",
    "Snapshot",
    "Unreachable",
    "Valid",
]

S = TypeVar("S")
C = TypeVar("C")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Valid(Generic[T]):
    """A spec that was decoded."""

    value: T


@dataclass(frozen=True, slots=True)
class Invalid:
    """A spec that could not be decoded, and every reason why."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """There is no such object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubeconfig:
    """What one GET of a kubeconfig Secret told; never its bytes.

    Attributes:
        name: Name of the Secret.
        grant: Which grant it was read for: uid and observedGeneration of the AccessRequest.
        read: When.
        found: Whether the Secret was there.
        usable: Whether it held a kubeconfig that can be used.
        why: What was wrong with it otherwise, in words.
        uid: Its uid.
        digest: SHA-256 of the kubeconfig, hexadecimal.
        created: When the token was made, as the Secret says.
        expires: When the token expires, as the Secret says.
    """

    name: str
    grant: str
    read: datetime
    found: bool = True
    usable: bool = True
    why: str = ""
    uid: str = ""
    digest: str = ""
    created: datetime | None = None
    expires: datetime | None = None

    @property
    def request(self) -> str:
        """The uid of the AccessRequest that granted it."""
        return self.grant.partition("/")[0]


@dataclass(frozen=True, slots=True)
class NotRead:
    """Nobody looked yet."""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The cluster did not answer: reason ``Unreachable``, ``CredentialsExpired`` or ``Forbidden``, when, and why."""

    reason: str
    at: datetime
    why: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """The cluster answered a read with an error: the kind of error, when, and the words, which name what was asked."""

    reason: str
    at: datetime
    why: str = ""


@dataclass(frozen=True, slots=True)
class Guarded:
    """An object of a guard kind that blocks deletion, with a word on why it may never go by itself."""

    ref: Ref
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What was read of a cluster.

    Attributes:
        at: When the read began.
        objects: The objects found that are, or may be, ours.
        unserved: Kinds that may be ours and that the cluster does not serve, by API version and kind.
        swept: Whether objects without mark, of older programs, were looked for.
        guarded: Objects that block deletion; None = not looked for.
        unlisted: Guard kinds that could not be listed, with the reason: never the same as none.
        leftovers: Residues that are still there, looked for after the releases were gone; None = not looked for.
    """

    at: datetime
    objects: Mapping[Ref, Live] = field(default_factory=dict)
    unserved: frozenset[tuple[str, str]] = frozenset()
    swept: bool = False
    guarded: tuple[Guarded, ...] | None = None
    unlisted: tuple[str, ...] = ()
    leftovers: tuple[Ref, ...] | None = None


@dataclass(frozen=True, slots=True)
class Plane:
    """What live reads of a cluster's ClusterRequest and Cluster told: whether either exists, and when."""

    exists: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The last write of one kind to one object.

    Attributes:
        digest: Of what was sent.
        uid: Of the object that was answered.
        at: When.
        times: How many times in a row it did not last: the server answered otherwise, or it had to be sent again.
        field: For which field, dotted; empty where the object was missing.
        kept: The object as answered, where that is not what was sent; without data.
        ready: The generation at which the instance was Ready before the first of these times; 0 = it was not.
    """

    digest: str
    uid: str
    at: datetime
    times: int
    field: str = ""
    kept: Json | None = None
    ready: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot(Generic[S, C]):
    """What the caches and reads hold for one tenant.

    Attributes:
        instance: The instance itself.
        spec: Its decoded spec.
        config: The decoded ProviderConfig.
        config_name: The name of the ProviderConfig that is followed.
        namespace: The provider's own namespace on the platform.
        control_plane: The control plane's own ClusterRequest; None = there is none.
        requests: The ClusterRequest that was made for each tenant cluster with a purpose, by cluster id.
        access: The AccessRequest of each tenant cluster, by cluster id.
        kubeconfigs: The last read of each kubeconfig Secret, by cluster id.
        sources: What was found under the name of each source, by kind and name; absent = missing.
        live: Objects on the platform that are ours, or that bear a wanted name.
        reads: The last read of each tenant cluster, by id; under the platform's id the sweep for unmarked objects.
        planes: The last live read of ClusterRequest and Cluster of each tenant cluster, by id.
        sent: Our last writes, by object and kind of write; those that did their work are soon forgotten.
        unserved: API version and kind of what the provider writes there, where the platform does not serve it.
    """

    instance: Json
    spec: Valid[S] | Invalid
    config: Valid[C] | Invalid | Missing
    config_name: str
    namespace: str
    control_plane: Json | None = None
    requests: Mapping[str, Json] = field(default_factory=dict)
    access: Mapping[str, Json] = field(default_factory=dict)
    kubeconfigs: Mapping[str, Kubeconfig] = field(default_factory=dict)
    sources: Mapping[tuple[str, str], Source] = field(default_factory=dict)
    live: Mapping[Ref, Live] = field(default_factory=dict)
    reads: Mapping[str, NotRead | Unreachable | Refused | Content] = field(default_factory=dict)
    planes: Mapping[str, Plane] = field(default_factory=dict)
    sent: Mapping[tuple[Ref, str], Sent] = field(default_factory=dict)
    unserved: tuple[tuple[str, str], ...] = ()

    def read(self, cluster: str) -> NotRead | Unreachable | Refused | Content:
        """Return the last read of a cluster."""
        return self.reads.get(cluster, NotRead())

    def objects(self) -> dict[Ref, Live]:
        """Return everything found: on the platform, by the sweep, and on every tenant cluster that answered."""
        found: dict[Ref, Live] = {}
        for content in self.reads.values():
            if isinstance(content, Content):
                found.update(content.objects)
        found.update(self.live)
        return found

    @property
    def status(self) -> Mapping[str, Any]:
        """The instance's status as last seen."""
        return self.instance.get("status") or {}
