"""The kinds that the library knows more of than that they are objects."""

from openmcp_provider.domain.flux import HELM_RELEASE, OCI_REPOSITORY
from openmcp_provider.domain.rules import KindRule

__all__ = ["rule_for"]

_RULES = {
    ("source.toolkit.fluxcd.io", "OCIRepository"): OCI_REPOSITORY,
    ("helm.toolkit.fluxcd.io", "HelmRelease"): HELM_RELEASE,
}


def rule_for(api_version: str, kind: str) -> KindRule | None:
    """Return the rule for a kind, whatever its version; None for kinds without one."""
    group, slash, _ = api_version.rpartition("/")
    return _RULES.get((group, kind)) if slash else None
