import json
import re
import runpy
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import service_provider_ocm_cli.program
from openmcp_provider_cli import main
from service_provider_ocm import PROVIDER
from tests.cli.demoing import Given, Play
from tests.cli.running import EXAMPLES, NAMING, OCM, SECRET
from tests.cli.test_program import program
from tests.docs.pages import ROOT, blocks

FIVE = {
    ("default", "mcp-01"),
    ("project-apples--ws-garden", "development"),
    ("project-apples--ws-garden", "production"),
    ("project-pears--ws-orchard", "a-control-plane-with-a-name-too-long-for-a-label-so-it-is-shortened"),
    ("project-pears--ws-orchard", "eu.west.production"),
}


def stable(text: str) -> Any:
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
    assert told["tenants"][0]["status"]["installedVersion"] == "0.13.0"
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
        assert all(before != after for before, after in pairwise(mine))
    assert re.match(r"5 of 5 tenants Ready after \d+\.\d virtual seconds\n5 of 5 gone \d+\.\d virtual", below)
    assert "left of what was written: nothing\n" in below
    assert "never deleted: 24 CustomResourceDefinition, 5 Namespace ocm-k8s-toolkit-system\n" in below
    assert "in 1 virtual minutes: 0 requests to platform and onboarding, 5 to control planes; beside them" in below
    assert re.search(r"virtual seconds took \d+\.\d real ones\n$", below)


def test_fifty_tenants(play: Play) -> None:
    """As many tenants as one likes are made of those given; many are counted, not listed."""
    found = play("--tenants", "50", "--delete")
    above, _, below = found.out.partition("\n\n")
    lines = [line.partition(" s  ")[2].split(", ") for line in above.splitlines()]

    assert (found.code, found.err) == (0, "")
    assert below.startswith("50 of 50 tenants Ready")
    assert all(sum(int(count.split()[0]) for count in line) == 50 for line in lines)
    assert ["50 Ready"] in lines
    assert lines[-1] == ["50 Gone"]


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


def test_any_namespace(play: Play, given: Given) -> None:
    """The provider may live in a namespace that every cluster has, under any name that its ProviderConfig has."""
    config = NAMING.replace("name: ocm", "name: other")
    found = play(*given(config, OCM, SECRET.replace("openmcp-system", "default")), "--namespace", "default", "--delete")

    assert (found.code, found.err) == (0, "")


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
    packed, checkout = service_provider_ocm_cli.program._PLACES

    assert checkout == EXAMPLES
    assert packed.parent == Path(service_provider_ocm_cli.__file__).parent


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Help tells what is in the JSON and what phase a deleted tenant has."""
    assert main(PROVIDER, ["demo", "--help"]) == 0
    assert '"Gone"' in capsys.readouterr().out
