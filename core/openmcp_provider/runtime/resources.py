"""Which resources the runtime talks about: those of the library, and those that a provider owns."""

from typing import Any

from openmcp_provider.domain.desired import ACCESS_API
from openmcp_provider.domain.objects import Ref
from openmcp_provider.ports import Resource
from openmcp_provider.provider import Edition, Provider

__all__ = [
    "ACCESS_REQUESTS",
    "CLUSTERS",
    "CLUSTER_REQUESTS",
    "CRDS",
    "EVENTS",
    "NAMESPACES",
    "SECRETS",
    "SERVICE_PROVIDERS",
    "Resources",
    "instances",
    "provider_configs",
]

ACCESS_REQUESTS = Resource(ACCESS_API, "AccessRequest", "accessrequests")
CLUSTER_REQUESTS = Resource(ACCESS_API, "ClusterRequest", "clusterrequests")
CLUSTERS = Resource(ACCESS_API, "Cluster", "clusters")
CRDS = Resource("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False)
EVENTS = Resource("events.k8s.io/v1", "Event", "events")
NAMESPACES = Resource("v1", "Namespace", "namespaces", namespaced=False)
SECRETS = Resource("v1", "Secret", "secrets")
SERVICE_PROVIDERS = Resource("openmcp.cloud/v1alpha1", "ServiceProvider", "serviceproviders", namespaced=False)
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")


def instances(edition: Edition) -> Resource:
    """Return the kind that tenants write."""
    return Resource(edition.api_version, edition.kind, edition.plural)


def provider_configs(edition: Edition) -> Resource:
    """Return the kind that the platform operator writes."""
    return Resource(edition.api_version, "ProviderConfig", "providerconfigs", namespaced=False)


class Resources:
    """Finds the resource of a reference.

    Args:
        provider: Whose kinds are known beside the library's.
    """

    def __init__(self, provider: Provider[Any, Any]) -> None:
        known = [ACCESS_REQUESTS, CLUSTER_REQUESTS, CLUSTERS, EVENTS, NAMESPACES, SECRETS, CONFIG_MAPS]
        known += [instances(provider.edition), provider_configs(provider.edition)]
        known += [Resource(owned.api_version, owned.kind, owned.plural) for owned in provider.owns]
        self._known = {(item.api_version, item.kind): item for item in reversed(known)}

    def of(self, ref: Ref) -> Resource:
        """Return the resource of a reference.

        Raises:
            KeyError: the provider writes a kind that it does not own; a mistake of its author's.
        """
        return self.kind(ref.api_version, ref.kind)

    def kind(self, api_version: str, kind: str) -> Resource:
        """Return the resource of a kind."""
        return self._known[api_version, kind]
