"""The generic program, with the first provider and its examples."""

from pathlib import Path

from openmcp_provider_cli import cli
from service_provider_ocm import PROVIDER

__all__ = ["run"]

_HERE = Path(__file__).resolve()
_PLACES = (_HERE.parent / "examples", _HERE.parents[2] / "deploy" / "examples")
"""Where the examples are: the wheel brings them along; in a checkout they lie beside the code."""


def run() -> int:
    """Run the program with the arguments of the process, and return the exit code."""
    return cli.main(PROVIDER, examples=next((place for place in _PLACES if place.is_dir()), _PLACES[0]))
