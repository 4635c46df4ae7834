"""A short soak; ``benchmarks/soak.py`` plays the whole one."""

from pathlib import Path

from openmcp_testing.control_plane import ControlPlane
from openmcp_testing.landscape import Servers
from tests.cluster.clients import play
from tests.cluster.soak import Chapter, Soak, soak
from tests.cluster.soak_findings import Findings

CHAPTERS: tuple[Chapter, ...] = (
    Soak.tenants_come,
    Soak.onboarding_dies,
    Soak.leader_is_killed,
    Soak.config_is_deleted,
    Soak.pull_secrets_change,
    Soak.tenant_leaves_and_returns,
)


def test_nothing_is_written_in_vain_or_untrue_whatever_happens(plane: ControlPlane, tmp_path: Path) -> None:
    """A server dies, the leader too, config and pull secrets change: all get Ready, and the audit logs are clean."""
    names = ("soak-platform", "soak-onboarding", "soak-control-plane")
    platform, onboarding, *pool = started = [plane.api_server(name, bodies=True) for name in names]
    found: list[Findings] = []

    async def story() -> None:
        servers = Servers(platform=platform, onboarding=onboarding, pool=pool)
        found.append(await soak(servers, "lightkube", tmp_path, chapters=CHAPTERS))

    try:
        play(story)
        assert found[0].told()
    finally:
        for server in started:
            server.stop()
