"""Where Flux is with an OCIRepository and with the HelmRelease that installs from it, read off both objects.

A condition alone proves nothing. ``Ready=True`` outlives a change of the spec; a HelmRelease does not notice in its own
generation that its source changed; a suspended object keeps whatever it said last. So a release counts as ready only if
everything says so at once: both generations observed, the wanted artifact there, and that very artifact deployed.
"""

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from openmcp_provider.domain.objects import Json, Ref, annotations, conditions, deleting, dig, generation
from openmcp_provider.domain.versions import same_version

__all__ = [
    "GROUP_HELM",
    "GROUP_SOURCE",
    "HELM_REASONS",
    "OVERLOOKED",
    "POKE",
    "Presence",
    "ReleaseState",
    "SourceState",
    "chart_version",
    "fetched_before",
    "find_release",
    "find_source",
    "history",
    "installed_version",
    "is_current",
    "is_old_news",
    "is_seen",
    "overlooked",
    "presence",
    "release_state",
    "runs",
    "source_state",
    "text_at",
]

GROUP_SOURCE = "source.toolkit.fluxcd.io"
GROUP_HELM = "helm.toolkit.fluxcd.io"
POKE = "reconcile.fluxcd.io/requestedAt"
"""The annotation that makes Flux look at once; its value comes back as ``status.lastHandledReconcileAt``."""

OVERLOOKED = "source-ready-"
"""How the value begins where only the wait for a source is to end: what failed since is news all the same."""

SourceState = Literal["Missing", "Terminating", "Suspended", "Progressing", "Failing", "Stalled", "Degraded", "Ready"]
"""``Degraded``: the wanted artifact is there and served, but the last look at the registry failed."""

ReleaseState = Literal["Missing", "Terminating", "Suspended", "Progressing", "Failing", "Stalled", "Ready"]

HELM_REASONS = frozenset(
    {
        "InstallFailed",
        "UpgradeFailed",
        "TestFailed",
        "RollbackSucceeded",
        "RollbackFailed",
        "UninstallSucceeded",
        "UninstallFailed",
    }
)
"""Reasons of a Ready condition that tell how a Helm action on one chart went."""

_ABOUT_CHART = HELM_REASONS | {"RetriesExceeded", "MissingRollbackTarget"}
_FORGOTTEN = re.compile(r"\+[0-9a-f]{12}$")
_SHORT = 12  # characters of a digest that Flux adds to a chart's version


def source_state(source: Json | None) -> SourceState:
    """Return where source-controller is with an OCIRepository."""
    if source is None:
        return "Missing"
    if deleting(source):
        return "Terminating"
    if _suspended(source):
        return "Suspended"
    if is_current(source) and _is(source, "Stalled", "True"):
        return "Stalled"
    wanted = bool(_wanted_digest(source))
    if wanted and _is(source, "Ready", "True") and not _is(source, "ArtifactOutdated", "True"):
        return "Ready"
    if not _fetch_failed(source):
        return "Progressing"
    if wanted:
        return "Degraded"
    return "Progressing" if _poked(source) else "Failing"


def release_state(release: Json | None, source: Json | None) -> ReleaseState:
    """Return where helm-controller is with a HelmRelease that installs from `source`, None = there is no source."""
    if release is None:
        return "Missing"
    if deleting(release):
        return "Terminating"
    if _suspended(release):
        return "Suspended"
    if is_current(release) and _is(release, "Stalled", "True"):
        return "Progressing" if is_old_news(release, source, "Stalled") else "Stalled"
    if _is(release, "Ready", "False"):
        known = _is_news(release, "Ready") and not is_old_news(release, source, "Ready")
        return "Failing" if known and not _poked(release) else "Progressing"
    deployed = is_current(release) and _is(release, "Ready", "True") and runs(release, source)
    return "Ready" if deployed else "Progressing"


def is_current(obj: Json) -> bool:
    """Tell whether Flux finished with the present generation: well, stalled or suspended."""
    return generation(obj) > 0 and dig(obj, "status", "observedGeneration") == generation(obj)


def is_seen(obj: Json) -> bool:
    """Tell whether Flux did anything at all about the present generation."""
    return is_current(obj) or any(_of_this_generation(obj, kind) for kind in conditions(obj))


def is_old_news(release: Json, source: Json | None, kind: str) -> bool:
    """Tell whether what a condition says is about another chart or spec than the present one, so that Flux tries anew.

    A release does not notice by its generation that its source changed: only versions and digests tell.
    """
    if dig(conditions(release), kind, "reason") not in _ABOUT_CHART:
        return False
    attempted = dig(release, "status", "lastAttemptedGeneration")
    if attempted and attempted != generation(release):
        return True
    if source is not None and not is_current(source):
        return True
    digest, wanted = _attempted_digest(release), _wanted_digest(source)
    if digest and wanted:
        return digest != wanted
    tried = _without_digest(release, text_at(release, "status", "lastAttemptedRevision"))
    return bool(tried and chart_version(source)) and not same_version(tried, chart_version(source))


def runs(release: Json, source: Json | None) -> bool:
    """Tell whether the artifact that the source is to have was attempted last and is what is deployed now."""
    digest = _wanted_digest(source)
    newest = next(iter(history(release)), {})
    if not digest or _attempted_digest(release) != digest or newest.get("status") != "deployed":
        return False
    if recorded := text_at(newest, "ociDigest"):
        return _digest(recorded) == digest
    # After a rollback Flux records no digest. The version holds its beginning, and must be the one attempted last.
    version = text_at(newest, "chartVersion")
    attempted = text_at(release, "status", "lastAttemptedRevision")
    return version == attempted and version.endswith(_suffix(digest))


def fetched_before(source: Json | None) -> bool:
    """Tell whether the artifact of the present spec was there already: what happens now is no more than a refresh."""
    if source is None or not is_current(source) or source_state(source) in {"Terminating", "Suspended", "Stalled"}:
        return False
    return bool(_wanted_digest(source)) or not _revision(source)


def find_source(ref: Ref, release: Json, live: Mapping[Ref, Json]) -> Json | None:
    """Return the OCIRepository that a HelmRelease installs from, None if it names none or there is none."""
    return next((obj for other, obj in live.items() if _installs_from(ref, release, other)), None)


def find_release(ref: Ref, live: Mapping[Ref, Json]) -> Json | None:
    """Return the HelmRelease that installs from the OCIRepository at `ref`, None if there is none."""
    found = (obj for other, obj in live.items() if _is_release(other) and _installs_from(other, obj, ref))
    return next(found, None)


def history(release: Json) -> tuple[Json, ...]:
    """Return what Flux recorded of the Helm release, newest first."""
    found = dig(release, "status", "history")
    return tuple(entry for entry in found if isinstance(entry, Mapping)) if isinstance(found, (list, tuple)) else ()


def installed_version(release: Json | None) -> str:
    """Return the chart version that runs as far as Flux recorded, empty where none does."""
    if release is None:
        return ""
    for status in ("deployed", "superseded"):
        for entry in history(release):
            if entry.get("status") == status:
                return _without_digest(release, text_at(entry, "chartVersion"), text_at(entry, "ociDigest"))
    return ""


class Presence(NamedTuple):
    """What runs on the control plane: the version, as far as anything tells it, and whether there is anything."""

    version: str
    there: bool


def presence(release: Json | None, recorded: str) -> Presence:
    """Return what runs, from everything that tells of it.

    Args:
        release: The HelmRelease, None if there is none.
        recorded: What our own last status said, empty if nothing.
    """
    if release is None:
        return Presence("", there=False)
    version = installed_version(release)
    if _concluding(release):  # the change is still under way: what ran before it counts
        fallback = version if int(dig(release, "status", "observedGeneration") or 0) > 0 else ""
        version = recorded or fallback
    elif not version and _lost(release, recorded):
        return Presence(recorded, there=True)
    return Presence(version, there=bool(version))


def overlooked(release: Json, source: Json | None) -> bool:
    """Tell whether a release waits for a source that is ready, which helm-controller notices only half a minute later.

    Being woken by the source's Ready, it may look before the source's observed generation is written. Another artifact
    wakes it once more, the same one does not.
    """
    said = text_at(conditions(release), "Ready", "reason") == "SourceNotReady" and _is(release, "Ready", "False")
    idle = deleting(release) or _suspended(release)
    digest = _wanted_digest(source)
    return said and not idle and bool(digest) and digest == _attempted_digest(release)


def chart_version(source: Json | None) -> str:
    """Return the chart version that a source asks for by its tag, empty where it asks in another way."""
    if source is None or any(dig(source, "spec", "ref", key) for key in ("digest", "semver")):
        return ""
    return text_at(source, "spec", "ref", "tag").replace("_", "+")


def text_at(obj: object, *path: str) -> str:
    """Return the text at `path`, empty where there is none."""
    found = dig(obj, *path)
    return found if isinstance(found, str) else ""


def _is(obj: Json, kind: str, status: str) -> bool:
    return text_at(conditions(obj), kind, "status") == status


def _of_this_generation(obj: Json, kind: str) -> bool:
    return bool(dig(conditions(obj), kind, "observedGeneration") == generation(obj))


def _concluding(release: Json) -> bool:
    """Tell whether an action just ended well and Flux did not write all of that yet.

    It writes conditions, history and observed generation one after the other.
    """
    attempted = text_at(release, "status", "lastAttemptedRevision")
    newest = next(iter(history(release)), {})
    return (
        not is_current(release)
        and dig(release, "status", "lastAttemptedGeneration") == generation(release)
        and text_at(newest, "status") == "deployed"
        and text_at(newest, "chartVersion") == attempted
        and not _is(release, "Ready", "False")
    )


def _lost(release: Json, recorded: str) -> bool:
    """Tell whether Flux installed something and its history does not tell any more: it is cleared after a crash."""
    newest = next(iter(history(release)), {})
    upgraded = text_at(release, "status", "lastAttemptedReleaseAction") == "upgrade"
    gone = text_at(newest, "status") in {"uninstalled", "uninstalling"}
    known = upgraded or (bool(recorded) and not newest)
    return bool(text_at(release, "status", "storageNamespace")) and known and not gone


def _is_news(obj: Json, kind: str) -> bool:
    """Tell whether a condition is about the present spec, and not about the one before."""
    return is_current(obj) or _of_this_generation(obj, kind)


def _suspended(obj: Json) -> bool:
    return dig(obj, "spec", "suspend") is True


def _poked(obj: Json) -> bool:
    """Tell whether Flux was asked to look again, for what it works with changed, and has not done so yet."""
    token = annotations(obj).get(POKE, "")
    return bool(token) and not token.startswith(OVERLOOKED) and token != dig(obj, "status", "lastHandledReconcileAt")


def _fetch_failed(source: Json) -> bool:
    """Tell whether the last try for the present spec failed, also while the next one is on its way."""
    if _is(source, "Ready", "False"):
        return _is_news(source, "Ready")
    trying = _is(source, "Ready", "Unknown") and _is(source, "FetchFailed", "True")
    return trying and _of_this_generation(source, "FetchFailed")


def _revision(source: Json) -> str:
    return text_at(source, "status", "artifact", "revision")


def _digest(revision: str) -> str:
    """Return the digest in ``tag@sha256:ab`` or ``sha256:ab``."""
    found = revision.rpartition("@")[2]
    return found if ":" in found else ""


def _wanted_digest(source: Json | None) -> str:
    """Return the digest of the artifact if it is the one that the present spec asks for, else nothing."""
    if source is None or deleting(source) or not is_current(source):
        return ""
    revision = _revision(source)
    pinned, tag = text_at(source, "spec", "ref", "digest"), text_at(source, "spec", "ref", "tag")
    if pinned:
        right = _digest(revision) == pinned
    elif dig(source, "spec", "ref", "semver") or not tag:
        right = True
    else:
        right = revision.partition("@")[0] in {tag, tag.replace("+", "_")}
    return _digest(revision) if right else ""


def _attempted_digest(release: Json) -> str:
    return _digest(text_at(release, "status", "lastAttemptedRevisionDigest"))


def _suffix(digest: str) -> str:
    return "+" + digest.partition(":")[2][:_SHORT]


def _without_digest(release: Json, version: str, recorded: str = "") -> str:
    """Return a chart version without the beginning of the digest that Flux adds, and with anything else after a plus.

    Args:
        release: The HelmRelease: its history and its last attempt tell digests, where none was recorded.
        version: The version with what Flux added.
        recorded: The digest that was recorded with it, empty after a rollback.
    """
    known = [text_at(entry, "ociDigest") for entry in history(release)]
    known.append(text_at(release, "status", "lastAttemptedRevisionDigest"))
    for digest in map(_digest, [recorded] if recorded else known):
        if digest and version.endswith(_suffix(digest)):
            return version.removesuffix(_suffix(digest))
    # After a rollback no digest is recorded, and the history may have forgotten the one of back then.
    return version if recorded else _FORGOTTEN.sub("", version)


def _is_release(ref: Ref) -> bool:
    return ref.kind == "HelmRelease" and ref.api_version.startswith(f"{GROUP_HELM}/")


def _installs_from(ref: Ref, release: Json, source: Ref) -> bool:
    """Tell whether the HelmRelease at `ref` names the object at `source` as its chart."""
    if source.kind != "OCIRepository" or not source.api_version.startswith(f"{GROUP_SOURCE}/"):
        return False
    kind, name, namespace = (text_at(release, "spec", "chartRef", key) for key in ("kind", "name", "namespace"))
    wanted = (ref.cluster, kind, name, namespace or ref.namespace)
    return wanted == (source.cluster, source.kind, source.name, source.namespace)
