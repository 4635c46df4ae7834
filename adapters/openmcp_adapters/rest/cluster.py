"""The port, in the words of Kubernetes' REST interface.

All that is known of that interface is known here and in the modules beside it; what differs between client libraries is
behind `Transport`.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Literal

from openmcp_adapters.rest import paths
from openmcp_adapters.rest.errors import refusal
from openmcp_adapters.rest.limits import Limits, TooLarge, parsed, whole
from openmcp_adapters.rest.transport import JSON, Answer, Body, Request, Timeouts, Transport
from openmcp_adapters.rest.watching import Lines, decoded
from openmcp_provider.domain.errors import NotFound, ServerError, Unavailable
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Page, Randomness, Resource, WatchEvent

__all__ = ["RestCluster"]

# With the plain form after it, for servers that cannot make the short one: then it is cut here.
_METADATA_ALONE = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
_PATCHES = {"json": "application/json-patch+json", "merge": "application/merge-patch+json"}
_APPLY = "application/apply-patch+yaml; charset=utf-8"  # JSON is YAML; only without a charset the official client
# would make the JSON itself, with surrogate pairs in it
_NAMESPACE = ("v1", "Namespace")
_PAGE = 500


class RestCluster(Cluster):
    """One API server.

    Args:
        transport: The way to it.
        timeouts: How long to wait.
        randomness: Draws how long each watch lasts.
        limits: What one answer may cost; None for clusters that are trusted.
    """

    def __init__(
        self, transport: Transport, *, timeouts: Timeouts, randomness: Randomness, limits: Limits | None = None
    ) -> None:
        self._transport = transport
        self._timeouts = timeouts
        self._randomness = randomness
        self._limits = limits
        self._closed = False

    async def get(self, resource: Resource, name: str, namespace: str = "") -> Json:
        """Return one object as the server has it now."""
        return await self._write("GET", resource, paths.member(resource, name, namespace))

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
        """Return a page of a list; no namespace = of every namespace."""
        query = {"labelSelector": labels, "fieldSelector": fields, "limit": limit, "continue": token}
        accept = _METADATA_ALONE if metadata_only else JSON
        answer, size = await self._page(paths.collection(resource, namespace), query, resource.kind, accept)
        names = {"apiVersion": resource.api_version, "kind": resource.kind}
        with _understood():  # or else an odd answer would be an empty list, and everything gone
            metadata, found = answer["metadata"], answer["items"] or ()  # null, where Go had nothing
            items = [{**names, "metadata": item["metadata"]} if metadata_only else {**item, **names} for item in found]
            return Page(
                items=items, resource_version=metadata["resourceVersion"], token=metadata.get("continue", ""), size=size
            )

    async def watch(
        self, resource: Resource, *, resource_version: str, namespace: str = "", labels: str = "", fields: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield what happened after `resource_version`, bookmarks included, until the server ends the watch."""
        shortest, longest = self._timeouts.watch
        seconds = max(1, round(shortest + (longest - shortest) * self._randomness.random()))
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": seconds,
            "labelSelector": labels,
            "fieldSelector": fields,
        }
        target = paths.with_query(paths.collection(resource, namespace), query)
        lines = Lines()
        async with self._open(Request(method="GET", target=target, read=seconds + self._timeouts.silence)) as answer:
            if not answer.ok:
                async with AsyncExitStack() as stack:
                    said = await whole(answer, self._limits, stack)
                raise refusal(
                    answer.status, said, kind=resource.kind, retry_after=answer.retry_after, limits=self._limits
                )
            async for piece in answer.chunks:
                for line in lines.feed(piece):
                    yield decoded(line, resource.kind)
            for line in lines.rest():
                yield decoded(line, resource.kind)

    async def create(
        self, resource: Resource, manifest: Json, *, subresource: str = "", name: str = "", manager: str = ""
    ) -> Json:
        """POST an object, or a subresource of the object `name`; return what the server made of it."""
        namespace = manifest.get("metadata", {}).get("namespace", "")
        if subresource:
            path = paths.member(resource, name, namespace, subresource)
        else:
            path = paths.collection(resource, namespace)
        return await self._write("POST", resource, path, manifest, fieldManager=manager)

    async def update(self, resource: Resource, manifest: Json, *, subresource: str = "", manager: str = "") -> Json:
        """PUT an object; its ``metadata.resourceVersion`` must be that of the object as read."""
        path = _path(resource, manifest, subresource)
        return await self._write("PUT", resource, path, manifest, fieldManager=manager)

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
        path = paths.member(resource, name, namespace, subresource)
        sent = body if isinstance(body, Mapping) else [*body]
        return await self._write("PATCH", resource, path, sent, _PATCHES[kind], fieldManager=manager)

    async def apply(
        self, resource: Resource, manifest: Json, *, manager: str, force: bool = True, uid: str = ""
    ) -> Json:
        """Apply our fields server-side."""
        sent = {**manifest, "metadata": {**manifest["metadata"], "uid": uid}} if uid else manifest
        forced = "true" if force else ""
        path = _path(resource, manifest)
        return await self._write("PATCH", resource, path, sent, _APPLY, fieldManager=manager, force=forced)

    async def delete(
        self, resource: Resource, name: str, namespace: str = "", *, uid: str = "", resource_version: str = ""
    ) -> Json | None:
        """Delete an object; return it if it stays for its finalizers, None if it is gone."""
        wanted = {"uid": uid, "resourceVersion": resource_version}
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {key: value for key, value in wanted.items() if value},
        }
        answer = await self._ask("DELETE", paths.member(resource, name, namespace), resource.kind, options)
        with _understood():
            metadata = answer.get("metadata", {})
            held = answer.get("spec", {}) if resource[:2] == _NAMESPACE else metadata
            return answer if metadata.get("deletionTimestamp") and held.get("finalizers") else None

    async def served(self, group: str) -> Sequence[Resource]:
        """Return the kinds of a group without subresources, each in the first version that has it; none if unknown."""
        with _understood():
            served: dict[str, Resource] = {}
            for version in await self._versions(group):
                try:
                    kinds = await self._ask("GET", paths.group(group, version), "APIResourceList")
                except NotFound:
                    continue
                for found in kinds["resources"]:
                    if "/" not in found["name"]:
                        resource = Resource(kinds["groupVersion"], found["kind"], found["name"], found["namespaced"])
                        served.setdefault(resource.plural, resource)
            return [*served.values()]

    async def _versions(self, group: str) -> Sequence[str]:
        """Return the versions of a group, the preferred one first; none for an unknown group."""
        if not group:
            return ["v1"]
        try:
            found = await self._ask("GET", paths.group(group), "APIGroup")
        except NotFound:
            return []
        preferred = found["preferredVersion"]["version"]
        return [preferred, *(item["version"] for item in found["versions"] if item["version"] != preferred)]

    async def close(self) -> None:
        """Give every connection back."""
        self._closed = True
        await self._transport.close()

    async def _write(
        self,
        method: Literal["GET", "POST", "PUT", "PATCH"],
        resource: Resource,
        path: str,
        body: Body | None = None,
        content_type: str = JSON,
        **query: str,
    ) -> Json:
        """Send what is answered with an object."""
        target = paths.with_query(path, query)
        answer = await self._ask(method, target, resource.kind, body, content_type)
        if not isinstance(answer.get("metadata"), Mapping):
            raise ServerError("the answer is no object")
        return answer

    async def _page(self, path: str, query: dict[str, Any], kind: str, accept: str) -> tuple[dict[str, Any], int]:
        """Return a page of a list; a smaller one where it would be larger than an answer may be."""
        while True:
            try:
                target = paths.with_query(path, query)
                request = Request(method="GET", target=target, read=self._timeouts.read, accept=accept)
                return await self._sized(request, kind)
            except TooLarge:
                if query["limit"] == 1:
                    raise
                query = {**query, "limit": max(1, (query["limit"] or _PAGE) // 4)}

    async def _ask(
        self,
        method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
        target: str,
        kind: str,
        body: Body | None = None,
        content_type: str = JSON,
    ) -> dict[str, Any]:
        """Return the JSON object of an answer that means success."""
        request = Request(
            method=method,
            target=target,
            read=self._timeouts.read,
            body=body,
            content_type=content_type,
        )
        return (await self._sized(request, kind))[0]

    async def _sized(self, request: Request, kind: str) -> tuple[dict[str, Any], int]:
        """Return the JSON object of an answer that means success, and how many bytes it was."""
        async with AsyncExitStack() as stack:
            async with self._open(request) as answer:
                found = await whole(answer, self._limits, stack)
            if not answer.ok:
                raise refusal(answer.status, found, kind=kind, retry_after=answer.retry_after, limits=self._limits)
            try:
                made = parsed(found, self._limits)
            except (ValueError, RecursionError):
                made = None
        if not isinstance(made, dict):
            raise ServerError("the answer is no JSON object")
        return made, len(found)

    @asynccontextmanager
    async def _open(self, request: Request) -> AsyncIterator[Answer]:
        if self._closed:
            raise Unavailable("this client is closed")
        async with self._transport.open(request) as answer:
            if answer.encoding not in {"", "identity"}:
                raise ServerError("the answer is compressed, which was not asked for")
            yield answer


@contextmanager
def _understood() -> Iterator[None]:
    try:
        yield
    except (LookupError, TypeError, AttributeError):
        raise ServerError("the answer is not what was asked for") from None


def _path(resource: Resource, manifest: Json, subresource: str = "") -> str:
    metadata = manifest.get("metadata", {})
    return paths.member(resource, metadata.get("name", ""), metadata.get("namespace", ""), subresource)
