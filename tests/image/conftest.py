"""The image, built once for the tests below, in a folder outside of the repository."""

import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.building import REPOSITORY, Image, Workshop


@pytest.fixture(scope="session")
def version() -> str:
    """The program's version."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


@pytest.fixture(scope="session")
def workshop() -> Iterator[Workshop]:
    """Where images can be built."""
    made = Workshop(Path(tempfile.mkdtemp(prefix="image-")))
    try:
        made.prepare()
        yield made
    finally:
        made.clear()


@pytest.fixture(scope="session")
def image(workshop: Workshop, version: str) -> Image:
    """The image."""
    built = workshop.build("image", version)
    built.unpack()
    return built
