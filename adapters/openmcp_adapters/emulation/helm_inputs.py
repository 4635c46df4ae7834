"""What helm-controller needs before it calls Helm: the chart, the values, and a way to the control plane."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any

from attrs import define, frozen

from openmcp_adapters.emulation.charts import Chart
from openmcp_adapters.emulation.helm import Helm, digest_of
from openmcp_adapters.emulation.schemas import OCI_REPOSITORIES, SECRETS
from openmcp_adapters.emulation.world import World
from openmcp_provider.domain.names import shorten
from openmcp_provider.domain.objects import Json, conditions, dig, generation
from openmcp_provider.ports import Cluster, ClusterFactory, NotFound

__all__ = ["Halt", "Inputs", "connect", "kubeconfig_secret", "prepare", "release_name"]

_SEMVER = re.compile(r"v?\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")
_DEPENDENCY = 30.0  # seconds
_RELEASE_LIMIT = 53
_SHORT = 12  # characters of a digest that become part of a chart's version


@define
class Halt(Exception):
    """A reconcile cannot go on.

    Attributes:
        reason: Of Ready=False.
        message: Of Ready=False.
        seconds: After which it is tried again; 0 = the next back-off.
    """

    reason: str
    message: str
    seconds: float = 0.0


@frozen(kw_only=True)
class Inputs:
    """What is to be deployed.

    Attributes:
        chart: The chart.
        version: Its version, with the beginning of the digest.
        digest: Of the artifact.
        attempted: The same as ``lastAttemptedRevisionDigest`` has it.
        config: Digest of the values.
        values: The values.
    """

    chart: Chart
    version: str
    digest: str
    attempted: str
    config: str
    values: Json


async def prepare(world: World, client: Cluster, obj: Json) -> Inputs:
    """Return what a HelmRelease is to deploy.

    Raises:
        Halt: its source is not ready.
    """
    reference, own = dig(obj, "spec", "chartRef") or {}, obj["metadata"]["namespace"]
    name, namespace = reference.get("name", ""), reference.get("namespace") or own
    try:
        source = await client.get(OCI_REPOSITORIES, name, namespace)
    except NotFound as error:
        raise Halt("ArtifactFailed", f"could not get Source object: {error.message}") from None
    if problem := _unready(source):
        raise Halt("SourceNotReady", f"OCIRepository '{namespace}/{name}' is not ready: {problem}", _DEPENDENCY)
    revision = source["status"]["artifact"]["revision"]
    tag, _, digest = revision.rpartition("@")
    await world.pause(world.script(own).delays.load)
    chart = world.registry.chart_of(digest)
    if chart is None:
        raise Halt("ArtifactFailed", "Source not ready: artifact not found. Retrying in 30s", _DEPENDENCY)
    if _SEMVER.fullmatch(tag) and tag.removeprefix("v") != chart.version.removeprefix("v"):
        raise Halt("ChartMutateError", f"artifact revision {tag} does not match chart version {chart.version}")
    given = dig(obj, "spec", "values")
    values = given if isinstance(given, Mapping) else {}  # anything else counts as no values
    return Inputs(
        chart=chart,
        version=f"{chart.version.partition('+')[0]}+{digest.partition(':')[2][:_SHORT]}",
        digest=digest,
        attempted=digest if _SEMVER.fullmatch(tag) or not tag else revision,
        config=digest_of(values),
        values=values,
    )


def _unready(source: Json) -> str:
    """Return why a source cannot be used, empty if it can. That its last refresh failed is no reason."""
    told = conditions(source)
    ready: Json = told.get("Ready", {})
    if dig(source, "status", "observedGeneration") != generation(source):
        failed = ready.get("status") == "False"
        return str(ready.get("message")) if failed else "latest generation of object has not been reconciled"
    if dig(told, "Stalled", "status") == "True":
        return str(told["Stalled"].get("message"))
    return "" if dig(source, "status", "artifact") else "does not have an artifact"


async def connect(world: World, client: Cluster, factory: ClusterFactory, obj: Json) -> Helm:
    """Return Helm on the control plane of a HelmRelease, with the kubeconfig as it is now; its cluster is to be closed.

    Raises:
        NotFound: the kubeconfig's Secret does not exist.
        Halt: it cannot be used.
    """
    name, key = kubeconfig_secret(obj)
    namespace = obj["metadata"]["namespace"]
    secret = await client.get(SECRETS, name, namespace)
    try:
        raw = base64.b64decode(dig(secret, "data", key) or "", validate=True)
    except binascii.Error:
        raw = b""
    if not raw:
        said = f"KubeConfig secret '{namespace}/{name}' does not contain a '{key}' key with data"
        raise Halt("RESTClientError", said)
    try:
        cluster = factory.connect(raw)
    except ValueError as error:
        raise Halt("RESTClientError", f"failed to load KubeConfig from secret '{namespace}/{name}': {error}") from None
    spec: Mapping[str, Any] = obj["spec"]
    target = spec.get("targetNamespace") or namespace
    return Helm(
        world=world,
        script=world.script(namespace),
        cluster=cluster,
        release=release_name(obj),
        namespace=world.quarters(namespace, target),
        storage=world.quarters(namespace, spec.get("storageNamespace") or namespace),
        origin=(obj["metadata"]["name"], namespace),
        limit=spec.get("maxHistory", 5),
    )


def kubeconfig_secret(obj: Json) -> tuple[str, str]:
    """Return name and key of the Secret with the kubeconfig."""
    return dig(obj, "spec", "kubeConfig", "secretRef", "name") or "", dig(
        obj, "spec", "kubeConfig", "secretRef", "key"
    ) or "value"


def release_name(obj: Json) -> str:
    """Return the name of the Helm release."""
    spec, name = obj["spec"], obj["metadata"]["name"]
    default = f"{spec['targetNamespace']}-{name}" if spec.get("targetNamespace") else name
    return spec.get("releaseName") or shorten(default, _RELEASE_LIMIT)
