"""A provider whose spec and config are attrs classes, with a dataclass in one of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from attrs import field, frozen

from openmcp_provider.provider import Copy, Item, Provider, Tenant
from tests.cli.running import Run, runner, stream
from tests.core.second import GROUP, Beacon


@dataclass(frozen=True, slots=True, kw_only=True)
class Lamp:
    """How it shines."""

    colour: str


@frozen(kw_only=True)
class Spec:
    """What a tenant wants."""

    replicas: int
    lamp_url: str = field(default="", metadata={"wire": "lampURL"})
    lamps: tuple[Lamp, ...] = ()


@frozen(kw_only=True)
class Config:
    """What the operator may set."""

    bundle: str = "ca-bundle"


class AttrsBeacon(Provider[Spec, Config]):
    """One object per tenant."""

    edition, clusters, owns = Beacon.edition, Beacon.clusters, Beacon.owns
    title, spec, config = "Beacon", Spec, Config

    def desired(self, tenant: Tenant[Spec, Config]) -> Iterable[Item | Copy]:
        """Show what was decoded."""
        bundle = (tenant.config or Config()).bundle
        data: dict[str, Any] = {lamp.colour: bundle for lamp in tenant.spec.lamps}
        metadata = {"name": "beacon", "namespace": "default"}
        yield Item(
            cluster="workload",
            manifest={"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data},
        )


CONFIG = f"apiVersion: {GROUP}/v1\nkind: ProviderConfig\nmetadata: {{name: beacon}}\nspec: {{bundle: own}}\n"
BEACON = f"apiVersion: {GROUP}/v1\nkind: Beacon\nmetadata: {{name: a}}\n"


@pytest.fixture
def render(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Render files with that provider."""
    return runner(AttrsBeacon(), tmp_path, monkeypatch, capfd)


def test_good_input(render: Run) -> None:
    """It is decoded into the author's classes (case 6.6)."""
    found = render({"a": stream(CONFIG, BEACON + "spec: {replicas: 1, lamps: [{colour: red}]}")})
    assert {"red": "own"} == found.documents[-1]["data"]


def test_one_clear_error(render: Run) -> None:
    """A bad file gives one line with the path, and code 2 (case 6.6)."""
    found = render({"a": stream(CONFIG, BEACON + "spec: {replicas: 1, lamps: [{color: red, colour: blue}]}")})
    assert (2, "") == (found.code, found.out)
    assert found.lines == [
        "a: document 2: Beacon default/a: spec.lamps[0].color: is not a known field; did you mean colour?"
    ]


def test_every_error(render: Run) -> None:
    """A worse one gives a line for each mistake (case 6.6)."""
    config = CONFIG.replace("own", "5")
    found = render({"a": stream(config, BEACON + "spec: {lampURL: 1, lamps: [{}]}")})
    assert (2, "") == (found.code, found.out)
    assert found.lines == [
        'a: document 1: ProviderConfig beacon: spec.bundle: is a number; write it in quotes: bundle: "5"',
        "a: document 2: Beacon default/a: spec.replicas: is missing; write replicas: ...",
        'a: document 2: Beacon default/a: spec.lampURL: is a number; write it in quotes: lampURL: "1"',
        "a: document 2: Beacon default/a: spec.lamps[0].colour: is missing; write colour: ...",
    ]
