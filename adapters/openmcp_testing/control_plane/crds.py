"""The CustomResourceDefinitions of openMCP and Flux, as their projects publish them in their Go modules."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from openmcp_provider.domain.objects import Json
from openmcp_testing.control_plane.binaries import NoBinaries

__all__ = ["MODULES", "Module", "published_crds"]


class Module(NamedTuple):
    """A Go module, pinned.

    Attributes:
        path: Of the module.
        version: Of the module.
        sum: What Go calls h1, the hash of its content.
        folder: Where in it the definitions lie.
    """

    path: str
    version: str
    sum: str
    folder: str


MODULES = (
    Module(
        "github.com/fluxcd/source-controller",
        "v1.9.1",
        "h1:FF8XTxLND/pXzVtUESKURUDiItFJQDZBZkbHvZimN8s=",
        "config/crd/bases",
    ),
    Module(
        "github.com/fluxcd/helm-controller",
        "v1.6.3",
        "h1:MSiDP/s8xRSkO3g11vBiDStxfmJ5ZVdwDEpW7BSE/UA=",
        "config/crd/bases",
    ),
    Module(
        "github.com/openmcp-project/openmcp-operator/api",
        "v1.3.0",
        "h1:RgetVDqslJPD7/nb65AbqWYtwM1qJf0ePgf0uJiEcQQ=",
        "crds/manifests",
    ),
)
"""Where the definitions come from."""


def published_crds(environ: Mapping[str, str] = os.environ) -> tuple[Json, ...]:
    """Return every definition of `MODULES`; Go fetches the modules once and keeps them.

    Raises:
        NoBinaries: there is no Go, or it could not get a module as it is pinned.
    """
    go = shutil.which("go", path=environ.get("PATH"))
    if go is None:
        raise NoBinaries("the definitions of openMCP and Flux come by Go, which is not at hand: install it")
    found: list[Json] = []
    for module in MODULES:
        for file in sorted((_fetched(go, module, environ) / module.folder).glob("*.yaml")):
            documents = yaml.load_all(file.read_text(), yaml.CSafeLoader)
            found.extend(document for document in documents if document)
    return tuple(found)


def _fetched(go: str, module: Module, environ: Mapping[str, str]) -> Path:
    name = f"{module.path}@{module.version}"
    # Outside of any module: a go.mod nearby would have a say in what is fetched.
    env = {**environ, "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GO111MODULE": "on", "GOWORK": "off"}
    answer = subprocess.run(  # noqa: S603 - go, with arguments of ours
        [go, "mod", "download", "-json", name], cwd="/", env=env, capture_output=True, text=True, check=False
    )
    told = json.loads(answer.stdout or "{}")
    if answer.returncode or told.get("Sum") != module.sum:
        why = told.get("Error") or answer.stderr.strip() or f"its hash is {told.get('Sum')}, not {module.sum}"
        raise NoBinaries(f"Go module {name}: {why}")
    return Path(told["Dir"])
