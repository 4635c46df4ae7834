"""ServiceAccounts: how a cluster provider gives access to a real cluster, with exactly the rights that were asked for.

All of an AccessRequest's objects carry its uid as a label, and the name of its ServiceAccount begins their names.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from openmcp_provider.domain.objects import Json, dig
from openmcp_provider.ports import Cluster, NotFound, Resource

__all__ = ["SPACE", "issue", "permit", "remove"]

SPACE = "access"
"""The namespace of all accounts."""

_MANAGER = "cluster-provider"
_RBAC = "rbac.authorization.k8s.io"
_NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
_ROLES = Resource(f"{_RBAC}/v1", "Role", "roles")
_BINDINGS = Resource(f"{_RBAC}/v1", "RoleBinding", "rolebindings")
_CLUSTER_ROLES = Resource(f"{_RBAC}/v1", "ClusterRole", "clusterroles", namespaced=False)
_CLUSTER_BINDINGS = Resource(f"{_RBAC}/v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False)
# An account goes last: where its going failed half-way, it is still found.
_ALL = (_CLUSTER_BINDINGS, _BINDINGS, _CLUSTER_ROLES, _ROLES, _ACCOUNTS)


async def permit(cluster: Cluster, name: str, marks: Mapping[str, str], token: Json) -> None:
    """Make an account with the rights that it is to have, and take away all others that it had.

    Args:
        cluster: Where.
        name: Of the account.
        marks: Labels by which its objects are known.
        token: ``spec.token`` of the AccessRequest.
    """
    await _namespace(cluster, SPACE)
    wanted = [(_ACCOUNTS, _manifest(_ACCOUNTS, name, SPACE, marks))]
    for number, permission in enumerate(token.get("permissions") or ()):
        space, called = permission.get("namespace", ""), f"{name}.{number}"
        if space:
            await _namespace(cluster, space)
        role = _ROLES if space else _CLUSTER_ROLES
        wanted.append((role, {**_manifest(role, called, space, marks), "rules": permission["rules"]}))
        wanted.append(_bound(name, called, space, marks, {"kind": role.kind, "name": called}))
    for number, reference in enumerate(token.get("roleRefs") or ()):
        space, called = reference.get("namespace", ""), f"{name}.role-{number}"
        wanted.append(_bound(name, called, space, marks, {key: reference[key] for key in ("kind", "name")}))
    for resource, manifest in wanted:
        await cluster.apply(resource, manifest, manager=_MANAGER)
    await remove(cluster, marks, keep={_place(resource, manifest) for resource, manifest in wanted})


async def issue(cluster: Cluster, name: str, life: timedelta) -> tuple[str, datetime]:
    """Return a new token of an account, and when it expires."""
    wanted = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "metadata": {"namespace": SPACE},
        "spec": {"expirationSeconds": int(life.total_seconds())},
    }
    made = await cluster.create(_ACCOUNTS, wanted, subresource="token", name=name)
    return dig(made, "status", "token"), datetime.fromisoformat(dig(made, "status", "expirationTimestamp"))


async def remove(cluster: Cluster, marks: Mapping[str, str], *, keep: set[tuple[str, str, str]] | None = None) -> None:
    """Delete every object with these labels, but those that are to be kept: kind, namespace, name."""
    selector = ",".join(f"{key}={value}" for key, value in marks.items())
    for resource in _ALL:
        for found in (await cluster.list(resource, labels=selector, limit=0, metadata_only=True)).items:
            place = _place(resource, found)
            if place not in (keep or ()):
                with suppress(NotFound):
                    await cluster.delete(resource, place[2], place[1])


def _bound(
    account: str, name: str, space: str, marks: Mapping[str, str], role: Json
) -> tuple[Resource, dict[str, Any]]:
    """Return what gives an account a role."""
    resource = _BINDINGS if space else _CLUSTER_BINDINGS
    subject = {"kind": _ACCOUNTS.kind, "name": account, "namespace": SPACE}
    manifest = _manifest(resource, name, space, marks)
    return resource, {**manifest, "roleRef": {"apiGroup": _RBAC, **role}, "subjects": [subject]}


def _manifest(resource: Resource, name: str, space: str, marks: Mapping[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "labels": dict(marks)}
    if resource.namespaced:
        metadata["namespace"] = space
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def _place(resource: Resource, obj: Json) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return resource.kind, metadata.get("namespace", ""), metadata["name"]


async def _namespace(cluster: Cluster, name: str) -> None:
    await cluster.apply(
        _NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager=_MANAGER
    )
