import contextlib
import io
import json
import os
import re
import runpy
import subprocess
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import openmcp_provider_cli.demo
import service_provider_ocm_cli
from openmcp_adapters.emulation import Landscape
from openmcp_provider_cli import main
from openmcp_provider_cli.demo import demo
from openmcp_provider_cli.demo_flags import EXAMPLES as FOLDER
from openmcp_provider_cli.demo_table import Screen
from service_provider_ocm import PROVIDER
from tests.cli.running import CONFIG, EXAMPLES, NAMING, OCM, SECRET, Outcome, stream
from tests.cli.test_program import program
from tests.docs.pages import ROOT, blocks

FIVE = {
    ("default", "mcp-01"),
    ("project-apples--ws-garden", "development"),
    ("project-apples--ws-garden", "production"),
    ("project-pears--ws-orchard", "a-control-plane-with-a-name-too-long-for-a-label-so-it-is-shortened"),
    ("project-pears--ws-orchard", "eu.west.production"),
}
Prepare = Callable[[Landscape], None]
Play = Callable[..., Outcome]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Play:
    """Play a demo of the examples, with a short steady time and perhaps something that goes wrong."""

    def run(*flags: str, prepare: Prepare | None = None) -> Outcome:
        monkeypatch.setattr("openmcp_provider_cli.demo_story.STEADY", 60.0)
        if prepare:
            monkeypatch.setattr(openmcp_provider_cli.demo, "demo", partial(demo, prepare=prepare))
        code = main(PROVIDER, ["demo", *flags], examples=EXAMPLES)
        return Outcome(code, *capfd.readouterr())

    return run


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., list[str]]:
    """Write one file and return the flags that name it."""

    def write(*documents: str) -> list[str]:
        path = tmp_path / "given.yaml"
        path.write_text(stream(*documents), encoding="utf-8")
        return ["-f", str(path)]

    return write


def stable(text: str) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON without the real seconds, which are nobody's choice."""
    told = json.loads(text)
    assert told["seconds"].pop("real") > 0
    return told


def secrets(clusters: dict[str, Any]) -> Iterator[Any]:
    """Yield every Secret."""
    return (obj for objects in clusters.values() for obj in objects if obj["kind"] == "Secret")


# --- what comes of it


def test_the_examples_become_ready(capfd: pytest.CaptureFixture[str]) -> None:
    """All five become Ready, at no request to platform and onboarding once they are; the JSON has what is promised."""
    code = main(PROVIDER, ["demo", "-o", "json"], examples=EXAMPLES)
    out, err = capfd.readouterr()
    told = json.loads(out)

    assert (code, err) == (0, "")
    assert list(told) == ["tenants", "objects", "requests", "steady", "seconds"]
    assert {(tenant["namespace"], tenant["name"]) for tenant in told["tenants"]} == FIVE
    assert all(tenant["ready"] is True and tenant["phase"] == "Ready" for tenant in told["tenants"])
    assert [tenant["status"]["installedVersion"] for tenant in told["tenants"]][0] == "0.13.0"
    assert told["seconds"]["virtual"] > 600
    assert told["seconds"]["real"] > 0

    clusters = list(told["objects"])
    assert clusters[:2] == ["platform", "onboarding"]
    assert len(clusters) == 7
    assert list(told["requests"]) == clusters
    assert sum(obj["kind"] == "HelmRelease" for obj in told["objects"]["platform"]) == 5
    assert all(any(obj["kind"] == "Deployment" for obj in told["objects"][name]) for name in clusters[2:])

    assert told["steady"]["seconds"] == 600
    for name in ("platform", "onboarding"):
        assert told["requests"][name]["patch" if name == "onboarding" else "apply"] > 0
        assert set(told["steady"]["requests"][name]) == {"watch"}
    assert all(told["steady"]["requests"][name] == {"list": 10} for name in clusters[2:])


def test_no_secret_is_shown(play: Play) -> None:
    """Values of Secrets, given or made, appear nowhere."""
    found = play("-o", "json", "--tenants", "1")
    values = [value for secret in secrets(found.entries["objects"]) for value in secret["data"].values()]

    assert len(values) >= 5
    assert set(values) == {"<hidden>"}
    assert "placeholder" not in found.out


def test_deleted_tenants_leave_nothing(play: Play) -> None:
    """With --delete all five go, and nothing is left but what the documentation names."""
    found = play("-o", "json", "--delete")
    told = found.entries

    assert (found.code, found.err) == (0, "")
    assert [(tenant["phase"], tenant["ready"]) for tenant in told["tenants"]] == [("Gone", False)] * 5
    assert all(tenant["status"]["phase"] == "Terminating" for tenant in told["tenants"])
    for name, objects in told["objects"].items():
        kinds = {obj["kind"] for obj in objects}
        assert not kinds & {"OCM", "AccessRequest", "OCIRepository", "HelmRelease", "Deployment"}
        assert name == "platform" or "Secret" not in kinds
    (source,) = secrets(told["objects"])
    assert source["metadata"]["name"] == "registry-login"


def test_lines(play: Play) -> None:
    """Anywhere but on a terminal there is a line for each transition of each tenant, and a summary."""
    found = play("--delete")
    above, _, below = found.out.partition("\n\n")
    lines = [re.fullmatch(r" *\d+\.\d\d s  (\S+) +(\w+)(?:  (.*))?", line) for line in above.splitlines()]
    moves = [line.groups() for line in lines if line]

    assert (found.code, found.err, len(moves)) == (0, "", len(lines))
    for space, name in FIVE:
        mine = [(phase, message) for who, phase, message in moves if who == f"{space}/{name}"]
        assert mine[0][0] == "Progressing"
        assert [phase for phase, _ in mine if phase in {"Ready", "Gone"}] == ["Ready", "Gone"]
        assert len(mine) == len(set(mine))
    assert re.match(r"5 of 5 tenants Ready after \d+\.\d virtual seconds\n5 of 5 gone \d+\.\d virtual", below)
    assert "left of what was written: nothing\n" in below
    assert "never deleted: 24 CustomResourceDefinition, 5 Namespace ocm-k8s-toolkit-system\n" in below
    assert "in 1 virtual minutes: 0 requests to platform and onboarding, 5 to control planes; beside them" in below
    assert re.search(r"virtual seconds took \d+\.\d real ones\n$", below)


def test_fifty_tenants(play: Play) -> None:
    """As many tenants as one likes are made of those given; many are counted, not listed."""
    found = play("--tenants", "50", "--delete")
    above, _, below = found.out.partition("\n\n")
    counts = [dict(reversed(pair.split()) for pair in line.split(" s  ")[1].split(", ")) for line in above.splitlines()]

    assert (found.code, found.err) == (0, "")
    assert below.startswith("50 of 50 tenants Ready")
    assert all(sum(map(int, count.values())) == 50 for count in counts)
    assert {"Ready": "50"} in counts
    assert counts[-1] == {"Gone": "50"}


def test_made_names(play: Play) -> None:
    """Tenants that are made have numbers, and the namespaces and specs of those given, in turn."""
    told = play("--tenants", "7", "-o", "json").entries

    assert [tenant["name"] for tenant in told["tenants"]] == [f"t-{number:04}" for number in range(1, 8)]
    assert told["tenants"][5]["namespace"] == told["tenants"][0]["namespace"] == "default"
    assert told["tenants"][6]["status"]["installedVersion"] == told["tenants"][1]["status"]["installedVersion"]


def test_one_seed_one_story() -> None:
    """The same seed gives the same output in another process; another seed gives another story with the same end."""
    flags = ("demo", "--tenants", "3", "--delete", "-o", "json")
    code = (
        "import sys, openmcp_provider_cli.demo_story as story, service_provider_ocm_cli as program\n"
        "story.STEADY = 60.0\n"
        "sys.exit(program.main())"
    )
    first, second, other = (stable(program(*flags, *more, code=code).stdout) for more in ((), (), ("--seed", "1")))

    assert first == second
    assert first != other
    assert [tenant["phase"] for tenant in first["tenants"]] == [tenant["phase"] for tenant in other["tenants"]]


# --- what goes wrong


def test_wrong_input(play: Play, files: Callable[..., list[str]]) -> None:
    """Input is checked as by render: every problem at once, nothing on standard output."""
    found = play(*files(NAMING, OCM.replace('"0.6.0"', '"latest!"'), "kind: Pod\n"), "-o", "json")

    assert (found.code, found.out) == (2, "")
    assert len(found.lines) == 3
    assert "names Secret openmcp-system/login, which is not given" in found.err


@pytest.mark.parametrize("output", ["text", "json"])
def test_what_a_server_refuses(play: Play, files: Callable[..., list[str]], output: str) -> None:
    """What only an API server checks is wrong input too."""
    labelled = OCM.replace("name: mcp-01", "name: mcp-01, labels: {a: '-'}")
    found = play(
        *files(CONFIG, labelled, SECRET.replace("name: login", "name: login, labels: {'a b': c}")), "-o", output
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
    assert "0.6.0" in line
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


def test_without_the_extra() -> None:
    """Installed without extras, the program says which one it needs."""
    code = "import sys; sys.modules['attrs'] = None; import service_provider_ocm_cli as p; sys.exit(p.main())"
    found = program("demo", code=code)

    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == 'attrs is not installed: pip install "service-provider-ocm[controller]"\n'


# --- on a terminal


def test_the_table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a terminal a table follows the tenants, with counts, a bar, the virtual clock and the requests so far."""
    monkeypatch.setattr("openmcp_provider_cli.demo_story.STEADY", 60.0)
    monkeypatch.setattr("openmcp_provider_cli.demo_table.FRAME", 0.0)
    console = Console(file=io.StringIO(), force_terminal=True, width=100, height=20, record=True, color_system=None)
    monkeypatch.setattr(openmcp_provider_cli.demo, "_watched", lambda _: Screen(console))
    written: list[str] = []
    arguments = Namespace(
        files=[str(path) for path in sorted(EXAMPLES.glob("*.yaml"))],
        namespace="openmcp-system",
        tenants=40,
        seed=0,
        delete=True,
        output="text",
    )

    assert demo(PROVIDER, arguments, written.append) == []
    text = console.export_text()
    assert "OCM K8s Toolkit for 40 tenants" in text
    for pattern in (
        r"[1-9]\d* requests   virtual 00:\d\d\.\d   real \d+\.\d s",
        r"Progressing \d+   Ready \d+ +━+ +\d+% are Ready",
        r"Ready 40 +━+ +\d+% ",
        r"Gone 40 +━+ +100% are gone",
        r"default/t-0001 +Progressing +\d+ s +Waiting for",
        r"default/t-0001 +Ready +\d+ s +0\.13\.0 +OCM K8s Toolkit 0\.13\.0 is inst",
        r"default/t-0011 ",
        r"and 29 more",
    ):
        assert re.search(pattern, text), pattern
    assert "t-0012" not in text
    assert written[0].startswith("\n40 of 40 tenants Ready")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_a_real_terminal() -> None:
    """In a process with a terminal the table is drawn, and the summary follows it."""
    code = (
        "import sys, openmcp_provider_cli.demo_table as table, service_provider_ocm_cli as program\n"
        "table.FRAME = 0.0\n"
        "sys.exit(program.main())"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"}
    master, slave = os.openpty()
    argv = [sys.executable, "-c", code, "demo", "--tenants", "1"]
    with subprocess.Popen(argv, stdout=slave, stderr=slave, env=environment) as process:  # noqa: S603 - our own
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # how a terminal says that nobody is at the other end any more
            while more := os.read(master, 65536):
                shown += more
    os.close(master)
    text = shown.decode()

    assert process.returncode == 0
    assert "\x1b[" in text
    assert "OCM K8s Toolkit" in text
    assert "1 of 1 tenant Ready" in text


def test_a_terminal_without_the_extra(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without rich a terminal gets lines."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setitem(sys.modules, "openmcp_provider_cli.demo_table", None)

    assert " Ready        OCM K8s Toolkit 0.13.0 is installed and ready.\n" in play("--tenants", "1").out


# --- other providers, and where the examples come from


def test_another_provider(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A provider of the README's few lines, without CRDs and without a ProviderConfig, has a demo too."""
    (tmp_path / "greeter.py").write_text(
        blocks((ROOT / "README.md").read_text(encoding="utf-8"), "python")[0], encoding="utf-8"
    )
    greeter = runpy.run_path(str(tmp_path / "greeter.py"))
    manifest = tmp_path / "greeter.yaml"
    manifest.write_text(
        f"apiVersion: {greeter['GROUP']}/v1\nkind: Greeter\nmetadata: {{name: a}}\nspec: {{text: hi}}\n"
    )

    assert main(greeter["Greeter"](), ["demo", "--delete"], examples=tmp_path) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert "1 of 1 gone" in out


def test_the_examples_are_found() -> None:
    """In a checkout the program takes deploy/examples; the wheel brings the same files."""
    packed, checkout = service_provider_ocm_cli._PLACES

    assert checkout == EXAMPLES
    assert packed.parent == Path(service_provider_ocm_cli.__file__).parent


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Help tells what is in the JSON and what phase a deleted tenant has."""
    assert main(PROVIDER, ["demo", "--help"]) == 0
    assert '"Gone"' in capsys.readouterr().out
