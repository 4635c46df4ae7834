"""Running the program in this process, and the manifests that its tests start from."""

import io
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from openmcp_provider_cli import main
from service_provider_ocm import PROVIDER

WORKED = Path(__file__).parents[1] / "ocm" / "worked-input.yaml"
EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"

GROUP = "ocm.services.openmcp.cloud/v1alpha1"
CONFIG = f"apiVersion: {GROUP}\nkind: ProviderConfig\nmetadata: {{name: ocm}}\nspec: {{}}\n"
OCM = f'apiVersion: {GROUP}\nkind: OCM\nmetadata: {{name: mcp-01}}\nspec: {{version: "0.6.0"}}\n'
SECRET = """apiVersion: v1
kind: Secret
metadata: {name: login, namespace: openmcp-system}
type: kubernetes.io/dockerconfigjson
data: {.dockerconfigjson: eyJhdXRocyI6IHt9fQ==}
"""
NAMING = CONFIG.replace("spec: {}", "spec: {imagePullSecret: {name: login}}")
ACCESS = """apiVersion: clusters.openmcp.cloud/v1alpha1
kind: AccessRequest
metadata: {name: ocm.services.openmcp.cloud--mcp-01--mcp, namespace: mcp--4b6f2253-c68f-836b-927e-f2ee28e25584}
status: {phase: Granted, secretRef: {name: elsewhere}}
"""


class Outcome(NamedTuple):
    """What a run left behind."""

    code: int
    out: str
    err: str

    @property
    def documents(self) -> list[Any]:
        """The YAML documents printed."""
        return list(yaml.safe_load_all(self.out))

    @property
    def entries(self) -> Any:
        """The JSON printed."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """The lines on standard error."""
        return self.err.splitlines()


Run = Callable[..., Outcome]


def stream(*documents: str) -> str:
    """Return YAML documents as one text."""
    return "---\n".join(text if text.endswith("\n") else f"{text}\n" for text in documents)


def runner(
    provider: Any,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Run:
    """Return a function that writes files, renders them and returns what came of it."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("POD_NAMESPACE", raising=False)

    def run(files: Mapping[str, str | bytes], *flags: str, stdin: str | None = None) -> Outcome:
        for name, text in files.items():
            Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        named = [*files] + (["-"] if stdin is not None else [])
        code = main(provider, ["render", *(["-f", *named] if named else []), *flags])
        return Outcome(code, *capfd.readouterr())

    return run


@pytest.fixture
def render(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Render files with the first provider, in an empty folder."""
    return runner(PROVIDER, tmp_path, monkeypatch, capfd)
