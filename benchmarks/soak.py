"""A soak on real servers, as `tests.cluster.soak` plays it: prints what happens, and what was wrong."""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from openmcp_testing.control_plane import ControlPlane, install
from openmcp_testing.landscape import Servers
from tests.cluster.clients import CLIENTS, play
from tests.cluster.soak import soak
from tests.cluster.soak_findings import Findings


def main() -> int:
    """Soak; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--tenants", type=int, default=4)
    parser.add_argument("--client", choices=CLIENTS, default="lightkube")
    parser.add_argument("--keep", type=Path, help="a folder for the program's logs")
    arguments = parser.parse_args()
    with ControlPlane(install()) as plane, tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        names = ("platform", "onboarding", *(f"control-plane-{number}" for number in range(1, arguments.tenants + 1)))
        platform, onboarding, *pool = [plane.api_server(name, bodies=True) for name in names]
        found: list[Findings] = []

        async def story() -> None:
            servers = Servers(platform=platform, onboarding=onboarding, pool=pool)
            found.append(await soak(servers, arguments.client, folder, minutes=arguments.minutes))

        play(story)
        return 0 if found[0].told() else 1


if __name__ == "__main__":
    sys.exit(main())
