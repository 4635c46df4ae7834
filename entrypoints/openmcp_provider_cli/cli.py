"""Commands, flags and exit codes. Everything that is decided is decided elsewhere."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from openmcp_adapters.interrupt import INTERRUPTED, end_on_interrupt
from openmcp_provider.domain.author import ProviderMistake
from openmcp_provider.domain.checking import check
from openmcp_provider.domain.legal import check_label
from openmcp_provider.provider import Problem, Provider
from openmcp_provider_cli.demo_flags import EXAMPLES, add_demo
from openmcp_provider_cli.options import add_program, as_flags
from openmcp_provider_cli.usage import Parser, Version

__all__ = ["DONE", "FAILED", "WRONG", "main"]

S = TypeVar("S")
C = TypeVar("C")

DONE, FAILED, WRONG = 0, 1, 2
"""Exit codes: done; what was asked did not happen; wrong input or usage."""

NAMESPACE = "openmcp-system"
EXTRA = {"attr", "attrs", "cattrs", "prometheus_client", "yaml"}


def main(provider: Provider[S, C], argv: Sequence[str] | None = None, *, examples: Path = EXAMPLES) -> int:
    """Run the command line of a provider.

    Args:
        provider: Whose.
        argv: The arguments; by default those of the process, which then ends at once when it is interrupted.
        examples: The folder with the manifests that ``demo`` takes where none are named.

    Returns:
        The exit code.
    """
    if argv is None:
        end_on_interrupt()
    try:
        arguments = _parser(provider).parse_args(as_flags(sys.argv[1:] if argv is None else argv))
    except SystemExit as stop:  # argparse has said why
        return stop.code if isinstance(stop.code, int) else WRONG
    try:
        return _execute(provider, arguments, examples)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRA:
            raise
        _complain(f'{error.name} is not installed: pip install "service-provider-ocm[controller]"')
    except BrokenPipeError:
        _hang_up()
    except OSError as error:
        _complain(f"cannot write: {error.strerror}")
        _hang_up()
    except ProviderMistake as mistake:
        about = "".join(f" for {note}" for note in getattr(mistake, "__notes__", ()))
        _complain(f"the provider's own code has a mistake: {mistake}{about}; only its authors can correct it")
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    return FAILED


def _execute(provider: Provider[S, C], arguments: argparse.Namespace, examples: Path) -> int:
    if mistakes := _mistakes(provider):
        _complain(*(f"the provider cannot be used: {mistake}" for mistake in mistakes))
        return FAILED
    if arguments.command == "demo":
        return _demo(provider, arguments, examples)
    return _render(provider, arguments) if arguments.command == "render" else _program(provider, arguments)


def _mistakes(provider: Provider[S, C]) -> list[Problem]:
    """Return what is wrong with the provider itself."""
    found = [*check(provider)]
    if not found:
        from openmcp_adapters.wire import check_type  # noqa: PLC0415 - needs an extra

        found += [*check_type(provider.spec, "spec"), *check_type(provider.config, "config")]
    return found


def _parser(provider: Provider[S, C]) -> argparse.ArgumentParser:
    kind = provider.edition.kind
    parser = Parser(
        prog=f"service-provider-{provider.edition.name}",
        description=f"The openMCP service provider for {provider.title}.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=Version, help="print name and version")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    render = commands.add_parser(
        "render",
        help="show what would be written, without any cluster",
        description=f"Print, for each {kind}, every object that would be written, in the order of writing.",
        allow_abbrev=False,
    )
    render.add_argument(
        "-f",
        "--file",
        dest="files",
        metavar="FILE",
        nargs="+",
        action="extend",
        required=True,
        help=f"YAML or JSON with {kind}s, one ProviderConfig, the Secrets that it names, and AccessRequests if you "
        "like; - is standard input",
    )
    render.add_argument("-o", "--output", choices=("yaml", "json"), default="yaml", help="the form (default: yaml)")
    render.add_argument(
        "--namespace",
        default=os.environ.get("POD_NAMESPACE") or NAMESPACE,
        help=f"the provider's own namespace, where Secrets are looked for (default: $POD_NAMESPACE, else {NAMESPACE})",
    )
    render.add_argument("--show-secrets", action="store_true", help="print the values of Secrets")
    add_demo(commands, provider.edition)
    add_program(commands, provider.edition)
    return parser


def _program(provider: Provider[S, C], arguments: argparse.Namespace) -> int:
    # They need extras, and each its own modules.
    from openmcp_provider_cli.program import Command, Wrong, execute  # noqa: PLC0415

    command: Command
    if arguments.command == "init":
        from openmcp_provider_cli.initialise import initialise as command  # noqa: PLC0415
    elif arguments.command == "plan":
        from openmcp_provider_cli.planning import plan  # noqa: PLC0415

        command = plan(_print)
    else:
        from openmcp_provider_cli.running import run as command  # noqa: PLC0415
    try:
        return execute(provider, arguments, os.environ, command)
    except Wrong as error:
        _complain(*map(str, error.args))
        return WRONG


def _render(provider: Provider[S, C], arguments: argparse.Namespace) -> int:
    # What reads files needs an extra; without it the program still says what is missing.
    from openmcp_provider_cli.documents import WrongInput  # noqa: PLC0415
    from openmcp_provider_cli.inputs import gather  # noqa: PLC0415
    from openmcp_provider_cli.render import FORMATS, render  # noqa: PLC0415

    problems = [*check_label("--namespace", arguments.namespace)]
    if problems:
        _complain(*map(str, problems))
        return WRONG
    try:
        inputs = gather(provider, arguments.files, arguments.namespace)
    except WrongInput as error:
        _complain(*map(str, error.faults))
        return WRONG
    _print(FORMATS[arguments.output](render(provider, inputs, show_secrets=arguments.show_secrets)))
    return DONE


def _demo(provider: Provider[S, C], arguments: argparse.Namespace, examples: Path) -> int:
    from openmcp_provider_cli.demo import demo, files_in  # noqa: PLC0415 - needs an extra
    from openmcp_provider_cli.documents import WrongInput  # noqa: PLC0415

    arguments.files = arguments.files or files_in(examples)
    problems = [*map(str, check_label("--namespace", arguments.namespace))]
    if not arguments.files:
        problems.append(f"{examples} holds no manifests; name files with -f")
    if problems:
        _complain(*problems)
        return WRONG
    try:
        failures = demo(provider, arguments, _print)
    except WrongInput as error:
        _complain(*map(str, error.faults))
        return WRONG
    _complain(*failures)
    return FAILED if failures else DONE


def _print(text: str) -> None:
    """Print to standard output in UTF-8, whatever the locale, and to the end."""
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:  # replaced by something that takes text, or closed
        print(text, end="")
        return
    sys.stdout.flush()
    buffer.write(text.encode())
    buffer.flush()


def _complain(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def _hang_up() -> None:
    """Keep the interpreter from writing again, and complaining, when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
