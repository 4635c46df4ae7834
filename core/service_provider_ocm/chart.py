"""Where the toolkit's chart lies, and which of its versions there can be."""

import re
from typing import NamedTuple

__all__ = [
    "DEFAULT_CHART",
    "chart_flaw",
    "chart_url",
    "check_chart_url",
    "deletes_crds",
    "replaces_deployment",
    "tag_flaw",
]

DEFAULT_CHART = "ghcr.io/open-component-model/kubernetes/controller/chart"

_SCHEME = "oci://"
_URL_LIMIT = 255
_ALLOWED = re.compile(r"[a-z0-9_\-./:]+")
_HOST_PORT = re.compile(r"[^:]+:[0-9]{1,5}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
# Of the name of a repository, as the distribution specification of OCI has it.
_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_PORTS = range(1, 65536)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_SEMVER = re.compile(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")


class Flaw(NamedTuple):
    """What is wrong, and what would be right."""

    why: str
    want: str


def chart_url(text: str) -> str:
    """Return the URL that Flux is given: the text with ``oci://`` before it, unless that is there already."""
    return text if text.startswith(_SCHEME) else _SCHEME + text


def check_chart_url(text: str) -> None:
    """Check that a chart can lie at a URL, given with or without ``oci://``.

    Raises:
        ValueError: it cannot; the message says why, and what would be right.
    """
    if flaw := chart_flaw(text):
        raise ValueError(f"{flaw.why}; {flaw.want}")


def chart_flaw(text: str) -> Flaw | None:
    """Return what is wrong with a chart URL, None if a chart can lie there.

    The text is never repeated: it may hold a password.
    """
    rest = text.removeprefix(_SCHEME)
    host, *path = rest.split("/")
    port_only = all(":" not in part for part in path) and (":" not in host or _HOST_PORT.fullmatch(host))
    tagged = "write it without the tag: spec.version of each OCM is the tag"
    checks = (
        (not rest.strip(), "is empty", f"give a repository, such as {DEFAULT_CHART}"),
        (any(map(str.isspace, text)), "has blanks in it", "write it without blanks"),
        ("://" in rest, "has a scheme that is not oci", "write no scheme, or oci:// in lower case, once"),
        (
            "@" in rest,
            "has a digest or a user name in it (@)",
            "give host and path: spec.version of each OCM is the tag",
        ),
        (":" in rest.rpartition("/")[2], "has a tag in it", tagged),
        (len(rest) > _URL_LIMIT, f"is {len(rest)} characters long", f"write at most {_URL_LIMIT} after oci://"),
        (
            not _ALLOWED.fullmatch(rest),
            "has upper case or strange characters",
            "write a-z, 0-9 and _ - . / after oci://",
        ),
        ("" in (host, *path), "has an empty part", "write one slash between two parts, none at the end"),
        (not port_only, "has a colon where no port is", "write a colon only before the port: host:5000/path"),
        (not _names_host(host), "has a host that can be none", "write names between dots: registry.example.org/path"),
        (not _has_port(host), "has a port that can be none", "write a port from 1 to 65535: host:5000/path"),
        (
            not all(map(_PART.fullmatch, path if _is_host(host) else (host, *path))),
            "has a part that no repository can have",
            "begin and end each part with a-z or 0-9, and write one separator between: team/my-chart",
        ),
    )
    return next((Flaw(why, want) for wrong, why, want in checks if wrong), None)


def _names_host(host: str) -> bool:
    """Tell whether the first part of a repository can be what it is: without a dot or a port it is no host at all."""
    return not _is_host(host) or all(_LABEL.fullmatch(label) for label in host.partition(":")[0].split("."))


def _is_host(text: str) -> bool:
    return not {".", ":"}.isdisjoint(text)


def _has_port(host: str) -> bool:
    port = host.partition(":")[2]
    return not port.isdecimal() or int(port) in _PORTS


def tag_flaw(version: str) -> Flaw | None:
    """Return what is wrong with a version as a tag of an OCI registry, None if nothing is."""
    if not version.strip():
        return Flaw("is empty", "give a version of the chart, such as 0.6.0")
    if version != version.strip():
        return Flaw("begins or ends with a blank", f'write "{version.strip()}"')
    if "+" in version:
        return Flaw('has a "+", which no registry allows in a tag', 'give the tag itself: Helm writes "_" for "+"')
    if not _TAG.fullmatch(version):
        return Flaw("is no tag of a registry", "write up to 128 of A-Z, a-z, 0-9, _ . - without . or - at the start")
    return None


def deletes_crds(version: str) -> bool:
    """Tell whether uninstalling this version of the chart deletes its CRDs: 0.6.0 is the first that keeps them.

    Of a pre-release of 0.6.0 that is not known, nor of a version that cannot be read.
    """
    found = _semver(version)
    return found is not None and found <= (0, 5, 0)


def replaces_deployment(version: str) -> bool:
    """Tell whether this version's Deployment has a selector that 0.5.0 and later cannot change in place."""
    found = _semver(version)
    return found is not None and found < (0, 5, 0)


def _semver(version: str) -> tuple[int, int, int] | None:
    """Return the version without pre-release and build, None if it cannot be read."""
    found = _SEMVER.fullmatch(version)
    return (int(found[1]), int(found[2]), int(found[3])) if found else None
