import glob
import re
import runpy
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml

from openmcp_provider_cli import main
from service_provider_ocm import PROVIDER
from tests.docs.pages import DOCS, PAGES, ROOT, blocks, links

README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CUT = re.compile(r"\[\.\.\. (\d+) lines left out \.\.\.\]")


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    """README, CONTRIBUTING and CI have one and the same command."""
    (command,) = (block for block in blocks(README, "sh") if block.endswith("-m nox"))

    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert command in blocks((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), "sh")


def assert_shown(shown: str, printed: list[str]) -> None:
    """Check that lines are those that were printed, cut where it is said and nowhere else."""
    wanted: list[str] = []
    for line in shown.splitlines():
        if cut := CUT.fullmatch(line):
            wanted.append(line)
            del printed[: int(cut[1])]
        else:
            wanted += printed[:1]
            del printed[:1]
    assert (wanted, []) == (shown.splitlines(), printed)


def test_what_is_rendered_is_what_the_readme_shows(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The output in the README is the real one, cut where it says so and nowhere else."""
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    (command,) = (block for block in blocks(README, "sh") if " render " in block)
    program, _, arguments = command.partition("-m service_provider_ocm_cli ")
    expanded = [name for word in shlex.split(arguments) for name in sorted(glob.glob(word)) or [word]]  # noqa: PTH207

    assert program == "PYTHONPATH=.run python3 "
    assert main(PROVIDER, expanded) == 0
    assert_shown(blocks(README, "yaml")[0], capfd.readouterr().out.splitlines())


def timeless(text: str) -> str:
    """Return what a demo says without how long it took: all else follows from its seed."""
    return re.sub(r"took [0-9.]+ real ones", "took ... real ones", text)


def test_the_demo_goes_as_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """What README and docs/demo.md show of a demo is what it says, numbers included but for real seconds (case 7)."""
    install, _, command = blocks(README, "sh")[0].partition(" && ")
    ending = timeless(blocks((DOCS / "demo.md").read_text(encoding="utf-8"), "text")[1])

    assert install.split()[-2:] == [".run", "'.[controller]'"]
    assert "controller" in PROJECT["project"]["optional-dependencies"]
    assert command.startswith("PYTHONPATH=.run python3 -m service_provider_ocm_cli demo ")
    assert main(PROVIDER, shlex.split(command.partition("_cli ")[2]), examples=ROOT / "deploy" / "examples") == 0
    printed = timeless(capfd.readouterr().out)
    assert_shown(timeless(blocks(README, "text")[0]), printed.splitlines())
    assert ending.splitlines() == printed.splitlines()[-len(ending.splitlines()) :]


def test_what_is_installed_replaces_what_was() -> None:
    """A second installation takes the place of the first; else pip keeps that, and warns of each package (case 7)."""
    commands = [block for page in PAGES for block in blocks(page.read_text(encoding="utf-8"), "sh")]
    installing = [command for command in commands if " --target " in command]

    assert len(installing) > 2
    assert [] == [command for command in installing if " -q --upgrade --target " not in command]


def test_the_snippet_is_a_provider(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What the README shows authors works as it stands."""
    (tmp_path / "greeter.py").write_text(blocks(README, "python")[0], encoding="utf-8")
    greeter = runpy.run_path(str(tmp_path / "greeter.py"))
    manifest = {
        "apiVersion": f"{greeter['GROUP']}/v1",
        "kind": "Greeter",
        "metadata": {"name": "mcp-01"},
        "spec": {"text": "hello"},
    }
    (tmp_path / "greeter.yaml").write_text(yaml.safe_dump(manifest), encoding="utf-8")

    assert greeter["main"](greeter["Greeter"](), ["render", "-f", str(tmp_path / "greeter.yaml")]) == 0
    access, greeting = yaml.safe_load_all(capfd.readouterr().out)
    assert access["kind"] == "AccessRequest"
    assert greeting["data"] == {"text": "hello"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Whatever a page links to in this repository is there."""
    missing = [link for link in links(page) if not (page.parent / link).exists()]

    assert missing == []


def test_the_package_shows_the_readme() -> None:
    """Who finds the package reads this README."""
    assert PROJECT["project"]["readme"] == "README.md"
