"""Real servers for the tests below: started when the first test asks, stopped after the last."""

from collections.abc import Iterator

import pytest

from openmcp_testing.control_plane import ApiServer, Binaries, ControlPlane, find, install
from tests.cluster.estate import Servers, start_servers


def pytest_report_header() -> str:
    """Say what the tests run against."""
    found = find()
    if found is None:
        return "control plane: will be built"
    versions = ", ".join(f"{name} {version}" for name, version in found.versions().items())
    return f"control plane: {versions}"


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """The programs, built if they are not there."""
    return install()


@pytest.fixture(scope="session")
def plane(binaries: Binaries) -> Iterator[ControlPlane]:
    """One etcd."""
    with ControlPlane(binaries) as running:
        yield running


@pytest.fixture(scope="session")
def server(plane: ControlPlane) -> ApiServer:
    """An API server that tests share: each keeps to namespaces of its own and leaves the server running."""
    return plane.api_server("shared")


@pytest.fixture(scope="session")
def servers(plane: ControlPlane) -> Servers:
    """A platform, an onboarding cluster and a control plane."""
    return start_servers(plane)
