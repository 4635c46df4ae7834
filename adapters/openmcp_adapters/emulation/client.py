"""A client of one cluster: the port with latency, faults, liveness, tokens and a log around an in-memory cluster."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, Literal, TypeVar

from openmcp_adapters.emulation.traffic import LOST, Link, Request
from openmcp_adapters.memory import MemoryCluster
from openmcp_provider.domain.objects import Json, deleting, dig
from openmcp_provider.ports import Cluster, Page, PortError, Resource, Unavailable, WatchEvent

__all__ = ["Client", "kubeconfig", "read_kubeconfig"]

T = TypeVar("T")

_SERVER = re.compile(r"https://(.+)\.emulated:6443")


def kubeconfig(cluster: str, token: str) -> bytes:
    """Return a kubeconfig: JSON, which is YAML."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "default",
            "contexts": [{"name": "default", "context": {"cluster": cluster, "user": "default"}}],
            "clusters": [{"name": cluster, "cluster": {"server": f"https://{cluster}.emulated:6443"}}],
            "users": [{"name": "default", "user": {"token": token}}],
        }
    ).encode()


def read_kubeconfig(raw: bytes) -> tuple[str, str]:
    """Return cluster and token of a kubeconfig.

    Raises:
        ValueError: it is none; the message shows nothing of it.
    """
    try:
        config = json.loads(raw)
        server, token = config["clusters"][0]["cluster"]["server"], config["users"][0]["user"]["token"]
    except (ValueError, LookupError, TypeError):
        raise ValueError("error loading config: it names no server, or no token") from None
    found = _SERVER.fullmatch(str(server))
    if found is None:
        raise ValueError("error loading config: it names no server of this landscape")
    return found[1], str(token)


class Client(Cluster):
    """What one client does on one cluster.

    Args:
        name: Who it is.
        link: The way to the cluster.
        token: What it shows; None = it is trusted.
    """

    def __init__(self, name: str, link: Link, token: str | None = None) -> None:
        self.name = name
        self.link = link
        self._token = token

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Json:
        """Return one object."""
        return await self._send(
            ("get", resource.kind, namespace, name), lambda server: server.get(resource, name, namespace)
        )

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
        """Return a page of a list."""
        return await self._send(
            ("list", resource.kind, namespace, ""),
            lambda server: server.list(
                resource,
                namespace=namespace,
                labels=labels,
                fields=fields,
                limit=limit,
                token=token,
                metadata_only=metadata_only,
            ),
        )

    async def watch(
        self, resource: Resource, *, resource_version: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield what happened after `resource_version`, a little later."""

        async def begin(server: MemoryCluster) -> AsyncGenerator[WatchEvent, None]:
            return server.watch(
                resource, resource_version=resource_version, namespace=namespace, labels=labels, fields=fields
            )

        what = ("watch", resource.kind, namespace, "")
        stream = await self._send(what, begin)
        loop = asyncio.get_running_loop()
        delivered = -1.0
        try:
            async for event in stream:
                if loop.time() > delivered:  # what happened at once arrives at once
                    await asyncio.sleep(self.link.traffic.ways(self.name, self.link.name, *what, "event")[0])
                await self.link.reach()
                delivered = loop.time()
                yield event
        finally:
            await stream.aclose()

    async def create(
        self, resource: Resource, manifest: Json, *, subresource: str = "", name: str = "", manager: str = ""
    ) -> Json:
        """POST an object or a subresource."""
        space, called = _place(manifest)
        return await self._send(
            ("create", _told(resource, subresource), space, name or called),
            lambda server: server.create(
                resource, manifest, subresource=subresource, name=name, manager=manager or self.name
            ),
        )

    async def update(self, resource: Resource, manifest: Json, *, subresource: str = "", manager: str = "") -> Json:
        """PUT an object."""
        return await self._send(
            ("update", _told(resource, subresource), *_place(manifest)),
            lambda server: server.update(resource, manifest, subresource=subresource, manager=manager or self.name),
        )

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
        """Send a JSON or merge patch."""
        return await self._send(
            ("patch", _told(resource, subresource), namespace, name),
            lambda server: server.patch(
                resource,
                name,
                namespace,
                kind=kind,
                body=body,
                subresource=subresource,
                manager=manager or self.name,
            ),
        )

    async def apply(
        self, resource: Resource, manifest: Json, *, manager: str, force: bool = True, uid: str = ""
    ) -> Json:
        """Apply our fields server-side."""
        return await self._send(
            ("apply", resource.kind, *_place(manifest)),
            lambda server: server.apply(resource, manifest, manager=manager, force=force, uid=uid),
        )

    async def delete(
        self, resource: Resource, name: str, namespace: str = "", *, uid: str = "", resource_version: str = ""
    ) -> Json | None:
        """Delete an object; return it if it stays for its finalizers."""
        return await self._send(
            ("delete", resource.kind, namespace, name),
            lambda server: server.delete(resource, name, namespace, uid=uid, resource_version=resource_version),
        )

    async def served(self, group: str) -> Sequence[Resource]:
        """Return the kinds of a group in its preferred version."""
        return await self._send(("served", group, "", ""), lambda server: server.served(group))

    async def close(self) -> None:
        """Give nothing back, since nothing was taken."""

    async def _send(self, what: tuple[str, str, str, str], act: Callable[[MemoryCluster], Awaitable[T]]) -> T:
        """Send one request: there, be carried out, and back; log how it ended."""
        link, traffic = self.link, self.link.traffic
        began = asyncio.get_running_loop().time()
        there, back = traffic.ways(self.name, link.name, *what)
        outcome = "Cancelled"
        try:
            await asyncio.sleep(there)
            server = await link.reach()
            if self._token is not None:
                link.admit(self._token)
            verb, kind, _, name = what
            fault = traffic.faults(self.name, link.name, verb, kind, name) if traffic.faults else None
            if isinstance(fault, PortError):
                raise fault
            result = await act(server.client(self.name))
            if verb == "delete" or (isinstance(result, dict) and _may_go(result)):
                link.removed(link)
            await asyncio.sleep(back)
            await link.reach()
            if fault == LOST:
                outcome = "Lost"
                raise Unavailable("the connection was reset")
            outcome = "OK"
        except PortError as error:
            outcome = "Lost" if outcome == "Lost" else error.reason
            raise
        finally:
            traffic.log.append(Request(began, self.name, link.name, *what, outcome))
        return result


def _may_go(obj: dict[str, Any]) -> bool:
    """Tell whether a write may have something to do for the garbage collector."""
    return deleting(obj) or bool(dig(obj, "metadata", "ownerReferences"))


def _place(manifest: Json) -> tuple[str, str]:
    metadata = manifest.get("metadata") or {}
    return metadata.get("namespace", ""), metadata.get("name", "")


def _told(resource: Resource, subresource: str) -> str:
    return f"{resource.kind}/{subresource}" if subresource else resource.kind
