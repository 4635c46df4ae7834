"""The flags of ``demo``. They need no extra, so that help and usage are told without any."""

import argparse
from pathlib import Path
from typing import Any

from openmcp_provider.provider import Edition
from openmcp_provider_cli.usage import at_least_one, whole

__all__ = ["EXAMPLES", "add_demo"]

EXAMPLES = Path("deploy/examples")
"""Where the inputs of a demo lie unless the program brings its own."""


def add_demo(commands: Any, edition: Edition) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse's type is private
    """Add the command.

    Args:
        commands: What `argparse.ArgumentParser.add_subparsers` returned.
        edition: Of the provider.

    Returns:
        The parser of the command.
    """
    kind = edition.kind
    demo: argparse.ArgumentParser = commands.add_parser(
        "demo",
        help="watch the whole controller at work, on clusters in memory",
        description=f"Run the real controller on a landscape in memory: openMCP and Flux are emulated, each {kind} has "
        "a control plane of its own, the registry has every chart and tag, and time is virtual. It ends on its own.",
        epilog=f"Ends with 0 only if every {kind} became Ready and, with --delete, all are gone with everything that "
        f"was written for them; else with 1, and says which did not. With --delete each {kind} is shown as last seen, "
        'with the phase "Gone". The JSON has: tenants (name, namespace, phase, ready, status), objects (the manifests '
        "on each cluster, values of Secrets hidden), requests (of the provider, by cluster and verb), steady (the same "
        "while nothing happens for ten virtual minutes after all were Ready; null if not all were), seconds (virtual "
        "and real).",
        allow_abbrev=False,
    )
    demo.add_argument(
        "-f",
        "--file",
        dest="files",
        metavar="FILE",
        nargs="+",
        action="extend",
        default=[],
        help=f"YAML or JSON with {kind}s, one ProviderConfig and the Secrets that it names; - is standard input "
        "(default: the examples)",
    )
    demo.add_argument(
        "--tenants",
        type=at_least_one,
        metavar="N",
        help=f"make N {kind}s of those given, named t-0001, t-0002 and so on",
    )
    demo.add_argument(
        "--delete", action="store_true", help="when all are Ready, delete all and wait until they are gone"
    )
    demo.add_argument("--seed", type=whole, default=0, metavar="N", help="decides all chance (default: 0)")
    demo.add_argument(
        "-o",
        "--output",
        choices=("text", "json"),
        default="text",
        help="the form (default: text; on a terminal, with extra cli, a live table)",
    )
    demo.add_argument(
        "--namespace",
        default="openmcp-system",
        help="the provider's own namespace, where Secrets are looked for (default: openmcp-system)",
    )
    return demo
