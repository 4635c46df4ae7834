import hashlib
import json
import re
from importlib.metadata import distributions
from typing import Any
from urllib.parse import unquote

import pytest

from tests.image.building import CREATED, Image, Workshop

FIELDS = {"type", "bom-ref", "name", "version", "purl", "licenses", "hashes"}
URL = re.compile(r"pkg:(pypi|generic|deb/\w+)/([^@]+)@([^?]+)(\?arch=\w+&distro=\w+-[\w.]+)?")


@pytest.fixture(scope="module")
def document(image: Image) -> Any:
    """The list of contents."""
    return json.loads((image.root / "usr/share/sbom/service-provider-ocm.cdx.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def parts(document: Any) -> list[Any]:
    """All that is listed, the program first."""
    return [document["metadata"]["component"], *document["components"]]


def those(parts: list[Any], kind: str) -> dict[str, Any]:
    """Return parts of a kind of package, by name."""
    return {part["name"]: part for part in parts if part["purl"].startswith(f"pkg:{kind}/")}


def test_form(document: Any, parts: list[Any]) -> None:
    """It has the form that CycloneDX asks for, and names nothing twice."""
    assert set(document) == {
        "bomFormat", "specVersion", "serialNumber", "version", "metadata", "components", "dependencies",
    }  # fmt: skip
    assert ("CycloneDX", "1.6", 1) == (document["bomFormat"], document["specVersion"], document["version"])
    assert CREATED == document["metadata"]["timestamp"]
    assert re.fullmatch(
        r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", document["serialNumber"]
    )
    assert len(parts) == len({part["bom-ref"] for part in parts})
    assert 1 == [part["type"] for part in parts].count("application")
    for part in parts:
        assert set(part) <= FIELDS
        assert part["type"] in {"application", "library", "platform"}
        assert (match := URL.fullmatch(part["purl"])), part["purl"]
        assert (part["name"], part["version"]) == (match[2], unquote(match[3]))


def test_packages_are_those_installed(image: Image, parts: list[Any]) -> None:
    """It lists the Python packages that are installed, no more and no less, each with a licence."""
    installed = {(one.name.lower().replace("_", "-"), one.version) for one in distributions(path=[str(image.packages)])}
    listed = those(parts, "pypi")

    assert installed == {(name, part["version"]) for name, part in listed.items()}
    for part in listed.values():
        for licence in part["licenses"]:
            assert licence.get("expression") or licence["license"]["name"] not in {"", "NOASSERTION"}, part["name"]


def test_hashes_are_those_of_the_wheels(workshop: Workshop, parts: list[Any]) -> None:
    """A package's hash is that of the file that was pinned, and installed."""
    wheels = {hashlib.sha256(file.read_bytes()).hexdigest(): file.name for file in workshop.wheels.iterdir()}
    listed = those(parts, "pypi")
    program = listed.pop("service-provider-ocm")

    assert re.fullmatch("[0-9a-f]{64}", program["hashes"][0]["content"])
    for name, part in listed.items():
        (digest,) = part["hashes"]
        assert "SHA-256" == digest["alg"]
        assert wheels[digest["content"]].lower().startswith(f"{name.replace('-', '_')}-{part['version']}-")


def test_interpreter_and_libraries(image: Image, parts: list[Any]) -> None:
    """It lists the interpreter, and the packages of the base that files come from, as scanners find them, too."""
    described = {
        path.name: path.read_text(encoding="utf-8") for path in (image.root / "var/lib/dpkg/status.d").iterdir()
    }
    listed = {name: part for kind in ("deb/debian", "deb/ubuntu") for name, part in those(parts, kind).items()}
    version = image.python("import json, platform; print(json.dumps(platform.python_version()))")

    assert {name: text.partition("\nVersion: ")[2].partition("\n")[0] for name, text in described.items()} == {
        name: part["version"] for name, part in listed.items()
    }
    assert {"libc6", "zlib1g"} <= listed.keys()
    assert any(name.startswith("libssl") for name in listed)
    assert version == those(parts, "generic")["python"]["version"]


def test_dependencies_lead_everywhere(document: Any, parts: list[Any]) -> None:
    """What needs what is told of every Python package, and the program needs all of them."""
    needs = {entry["ref"]: entry["dependsOn"] for entry in document["dependencies"]}
    reached, rest = set(), [document["metadata"]["component"]["bom-ref"]]
    while rest:
        one = rest.pop()
        rest += [] if one in reached else needs[one]
        reached.add(one)

    assert reached == set(needs) == {part["bom-ref"] for part in those(parts, "pypi").values()}
