"""The two API types, as decoded from the wire: what a tenant writes, and what the platform operator writes.

The wire name of a field is its camelCase form unless the field says otherwise (``metadata["wire"]``);
``metadata["want"]`` is what a person is told who wrote something else.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from openmcp_provider.domain.copies import DOCKER_CONFIG
from openmcp_provider.domain.durations import MILLISECOND, MINUTE, format_duration, parse_duration
from openmcp_provider.domain.legal import check_subdomain
from openmcp_provider.provider import Json, Problem, Reference
from service_provider_ocm.chart import DEFAULT_CHART, chart_flaw, tag_flaw
from service_provider_ocm.values import check_values, named_secrets

__all__ = ["OcmConfig", "OcmSpec", "SecretReference", "check_config", "check_spec", "references"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OcmSpec:
    """Spec of an ``OCM``.

    Attributes:
        version: The chart's version, which is its tag in the registry.
    """

    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretReference:
    """A Secret in the provider's namespace; without a name it refers to none."""

    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OcmConfig:
    """Spec of the ``ProviderConfig``.

    Attributes:
        poll_interval: How often Flux and the controller look; zero or less = the controller never, Flux each minute.
        chart_url: Where the chart lies, with or without ``oci://``, without a tag; empty = the default.
        image_pull_secret: For pulling the chart.
        values: Helm values of the chart, written as they are.
    """

    poll_interval: str = field(default="1m", metadata={"want": 'write a duration in quotes, with its unit: "1m"'})
    chart_url: str = field(default=DEFAULT_CHART, metadata={"wire": "chartURL"})
    image_pull_secret: SecretReference | None = None
    values: Json | None = None

    @property
    def chart(self) -> str:
        """Where the chart lies."""
        return self.chart_url or DEFAULT_CHART

    @property
    def pull_secret(self) -> str:
        """Name of the pull secret for the chart, empty for none."""
        return self.image_pull_secret.name if self.image_pull_secret else ""

    @property
    def poll_nanoseconds(self) -> int:
        """The poll interval in nanoseconds, 0 for never."""
        return max(0, parse_duration(self.poll_interval))

    @property
    def flux_interval(self) -> str:
        """The poll interval as Go writes it; a minute where the controller never polls."""
        return format_duration(self.poll_nanoseconds or MINUTE)


def check_spec(spec: OcmSpec) -> Iterable[Problem]:
    """Yield every problem of an ``OCM``'s spec."""
    if flaw := tag_flaw(spec.version):
        yield Problem("spec.version", *flaw)


def check_config(config: OcmConfig) -> Iterable[Problem]:
    """Yield every problem of a ``ProviderConfig``'s spec."""
    yield from _check_interval(config.poll_interval)
    if flaw := chart_flaw(config.chart):
        yield Problem("spec.chartURL", *flaw)
    if config.pull_secret:
        yield from check_subdomain("spec.imagePullSecret.name", config.pull_secret)
    yield from check_values("spec.values", config.values)


def references(config: OcmConfig) -> Iterable[Reference]:
    """Yield every Secret that a ``ProviderConfig`` names."""
    if config.pull_secret:
        yield Reference("spec.imagePullSecret.name", config.pull_secret, type=DOCKER_CONFIG)
    yield from named_secrets("spec.values", config.values)


def _check_interval(text: str) -> Iterable[Problem]:
    path = "spec.pollInterval"
    try:
        nanoseconds = parse_duration(text)
    except ValueError as error:
        why, _, want = str(error).rpartition(": ")
        yield Problem(path, why, want)
    else:
        if 0 < nanoseconds < MILLISECOND:
            yield Problem(path, "is below one millisecond", 'write at least "1ms", or "0s" to never poll')
