import os
from pathlib import Path

import pytest

from openmcp_adapters.emulation import Landscape
from openmcp_provider_cli import main
from openmcp_provider_cli.demo_flags import EXAMPLES as FOLDER
from service_provider_ocm import PROVIDER
from tests.cli.demoing import Given, Play
from tests.cli.running import CONFIG, NAMING, OCM, SECRET
from tests.cli.test_program import program


def test_wrong_input(play: Play, given: Given) -> None:
    """Input is checked as by render: every problem at once, nothing on standard output."""
    found = play(*given(NAMING, OCM.replace('"0.6.0"', '"latest!"'), "kind: Pod\n"), "-o", "json")

    assert (found.code, found.out) == (2, "")
    assert len(found.lines) == 3
    assert "names Secret openmcp-system/login, which is not given" in found.err


@pytest.mark.parametrize("output", ["text", "json"])
def test_what_a_server_refuses(play: Play, given: Given, output: str) -> None:
    """What only an API server checks is wrong input too."""
    labelled = OCM.replace("name: mcp-01", "name: mcp-01, labels: {a: '-'}")
    found = play(
        *given(CONFIG, labelled, SECRET.replace("name: login", "name: login, labels: {'a b': c}")), "-o", output
    )

    assert (found.code, found.out) == (2, "")
    assert len(found.lines) == 2
    assert ": document 2: OCM default/mcp-01: refused by the API server: " in found.lines[0]


@pytest.mark.parametrize("flags", [["--tenants", "0"], ["--tenants", "x"], ["--namespace", "A"], ["-o", "yaml"]])
def test_wrong_flags(play: Play, flags: list[str]) -> None:
    """Flags that make no sense end with 2."""
    found = play(*flags)

    assert (found.code, found.out) == (2, "")
    assert found.err


def test_no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Without examples, files must be named."""
    monkeypatch.chdir(tmp_path)

    assert main(PROVIDER, ["demo"]) == 2
    assert capfd.readouterr() == ("", f"{FOLDER} holds no manifests; name files with -f\n")


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_tenant_that_does_not_get_there(play: Play, output: str) -> None:
    """Whoever does not become Ready is named with what it is told, and the demo ends by itself."""

    def deny(landscape: Landscape) -> None:
        repository = "ghcr.io/open-component-model/kubernetes/controller/chart"
        landscape.registry.outages[f"{repository}:0.6.0"] = "denied"

    found = play("-o", output, prepare=deny)

    assert found.code == 1
    (line,) = found.lines
    assert line.startswith("project-pears--ws-orchard/eu.west.production: Progressing: ")
    assert "Registry ghcr.io refused the chart (DENIED)" in line
    if output == "json":
        assert [tenant["ready"] for tenant in found.entries["tenants"]] == [True, True, True, True, False]
        assert found.entries["steady"] is None
    else:
        assert "\n4 of 5 tenants Ready after " in found.out


def test_a_tenant_that_does_not_go(play: Play) -> None:
    """A deletion that cannot end is told with everything that is left."""

    def die(landscape: Landscape) -> None:
        landscape.world.clock._loop.call_later(60.0, landscape.kill, "mcp-01")

    found = play("--delete", prepare=die)

    assert found.code == 1
    assert found.lines[0].startswith("default/mcp-01: Terminating: Control plane default/mcp-01 cannot be reached.")
    assert "onboarding: OCM default/mcp-01 was left" in found.lines
    assert any(line.startswith("platform: HelmRelease mcp--") for line in found.lines)
    assert "\n4 of 5 gone " in found.out


def test_a_mistake_in_the_program(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that raises makes the demo fail, and is told as such."""

    def fail(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("openmcp_provider.runtime.controller.reconcile", fail)
    found = play("--tenants", "1")

    assert found.code == 1
    assert found.lines == [
        "default/t-0001: Waiting: nothing was told",
        "default/t-0001: the program made a mistake: ZeroDivisionError('oops')",
    ]


def test_a_reader_that_goes_away() -> None:
    """Whoever pipes into head gets no traceback, even in the middle of the story."""
    reader, writer = os.pipe()
    os.close(reader)
    found = program("demo", "--tenants", "1", stdout=writer)
    os.close(writer)

    assert (found.returncode, found.stderr) == (1, "")


def test_interrupted(play: Play) -> None:
    """Control-C in the middle of the story ends the program in one line, without a traceback (case 7)."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    def prepare(landscape: Landscape) -> None:
        landscape.world.clock._loop.call_later(5.0, interrupt)

    found = play(prepare=prepare)

    assert (found.code, found.err) == (130, "interrupted\n")
    assert "Waiting for" in found.out


def test_without_the_extra() -> None:
    """Installed without extras, the program says which one it needs."""
    code = "import sys; sys.modules['attrs'] = None; import service_provider_ocm_cli as p; sys.exit(p.main())"
    found = program("demo", code=code)

    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == 'attrs is not installed: pip install "service-provider-ocm[controller]"\n'
