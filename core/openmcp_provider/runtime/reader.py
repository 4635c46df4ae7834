"""Reads that no cache answers: kubeconfigs, tenant clusters, what an older program left, whether a cluster lives."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from openmcp_provider.domain.desired import access_of
from openmcp_provider.domain.objects import PLATFORM, Json, Ref, dig, ref_of
from openmcp_provider.domain.ownership import Owner, marks, observe
from openmcp_provider.domain.plan import ReadCluster
from openmcp_provider.domain.snapshot import Content, Guarded, Kubeconfig, Plane, Refused, Snapshot, Unreachable
from openmcp_provider.ports import (
    Cluster,
    Forbidden,
    Invalid,
    NotFound,
    PortError,
    Resource,
    ServerError,
    Unauthorized,
    Unavailable,
)
from openmcp_provider.provider import Provider
from openmcp_provider.runtime.resources import CLUSTER_REQUESTS, CLUSTERS, Resources

__all__ = ["every", "kubeconfig_of", "look_up", "plane_of", "read_cluster", "refusal"]

S = TypeVar("S")
C = TypeVar("C")

PAGE, MOST_PAGES, MOST_OBJECTS, MOST_MIB = 100, 500, 10_000, 16
"""What is looked for are dozens of objects; a tenant is admin of its cluster, which may answer anything."""

HINTED = 10
"""How many blocking objects are looked at closely: as many as are named."""

SUSPENDED = "suspended: resume it, else it never goes"


def refusal(error: PortError, now: datetime) -> Unreachable | Refused:
    """Return what an error of a tenant cluster is remembered as: only silence means that it cannot be reached."""
    if isinstance(error, Unauthorized):
        return Unreachable("CredentialsExpired", now)
    if isinstance(error, Forbidden):
        return Unreachable("Forbidden", now, error.message)
    if isinstance(error, Unavailable):
        return Unreachable("Unreachable", now)
    return Refused(error.reason, now, error.message)


def name_of(resource: Resource) -> str:
    """Return what people call a kind: its plural and group."""
    return f"{resource.plural}.{group_of(resource.api_version)}".rstrip(".")


def group_of(api_version: str) -> str:
    """Return the group of an API version, empty for the core's."""
    return api_version.rpartition("/")[0]


async def every(
    cluster: Cluster,
    resource: Resource,
    *,
    namespace: str = "",
    labels: str = "",
    metadata_only: bool = False,
) -> list[Json]:
    """Return a whole list, page by page.

    Raises:
        ServerError: also where the list has no end.
        PortError: as the port says; the message names the kind, and says no more of Secrets.
    """
    items: list[Json] = []
    token, size = "", 0
    for _ in range(MOST_PAGES):
        try:
            page = await cluster.list(
                resource, namespace=namespace, labels=labels, limit=PAGE, token=token, metadata_only=metadata_only
            )
        except (ServerError, Invalid, NotFound, Forbidden) as error:
            words = "" if resource.kind == "Secret" or not error.message else f": {error.message}"
            raise type(error)(f"list of {name_of(resource)}{words}") from error
        items.extend(page.items)
        token = page.token
        if not token:
            return items
        size += page.size
        if size > MOST_MIB << 20:
            raise ServerError(f"list of {name_of(resource)}: more than {MOST_MIB} MiB in {len(items):,} objects")
        if len(items) > MOST_OBJECTS:
            raise ServerError(f"list of {name_of(resource)}: more than {MOST_OBJECTS:,} objects")
    raise ServerError(f"list of {name_of(resource)}: no end after {MOST_PAGES} pages with {len(items):,} objects")


def kubeconfig_of(secret: Json | None, name: str, grant: str, now: datetime) -> tuple[Kubeconfig, bytes]:
    """Return what is kept of a kubeconfig Secret, and the kubeconfig itself, which is not."""
    if secret is None:
        return Kubeconfig(name=name, grant=grant, read=now, found=False, usable=False), b""
    content = _decoded(secret, "kubeconfig")
    why = "" if content else 'it has no key "kubeconfig"'
    kept = Kubeconfig(
        name=name,
        grant=grant,
        read=now,
        usable=bool(content),
        why=why,
        uid=secret["metadata"].get("uid", ""),
        digest=hashlib.sha256(content).hexdigest(),
        created=_moment(secret, "creationTimestamp"),
        expires=_moment(secret, "expirationTimestamp"),
    )
    return kept, content


def _decoded(secret: Json, key: str) -> bytes:
    text = dig(secret, "data", key)
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return b""


def _moment(secret: Json, key: str) -> datetime | None:
    text = _decoded(secret, key).decode(errors="replace")
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):
        return None


async def plane_of(
    platform: Cluster, snapshot: Snapshot[Any, Any], request: Json, cluster: str, now: datetime
) -> Plane:
    """Return whether a tenant cluster's ClusterRequest or Cluster exists, by live reads.

    Args:
        platform: The platform.
        snapshot: What is known of the tenant.
        request: The ClusterRequest as it would be: its name and namespace count.
        cluster: Id of the tenant cluster.
        now: The present.

    Raises:
        PortError: neither could be told.
    """
    metadata = request["metadata"]
    found = await look_up(platform, CLUSTER_REQUESTS, metadata["name"], metadata["namespace"])
    if found is not None:
        return Plane(exists=True, at=now)
    target = dig(snapshot.access.get(cluster), "spec", "clusterRef") or dig(snapshot.control_plane, "status", "cluster")
    if not target:
        return Plane(exists=False, at=now)
    return Plane(exists=await look_up(platform, CLUSTERS, target["name"], target["namespace"]) is not None, at=now)


async def look_up(cluster: Cluster, resource: Resource, name: str, namespace: str = "") -> Json | None:
    """Return an object as it is now, None if there is none.

    Raises:
        PortError: that could not be told.
    """
    try:
        return await cluster.get(resource, name, namespace)
    except NotFound:
        return None


async def read_cluster(
    provider: Provider[S, C], owner: Owner, cluster: Cluster, step: ReadCluster, now: datetime
) -> Content:
    """Read what a step asks for.

    Raises:
        PortError: the cluster did not answer, or refuses what must be known.
    """
    resources = Resources(provider)
    objects = {}
    unserved = set()
    if step.cluster != PLATFORM:
        labels = marks(provider.edition, owner.name, owner.namespace, step.cluster)
        selector = ",".join(f"{key}={value}" for key, value in labels.items())
        for owned in provider.owns:
            if owned.cluster != step.cluster:
                continue
            try:
                items = await every(cluster, resources.kind(owned.api_version, owned.kind), labels=selector)
            except NotFound:
                if await _discovered(cluster, owned.api_version, owned.kind) is not None:
                    raise  # it is there, perhaps in another version: what is ours of it cannot be told
                unserved.add((owned.api_version, owned.kind))
                continue
            for item in items:
                objects[ref_of(step.cluster, item)] = observe(item, provider.edition.field_manager)
    if step.sweep:
        for ref, item in await _unmarked(provider, owner, cluster, step.cluster, resources):
            objects.setdefault(ref, observe(item, provider.edition.field_manager))
    guarded, unlisted = await _guards(provider, cluster, step) if step.guards else (None, ())
    leftovers = await _leftovers(provider, cluster, step) if step.verify else None
    return Content(
        at=now,
        objects=objects,
        unserved=frozenset(unserved),
        swept=step.sweep,
        guarded=guarded,
        unlisted=unlisted,
        leftovers=leftovers,
    )


async def _discovered(cluster: Cluster, api_version: str, kind: str) -> Resource | None:
    """Return a kind as the server serves it, None if it does not: the only proof that there is nothing of it.

    Discovery shows the group's preferred version; the plural is the same in all.
    """
    for resource in await cluster.served(group_of(api_version)):
        if resource.kind == kind:
            return resource._replace(api_version=api_version)
    return None


async def _unmarked(
    provider: Provider[S, C], owner: Owner, cluster: Cluster, where: str, resources: Resources
) -> list[tuple[Ref, Json]]:
    """Return what an older program wrote under names that nobody knows any more; only those are read whole."""
    found = []
    for pattern, _ in owner.unmarked:
        if pattern.cluster != where or pattern.name:
            continue
        resource = resources.of(pattern)
        for item in await every(cluster, resource, namespace=pattern.namespace, metadata_only=True):
            ref = pattern._replace(name=item["metadata"]["name"])
            if observe({**item, "kind": ref.kind}, provider.edition.field_manager).managed:
                whole = await look_up(cluster, resource, ref.name, ref.namespace)
                if whole is not None:
                    found.append((ref, whole))
    return found


async def _guards(
    provider: Provider[S, C], cluster: Cluster, step: ReadCluster
) -> tuple[tuple[Guarded, ...], tuple[str, ...]]:
    """Return the objects that block deletion, and the kinds that could not be listed."""
    found: list[tuple[Resource, Json]] = []
    unlisted = []
    for guard in provider.guards:
        if guard.cluster != step.cluster:
            continue
        try:
            served = await cluster.served(guard.group)
        except (Unauthorized, Unavailable):
            raise
        except PortError:
            unlisted.append(f"kinds of {guard.group}")
            continue
        for resource in served:
            if guard.kinds and resource.kind not in guard.kinds:
                continue
            try:
                items = await every(cluster, resource, metadata_only=True)
            except (Unauthorized, Unavailable):
                raise
            except PortError:  # also NotFound: discovery said that it is served
                unlisted.append(name_of(resource))
            else:
                found.extend((resource, item) for item in items)
    return await _hinted(cluster, step.cluster, found), tuple(unlisted)


async def _hinted(cluster: Cluster, where: str, found: Sequence[tuple[Resource, Json]]) -> tuple[Guarded, ...]:
    refs = sorted(
        (
            Ref(where, item.api_version, item.kind, obj["metadata"]["name"], obj["metadata"].get("namespace", "")),
            item,
        )
        for item, obj in found
    )
    guarded = []
    for at, (ref, resource) in enumerate(refs):
        try:
            whole = await look_up(cluster, resource, ref.name, ref.namespace) if at < HINTED else None
        except (Forbidden, ServerError):
            whole = None  # it blocks whether or not it can be looked at closely
        guarded.append(Guarded(ref, SUSPENDED if dig(whole, "spec", "suspend") is True else ""))
    return tuple(guarded)


async def _leftovers(provider: Provider[S, C], cluster: Cluster, step: ReadCluster) -> tuple[Ref, ...]:
    """Return the residues that are still there.

    Their plurals come from discovery: asked for under a wrong one, everything would be gone.
    """
    left = []
    for residue in provider.residues:
        if residue.cluster != step.cluster:
            continue
        resource = await _discovered(cluster, residue.api_version, residue.kind)
        if resource is None:
            continue
        prefix, star, _ = residue.name.partition("*")
        ref = Ref(step.cluster, residue.api_version, residue.kind, prefix, residue.namespace)
        if not star:
            if await look_up(cluster, resource, residue.name, residue.namespace) is not None:
                left.append(ref)
            continue
        items = await every(cluster, resource, namespace=residue.namespace, metadata_only=True)
        names = sorted(item["metadata"]["name"] for item in items)
        left.extend(ref._replace(name=name) for name in names if name.startswith(prefix))
    return tuple(left)


def requests_of(provider: Provider[S, C], name: str, namespace: str, home: str, cluster: str) -> Json:
    """Return the ClusterRequest behind a tenant cluster, as far as its name and namespace go."""
    asked = next(item for item in access_of(provider, name, namespace, home) if item.cluster.id == cluster)
    return asked.request or {"metadata": {"name": name, "namespace": home}}
