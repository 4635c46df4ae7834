"""The flags of `init`, `run` and `plan`, and what is refused before anything is asked of a cluster."""

import argparse
import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openmcp_provider_cli import main
from openmcp_provider_cli.options import add_program, as_flags
from service_provider_ocm import PROVIDER

SWITCHES = ["--leader-elect", "--metrics-secure", "--enable-http2", "--dev", "--disable-caller"]
DEFAULTS = {
    "environment": "",
    "provider_name": "",
    "metrics_bind_address": "0",
    "metrics_secure": True,
    "metrics_cert_path": "",
    "metrics_cert_name": "tls.crt",
    "metrics_cert_key": "tls.key",
    "webhook_cert_path": "",
    "webhook_cert_name": "tls.crt",
    "webhook_cert_key": "tls.key",
    "health_probe_bind_address": ":8081",
    "leader_elect": False,
    "enable_http2": False,
    "dev": False,
    "cli": False,
    "disable_stacktrace": None,
    "disable_caller": None,
    "disable_timestamp": None,
}
"""As v0.1.1 has them; None = not given."""


def parsed(*argv: str) -> argparse.Namespace:
    """Return the arguments of a command line."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    add_program(parser.add_subparsers(dest="command"), PROVIDER.edition)
    return parser.parse_args(as_flags(argv))


@pytest.mark.parametrize("command", ["run", "plan"])
def test_defaults_are_those_of_the_go_program(command: str) -> None:
    """Whatever is not given is as it was in v0.1.1."""
    found = vars(parsed(command))
    assert DEFAULTS == {name: found[name] for name in DEFAULTS}


def test_the_operators_arguments_are_taken() -> None:
    """The operator of openMCP starts both commands with these words, in this order."""
    common = ["--environment=E", "--verbosity=INFO", "--provider-name=ocm"]
    more = ["--leader-elect=true", "--metrics-bind-address=:8080", "--metrics-secure=false"]
    assert ("ocm", "INFO") == (parsed("init", *common).provider_name, parsed("init", *common).verbosity)
    run = parsed("run", *common, *more)
    assert (True, ":8080", False) == (run.leader_elect, run.metrics_bind_address, run.metrics_secure)


@given(st.lists(st.tuples(st.sampled_from(SWITCHES), st.sampled_from(["", "=true", "=false", "=T", "=0"]))))
def test_switches_stand_alone_or_have_their_value(given_: list[tuple[str, str]]) -> None:
    """A switch never takes the next word, and of several the last one counts."""
    found = vars(parsed("run", *itertools.chain.from_iterable(([f"{flag}{value}"]) for flag, value in given_)))
    wanted = {flag: value not in {"=false", "=0"} for flag, value in given_}
    assert wanted == {flag: found[flag.strip("-").replace("-", "_")] for flag in wanted}


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--provider-name="], "--provider-name: is empty"),
        (["--provider-name=O_K"], "--provider-name: is no legal name"),
        (["--provider-name=ocm", "--verbosity=loud"], "--verbosity"),
        (["--provider-name=ocm", "-f", "xml"], "--format"),
        (["--provider-name=ocm", "--metrics-bind-address=nowhere"], "--metrics-bind-address"),
        (["--provider-name=ocm", "--health-probe-bind-address=1:2:3"], "--health-probe-bind-address"),
        (
            ["--provider-name=ocm", "--metrics-bind-address=127.0.0.1:1", "--metrics-cert-path=/nowhere"],
            "--metrics-secure",
        ),
    ],
)
def test_wrong_flags_end_with_a_sentence(
    argv: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Each ends with 2 and says which flag is wrong, before any cluster is asked; nothing is on standard output."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        '{"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],'
        ' "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],'
        ' "users": [{"name": "u", "user": {"token": "t"}}]}'
    )
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setenv("POD_NAMESPACE", "openmcp-system")
    assert 2 == main(PROVIDER, ["run", *argv])
    out, err = capfd.readouterr()
    assert "" == out
    assert told in err
    assert "Traceback" not in err


@pytest.mark.parametrize("namespace", ["", "Not_One"])
def test_without_a_namespace_it_ends_with_1(
    namespace: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As the Go program does where POD_NAMESPACE is empty: a line in the log, and 1."""
    monkeypatch.setenv("POD_NAMESPACE", namespace)
    assert 1 == main(PROVIDER, ["init", "--provider-name=ocm"])
    assert "environment: POD_NAMESPACE: is" in capfd.readouterr().err


def test_without_a_platform_it_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where no configuration is found it says what was looked for."""
    monkeypatch.setenv("POD_NAMESPACE", "openmcp-system")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert 1 == main(PROVIDER, ["run", "--provider-name=ocm"])
    assert "the platform cannot be reached" in capfd.readouterr().err
