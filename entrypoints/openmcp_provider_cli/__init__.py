"""The program around any provider: ``main(PROVIDER)``."""

from openmcp_provider_cli.cli import main

__all__ = ["main"]
