"""Fixtures of the command line's tests."""

from tests.cli.running import render

__all__ = ["render"]
