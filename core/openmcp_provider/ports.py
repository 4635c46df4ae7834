"""The ports: what the outer rings must offer so that decisions can be carried out.

Objects are plain JSON mappings. A call fails with one of the errors of `openmcp_provider.domain.errors` and nothing
else;
no client's own exception or object type crosses a port. Every adapter passes the same contract suite.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeVar

from openmcp_provider.domain.conditions import Event
from openmcp_provider.domain.errors import (
    AlreadyExists,
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    NotFound,
    PortError,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from openmcp_provider.domain.objects import Json
from openmcp_provider.domain.snapshot import Invalid as InvalidSpec
from openmcp_provider.domain.snapshot import Valid

__all__ = [
    "AlreadyExists",
    "Clock",
    "Cluster",
    "ClusterFactory",
    "Conflict",
    "Decoder",
    "EventRecorder",
    "Expired",
    "Forbidden",
    "Invalid",
    "NotFound",
    "Page",
    "PortError",
    "Randomness",
    "Resource",
    "ServerError",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "WatchEvent",
]


T = TypeVar("T")


class Resource(NamedTuple):
    """A kind as a server serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a list.

    Attributes:
        items: The objects; with ``metadata_only`` nothing but apiVersion, kind and metadata of each.
        resource_version: Of the whole list; a watch from here misses nothing.
        token: Where the next page begins, empty on the last one.
        size: Bytes of the answer; 0 where it had none.
    """

    items: Sequence[Json]
    resource_version: str
    token: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """One event of a watch. A bookmark's object has nothing but its resourceVersion."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]
    object: Json


class Cluster(Protocol):
    """One API server.

    Every method raises a `PortError`: `Unavailable` if no answer came and `ServerError` if it is an error of the
    server's own (a write may have happened), `Unauthorized`, `Forbidden`, `TooManyRequests`, and what is named below.
    Where a method takes `namespace`, cluster-scoped kinds take none.
    """

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Json:
        """Return one object as the server has it now.

        Raises:
            NotFound: there is none, or the kind is not served.
        """

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        limit: int = 500,
        token: str = "",
        metadata_only: bool = False,
    ) -> Page:
        """Return a page of a list; no namespace = of every namespace.

        Args:
            resource: The kind.
            namespace: Only objects in it.
            labels: A label selector.
            fields: A field selector.
            limit: The most items of a page; 0 = all.
            token: Of the page before.
            metadata_only: Ask for metadata alone.

        Raises:
            Expired: `token` is too old; begin anew.
            NotFound: the kind is not served.
        """

    def watch(
        self, resource: Resource, *, resource_version: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield what happened after `resource_version`, bookmarks included, until the server ends the watch.

        A clean end is no error. Closing the generator gives the connection back.

        Raises:
            Expired: `resource_version` is too old; list again. Also in the middle.
        """

    async def create(
        self, resource: Resource, manifest: Json, *, subresource: str = "", name: str = "", manager: str = ""
    ) -> Json:
        """POST an object, or a subresource of the object `name`; return what the server made of it.

        Raises:
            AlreadyExists: the name is taken.
            Invalid: the server refuses the object.
            NotFound: the namespace does not exist.
        """

    async def update(self, resource: Resource, manifest: Json, *, subresource: str = "", manager: str = "") -> Json:
        """PUT an object; its ``metadata.resourceVersion`` must be that of the object as read.

        Raises:
            Conflict: it changed since.
            NotFound: it is gone.
        """

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        kind: Literal["json", "merge"],
        body: Json | Sequence[Json],
        subresource: str = "",
        manager: str = "",
    ) -> Json:
        """Send a JSON or merge patch.

        Raises:
            Conflict: the patch carries a resourceVersion or uid that is not the object's.
            Invalid: a ``test`` of a JSON patch failed, or the result is refused.
            NotFound: it is gone.
        """

    async def apply(
        self, resource: Resource, manifest: Json, *, manager: str, force: bool = True, uid: str = ""
    ) -> Json:
        """Apply our fields server-side.

        Args:
            resource: The kind.
            manifest: Our fields, with name and namespace.
            manager: The field manager.
            force: Take fields from other managers.
            uid: The object must be this one.

        Raises:
            Conflict: the object is another one than `uid`, or there is none; or, unforced, others own a field.
            Invalid: the server refuses the result.
        """

    async def delete(
        self, resource: Resource, name: str, namespace: str = "", *, uid: str = "", resource_version: str = ""
    ) -> Json | None:
        """Delete an object; return it if it stays for its finalizers, None if it is gone.

        Raises:
            Conflict: it is not the one that the preconditions name.
            NotFound: it is gone already.
        """

    async def served(self, group: str) -> Sequence[Resource]:
        """Return every kind of a group, without subresources; empty for an unknown group.

        Each is in the preferred version, or where that does not serve it, in the first one that does.
        """

    async def close(self) -> None:
        """Give every connection back."""


class ClusterFactory(Protocol):
    """Makes clients for tenant clusters."""

    def connect(self, kubeconfig: bytes) -> Cluster:
        """Return a client; connects nowhere yet.

        Raises:
            ValueError: the kubeconfig cannot be used; the message says why and shows nothing of it.
        """


class Decoder(Protocol):
    """Decodes what people write into the author's types, strictly."""

    def __call__(self, cls: type[T], value: object) -> Valid[T] | InvalidSpec:
        """Return the decoded value, or every reason why it cannot be; paths begin with ``spec``."""


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return the present in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Return after so many seconds."""


class Randomness(Protocol):
    """Chance, for jitter."""

    def random(self) -> float:
        """Return a number in [0, 1)."""


class EventRecorder(Protocol):
    """Tells people what happened to an object. Never raises: an event that is lost fails nothing."""

    async def record(self, about: Json, event: Event) -> None:
        """Write one Event about an object."""
