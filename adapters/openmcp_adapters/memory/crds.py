"""CustomResourceDefinitions: from the manifest to the kind that it defines."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from openmcp_adapters.memory.kinds import Kind, whole
from openmcp_adapters.memory.structure import ANYTHING, Schema
from openmcp_adapters.memory.values import MISSING, compact, get_path, same
from openmcp_provider.domain.errors import Invalid

__all__ = ["complete_crd", "crd_problems", "established", "kind_of", "preference"]

_LIST_TYPES = {"atomic", "map", "set"}


def complete_crd(obj: dict[str, Any]) -> None:
    """Fill in what a server fills in."""
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    if names.get("kind"):
        names.setdefault("listKind", names["kind"] + "List")
        names.setdefault("singular", names["kind"].lower())
    spec.setdefault("conversion", {"strategy": "None"})


def crd_problems(new: dict[str, Any], old: dict[str, Any] | None) -> Iterator[str]:
    """Yield what is wrong with a CustomResourceDefinition."""
    spec = new.get("spec", {})
    names = spec.get("names", {})
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if new["metadata"]["name"] != wanted:
        yield f"metadata.name: Invalid value: must be spec.names.plural.spec.group, {wanted}"
    if spec.get("scope") not in {"Namespaced", "Cluster"}:
        yield "spec.scope: Unsupported value: supported values: Cluster, Namespaced"
    if not names.get("kind"):
        yield "spec.names.kind: Required value"
    versions = spec.get("versions") or []
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield "spec.versions: Invalid value: must have exactly one version marked as storage version"
    for at, version in enumerate(versions):
        schema = get_path(version, ("schema", "openAPIV3Schema"))
        if not isinstance(schema, dict):
            yield f"spec.versions[{at}].schema.openAPIV3Schema: Required value: schemas are required"
        else:
            yield from schema_problems(schema, f"spec.versions[{at}].schema.openAPIV3Schema")
    if old:
        for path in (("group",), ("names", "plural"), ("scope",), ("names", "kind")):
            if not same(get_path(spec, path), get_path(old["spec"], path)):
                yield f"spec.{'.'.join(path)}: Invalid value: field is immutable"


def schema_problems(schema: Schema, path: str) -> Iterator[str]:
    """Yield where a schema is not structural."""
    free = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if not schema.get("type") and not free:
        yield f"{path}.type: Required value: must not be empty for specified object fields"
    if schema.get("type") == "array" and not isinstance(schema.get("items"), dict):
        yield f"{path}.items: Required value: must be specified"
    if schema.get("properties") and schema.get("additionalProperties"):
        yield f"{path}.additionalProperties: Forbidden: properties and additionalProperties exclude each other"
    if schema.get("x-kubernetes-list-type", "atomic") not in _LIST_TYPES:
        yield f"{path}.x-kubernetes-list-type: Unsupported value"
    if schema.get("x-kubernetes-list-type") == "map" and not schema.get("x-kubernetes-list-map-keys"):
        yield f"{path}.x-kubernetes-list-map-keys: Required value"
    for key, inner in (schema.get("properties") or {}).items():
        yield from schema_problems(inner, f"{path}.properties[{key}]")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from schema_problems(schema[key], f"{path}.{key}")


def kind_of(crd: Mapping[str, Any], immutable: Iterable[tuple[str, ...]] = ()) -> Kind:
    """Return the kind that a CustomResourceDefinition defines.

    Args:
        crd: The complete, valid object.
        immutable: Paths that stay as they are once they are there, where CEL rules of the original say so.

    Raises:
        Invalid: a selectable field's path cannot be read.
    """
    spec = crd["spec"]
    served = sorted(
        (version for version in spec["versions"] if version.get("served")),
        key=lambda version: preference(version["name"]),
    )
    return Kind(
        group=spec["group"],
        kind=spec["names"]["kind"],
        plural=spec["names"]["plural"],
        namespaced=spec["scope"] == "Namespaced",
        schemas={version["name"]: whole(version["schema"]["openAPIV3Schema"] or ANYTHING) for version in served},
        selectable={
            version["name"]: dict(_selectable(field["jsonPath"]) for field in version.get("selectableFields") or ())
            for version in served
        },
        status=any("status" in (version.get("subresources") or {}) for version in served),
        counted=True,
        domains=False,
        custom=True,
        rules="x-kubernetes-validations" in compact(spec["versions"]),
        immutable=tuple(immutable),
    )


def established(crd: dict[str, Any], now: str) -> dict[str, Any]:
    """Return the status of a definition that is served."""
    names = crd["spec"]["names"]
    before = get_path(crd, ("status", "conditions"))
    if before is not MISSING and before:
        return {**crd["status"], "acceptedNames": names}
    return {
        "acceptedNames": names,
        "conditions": [
            _condition("NamesAccepted", "NoConflicts", "no conflicts found", now),
            _condition("Established", "InitialNamesAccepted", "the initial names have been accepted", now),
        ],
        "storedVersions": [version["name"] for version in crd["spec"]["versions"] if version.get("storage")],
    }


def _condition(kind: str, reason: str, message: str, now: str) -> dict[str, str]:
    return {"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now}


def _selectable(path: str) -> tuple[str, tuple[str, ...]]:
    steps = tuple(path.lstrip(".").split("."))
    if not path.startswith(".") or not all(steps):
        raise Invalid(f"spec.versions.selectableFields.jsonPath: Invalid value: {path!r}")
    return ".".join(steps), steps


def preference(name: str) -> tuple[int, tuple[int, int], str]:
    """Order versions as discovery does: stable, beta, alpha, each newest first; then all others by name."""
    major, _, rest = name[1:].partition("beta") if "beta" in name else name[1:].partition("alpha")
    if not name.startswith("v") or not major.isdecimal() or (rest and not rest.isdecimal()):
        return 3, (0, 0), name
    stage = 1 if "beta" in name else 2 if "alpha" in name else 0
    return stage, (-int(major), -int(rest or 0)), name
