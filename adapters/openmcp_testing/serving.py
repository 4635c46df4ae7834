"""Having a real API server serve a kind."""

import asyncio
from contextlib import suppress

from openmcp_provider.domain.errors import AlreadyExists, NotFound, ServerError, TooManyRequests, Unavailable
from openmcp_provider.domain.objects import Json, dig
from openmcp_provider.ports import Cluster, Resource

__all__ = ["serve"]

_CRDS = Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
_PATIENCE = 30.0
_PAUSE = 0.05


async def serve(cluster: Cluster, crd: Json) -> Resource:
    """Serve a kind, unless it is served already, and return its storage version once it can be used.

    Args:
        cluster: The server.
        crd: The CustomResourceDefinition.

    Raises:
        TimeoutError: the server does not serve it within 30 seconds.
    """
    spec = crd["spec"]
    (storage,) = (version["name"] for version in spec["versions"] if version["storage"])
    resource = Resource(
        f"{spec['group']}/{storage}",
        spec["names"]["kind"],
        spec["names"]["plural"],
        namespaced=spec["scope"] == "Namespaced",
    )
    with suppress(AlreadyExists):  # made before, or by another process this very moment
        await cluster.create(_CRDS, crd)
    async with asyncio.timeout(_PATIENCE):
        while not await _is_served(cluster, crd["metadata"]["name"], resource):  # noqa: ASYNC110 - in another process
            await asyncio.sleep(_PAUSE)
    return resource


async def _is_served(cluster: Cluster, crd: str, resource: Resource) -> bool:
    """Tell whether a kind is established, shown by discovery, and ready; a server does these one by one."""
    conditions = dig(await cluster.get(_CRDS, crd), "status", "conditions") or ()
    if not any(entry["type"] == "Established" and entry["status"] == "True" for entry in conditions):
        return False
    if resource not in await cluster.served(resource.api_version.partition("/")[0]):
        return False
    try:
        await cluster.list(resource, limit=1)
    except (NotFound, ServerError, TooManyRequests, Unavailable):  # not routed yet, or its cache is being filled
        return False
    return True
