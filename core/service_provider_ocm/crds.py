"""The two CustomResourceDefinitions. They accept every object that those of v0.1.1 accept, and lose nothing of it."""

from typing import Any

from openmcp_provider.domain.definitions import CLUSTER, SCHEMA
from openmcp_provider.provider import Edition, Json

__all__ = ["crds"]

NUMBER = "3"
"""Of the schemas; to be raised with every change of them."""

_TEXT: Json = {"type": "string"}
_INT64: Json = {"type": "integer", "format": "int64"}
_TYPE_PATTERN = (
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$"
)
_REASON_PATTERN = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"


def crds(edition: Edition) -> tuple[Json, ...]:
    """Return the CRDs of an edition, each labelled with the cluster it belongs to."""
    return (_instances(edition), _configs(edition))


def _instances(edition: Edition) -> Json:
    spec = _object(
        {"version": _about("Version of the OCM K8s Toolkit: the tag of its chart. A change upgrades it.", _TEXT)},
        "What should be installed on the control plane of the same name and namespace.",
        required=["version"],
    )
    status = _object(
        {
            "phase": _about("Progressing, Ready or Terminating.", _TEXT),
            "observedGeneration": _about("The generation that this status tells of.", _INT64),
            "installedVersion": _about("The version that runs; empty while none does.", _TEXT),
            "conditions": _conditions(),
        },
        "What is known of it.",
        required=["observedGeneration", "phase"],
    )
    columns = [
        _column("Phase", ".status.phase", "Progressing, Ready or Terminating"),
        _column("Ready", _condition("Ready", "status"), "Whether what was asked for runs"),
        _column("Version", ".spec.version", "The version asked for"),
        _column("Installed", ".status.installedVersion", "The version that runs"),
        _column("Age", ".metadata.creationTimestamp", "Time since creation", kind="date"),
        _column("Reason", _condition("Ready", "reason"), "Why it is ready or not, in one word", priority=1),
        _column(
            "Message", _condition("Ready", "message"), "Why it is ready or not, who acts, what is next", priority=1
        ),
    ]
    names = {
        "kind": edition.kind,
        "listKind": f"{edition.kind}List",
        "plural": edition.plural,
        "singular": edition.kind.lower(),
    }
    about = "Installs the OCM K8s Toolkit on the control plane of the same name and namespace."
    version = {
        "schema": _schema(about, spec, status),
        "additionalPrinterColumns": columns,
        "selectableFields": [{"jsonPath": ".status.phase"}],
    }
    return _crd(edition, "onboarding", "Namespaced", names, version)


def _configs(edition: Edition) -> Json:
    spec = _object(
        {
            "pollInterval": _about(
                "How often Flux looks for changes, and the provider at control planes. Zero or less: it never does.",
                {**_TEXT, "format": "duration", "default": "1m"},
            ),
            "chartURL": _about("Where the chart lies, without a tag; by default where its makers publish it.", _TEXT),
            "imagePullSecret": _about(
                "A Secret in the provider's namespace for pulling the chart, copied to each tenant.",
                {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "properties": {"name": _about("Its name; empty means none.", {**_TEXT, "default": ""})},
                },
            ),
            "values": _about(
                "Helm values of the chart. The Secrets in manager.imagePullSecrets are copied to each control plane.",
                {"x-kubernetes-preserve-unknown-fields": True},
            ),
        },
        "How the toolkit is installed for every tenant.",
    )
    status = _object(
        {"tenants": _about("How many tenants follow it.", _INT64), "conditions": _conditions()}, "What is known of it."
    )
    names = {
        "kind": "ProviderConfig",
        "listKind": "ProviderConfigList",
        "plural": "providerconfigs",
        "singular": "providerconfig",
    }
    about = "Configures the provider whose ServiceProvider object has the same name."
    columns = [
        _column(
            "Valid", _condition("Valid", "status"), "Whether every field, and every Secret that it names, can be used"
        ),
        _column("Reason", _condition("Valid", "reason"), "Why, in one word"),
        _column("Tenants", ".status.tenants", "How many tenants follow it", kind="integer"),
        _column("Age", ".metadata.creationTimestamp", "Time since creation", kind="date"),
        _column("Message", _condition("Valid", "message"), "What is wrong, and what would be right", priority=1),
    ]
    version = {"schema": _schema(about, spec, status), "additionalPrinterColumns": columns}
    return _crd(edition, "platform", "Cluster", names, version)


def _crd(edition: Edition, cluster: str, scope: str, names: Json, version: Json) -> Json:
    complete = {"name": edition.version, "served": True, "storage": True, "subresources": {"status": {}}, **version}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{names['plural']}.{edition.group}",
            "labels": {CLUSTER: cluster},
            "annotations": {SCHEMA: NUMBER},
        },
        "spec": {"group": edition.group, "names": names, "scope": scope, "versions": [complete]},
    }


def _schema(description: str, spec: Json, status: Json) -> Json:
    fields = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": {"type": "object"}, "spec": spec, "status": status}
    return {"openAPIV3Schema": _object(fields, description, required=["spec"])}


def _object(properties: Json, description: str, required: list[str] | None = None) -> Json:
    schema: dict[str, Any] = {"type": "object", "description": description, "properties": properties}
    return {**schema, "required": required} if required else schema


def _about(description: str, schema: Json) -> Json:
    return {"description": description, **schema}


def _conditions() -> Json:
    properties = {
        "type": {**_TEXT, "maxLength": 316, "pattern": _TYPE_PATTERN},
        "status": {**_TEXT, "enum": ["True", "False", "Unknown"]},
        "observedGeneration": {**_INT64, "minimum": 0},
        "lastTransitionTime": {**_TEXT, "format": "date-time"},
        "reason": {**_TEXT, "minLength": 1, "maxLength": 1024, "pattern": _REASON_PATTERN},
        "message": {**_TEXT, "maxLength": 32768},
    }
    required = ["lastTransitionTime", "message", "reason", "status", "type"]
    return {
        "type": "array",
        "description": "What is true of it, one entry per type.",
        "items": _object(properties, "One thing that is true, false or unknown.", required=required),
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    }


def _condition(kind: str, field: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{field}'


def _column(name: str, path: str, description: str, kind: str = "string", priority: int = 0) -> Json:
    column = {"name": name, "type": kind, "jsonPath": path, "description": description}
    return {**column, "priority": priority} if priority else column  # servers leave 0 out
