import re
import struct
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tests.docs.pages import DOCS, cells, spans
from tests.image.building import CREATED, PINS, REPOSITORY, REVISION, Image, Workshop


def pins(text: str) -> set[str]:
    """Return the packages with their versions that a file of requirements pins."""
    return set(re.findall(r"^\S+==\S+", text, re.MULTILINE))


def test_how_it_is_started(image: Image, version: str) -> None:
    """Nobody's user starts the program itself, not through a shell; the labels say what it is."""
    label = "org.opencontainers.image"

    assert {
        "User": "65532:65532",
        "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONDONTWRITEBYTECODE=1"],
        "Entrypoint": ["/service-provider-ocm"],
        "Labels": {
            f"{label}.title": "service-provider-ocm",
            f"{label}.description": "Installs and manages the OCM K8s Toolkit for every tenant of an openMCP landscape",
            f"{label}.licenses": "Apache-2.0",
            f"{label}.version": version,
            f"{label}.revision": REVISION,
            f"{label}.created": CREATED,
        },
    } == image.config


def test_arguments_are_told() -> None:
    """docs/image.md has a row for each argument of the build, and for no other."""
    text = (REPOSITORY / "deploy" / "Containerfile").read_text(encoding="utf-8")
    table = (DOCS / "image.md").read_text(encoding="utf-8").partition("## ")[0]

    assert set(re.findall(r"^ARG (\w+)", text, re.MULTILINE)) == {
        name for row in cells(table) for name in spans(row[0])
    }


def test_everything_is_roots(image: Image) -> None:
    """Everything belongs to root, nobody else can write to it, and nothing gives its rights away."""
    kinds = {member.type for member in image.files.values()}
    others = {name for name, member in image.files.items() if (member.uid, member.gid) != (0, 0)}
    loose = {name for name, member in image.files.items() if not member.issym() and member.mode & 0o7022}

    assert {b"0", b"2", b"5"} == kinds  # files, links, folders
    assert (set(), set()) == (others, loose)


def test_there_is_one_program(image: Image) -> None:
    """Nothing can be executed but the interpreter: no shell, no compiler, no package manager."""
    able = {name for name, member in image.files.items() if member.isreg() and member.mode & 0o111}
    programs = {name for name in able if not re.search(r"\.so(\.|$)", name)}
    (interpreter,) = programs - {"service-provider-ocm"}

    assert re.fullmatch(r"usr/(local/)?bin/python3\.\d+", interpreter)


def test_there_are_no_leftovers(image: Image) -> None:
    """There are no caches, homes and temporary folders."""
    tops = {name.partition("/")[0] for name in image.files if name}
    under = {name.split("/")[1] for name in image.files if name.startswith("var/")}

    assert {"app", "etc", "lib", "lib64", "service-provider-ocm", "usr", "var"} == tops
    assert {"lib"} == under


def test_packages_are_the_pinned_ones(image: Image, version: str) -> None:
    """The Python packages are the program and what is pinned for it; no pip, no setuptools."""
    installed = {
        f"{one.name.lower().replace('_', '-')}=={one.version}" for one in distributions(path=[str(image.packages)])
    }
    modules = {path.name for path in image.packages.iterdir()}

    assert f"service-provider-ocm=={version}" in installed
    assert installed - {f"service-provider-ocm=={version}"} <= pins(PINS[0].read_text(encoding="utf-8"))
    assert modules.isdisjoint({"pip", "setuptools", "hatchling", "rich", "hypothesis", "aiohttp"})
    assert [] == [*image.root.rglob("pip"), *image.root.rglob("ensurepip")]


@pytest.mark.parametrize("file", PINS, ids=lambda file: file.name)
def test_pins_are_those_of_the_tests(file: Path) -> None:
    """What is pinned for the image is what the tests run with."""
    tested = pins((REPOSITORY / "requirements" / "dev.txt").read_text(encoding="utf-8"))

    assert pins(file.read_text(encoding="utf-8")) <= tested


def test_modules_are_compiled(image: Image) -> None:
    """Each module is there compiled, so that it is used without a look at its source."""
    sources = [path for top in (image.packages, image.root / "usr") for path in top.rglob("*.py")]
    compiled = [path.parent / "__pycache__" for path in sources]
    (tag,) = {path.name.split(".")[-2] for path in image.packages.rglob("*.pyc")}

    assert len(sources) > 500
    for source, folder in zip(sources, compiled, strict=True):
        head = (folder / f"{source.stem}.{tag}.pyc").read_bytes()[:8]
        assert (1,) == struct.unpack("<I", head[4:]), source  # by hash, and that is not checked


def test_licences_come_along(image: Image) -> None:
    """Each package from the base brings its copyright file."""
    described = [path.name for path in (image.root / "var/lib/dpkg/status.d").iterdir()]

    assert len(described) > 10
    for name in described:
        assert (image.root / "usr/share/doc" / name / "copyright").stat().st_size > 0, name


def test_size(image: Image, workshop: Workshop, capsys: pytest.CaptureFixture[str]) -> None:
    """It is as small as docs/image.md says."""
    unpacked = sum(member.size for member in image.files.values()) / 1e6
    packed = sum(layer["size"] for layer in image.manifest["layers"]) / 1e6
    took = ", ".join(f"{what} {seconds:.0f} s" for what, seconds in workshop.took.items())
    with capsys.disabled():
        print(f"\nimage: {unpacked:.1f} MB in {len(image.files)} files, {packed:.1f} MB compressed; made in: {took}")

    assert unpacked < 70
    assert packed < 25
