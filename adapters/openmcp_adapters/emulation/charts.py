"""Charts: what Helm puts on a control plane. By default the chart of the OCM K8s Toolkit in any of its versions."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from openmcp_provider.domain.objects import Json

__all__ = ["Chart", "custom_resource", "ocm_chart"]

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
_KINDS = (
    ("Repository", "repositories", "Namespaced"),
    ("Component", "components", "Namespaced"),
    ("Resource", "resources", "Namespaced"),
    ("Deployer", "deployers", "Cluster"),
    ("Replication", "replications", "Namespaced"),
)
_LATEST = (10**6, 0, 0)


def _anything(values: Json) -> str:  # noqa: ARG001 - whatever they are
    return ""


@frozen(kw_only=True)
class Chart:
    """One version of a chart.

    Attributes:
        version: As in its Chart.yaml.
        name: As in its Chart.yaml.
        app_version: As in its Chart.yaml.
        deployment: Name of the Deployment, with ``{release}`` for the release's.
        selector: Labels by which the Deployment finds its pods, beside ``control-plane``; immutable for a server.
        crds: CustomResourceDefinitions among its templates.
        keeps_crds: Whether these stay when the release is uninstalled.
        rejects: Says in Helm's words why it cannot be rendered with values; empty if it can.
    """

    version: str
    name: str = "chart"
    app_version: str = ""
    deployment: str = "{release}-controller-manager"
    selector: Mapping[str, str] = field(factory=dict)
    crds: tuple[Json, ...] = ()
    keeps_crds: bool = True
    rejects: Callable[[Json], str] = field(default=_anything, repr=False)

    def workload(self, release: str, namespace: str, labels: Mapping[str, str]) -> dict[str, Any]:
        """Return the Deployment."""
        name = self.deployment.format(release=release)
        chosen = {"control-plane": name, **{key: value.format(release=release) for key, value in self.selector.items()}}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name, "namespace": namespace, "labels": dict(labels)},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": chosen},
                "template": {
                    "metadata": {"labels": chosen},
                    "spec": {"containers": [{"name": "manager", "image": f"emulated/{self.name}:{self.version}"}]},
                },
            },
        }


def ocm_chart(version: str) -> Chart:
    """Return the chart of the OCM K8s Toolkit in a version.

    From 0.5.0 on the Deployment selects by two more labels; from 0.6.0 on the CRDs stay; from 0.11.0 on there is a
    fifth. What is no version counts as the latest.
    """
    found = _VERSION.match(version)
    number = tuple(map(int, found.groups())) if found else _LATEST
    more = {"app.kubernetes.io/name": "chart", "app.kubernetes.io/instance": "{release}"}
    keeps = number >= (0, 6, 0)
    kinds = _KINDS if number >= (0, 11, 0) else _KINDS[:-1]
    return Chart(
        version=version,
        app_version=version,
        selector=more if number >= (0, 5, 0) else {},
        crds=tuple(custom_resource("delivery.ocm.software", "v1alpha1", *kind, keep=keeps) for kind in kinds),
        keeps_crds=keeps,
    )


def custom_resource(group: str, version: str, kind: str, plural: str, scope: str, *, keep: bool = False) -> Json:
    """Return the definition of a kind that accepts anything."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {"type": "object", "properties": {"spec": anything, "status": anything}}
    metadata: dict[str, Any] = {"name": f"{plural}.{group}"}
    if keep:
        metadata["annotations"] = {"helm.sh/resource-policy": "keep"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
