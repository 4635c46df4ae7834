"""The rules for Flux's two kinds: an OCIRepository, and the HelmRelease that installs a chart from it.

The parts: `flux_state` reads off where Flux is; `flux_source` and `flux_release` tell it; `flux_words` has what both of
them tell; `flux_text` makes foreign words fit for a status.
"""

import hashlib
from collections.abc import Iterator, Mapping

from openmcp_provider.domain.flux_release import access_lost, release_health
from openmcp_provider.domain.flux_source import source_health
from openmcp_provider.domain.flux_state import (
    OVERLOOKED,
    POKE,
    ReleaseState,
    SourceState,
    find_source,
    history,
    installed_version,
    overlooked,
    release_state,
    source_state,
    text_at,
)
from openmcp_provider.domain.flux_text import normalise
from openmcp_provider.domain.flux_words import CHART, patience_ends
from openmcp_provider.domain.objects import Json, Ref, conditions, dig, generation, uid
from openmcp_provider.domain.rules import KindRule, Read, ReleaseRule

__all__ = [
    "HELM_RELEASE",
    "OCI_REPOSITORY",
    "POKE",
    "ReleaseState",
    "SourceState",
    "installed_version",
    "normalise",
    "release_state",
    "source_state",
]

_SOURCE_SECRETS = ("secretRef", "certSecretRef", "proxySecretRef")


def _secret_at(obj: Json, *path: str) -> Iterator[Read]:
    if name := text_at(obj, *path, "name"):
        yield Read("Secret", name)


def _source_reads(source: Json) -> tuple[Read, ...]:
    return tuple(dict.fromkeys(read for key in _SOURCE_SECRETS for read in _secret_at(source, "spec", key)))


def _release_reads(release: Json) -> tuple[Read, ...]:
    found = list(_secret_at(release, "spec", "kubeConfig", "secretRef"))
    for entry in dig(release, "spec", "valuesFrom") or ():
        kind, name = text_at(entry, "kind"), text_at(entry, "name")
        if kind in {"Secret", "ConfigMap"} and name:
            found.append(Read(kind, name))
    return tuple(dict.fromkeys(found))


_FINALIZER = "finalizers.fluxcd.io"


def _overlooked(ref: Ref, release: Json, live: Mapping[Ref, Json]) -> str:
    source = find_source(ref, release, live)
    if source is None or not overlooked(release, source):
        return ""
    since = text_at(conditions(release), "Ready", "lastTransitionTime")
    parts = (uid(source), generation(source), text_at(source, "status", "artifact", "revision"), since)
    return OVERLOOKED + hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def _access(release: Json) -> str:
    return text_at(release, "spec", "kubeConfig", "secretRef", "name")


def _attempted(release: Json) -> bool:
    return bool(text_at(release, "status", "storageNamespace"))


def _suspended(release: Json) -> bool:
    return dig(release, "spec", "suspend") is True


def _forgotten(release: Json) -> bool:
    """Tell whether something is installed that the history does not tell of, as after a crash in an upgrade."""
    unlocked = any(text_at(told, "reason") == "PendingRelease" for told in conditions(release).values())
    upgraded = text_at(release, "status", "lastAttemptedReleaseAction") == "upgrade"
    return _attempted(release) and not history(release) and (upgraded or unlocked)


def _describe(release: Json) -> str:
    """Return the release as Helm lists it: where its records are, its name, and its version."""
    namespace = (
        text_at(release, "status", "storageNamespace")
        or text_at(release, "spec", "storageNamespace")
        or text_at(release, "metadata", "namespace")
    )
    target = text_at(release, "spec", "targetNamespace")
    name = text_at(release, "metadata", "name")
    recorded = text_at(next(iter(history(release)), {}), "name") or text_at(release, "spec", "releaseName")
    version = installed_version(release)
    shown = recorded or (f"{target}-{name}" if target else name)
    return f"Helm release {namespace}/{shown}" + (f" ({version})" if version else "")


def _failure(release: Json) -> str:
    """Return why an uninstall does not succeed."""
    ready = conditions(release).get("Ready", {})
    failed = ready.get("status") == "False" and ready.get("reason") == "UninstallFailed"
    return normalise(text_at(ready, "message")) if failed else ""


OCI_REPOSITORY = KindRule(
    health=source_health,
    reads=_source_reads,
    due=patience_ends,
    poke=POKE,
    condition=CHART,
    finalizer=_FINALIZER,
    controller="Flux",
)
"""source-controller watches no Secret, so that it must be told when one of those that it reads changed."""

HELM_RELEASE = KindRule(
    health=release_health,
    reads=_release_reads,
    due=patience_ends,
    poke=POKE,
    overlooked=_overlooked,
    finalizer=_FINALIZER,
    controller="Flux",
    release=ReleaseRule(
        access=_access,
        attempted=_attempted,
        suspended=_suspended,
        let_go={"spec": {"suspend": True}},
        describe=_describe,
        forgotten=_forgotten,
        failure=_failure,
        access_lost=access_lost,
    ),
)
"""A suspended HelmRelease that is deleted leaves its release where it is: both a danger and the way to let go."""
