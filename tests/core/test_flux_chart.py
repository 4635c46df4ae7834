"""Charts that cannot be rendered or loaded: what is told, and who can correct it."""

import pytest

from openmcp_provider.domain.flux_text import helm_cause
from openmcp_provider.domain.objects import Json
from tests.core import flux_objects as flux
from tests.core.flux_objects import NEW, OLD, condition, release_health

NEXT = "Set spec.version to a version that accepts the configured values, or ask the platform operator"
VALUES = "Only other values help: ask the platform operator [ProviderConfig ocm] to correct them."
ONE_LINE = (
    'template: chart/templates/deployment.yaml:12:22: executing "chart/templates/deployment.yaml" at '
    '<include "labels" .>: error calling include: template: chart/templates/_helpers.tpl:5:3: executing "labels" at '
    "<.Values.a.b>: nil pointer evaluating interface {}.b"
)
LINES = """chart/templates/deployment.yaml:12:22
  executing "chart/templates/deployment.yaml" at <include "labels" .>:
    error calling include:
chart/templates/_helpers.tpl:5:3
  executing "labels" at <.Values.a.b>:
    nil pointer evaluating interface {}.b"""
SCHEMA = """values don't meet the specifications of the schema(s) in the following chart(s):
chart:
- at '/manager/replicas': got string, want integer
"""
FAILED = "execution error at (chart/templates/deployment.yaml:3:4): more than one replica needs leaderElection"
MISMATCH = "artifact revision 0.5.0 does not match chart version 0.5.1"


def upgrade(text: str, version: str = NEW, reason: str = "UpgradeFailed") -> Json:
    """Return a release that cannot be upgraded."""
    said = text if reason == "ChartMutateError" else flux.helm_failed(version, text, "upgrade")
    tried = flux.changed(flux.release_ready(), status=flux.attempt(version, action="upgrade", failed=1))
    return flux.with_conditions(tried, condition("Ready", "False", reason, said))


@pytest.mark.parametrize("text", [ONE_LINE, LINES, FAILED, SCHEMA], ids=["one line", "lines", "fail", "schema"])
def test_another_version_or_other_values_help(text: str) -> None:
    """Where chart and values do not fit, the tenant can choose another version, the operator values (case 5.4)."""
    health = release_health(upgrade(text), flux.source_ready(NEW), version=NEW)

    assert health.state == "Failed"
    assert health.message.startswith("Upgrade to 0.5.0 failed. Cause: ")
    assert health.message.endswith(f". {NEXT} [ProviderConfig ocm] to correct them.")


@pytest.mark.parametrize("text", [ONE_LINE, SCHEMA], ids=["template", "schema"])
def test_changed_values_that_the_installed_version_rejects(text: str) -> None:
    """If the version stays, only the operator can help, in the ProviderConfig (case 5.4)."""
    health = release_health(upgrade(text, OLD), flux.source_ready(), version=OLD)

    assert health.message.endswith(f". {VALUES}")


def test_tag_unlike_the_version_of_its_chart() -> None:
    """A chart that was published under a foreign tag is none that anybody can install (case 5.4)."""
    health = release_health(upgrade(MISMATCH, reason="ChartMutateError"), flux.source_ready(NEW), version=NEW)

    assert health.message == (
        f"Upgrade to 0.5.0 failed. Cause: {MISMATCH}. Set spec.version to another published version, or ask the "
        "platform operator [ProviderConfig ocm] to publish this one under its own."
    )


@pytest.mark.parametrize("text", [ONE_LINE, LINES], ids=["one line", "lines"])
def test_cause_of_a_template_error(text: str) -> None:
    """Of the way through included templates the last part is told, which has the cause (case 5.4)."""
    cause = helm_cause(flux.helm_failed(OLD, text))

    assert cause.removeprefix("template: ").replace("5:3:", "5:3") == (
        'chart/templates/_helpers.tpl:5:3 executing "labels" at <.Values.a.b>: nil pointer evaluating interface {}.b'
    )
