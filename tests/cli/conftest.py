"""Fixtures of the command line's tests."""

from tests.cli.demoing import given, play
from tests.cli.running import render

__all__ = ["given", "play", "render"]
