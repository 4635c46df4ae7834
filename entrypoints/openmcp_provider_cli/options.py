"""The flags of ``init``, ``run`` and ``plan``: those of the older program, with its defaults, and a few more.

They are written as its flag library reads them: a flag that is true or false stands alone or has ``=false``, and never
takes the word after it.
"""

import argparse
from collections.abc import Sequence
from typing import Any

from openmcp_provider.provider import Edition
from openmcp_provider_cli.usage import number, truth, whole

__all__ = ["add_program", "as_flags"]

_SWITCHES = (
    "--cli",
    "--dev",
    "--disable-caller",
    "--disable-stacktrace",
    "--disable-timestamp",
    "--enable-http2",
    "--leader-elect",
    "--metrics-secure",
)


def as_flags(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which a switch that stands alone has its value, so that it cannot take the next word."""
    return [f"{word}=true" if word in _SWITCHES else word for word in arguments]


def add_program(commands: Any, edition: Edition) -> None:  # noqa: ANN401 - argparse's type is private
    """Add the three commands.

    Args:
        commands: What `argparse.ArgumentParser.add_subparsers` returned.
        edition: Of the provider.
    """
    init = commands.add_parser(
        "init",
        help="prepare the clusters: definitions and registration",
        description="Get access to the onboarding cluster, bring the CustomResourceDefinitions to both clusters, wait "
        f"until they are established, and register {edition.kind} at the ServiceProvider. May be repeated. Ends with 0 "
        "only if all of that was done.",
        allow_abbrev=False,
    )
    run = commands.add_parser(
        "run",
        help=f"serve every {edition.kind}",
        description=f"Serve every {edition.kind} of the onboarding cluster until told to stop. Ends with 0 on SIGTERM, "
        "with 130 on SIGINT.",
        allow_abbrev=False,
    )
    plan = commands.add_parser(
        "plan",
        help="show what run would do on the live clusters, without doing it",
        description=f"Read what run reads, write nothing, and print for each {edition.kind} its status now, its status "
        "under this program, the writes that are due and why, and what blocks. Takes the flags of run. Needs the "
        "access to the onboarding cluster that run has made, and makes none.",
        allow_abbrev=False,
    )
    for command in (init, run, plan):
        _add_common(command, edition)
        command.set_defaults(program=True)
    for command in (run, plan):
        _add_serving(command)
    plan.add_argument("-o", "--output", choices=("table", "json"), default="table", help="the form (default: table)")
    plan.add_argument(
        "--exit-code", action="store_true", help="end with 3 if run would write anything, instead of with 0"
    )


def _add_common(command: argparse.ArgumentParser, edition: Edition) -> None:
    command.add_argument("--environment", default="", help="accepted, since openMCP's operator gives it; not used")
    command.add_argument(
        "--provider-name",
        default="",
        metavar="NAME",
        help=f"the ServiceProvider of this program, and the ProviderConfig that is followed (such as {edition.name})",
    )
    command.add_argument(
        "--client",
        choices=("lightkube", "kubernetes"),
        help="the client library (default: lightkube where it is installed, else kubernetes)",
    )
    logs = command.add_argument_group("logs, on standard error")
    logs.add_argument("-v", "--verbosity", default="", metavar="LEVEL", help="error, info or debug (default: info)")
    logs.add_argument("-f", "--format", default="", metavar="FORMAT", help="json or text (default: json)")
    _switch(logs, "--dev", "debug level, text, callers", default=False)
    _switch(logs, "--cli", "text for people, coloured, without time", default=False)
    _switch(logs, "--disable-stacktrace", "leave out how an unexpected error came about", default=None)
    _switch(logs, "--disable-caller", "leave out where in the code", default=None)
    _switch(logs, "--disable-timestamp", "leave out when", default=None)


def _add_serving(command: argparse.ArgumentParser) -> None:
    limits = command.add_argument_group("limits")
    limits.add_argument(
        "--kube-api-qps",
        type=number,
        default=0.0,
        metavar="N",
        help="requests a second to the platform, and to the onboarding cluster; 0 = no limit of our own (default: 0)",
    )
    limits.add_argument(
        "--kube-api-burst", type=whole, default=100, metavar="N", help="how many of them may go at once (default: 100)"
    )
    serving = command.add_argument_group("serving")
    serving.add_argument(
        "--health-probe-bind-address",
        default=":8081",
        metavar="ADDRESS",
        help="/healthz and /readyz; 0 = off (default: :8081)",
    )
    serving.add_argument(
        "--metrics-bind-address", default="0", metavar="ADDRESS", help="/metrics; 0 = off (default: 0)"
    )
    _switch(serving, "--metrics-secure", "metrics over TLS, for those whom the platform allows", default=True)
    for kind, what in (("metrics", "what metrics are served with"), ("webhook", "accepted; there is no webhook")):
        serving.add_argument(f"--{kind}-cert-path", default="", metavar="FOLDER", help=what)
        serving.add_argument(f"--{kind}-cert-name", default="tls.crt", metavar="FILE", help="in that folder")
        serving.add_argument(f"--{kind}-cert-key", default="tls.key", metavar="FILE", help="in that folder")
    _switch(serving, "--enable-http2", "accepted; HTTP/1.1 is served", default=False)
    _switch(serving, "--leader-elect", "work only while holding a Lease on the platform", default=False)


def _switch(group: Any, flag: str, help_: str, *, default: bool | None) -> None:  # noqa: ANN401 - argparse's
    group.add_argument(flag, type=truth, default=default, metavar="true|false", help=help_)
