"""The landscape around a provider, in memory and under virtual time: openMCP, Flux, a registry, control planes.

`openmcp_testing.landscape` has the same actors on real API servers: what both have in common is `AnyLandscape`, what
actors need of the clusters is abstract in `World`.
"""

from openmcp_adapters.emulation.charts import Chart, ocm_chart
from openmcp_adapters.emulation.client import Client
from openmcp_adapters.emulation.clock import START, SeededRandomness, VirtualClock
from openmcp_adapters.emulation.landscape import Landscape
from openmcp_adapters.emulation.loop import BusyLoop, Deadlock, VirtualLoop, run
from openmcp_adapters.emulation.registry import Registry
from openmcp_adapters.emulation.script import Delays, Script
from openmcp_adapters.emulation.traffic import LOST, Faults, Request, Traffic

__all__ = [
    "LOST",
    "START",
    "BusyLoop",
    "Chart",
    "Client",
    "Deadlock",
    "Delays",
    "Faults",
    "Landscape",
    "Registry",
    "Request",
    "Script",
    "SeededRandomness",
    "Traffic",
    "VirtualClock",
    "VirtualLoop",
    "ocm_chart",
    "run",
]
