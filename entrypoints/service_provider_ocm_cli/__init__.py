"""The program ``service-provider-ocm``."""

from openmcp_adapters.interrupt import end_on_interrupt

__all__ = ["main"]


def main() -> int:
    """Run the program with the arguments of the process, and return the exit code."""
    end_on_interrupt()  # first of all: imports take most of the time of a short run
    from service_provider_ocm_cli.program import run  # noqa: PLC0415

    return run()
