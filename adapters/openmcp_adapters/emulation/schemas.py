"""The neighbours' kinds: as much of their schemas as a provider can run into, in our own words."""

from typing import Any, NamedTuple

from openmcp_provider.domain.objects import PLATFORM, Json
from openmcp_provider.ports import Resource

__all__ = [
    "ACCESS_REQUESTS",
    "CLUSTERS",
    "CLUSTER_REQUESTS",
    "CRDS",
    "DEPLOYMENTS",
    "HELM_RELEASES",
    "NAMESPACES",
    "NEIGHBOURS",
    "OCI_REPOSITORIES",
    "SECRETS",
    "SERVICE_PROVIDERS",
    "Neighbour",
]

_ACCESS_API = "clusters.openmcp.cloud/v1alpha1"
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
SECRETS = Resource("v1", "Secret", "secrets")
DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments")
CRDS = Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
ACCESS_REQUESTS = Resource(_ACCESS_API, "AccessRequest", "accessrequests")
CLUSTER_REQUESTS = Resource(_ACCESS_API, "ClusterRequest", "clusterrequests")
CLUSTERS = Resource(_ACCESS_API, "Cluster", "clusters")
SERVICE_PROVIDERS = Resource("openmcp.cloud/v1alpha1", "ServiceProvider", "serviceproviders", namespaced=False)
OCI_REPOSITORIES = Resource("source.toolkit.fluxcd.io/v1", "OCIRepository", "ocirepositories")
HELM_RELEASES = Resource("helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases")

_TEXT: Json = {"type": "string"}
_NAME: Json = {"type": "string", "minLength": 1, "maxLength": 253}
_SPACE: Json = {"type": "string", "minLength": 1, "maxLength": 63}
_FLAG: Json = {"type": "boolean"}
_WHOLE: Json = {"type": "integer", "format": "int64"}
_ANYTHING: Json = {"x-kubernetes-preserve-unknown-fields": True}
_DURATION: Json = {"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"}
_REASON: Json = {
    "type": "string",
    "minLength": 1,
    "maxLength": 1024,
    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
}


def _object(*required: str, **properties: Json) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def _open(*required: str, **properties: Json) -> dict[str, Any]:
    return {**_object(*required, **properties), **_ANYTHING}


def _list(items: Json, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON has no narrower type
    return {"type": "array", "items": items, **more}


def _enum(*values: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON has no narrower type
    return {"type": "string", "enum": list(values), **more}


_REFERENCE = _object("name", "namespace", name=_TEXT, namespace=_TEXT)
_LOCAL = _object("name", name=_TEXT)
_NAMED = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_CONDITIONS = _list(
    _object(
        "type",
        "status",
        "reason",
        "message",
        "lastTransitionTime",
        type={
            "type": "string",
            "maxLength": 316,
            "pattern": f"^({_NAMED}/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        },
        status=_enum("True", "False", "Unknown"),
        reason=_REASON,
        message={"type": "string", "maxLength": 32768},
        lastTransitionTime={"type": "string", "format": "date-time"},
        observedGeneration={**_WHOLE, "minimum": 0},
    )
)
_BY_TYPE: Json = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
_SEEN: Json = {"observedGeneration": _WHOLE, "conditions": _CONDITIONS}
_SEEN_BY_TYPE: Json = {**_SEEN, "conditions": {**_CONDITIONS, **_BY_TYPE}}


class Neighbour(NamedTuple):
    """A kind of somebody else's.

    Attributes:
        cluster: Where it is served.
        crd: Its definition.
        immutable: Fields that stay as they are once they are there.
    """

    cluster: str
    crd: Json
    immutable: tuple[tuple[str, ...], ...] = ()


def _crd(resource: Resource, spec: Json, status: Json, *, selectable: tuple[str, ...] = ()) -> Json:
    group, _, version = resource.api_version.rpartition("/")
    served: dict[str, Any] = {
        "name": version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": _object(spec=spec, status=status)},
    }
    if selectable:
        served["selectableFields"] = [{"jsonPath": path} for path in selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {
                "kind": resource.kind,
                "plural": resource.plural,
                "singular": resource.kind.lower(),
                "listKind": f"{resource.kind}List",
            },
            "versions": [served],
        },
    }


_PHASE = _enum("", "Pending", "Granted", "Denied")
_CLUSTER_REQUEST = _crd(
    CLUSTER_REQUESTS,
    _object("purpose", purpose={"type": "string", "minLength": 1}, waitForClusterDeletion=_FLAG),
    _object("phase", "observedGeneration", phase=_PHASE, cluster=_REFERENCE, **_SEEN_BY_TYPE),
)
_ATOMIC = _list(_TEXT, **{"x-kubernetes-list-type": "atomic"})
_RULE = _open("verbs", verbs=_ATOMIC, apiGroups=_ATOMIC, resources=_ATOMIC)
_TOKEN = _object(
    permissions=_list(_open("rules", name=_TEXT, namespace=_TEXT, rules=_list(_RULE))),
    roleRefs=_list(
        _object("kind", "name", kind=_enum("Role", "ClusterRole"), name={**_TEXT, "minLength": 1}, namespace=_TEXT)
    ),
)
_ACCESS_REQUEST = _crd(
    ACCESS_REQUESTS,
    {
        **_object(clusterRef=_REFERENCE, requestRef=_REFERENCE, token=_TOKEN, oidc=_open(), ttl=_TEXT),
        "oneOf": [{"required": ["token"]}, {"required": ["oidc"]}],
    },
    _object("phase", "observedGeneration", phase=_PHASE, secretRef=_LOCAL, **_SEEN_BY_TYPE),
    selectable=(".status.phase",),
)
_CLUSTER = _crd(
    CLUSTERS,
    _open(
        "profile",
        "tenancy",
        profile={"type": "string", "minLength": 1},
        purposes=_list(_TEXT, minItems=1),
        tenancy=_enum("Exclusive", "Shared"),
        kubernetes=_object(version=_TEXT),
    ),
    _open(
        "observedGeneration",
        "phase",
        phase=_enum("Unknown", "Ready", "Not Ready", "Error", "In Deletion", "Error In Deletion"),
        apiServer=_TEXT,
        **_SEEN_BY_TYPE,
    ),
)
_SERVICE_PROVIDER = _crd(
    SERVICE_PROVIDERS,
    _open(
        "image",
        image={**_TEXT, "minLength": 1},
        verbosity=_enum("DEBUG", "INFO", "ERROR", "debug", "info", "error", default="INFO"),
        runReplicas={"type": "integer", "format": "int32", "default": 1, "minimum": 1},
    ),
    _open(
        "observedGeneration",
        phase=_TEXT,
        resources=_list(_object("group", "version", "kind", group=_TEXT, version=_TEXT, kind=_TEXT)),
        **_SEEN,
    ),
)
_UNSEEN: Json = {"default": {"observedGeneration": -1}}
_OCI_REPOSITORY = _crd(
    OCI_REPOSITORIES,
    _object(
        "interval",
        "url",
        interval=_DURATION,
        url={"type": "string", "pattern": "^oci://.*$"},
        timeout={"type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$", "default": "60s"},
        provider=_enum("generic", "aws", "azure", "gcp", default="generic"),
        ref=_object(tag=_TEXT, semver=_TEXT, semverFilter=_TEXT, digest=_TEXT),
        layerSelector=_object(mediaType=_TEXT, operation=_enum("extract", "copy")),
        secretRef=_LOCAL,
        certSecretRef=_LOCAL,
        proxySecretRef=_LOCAL,
        serviceAccountName=_TEXT,
        insecure=_FLAG,
        ignore=_TEXT,
        suspend=_FLAG,
        verify=_open(),
    ),
    {
        **_object(
            artifact=_object(
                "digest",
                "lastUpdateTime",
                "path",
                "revision",
                "url",
                path=_TEXT,
                url=_TEXT,
                revision=_TEXT,
                digest={"type": "string", "pattern": "^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$"},
                lastUpdateTime={"type": "string", "format": "date-time"},
                size=_WHOLE,
                metadata={"type": "object", "additionalProperties": _TEXT},
            ),
            lastHandledReconcileAt=_TEXT,
            observedLayerSelector=_open(),
            observedIgnore=_TEXT,
            url=_TEXT,
            **_SEEN,
        ),
        **_UNSEEN,
    },
)
_REMEDIATION = _open(retries={"type": "integer"}, remediateLastFailure=_FLAG)
_UPGRADE_REMEDIATION = _open(**_REMEDIATION["properties"], strategy=_enum("rollback", "uninstall"))
_REVISION = (
    "chartName",
    "chartVersion",
    "configDigest",
    "digest",
    "firstDeployed",
    "lastDeployed",
    "name",
    "namespace",
    "status",
    "version",
)
_POLICY = _enum("Skip", "Create", "CreateReplace")
_HELM_RELEASE = _crd(
    HELM_RELEASES,
    {
        **_open(
            "interval",
            interval=_DURATION,
            chart=_open(),
            chartRef=_object(
                "kind",
                "name",
                kind=_enum("OCIRepository", "HelmChart", "ExternalArtifact"),
                apiVersion=_TEXT,
                name=_NAME,
                namespace=_SPACE,
            ),
            kubeConfig={
                **_object(secretRef=_object("name", name=_TEXT, key=_TEXT), configMapRef=_LOCAL),
                "oneOf": [{"required": ["secretRef"]}, {"required": ["configMapRef"]}],
            },
            releaseName={"type": "string", "minLength": 1, "maxLength": 53},
            targetNamespace=_SPACE,
            storageNamespace=_SPACE,
            serviceAccountName=_NAME,
            suspend=_FLAG,
            timeout=_DURATION,
            maxHistory={"type": "integer"},
            install=_open(crds=_POLICY, createNamespace=_FLAG, timeout=_DURATION, remediation=_REMEDIATION),
            upgrade=_open(crds=_POLICY, cleanupOnFail=_FLAG, timeout=_DURATION, remediation=_UPGRADE_REMEDIATION),
            rollback=_open(),
            uninstall=_open(keepHistory=_FLAG, timeout=_DURATION),
            values=_ANYTHING,
        ),
        "oneOf": [{"required": ["chart"]}, {"required": ["chartRef"]}],
    },
    {
        **_open(history=_list(_open(*_REVISION)), storageNamespace=_SPACE, lastHandledReconcileAt=_TEXT, **_SEEN),
        **_UNSEEN,
    },
)

NEIGHBOURS: tuple[Neighbour, ...] = (
    Neighbour(
        PLATFORM, _CLUSTER_REQUEST, (("spec", "purpose"), ("spec", "waitForClusterDeletion"), ("status", "cluster"))
    ),
    Neighbour(PLATFORM, _ACCESS_REQUEST, (("spec", "requestRef"), ("spec", "clusterRef"))),
    Neighbour(PLATFORM, _CLUSTER, (("spec", "profile"),)),
    Neighbour(PLATFORM, _SERVICE_PROVIDER),
    Neighbour(PLATFORM, _OCI_REPOSITORY),
    Neighbour(PLATFORM, _HELM_RELEASE),
)
"""Every kind that is there before a provider comes. All on the platform: control planes are told to the landscape."""
