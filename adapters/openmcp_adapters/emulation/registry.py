"""An OCI registry with charts, as far as source-controller meets one."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, Literal

from attrs import define, field

from openmcp_adapters.emulation.charts import Chart, ocm_chart

__all__ = ["Artifact", "Login", "Outage", "PullError", "Registry", "check_repository", "logins"]

Outage = Literal["denied", "rate limited", "unreachable", "untrusted"]
"""Why a registry gives nothing at all."""

Login = tuple[str, str]
"""User name and password."""

_REPOSITORY = re.compile(r"[a-z0-9_\-./]+")


class PullError(Exception):
    """A registry gave no digest; the message is what source-controller would tell of it."""


@define(frozen=True)
class Artifact:
    """A chart in a registry."""

    digest: str
    chart: Chart


@define(eq=False)
class Registry:
    """All registries of the world.

    Attributes:
        every_version: Every repository and tag exists, for anybody.
        chart: Makes the chart of a version.
        tags: Digest by repository (without ``oci://``) and tag.
        credentials: Who may pull, by host; without an entry everybody may.
        basic: Hosts that take user and password themselves, and not a token of a service.
        outages: What is wrong, by host, by repository, or by repository and tag (``host/path:tag``).
        pulls: How often a digest was asked for, by repository and tag.
    """

    every_version: bool = True
    chart: Callable[[str], Chart] = ocm_chart
    tags: dict[tuple[str, str], str] = field(factory=dict)
    credentials: dict[str, Login] = field(factory=dict)
    basic: set[str] = field(factory=set)
    outages: dict[str, Outage] = field(factory=dict)
    pulls: dict[tuple[str, str], int] = field(factory=dict)
    _charts: dict[str, Chart] = field(factory=dict)

    def publish(self, repository: str, tag: str, *, chart: Chart | None = None) -> str:
        """Put a chart under a tag, in place of what was there; return its digest."""
        made = chart or self.chart(tag.replace("_", "+"))
        digest = "sha256:" + hashlib.sha256(f"{repository}:{tag}/{made!r}".encode()).hexdigest()
        self.tags[repository, tag] = digest
        self._charts[digest] = made
        return digest

    def retract(self, repository: str, tag: str) -> None:
        """Take a tag away."""
        self.tags.pop((repository, tag), None)

    def pull(self, repository: str, tag: str, known: dict[str, Login]) -> Artifact:
        """Return what a tag stands for.

        Args:
            repository: Host and path.
            tag: The tag.
            known: Logins by host, or by host and path; the longest that fits is used.

        Raises:
            PullError: there is none, or not for these credentials.
        """
        self.pulls[repository, tag] = self.pulls.get((repository, tag), 0) + 1
        host, _, path = repository.partition("/")
        failed = "failed to determine artifact digest:"
        base = f"{failed} GET https://{host}/v2/{path}/manifests/{tag}:"
        scope = (
            f"{failed} GET https://{host}/token?scope=repository%3A{path.replace('/', '%2F')}%3Apull&service={host}:"
        )
        nobody = f'{failed} Get "https://{host}/v2/":'
        place = next((key for key in (f"{repository}:{tag}", repository, host) if key in self.outages), None)
        match self.outages[place] if place else None:
            case "denied":
                raise PullError(f"{scope} DENIED: denied")
            case "rate limited":
                raise PullError(f"{base} TOOMANYREQUESTS: retry-after: 1s, allowed: 44000/minute")
            case "unreachable":
                raise PullError(f"{nobody} dial tcp: lookup {host}: no such host")
            case "untrusted":
                said = "failed to verify certificate: x509: certificate signed by unknown authority"
                raise PullError(f"{nobody} tls: {said}")
            case None:
                self._admit(host, repository, base if host in self.basic else scope, known)
        if (repository, tag) not in self.tags:
            if not self.every_version:
                named = any(found == repository for found, _ in self.tags)
                raise PullError(
                    f"{base} "
                    + (
                        f"MANIFEST_UNKNOWN: manifest unknown; map[Tag:{tag}]"
                        if named
                        else f"NAME_UNKNOWN: repository name not known to registry; map[name:{path}]"
                    )
                )
            self.publish(repository, tag)
        digest = self.tags[repository, tag]
        return Artifact(digest, self._charts[digest])

    def chart_of(self, digest: str) -> Chart | None:
        """Return the chart with a digest, as it was when it was pulled."""
        return self._charts.get(digest)

    def _admit(self, host: str, repository: str, asked: str, known: dict[str, Login]) -> None:
        wanted = self.credentials.get(host)
        if wanted is None:
            return
        fitting = [key for key in known if repository == key or repository.startswith(key.rstrip("/") + "/")]
        right = bool(fitting) and known[max(fitting, key=len)] == wanted
        if not right and host in self.basic:  # the same for wrong credentials and for none
            scope = f"map[Action:pull Class: Name:{repository.partition('/')[2]} Type:repository]"
            raise PullError(f"{asked} UNAUTHORIZED: authentication required; [{scope}]")
        if not fitting:
            raise PullError(f"{asked} UNAUTHORIZED: authentication required")
        if not right:
            raise PullError(f"{asked} DENIED: denied")


def check_repository(url: str) -> str:
    """Return host and path of a chart's URL.

    Raises:
        ValueError: it is none; the message is what source-controller would tell of it.
    """
    rest = url.removeprefix("oci://")
    host, slash, path = rest.partition("/")
    name = path if slash and re.search(r"[.:]|^localhost$", host) else rest
    if not name or not _REPOSITORY.fullmatch(name) or len(rest) > 255:  # noqa: PLR2004 - as registries have it
        said = "repository can only contain the characters `abcdefghijklmnopqrstuvwxyz0123456789_-./`"
        raise ValueError(f"failed to parse URL '{url}': could not parse reference: {said}: {rest}")
    return rest if name == path else f"index.docker.io/{rest}"


def logins(secret: dict[str, Any]) -> dict[str, Login]:
    """Return the logins in a pull secret by host; none in one of another type, which Flux passes over silently."""
    if secret.get("type") != "kubernetes.io/dockerconfigjson":
        return {}
    raw = base64.b64decode((secret.get("data") or {}).get(".dockerconfigjson", ""))
    try:
        auths = json.loads(raw)["auths"]
    except (ValueError, KeyError, TypeError):
        return {}
    found = {}
    for host, entry in auths.items():
        user, password = entry.get("username", ""), entry.get("password", "")
        if entry.get("auth"):
            user, _, password = base64.b64decode(entry["auth"]).decode().partition(":")
        found[host.removeprefix("https://").rstrip("/")] = (user, password)
    return found
