"""What would be written for each instance, as text; nothing is decided here but how it looks."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from openmcp_provider.domain.copies import Source
from openmcp_provider.domain.desired import Access, Wanted, desired
from openmcp_provider.domain.objects import Json
from openmcp_provider.provider import PLATFORM, Provider
from openmcp_provider_cli.dialect import dump, plain
from openmcp_provider_cli.inputs import Inputs

__all__ = ["FORMATS", "HIDDEN", "Rendered", "render"]

S = TypeVar("S")
C = TypeVar("C")

CONTROL_PLANE = "control-plane"
HIDDEN = "<hidden>"
"""Stands for a value of a Secret; no base64, so that nobody can apply it by mistake."""


class Rendered(NamedTuple):
    """One object that would be written.

    Attributes:
        cluster: Where: ``platform``, ``control-plane``, or the id of another tenant cluster.
        tenant: For whom: ``namespace/name`` of the instance.
        object: What.
    """

    cluster: str
    tenant: str
    object: Json


def render(provider: Provider[S, C], inputs: Inputs[S, C], *, show_secrets: bool = False) -> Iterator[Rendered]:
    """Yield what would be written for each tenant: access first, then the objects in the order of writing."""
    clusters = {cluster.id: CONTROL_PLANE if cluster.purpose is None else cluster.id for cluster in provider.clusters}
    for tenant in inputs.tenants:
        wanted = desired(provider, tenant)
        name = f"{tenant.namespace}/{tenant.name}"
        for access in wanted.access:
            yield from (Rendered(PLATFORM, name, obj) for obj in _requests(access))
        for item in wanted.items:
            source = inputs.sources[item.ref.kind, item.source] if item.source else None
            manifest = _manifest(item, source, show_secrets=show_secrets)
            yield Rendered(clusters.get(item.ref.cluster, item.ref.cluster), name, manifest)


def _requests(access: Access) -> Iterator[dict[str, Any]]:
    """Yield the requests for a tenant cluster without finalizers, which tell nothing to a reader."""
    for request in (access.request, access.access):
        if request is not None:
            manifest = plain(request)
            manifest["metadata"].pop("finalizers", None)
            yield manifest


def _manifest(item: Wanted, source: Source | None, *, show_secrets: bool) -> Json:
    manifest: dict[str, Any] = plain(item.manifest)
    if source:
        manifest |= {"type": source.type} if source.type else {}
        manifest |= source.sealed.reveal()
    if item.ref.kind == "Secret" and not show_secrets:
        for part in ("data", "stringData"):
            if isinstance(manifest.get(part), Mapping):
                manifest[part] = dict.fromkeys(manifest[part], HIDDEN)
    return manifest


def _yaml(objects: Iterable[Rendered]) -> str:
    return "---\n".join(f"# cluster: {found.cluster}\n{dump(found.object)}" for found in objects)


def _json(objects: Iterable[Rendered]) -> str:
    return json.dumps([found._asdict() for found in objects], indent=2, ensure_ascii=False) + "\n"


FORMATS: Mapping[str, Callable[[Iterable[Rendered]], str]] = {"yaml": _yaml, "json": _json}
"""How to print what was rendered, by name."""
