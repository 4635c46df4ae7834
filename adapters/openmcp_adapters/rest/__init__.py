"""Kubernetes' REST interface, once for all client libraries: `RestCluster` over a `Transport`."""

from openmcp_adapters.rest.access import Access
from openmcp_adapters.rest.cluster import RestCluster
from openmcp_adapters.rest.errors import translated
from openmcp_adapters.rest.transport import KEEPALIVE, Answer, Request, Timeouts, Transport

__all__ = ["KEEPALIVE", "Access", "Answer", "Request", "RestCluster", "Timeouts", "Transport", "translated"]
