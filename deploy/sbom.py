"""Writes the image's list of contents, a CycloneDX document, from what is really there.

Used by the Containerfile, with the Python that has the tools of the build: one of them brings `packaging`.
"""

# ruff: noqa: INP001 - a script of the build

import json
import platform
import re
import sys
import uuid
from email.parser import HeaderParser
from hashlib import sha256
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename

__all__ = ["main"]

PLACE = Path("usr/share/sbom/service-provider-ocm.cdx.json")
PROGRAM = canonicalize_name("service-provider-ocm")
EXTRAS = {"controller", "lightkube"}


def main(root: Path, wheels: Path, version: str, created: str) -> None:
    """Describe what is under a root, where packages were installed from wheels in a folder."""
    (packages,) = root.glob("app/lib/python3.*/site-packages")
    found = {canonicalize_name(one.name): one for one in distributions(path=[str(packages)])}
    if version not in {"", found[PROGRAM].version}:
        raise SystemExit(f"VERSION is {version}, but the program's is {found[PROGRAM].version}")
    needs = _needs(found)
    if found.keys() != needs.keys():
        raise SystemExit(f"nothing needs {', '.join(sorted(found.keys() - needs.keys()))}")
    hashes = {parse_wheel_filename(file.name)[0]: sha256(file.read_bytes()).hexdigest() for file in wheels.iterdir()}
    parts = {name: _package(one, hashes[name]) for name, one in sorted(found.items())}
    program = parts[PROGRAM] | {"type": "application"}
    libraries = [part for name, part in parts.items() if name != PROGRAM]
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": program} | ({"timestamp": created} if created else {}),
        "components": [*libraries, _interpreter(), *_debian(root)],
        "dependencies": [
            {"ref": parts[name]["bom-ref"], "dependsOn": [parts[other]["bom-ref"] for other in sorted(needs[name])]}
            for name in sorted(needs)
        ],
    }
    digest = sha256(json.dumps(document).encode()).digest()
    document["serialNumber"] = f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}"  # another one for other contents
    place = root / PLACE
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _needs(found: dict[NormalizedName, Distribution]) -> dict[NormalizedName, set[NormalizedName]]:
    """Return what each package needs, from the program down."""
    needs: dict[NormalizedName, set[NormalizedName]] = {}
    rest = [(PROGRAM, EXTRAS)]
    while rest:
        name, extras = rest.pop()
        known = needs.setdefault(name, set())
        for one in map(Requirement, found[name].requires or ()):
            if one.marker and not any(one.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                continue
            other = canonicalize_name(one.name)
            if other not in known:
                rest.append((other, one.extras))
            known.add(other)
    return needs


def _package(one: Distribution, digest: str) -> dict[str, Any]:
    name = canonicalize_name(one.name)
    return _component("library", name, one.version, f"pkg:pypi/{name}@{quote(one.version)}") | {
        "licenses": _licences(one),
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def _licences(one: Distribution) -> list[dict[str, Any]]:
    told = one.metadata
    if "License-Expression" in told:
        return [{"expression": told["License-Expression"]}]
    classified = [line.rpartition(" :: ")[2] for line in told.get_all("Classifier") or () if line[:7] == "License"]
    return [{"license": {"name": name}} for name in classified or told.get_all("License") or ["NOASSERTION"]]


def _interpreter() -> dict[str, Any]:
    version = platform.python_version()
    part = _component("platform", "python", version, f"pkg:generic/python@{version}")
    return part | {"licenses": [{"license": {"id": "PSF-2.0"}}]}


def _debian(root: Path) -> list[dict[str, Any]]:
    """Return the packages that the libraries come from."""
    release = (root / "etc/os-release").read_text(encoding="utf-8")
    fields = dict(re.findall(r'^(\w+)="?(.*?)"?$', release, re.MULTILINE))
    parts = []
    for file in sorted((root / "var/lib/dpkg/status.d").glob("*")):
        told = HeaderParser().parsestr(file.read_text(encoding="utf-8"))
        name, version = told["Package"], told["Version"]
        distribution = f"{fields['ID']}-{fields.get('VERSION_ID', 'rolling')}"
        url = f"pkg:deb/{fields['ID']}/{name}@{quote(version)}?arch={told['Architecture']}&distro={distribution}"
        parts.append(_component("library", name, version, url))
    return parts


def _component(kind: str, name: str, version: str, url: str) -> dict[str, Any]:
    return {"type": kind, "bom-ref": url, "name": name, "version": version, "purl": url}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:5])
