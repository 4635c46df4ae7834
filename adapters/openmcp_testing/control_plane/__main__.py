"""``python -m openmcp_testing.control_plane``: prints the folder of the programs, after building them if need be.

With ``--missing`` it builds nothing and prints in one line why it could not, or nothing if it could.
"""

import sys

from openmcp_testing.control_plane.binaries import NoBinaries, install, missing


def main() -> int:
    """Do what the arguments ask for."""
    if sys.argv[1:] == ["--missing"]:
        print(missing())  # noqa: T201 - the answer
        return 0
    if sys.argv[1:]:
        print(f"unknown: {' '.join(sys.argv[1:])}; there is --missing, or nothing", file=sys.stderr)  # noqa: T201
        return 2
    try:
        print(install().folder)  # noqa: T201 - the answer
    except NoBinaries as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
