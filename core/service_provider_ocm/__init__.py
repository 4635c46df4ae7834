"""The service provider for the OCM K8s Toolkit: its API types and what it wants to be there."""

from service_provider_ocm.api import OcmConfig, OcmSpec, SecretReference
from service_provider_ocm.chart import chart_url, check_chart_url
from service_provider_ocm.provider import PROVIDER, OcmProvider, pull_secret_copy_name

__all__ = [
    "PROVIDER",
    "OcmConfig",
    "OcmProvider",
    "OcmSpec",
    "SecretReference",
    "chart_url",
    "check_chart_url",
    "pull_secret_copy_name",
]
