"""Asks a cluster which rights we have."""

import asyncio
from collections.abc import Iterable

from openmcp_provider.domain.rights import Right, review
from openmcp_provider.ports import Cluster, Resource

__all__ = ["missing_rights"]

REVIEWS = Resource("authorization.k8s.io/v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False)
AT_ONCE = 8


async def missing_rights(cluster: Cluster, rights: Iterable[Right]) -> tuple[Right, ...]:
    """Return those of the rights that the cluster does not grant us, in their order.

    Raises:
        PortError: the cluster did not answer.
    """
    slots = asyncio.Semaphore(AT_ONCE)

    async def ask(right: Right) -> bool:
        async with slots:
            answer = await cluster.create(REVIEWS, review(right))
        return bool((answer.get("status") or {}).get("allowed"))

    asked = tuple(rights)
    granted = await asyncio.gather(*[ask(right) for right in asked])
    return tuple(right for right, given in zip(asked, granted, strict=True) if not given)
