"""From the files of a demo to what people write: the operator on the platform, tenants on the onboarding cluster."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any, TypeVar

from openmcp_provider.provider import Provider
from openmcp_provider_cli.dialect import plain
from openmcp_provider_cli.documents import Document
from openmcp_provider_cli.inputs import CONFIG, SOURCES, gather
from openmcp_provider_cli.sources import stored

__all__ = ["Cast", "cast", "files_in"]

S = TypeVar("S")
C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who writes what.

    Attributes:
        namespace: The provider's own, on the platform.
        config_name: Of the ProviderConfig, and of the provider's registration.
        operator: The ProviderConfig, Secrets and ConfigMaps.
        tenants: The instances.
    """

    namespace: str
    config_name: str
    operator: tuple[Document, ...]
    tenants: tuple[Document, ...]


def files_in(folder: Path) -> list[str]:
    """Return the files of a folder that hold manifests, in order."""
    return [str(path) for path in sorted(folder.glob("*")) if path.suffix in {".yaml", ".yml", ".json"}]


def cast(provider: Provider[S, C], files: Sequence[str], namespace: str, count: int | None = None) -> Cast:
    """Return what the files give.

    Args:
        provider: Whose instances they are.
        files: Their names.
        namespace: The provider's own.
        count: How many instances to make of those given; None = those given.

    Raises:
        WrongInput: something is wrong in the files.
    """
    given = gather(provider, files, namespace).given
    configs = given[CONFIG]
    sources = [
        replace(document, body=stored(document.body))
        for kind in SOURCES
        for document in given[kind]
        if document.namespace == namespace
    ]
    tenants = given[provider.edition.kind]
    return Cast(
        namespace=namespace,
        config_name=configs[0].name if configs else provider.edition.name,
        operator=tuple(map(_written, (*sources, *configs))),
        tenants=tuple(map(_written, tenants if count is None else _made(tenants, count))),
    )


def _made(tenants: Sequence[Document], count: int) -> list[Document]:
    """Return so many instances like those given, in turn."""
    return [
        replace(document, body={**document.body, "metadata": {**document.metadata, "name": f"t-{number:04}"}})
        for number, document in enumerate(islice(cycle(tenants), count), start=1)
    ]


def _written(document: Document) -> Document:
    """Return the document with what a person writes, without what a server adds or kubectl remembers."""
    body: dict[str, Any] = plain(document.body)
    body.pop("status", None)
    kept = ["name", "namespace", "labels"] + ["annotations"] * (document.kind not in SOURCES)
    body["metadata"] = {key: body["metadata"][key] for key in kept if body["metadata"].get(key)}
    return replace(document, body=body)
