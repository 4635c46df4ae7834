"""The kinds that every cluster has, as far as a provider meets them."""

import base64
import json
from collections.abc import Iterator
from typing import Any

from openmcp_adapters.memory.crds import complete_crd, crd_problems
from openmcp_adapters.memory.decoding import OPTIONAL
from openmcp_adapters.memory.formats import dns_label
from openmcp_adapters.memory.kinds import Kind, whole
from openmcp_adapters.memory.structure import ANYTHING, Schema
from openmcp_adapters.memory.values import same

__all__ = ["BUILT_IN", "CRDS", "NAMESPACES", "SERVICE_ACCOUNTS"]

_SIZE_LIMIT = 1024 * 1024
_NOTE_LIMIT = 1024
_KEY_LIMIT = 253
_DOCKER = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}
_KEY_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")

_TEXT: Schema = {"type": "string"}
_NUMBER: Schema = {"type": "integer"}
_INT32: Schema = {"type": "integer", "format": "int32", OPTIONAL: True}
_CHOSEN: Schema = {"type": "string", OPTIONAL: True}
_MOMENT: Schema = {"type": "string", "format": "micro-time"}
_FLAG: Schema = {"type": "boolean", OPTIONAL: True}
_TEXTS: Schema = {"type": "object", "additionalProperties": _TEXT}
_BYTES: Schema = {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}}
_LEAF: Schema = {"type": "object", "x-kubernetes-map-type": "atomic", "x-kubernetes-preserve-unknown-fields": True}
_LEAVES: Schema = {"type": "array", "items": ANYTHING}


def _struct(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _open(**properties: Schema) -> Schema:
    return {**_struct(**properties), "x-kubernetes-preserve-unknown-fields": True}


def _keyed(items: Schema, *keys: str) -> Schema:
    return {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": list(keys),
        "items": items,
    }


_CONDITIONS = _keyed(_open(type=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT), "type")


# --- Secret and ConfigMap


def _complete_secret(obj: dict[str, Any]) -> None:
    for key, text in (obj.pop("stringData", None) or {}).items():
        obj.setdefault("data", {})[key] = base64.b64encode(text.encode()).decode()
    obj["type"] = obj.get("type") or "Opaque"


def _check_keys(data: dict[str, Any], where: str) -> Iterator[str]:
    for key in data:
        if not key or len(key) > _KEY_LIMIT or key in {".", ".."} or not _KEY_CHARACTERS.issuperset(key):
            yield f"{where}[{key}]: Invalid value: a valid config key is letters, digits, -, _ and ."


def _check_frozen(new: dict[str, Any], old: dict[str, Any] | None, keys: tuple[str, ...]) -> Iterator[str]:
    if old and old.get("immutable"):
        for key in ("immutable", *keys):
            if not same(new.get(key), old.get(key)):
                yield f"{key}: Forbidden: field is immutable when `immutable` is set"


def _check_secret(new: dict[str, Any], old: dict[str, Any] | None) -> Iterator[str]:
    data = new.get("data", {})
    yield from _check_keys(data, "data")
    if sum(len(text) * 3 // 4 for text in data.values()) > _SIZE_LIMIT:
        yield f"data: Too long: may not be more than {_SIZE_LIMIT} bytes"
    if old and old.get("type") != new["type"]:
        yield "type: Invalid value: field is immutable"
    yield from _check_frozen(new, old, ("data",))
    key = _DOCKER.get(new["type"])
    if key:
        if key not in data:
            yield f"data[{key}]: Required value"
        elif not _is_json_object(base64.b64decode(data[key])):
            yield f"data[{key}]: Invalid value: <secret contents redacted>: not a JSON object"


def _is_json_object(raw: bytes) -> bool:
    try:
        return isinstance(json.loads(raw), dict)
    except ValueError:
        return False


def _check_config_map(new: dict[str, Any], old: dict[str, Any] | None) -> Iterator[str]:
    data, binary = new.get("data", {}), new.get("binaryData", {})
    yield from _check_keys(data, "data")
    yield from _check_keys(binary, "binaryData")
    yield from (f"data[{key}]: Invalid value: duplicate of key present in binaryData" for key in data if key in binary)
    if sum(len(text.encode()) for text in data.values()) > _SIZE_LIMIT:
        yield f"data: Too long: may not be more than {_SIZE_LIMIT} bytes"
    # Unlike a Secret's, its empty data is no data; its empty binaryData is.
    yield from _check_frozen({**new, "data": data or None}, old, ("data", "binaryData"))


# --- Lease, Namespace, Event, Deployment, RBAC


def _check_lease(new: dict[str, Any], _old: dict[str, Any] | None) -> Iterator[str]:
    spec = new["spec"]
    if spec.get("leaseDurationSeconds", 1) <= 0:
        yield "spec.leaseDurationSeconds: Invalid value: must be greater than 0"
    if spec.get("leaseTransitions", 0) < 0:
        yield "spec.leaseTransitions: Invalid value: must be greater than or equal to 0"


def _complete_namespace(obj: dict[str, Any]) -> None:
    metadata = obj["metadata"]
    metadata["labels"] = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata.get("name", "")}


def _prepare_namespace(obj: dict[str, Any]) -> None:
    obj["spec"] = {"finalizers": ["kubernetes"]}
    obj["status"] = {"phase": "Active"}


def _check_event(new: dict[str, Any], old: dict[str, Any] | None) -> Iterator[str]:
    if len(str(new.get("note", "")).encode()) > _NOTE_LIMIT:
        yield f"note: can have at most {_NOTE_LIMIT} characters"
    about = new.get("regarding", {}).get("namespace") or "default"
    if about != new["metadata"]["namespace"]:
        yield "regarding.namespace: does not match event.namespace"
    if old is not None:
        yield from (f"{key}: field is immutable" for key in ("eventTime", "reason") if new.get(key) != old.get(key))
        return
    for key in ("eventTime", "reason", "action", "type", "reportingController", "reportingInstance"):
        if not new.get(key):
            yield f"{key}: Required value"
    if new.get("type") not in {"Normal", "Warning"}:
        yield "type: has invalid value"


def _check_deployment(new: dict[str, Any], old: dict[str, Any] | None) -> Iterator[str]:
    spec = new.get("spec", {})
    wanted = spec.get("selector", {}).get("matchLabels") or {}
    labels = (spec.get("template", {}).get("metadata") or {}).get("labels") or {}
    if not wanted:
        yield "spec.selector: Required value"
    elif any(labels.get(key) != value for key, value in wanted.items()):
        yield "spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`"
    if not (spec.get("template", {}).get("spec") or {}).get("containers"):
        yield "spec.template.spec.containers: Required value"
    if old and not same(spec.get("selector"), old["spec"].get("selector")):
        yield "spec.selector: Invalid value: field is immutable"


def _check_binding(new: dict[str, Any], old: dict[str, Any] | None) -> Iterator[str]:
    if not new.get("roleRef", {}).get("name"):
        yield "roleRef.name: Required value"
    if old and not same(new.get("roleRef"), old.get("roleRef")):
        yield "roleRef: Invalid value: cannot change roleRef"


_CONTAINER = _open(
    name=_TEXT,
    image=_TEXT,
    env=_keyed(_open(name=_TEXT), "name"),
    ports=_keyed(
        _open(containerPort=_NUMBER, protocol={"type": "string", "default": "TCP"}), "containerPort", "protocol"
    ),
    volumeMounts=_keyed(_open(mountPath=_TEXT), "mountPath"),
    resources=_open(limits=_open(), requests=_open()),
    args=_LEAVES,
    command=_LEAVES,
)
_POD_TEMPLATE = _open(
    metadata=_open(labels=_TEXTS, annotations=_TEXTS),
    spec=_open(
        containers=_keyed(_CONTAINER, "name"),
        initContainers=_keyed(_CONTAINER, "name"),
        volumes=_keyed(_open(name=_TEXT), "name"),
        imagePullSecrets=_keyed({**_struct(name=_TEXT), "x-kubernetes-map-type": "atomic"}, "name"),
        serviceAccountName=_TEXT,
    ),
)


def _schemas(version: str, schema: Schema) -> dict[str, Schema]:
    return {version: whole(schema)}


NAMESPACES = Kind(
    group="",
    kind="Namespace",
    plural="namespaces",
    namespaced=False,
    status=True,
    schemas=_schemas(
        "v1", _struct(spec=_struct(finalizers=_LEAVES), status=_struct(phase=_TEXT, conditions=_CONDITIONS))
    ),
    selectable={"v1": {"status.phase": ("status", "phase")}},
    blank={"spec": {}, "status": {}},
    name_problem=dns_label,
    complete=_complete_namespace,
    prepare=_prepare_namespace,
)

SERVICE_ACCOUNTS = Kind(
    group="",
    kind="ServiceAccount",
    plural="serviceaccounts",
    schemas=_schemas(
        "v1",
        _struct(
            automountServiceAccountToken=_FLAG,
            secrets=_keyed(_open(name=_TEXT), "name"),
            imagePullSecrets={"type": "array", "items": _struct(name=_TEXT)},
        ),
    ),
)

CRDS = Kind(
    group="apiextensions.k8s.io",
    kind="CustomResourceDefinition",
    plural="customresourcedefinitions",
    namespaced=False,
    status=True,
    counted=True,
    schemas=_schemas(
        "v1",
        _struct(
            spec=_struct(
                group=_TEXT,
                scope=_TEXT,
                names=_open(
                    kind=_TEXT, plural=_TEXT, singular=_TEXT, listKind=_TEXT, shortNames=_LEAVES, categories=_LEAVES
                ),
                versions=_LEAVES,
                conversion=_open(strategy=_TEXT),
                preserveUnknownFields=_FLAG,
            ),
            status=_open(conditions=_CONDITIONS, acceptedNames=_open(), storedVersions=_LEAVES),
        ),
    ),
    blank={"spec": {"names": {}}, "status": {"conditions": None, "acceptedNames": {}, "storedVersions": None}},
    complete=complete_crd,
    check=crd_problems,
)

BUILT_IN: tuple[Kind, ...] = (
    NAMESPACES,
    SERVICE_ACCOUNTS,
    CRDS,
    Kind(
        group="",
        kind="Secret",
        plural="secrets",
        schemas=_schemas("v1", _struct(type=_TEXT, immutable=_FLAG, data=_BYTES, stringData=_TEXTS)),
        selectable={"v1": {"type": ("type",)}},
        complete=_complete_secret,
        check=_check_secret,
    ),
    Kind(
        group="",
        kind="ConfigMap",
        plural="configmaps",
        schemas=_schemas("v1", _struct(immutable=_FLAG, data=_TEXTS, binaryData=_BYTES)),
        check=_check_config_map,
    ),
    Kind(
        group="events.k8s.io",
        kind="Event",
        plural="events",
        schemas=_schemas(
            "v1",
            _struct(
                **dict.fromkeys(("eventTime", "reason", "action", "note", "type"), _TEXT),
                **dict.fromkeys(("reportingController", "reportingInstance"), _TEXT),
                **dict.fromkeys(("deprecatedFirstTimestamp", "deprecatedLastTimestamp"), _TEXT),
                regarding=_LEAF,
                related=_LEAF,
                deprecatedSource=_open(),
                deprecatedCount=_NUMBER,
                series=_struct(count=_NUMBER, lastObservedTime=_TEXT),
            ),
        ),
        check=_check_event,
    ),
    Kind(
        group="coordination.k8s.io",
        kind="Lease",
        plural="leases",
        schemas=_schemas(
            "v1",
            _struct(
                spec=_struct(
                    **dict.fromkeys(("holderIdentity", "strategy", "preferredHolder"), _CHOSEN),
                    **dict.fromkeys(("acquireTime", "renewTime"), _MOMENT),
                    **dict.fromkeys(("leaseDurationSeconds", "leaseTransitions"), _INT32),
                )
            ),
        ),
        blank={"spec": {}},
        domains=False,
        put_creates=True,
        complete=lambda obj: obj.setdefault("spec", {}),
        check=_check_lease,
    ),
    Kind(
        group="apps",
        kind="Deployment",
        plural="deployments",
        status=True,
        counted=True,
        counts_annotations=True,
        schemas=_schemas(
            "v1",
            _struct(
                spec=_open(
                    replicas={"type": "integer", "default": 1, OPTIONAL: True},
                    selector=_LEAF,
                    template=_POD_TEMPLATE,
                    strategy=_open(type=_TEXT),
                ),
                status=_open(conditions=_CONDITIONS),
            ),
        ),
        blank={"spec": {"template": {"metadata": {}, "spec": {"containers": None}}, "strategy": {}}, "status": {}},
        check=_check_deployment,
    ),
    Kind(
        group="rbac.authorization.k8s.io",
        kind="ClusterRole",
        plural="clusterroles",
        namespaced=False,
        name_problem=lambda name: "may not contain '/' or '%'" if set("/%") & set(name) else "",
        schemas=_schemas("v1", _struct(rules=_LEAVES, aggregationRule=_open())),
    ),
    Kind(
        group="rbac.authorization.k8s.io",
        kind="ClusterRoleBinding",
        plural="clusterrolebindings",
        namespaced=False,
        name_problem=lambda name: "may not contain '/' or '%'" if set("/%") & set(name) else "",
        schemas=_schemas("v1", _struct(subjects=_LEAVES, roleRef=_LEAF)),
        check=_check_binding,
    ),
)
"""Registered on every cluster. Fields of a Deployment and of CRDs that are not named here are kept as they are."""
