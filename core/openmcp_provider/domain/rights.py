"""What the program must be allowed to do, verb by verb, so that what is missing can be named before it is needed."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from openmcp_provider.domain.desired import ACCESS_API
from openmcp_provider.domain.objects import ONBOARDING, PLATFORM, Json
from openmcp_provider.domain.onboarding import run_rules
from openmcp_provider.provider import Edition, Provider

NOWHERE = "default"
"""The namespace of Events about what has none, such as the ProviderConfig."""

__all__ = ["NOWHERE", "Right", "onboarding_rights", "platform_rights", "review"]

_ACCESS = ACCESS_API.partition("/")[0]


class Right(NamedTuple):
    """One verb on one resource.

    Attributes:
        cluster: ``platform`` or ``onboarding``.
        verb: As RBAC says it.
        group: Empty for the core group.
        resource: Plural, with a subresource after a slash.
        namespace: Empty = in every one.
        name: Empty = of any name.
    """

    cluster: str
    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Return it as people say it."""
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        called = f" named {self.name}" if self.name else ""
        where = f" in namespace {self.namespace}" if self.namespace else ""
        return f"{self.verb} {what}{called}{where} on the {self.cluster} cluster"


def platform_rights(
    provider: Provider[Any, Any], namespace: str, *, elect: bool = False, secure_metrics: bool = False
) -> tuple[Right, ...]:
    """Return what `run` needs on the platform.

    Args:
        provider: Whose program.
        namespace: The provider's own.
        elect: It stands for a Lease.
        secure_metrics: It asks the platform who may read its metrics.
    """
    return tuple(dict.fromkeys(_platform(provider, namespace, elect=elect, secure_metrics=secure_metrics)))


def onboarding_rights(edition: Edition) -> tuple[Right, ...]:
    """Return what `run` needs on the onboarding cluster: just what it asks access for."""
    return tuple(
        Right(ONBOARDING, verb, group, resource, name=name)
        for rule in run_rules(edition)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", ("",))
        for verb in rule["verbs"]
    )


def review(right: Right) -> Json:
    """Return the SelfSubjectAccessReview that asks whether we have a right."""
    resource, _, subresource = right.resource.partition("/")
    asked = {
        "verb": right.verb,
        "group": right.group,
        "resource": resource,
        "subresource": subresource,
        "namespace": right.namespace,
        "name": right.name,
    }
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
    }


def _platform(provider: Provider[Any, Any], namespace: str, *, elect: bool, secure_metrics: bool) -> Iterator[Right]:
    edition = provider.edition
    yield from _rights(edition.group, "providerconfigs", "list watch")
    yield from _rights(edition.group, "providerconfigs/status", "patch")
    yield from _rights(_ACCESS, "clusterrequests", "get list watch")
    yield from _rights(_ACCESS, "clusterrequests", "create", namespace)
    yield from _rights(_ACCESS, "clusters", "get")
    yield from _rights(_ACCESS, "accessrequests", "get list watch create patch delete")
    yield from _rights("", "secrets", "get")
    yield from _rights("", "secrets", "list watch", namespace)
    yield from _rights("", "namespaces", "create")
    yield from _rights("events.k8s.io", "events", "create", NOWHERE)
    if any(cluster.purpose is not None for cluster in provider.clusters):
        yield from _rights(_ACCESS, "clusterrequests", "create patch delete")
    for owned in provider.owns:
        if owned.cluster == PLATFORM:
            group = owned.api_version.rpartition("/")[0]
            yield from _rights(group, owned.plural, "get list watch create patch delete")
    if elect:
        yield from _rights("coordination.k8s.io", "leases", "get create update", namespace)
    if secure_metrics:
        yield from _rights("authentication.k8s.io", "tokenreviews", "create")
        yield from _rights("authorization.k8s.io", "subjectaccessreviews", "create")


def _rights(group: str, resource: str, verbs: str, namespace: str = "") -> Iterator[Right]:
    for verb in verbs.split():
        yield Right(PLATFORM, verb, group, resource, namespace)
