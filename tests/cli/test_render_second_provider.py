from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from openmcp_provider.provider import (
    PLATFORM,
    Advice,
    Copy,
    Edition,
    Guard,
    Item,
    Json,
    Owned,
    Problem,
    Provider,
    Ref,
    Reference,
    Residue,
    Tenant,
    TenantCluster,
)
from tests.cli.running import Run, runner, stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """Needs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Names a ConfigMap."""

    settings: str = ""


EDITION = Edition(
    name="shelf",
    group="shelf.example.com",
    version="v1",
    kind="Shelf",
    plural="shelves",
    finalizer="shelf.example.com/finalizer",
    field_manager="shelf",
    copy_prefix="shelf-",
    access_controller="shelf",
    onboarding_controller="shelf",
    lease="shelf",
)


@dataclass(frozen=True, slots=True)
class Shelves:
    """A provider with a workload cluster, an optional config, a ConfigMap copy and a Secret of its own."""

    edition: Edition = EDITION
    title: str = "Shelf"
    spec: type[Spec] = Spec
    config: type[Config] = Config
    crds: tuple[Json, ...] = ()
    clusters: tuple[TenantCluster, ...] = (
        TenantCluster(id="mcp", suffix="mcp", rules=()),
        TenantCluster(id="workload", suffix="wl", rules=(), purpose="workload"),
    )
    owns: tuple[Owned, ...] = (
        Owned(PLATFORM, "v1", "Secret", "secrets"),
        Owned("workload", "v1", "ConfigMap", "configmaps"),
    )
    guards: tuple[Guard, ...] = ()
    residues: tuple[Residue, ...] = ()

    def check_spec(self, spec: Spec) -> Iterable[Problem]:
        """Everything is fine."""
        return ()

    def check_config(self, config: Config | None) -> Iterable[Problem]:
        """Also no config is fine."""
        return ()

    def references(self, config: Config) -> Iterable[Reference]:
        """The settings."""
        if config.settings:
            yield Reference("spec.settings", config.settings, "ConfigMap")

    def desired(self, tenant: Tenant[Spec, Config]) -> Iterable[Item | Copy | Problem]:
        """Write in the opposite order of the waves."""
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "own", "namespace": tenant.home},
            "stringData": {"kubeconfig": tenant.kubeconfigs["workload"].name},
        }
        yield Item(cluster=PLATFORM, manifest=secret, wave=2)
        if tenant.config and tenant.config.settings:
            to = Ref("workload", "v1", "ConfigMap", "settings", "default")
            yield Copy(source=tenant.config.settings, to=to, wave=1)

    def version(self, spec: Spec) -> str:
        """There are no versions."""
        return ""

    def poll(self, config: Config | None) -> timedelta:
        """Never."""
        return timedelta()

    def unmarked(self, name: str, namespace: str) -> Iterable[tuple[Ref, int]]:
        """Nobody was here before."""
        return ()

    def advise(self, spec: Spec, installed: str) -> Iterable[Advice]:
        """Nothing to say."""
        return ()

    def status(self, tenant: Tenant[Spec, Config], live: Mapping[Ref, Json]) -> Json:
        """Nothing to add."""
        return {}


SHELF = "apiVersion: shelf.example.com/v1\nkind: Shelf\nmetadata: {name: a}\nspec: {}\n"
CONFIG = "apiVersion: shelf.example.com/v1\nkind: ProviderConfig\nmetadata: {name: x}\nspec: {settings: sizes}\n"
SETTINGS = """apiVersion: v1
kind: ConfigMap
metadata: {name: sizes}
data: {width: "5"}
binaryData: {picture: aGk=}
"""


@pytest.fixture
def render(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Render files with the second provider."""
    provider: Provider[Spec, Config] = Shelves()
    return runner(provider, tmp_path, monkeypatch, capfd)


def outline(entries: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return where, what kind and which name."""
    return [(entry["cluster"], entry["object"]["kind"], entry["object"]["metadata"]["name"]) for entry in entries]


def test_a_cluster_of_its_own_is_asked_for(render: Run) -> None:
    """A ClusterRequest comes before the AccessRequest that refers to it, and the cluster keeps its own name."""
    entries = render({"a": stream(SHELF, CONFIG, SETTINGS)}, "-o", "json").entries

    assert outline(entries) == [
        ("platform", "AccessRequest", "shelf--a--mcp"),
        ("platform", "ClusterRequest", "shelf--a--wl"),
        ("platform", "AccessRequest", "shelf--a--wl"),
        ("workload", "ConfigMap", "settings"),
        ("platform", "Secret", "own"),
    ]
    assert entries[1]["object"]["spec"] == {"purpose": "workload"}
    assert entries[2]["object"]["spec"]["requestRef"]["name"] == "shelf--a--wl"


def test_config_maps_are_no_secret(render: Run) -> None:
    """Copies of ConfigMaps show their data; Secrets of the author's own hide theirs."""
    copy, own = render({"a": stream(SHELF, CONFIG, SETTINGS)}).documents[-2:]

    assert (copy["data"], copy["binaryData"]) == ({"width": "5"}, {"picture": "aGk="})
    assert "type" not in copy
    assert own["stringData"] == {"kubeconfig": "<hidden>"}


def test_config_may_be_missing(render: Run) -> None:
    """A provider that can do without a ProviderConfig is rendered without one, but never with two."""
    second = CONFIG.replace("name: x", "name: y")

    assert outline(render({"a": SHELF}, "-o", "json").entries)[-1] == ("platform", "Secret", "own")
    assert render({"a": stream(SHELF, CONFIG, second, SETTINGS)}).code == 2


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            stream(SHELF, CONFIG),
            "a: document 2: ProviderConfig x: spec.settings: names ConfigMap openmcp-system/sizes, which",
        ),
        (
            stream(SHELF, CONFIG, SETTINGS.replace("aGk=", "aGk")),
            "a: document 3: ConfigMap openmcp-system/sizes: binaryData.picture: is not base64; ",
        ),
        (
            stream(SHELF, CONFIG, SETTINGS.replace('"5"', "5")),
            "a: document 3: ConfigMap openmcp-system/sizes: data.width: is a number; must be text",
        ),
    ],
)
def test_wrong_config_maps(render: Run, text: str, line: str) -> None:
    """ConfigMaps are checked like Secrets."""
    found = render({"a": text})

    assert (found.code, found.out, len(found.lines)) == (2, "", 1)
    assert found.err.startswith(line)


class Broken(Shelves):
    """Has a mistake in what it wants."""

    def desired(self, tenant: Tenant[Spec, Config]) -> Iterable[Item | Copy]:
        """Look for what is not there."""
        raise KeyError("hunter2")


class Unsure(Shelves):
    """Cannot decide."""

    def desired(self, tenant: Tenant[Spec, Config]) -> Iterable[Item | Copy | Problem]:
        """Say so."""
        yield Problem("spec", "cannot be looked up", "wait for the catalogue")


def test_a_mistake_of_the_providers_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One line names function, type and object; what the exception says stays out (case 6.4)."""
    broken: Provider[Spec, Config] = Broken()
    code, out, err = runner(broken, tmp_path, monkeypatch, capfd)({"a": SHELF})

    assert (code, out) == (1, "")
    assert err.startswith("the provider's own code has a mistake: desired raised KeyError (test_render_second_provider")
    assert "for Shelf default/a in a: document 1; only its authors can correct it" in err
    assert "hunter2" not in err
    assert "Traceback" not in err


def test_what_cannot_be_decided_is_a_problem_of_the_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its problems stand where those of the checks stand (case 2.8)."""
    unsure: Provider[Spec, Config] = Unsure()
    code, out, err = runner(unsure, tmp_path, monkeypatch, capfd)({"a": SHELF})

    assert (code, out) == (2, "")
    assert "a: document 1: Shelf default/a: spec: cannot be looked up; wait for the catalogue" in err


def test_a_provider_that_cannot_be_used_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its mistakes come before those of any file (case 6.4)."""
    unusable: Provider[Spec, Config] = Shelves(title=" ")
    code, out, err = runner(unusable, tmp_path, monkeypatch, capfd)({"a": "{"})

    assert (code, out) == (1, "")
    assert err == "the provider cannot be used: title: is empty; write what tenants call the thing that is installed\n"
