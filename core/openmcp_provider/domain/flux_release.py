"""The health of a HelmRelease: what runs on the control plane, what is being done about it, and what went wrong."""

from typing import NamedTuple

from openmcp_provider.domain.conditions import FALSE, TRUE, Condition
from openmcp_provider.domain.flux_state import (
    HELM_REASONS,
    ReleaseState,
    fetched_before,
    find_source,
    history,
    is_current,
    is_old_news,
    overlooked,
    release_state,
    runs,
    source_state,
    text_at,
)
from openmcp_provider.domain.flux_text import access_failure, chart_failure, helm_cause, normalise
from openmcp_provider.domain.flux_words import INSTALLED, Scene, idle, scene_of
from openmcp_provider.domain.objects import Json, Ref, conditions, dig, generation
from openmcp_provider.domain.rules import HealthContext
from openmcp_provider.provider import Health

__all__ = ["access_lost", "release_health"]

_ACCESS = "ControlPlaneAccess"
_WAITING = frozenset({"SourceNotReady", "HealthCheckCanceled"})
_FETCHING = frozenset({"ArtifactFailed", "ChartMutateError"})
_CONNECTING = frozenset({"StateError", "RESTClientError", "ResourceManagerError", "FactoryError", "ReconcileError"})
_RUNNING = "Running '"
_OVER = frozenset({"RetriesExceeded", "MissingRollbackTarget"})


def release_health(ref: Ref, release: Json, context: HealthContext) -> Health:
    """Return how a HelmRelease does; its source must be an OCIRepository among the live objects of the same cluster."""
    source = find_source(ref, release, context.live)
    scene = scene_of(ref, release, source, context)
    state = release_state(release, source)
    if health := idle(scene, release, state, INSTALLED):
        return health
    if state == "Ready":
        message = f"{context.title} {context.version or scene.installed} is installed and ready."
        deployed = Condition(INSTALLED, TRUE, "Deployed", scene.installed)
        return Health("Ready", message, (deployed,), scene.installed, event="Ready")
    if state in {"Failing", "Stalled"}:
        return _not_well(scene, release, source, state)
    if _trying_again(release, source):
        return _helm_failed(scene, _Failure(_cause(release), "", rolled_back=False, retried=True))
    health = _progress(scene, release, source)
    # Flux was asked to look again, such as after new credentials: until it did, what runs is as untouched as before.
    return health._replace(keeps_ready=health.keeps_ready or bool(access_lost(release)))


def _progress(scene: Scene, release: Json, source: Json | None) -> Health:
    state = source_state(source)
    there = state in {"Ready", "Degraded"}
    refetched = fetched_before(source) or state in {"Missing", "Terminating"}
    if scene.same and _settled(release) and (runs(release, source) if there else refetched):
        deployed = Condition(INSTALLED, TRUE, "Deployed", scene.installed)
        message = f"{'Looking at' if there else 'Pulling'} the chart of {scene.wanted} again."
        return Health("Progressing", message, (deployed,), scene.installed, event="Pulling", keeps_ready=True)
    if overlooked(release, source):
        return _changing(scene, f"{scene.change}: waiting for Flux to take up the chart.")
    if there:
        action = "upgrade" if scene.there else "install"
        return _changing(scene, f"{scene.change}: Helm {action} is running on the control plane.")
    verb = "waiting for" if state in {"Failing", "Stalled", "Suspended"} else "pulling"
    return _changing(scene, f"{scene.change}: {verb} the chart.")


def _changing(scene: Scene, message: str) -> Health:
    return Health("Progressing", message, (scene.changing(message),), scene.installed, event=scene.event)


def _settled(release: Json) -> bool:
    """Tell whether the present generation is what is deployed, and no Helm action runs, as far as the release tells."""
    deployed = text_at(next(iter(history(release)), {}), "status") == "deployed"
    acting = _condition(release, "Remediated", "status") or _RUNNING in _condition(release, "Ready", "message")
    return is_current(release) and deployed and not acting


def _not_well(scene: Scene, release: Json, source: Json | None, state: ReleaseState) -> Health:
    reason, said = _condition(release, "Ready", "reason"), _condition(release, "Ready", "message")
    if state == "Stalled":
        over = _condition(release, "Stalled", "reason")
        return _helm_failed(scene, _Failure(_cause(release), over, reason == "RollbackSucceeded", retried=False))
    if reason == "DependencyNotReady":
        return _changing(scene, f"{scene.change}: waiting for another release: {normalise(said)}.")
    if _is_waiting(reason, said, source):
        return _progress(scene, release, source)
    if lost := access_lost(release):
        return _no_access(scene, lost, normalise(said))
    over = "RetriesExceeded" if _given_up(release, reason) else ""
    rolled_back = bool(over) and reason == "RollbackSucceeded"
    retried = not over and reason in {"RollbackSucceeded", "UninstallSucceeded"}
    return _helm_failed(scene, _Failure(_cause(release), over, rolled_back, retried))


def _is_waiting(reason: str, said: str, source: Json | None) -> bool:
    """Tell whether what looks like a failure is no more than the wait for a chart or for Flux itself."""
    if reason == "PendingRelease":
        return said.startswith("Unlocked")
    if reason in _FETCHING:
        return source_state(source) not in {"Ready", "Degraded"} or "artifact not found" in said
    return reason in _WAITING


def access_lost(release: Json) -> str:
    """Return the reason of the condition if Flux cannot work on the control plane at all, else nothing."""
    reason, said = _condition(release, "Ready", "reason"), _condition(release, "Ready", "message")
    if reason in _CONNECTING:
        return access_failure(said) or ("Unreachable" if reason == "RESTClientError" else "")
    # Helm's own words: other failures of an action name addresses too, such as those of a webhook.
    if "REST client getter" in said:
        return access_failure(said) or "Unreachable"
    return access_failure(said) if "cluster unreachable" in said.lower() else ""


def _no_access(scene: Scene, reason: str, said: str) -> Health:
    again = f"Retried automatically; if it persists, ask the platform operator [{scene.ref}]."
    what = {
        "Unreachable": "Flux does not reach the control plane",
        "CredentialsExpired": "The control plane does not accept the credentials of Flux, which the platform renews",
        "Forbidden": "The control plane does not allow Flux what it needs",
    }
    message = f"{what[reason]}: {said}. {again}"
    last = Condition(INSTALLED, FALSE, "Installing", "nothing seen there yet")
    if scene.there:
        last = Condition(INSTALLED, TRUE, "Upgrading", "as last seen")
    if scene.installed:
        message += f" {scene.installed} is what was seen there last."
        last = Condition(INSTALLED, TRUE, "Deployed" if scene.same else "Upgrading", f"{scene.installed}, as last seen")
    event = reason if reason == "CredentialsExpired" else f"ControlPlane{reason}"
    lost = Condition(_ACCESS, FALSE, reason, said)
    return Health("Failed", message, (lost, last), scene.installed, event=event, keeps_ready=True)


class _Failure(NamedTuple):
    """A change that did not work out: Helm's words, why it is over (empty = it is not), and what was done since."""

    cause: str
    stalled: str
    rolled_back: bool
    retried: bool


def _helm_failed(scene: Scene, failure: _Failure) -> Health:
    what, condition = _what_failed(scene, failure)
    cause = f" Cause: {failure.cause}." if failure.cause else ""
    return Health(
        "Failed",
        f"{what}{cause} {_what_next(scene, failure)}",
        (condition,),
        scene.installed,
        event="UpgradeRolledBack" if condition.reason == "RolledBack" else condition.reason,
        retried=failure.retried,
        stalled=failure.stalled,
    )


def _what_failed(scene: Scene, failure: _Failure) -> tuple[str, Condition]:
    installed, wanted = scene.installed, scene.wanted
    if not scene.there:
        return f"Installing {wanted} failed.", Condition(INSTALLED, FALSE, "InstallFailed", failure.cause)
    if not failure.rolled_back:
        what = f"{scene.change} failed." if scene.same else f"Upgrade to {wanted} failed."
        return what, Condition(INSTALLED, TRUE, "UpgradeFailed", installed or failure.cause)
    rolled_back = Condition(INSTALLED, TRUE, "RolledBack", installed)
    if scene.same:
        return f"Changed settings of {installed} failed and were rolled back; it runs with those before.", rolled_back
    return f"Upgrade to {wanted} failed and was rolled back; {installed} is installed again.", rolled_back


def _what_next(scene: Scene, failure: _Failure) -> str:
    if remedy := _remedy(scene, failure):
        return remedy
    if not failure.stalled:
        return f"Retried automatically; if it persists, ask the platform operator [{scene.ref}]."
    if scene.same or failure.stalled not in _OVER:
        return f"Not retried: ask the platform operator to correct the settings or to retry [{scene.ref}]."
    remedy = "set spec.version to a version that works"
    return f"Not retried: {remedy}, or ask the platform operator to retry [{scene.ref}]."


def _remedy(scene: Scene, failure: _Failure) -> str:
    """Return who corrects a chart, or values, that do not fit each other: no retry does."""
    operator = f"ask the platform operator [ProviderConfig {scene.context.config_name}]"
    match chart_failure(failure.cause):
        case "Mismatch":
            return f"Set spec.version to another published version, or {operator} to publish this one under its own."
        case "Template" | "Schema" if scene.same:
            return f"Only other values help: {operator} to correct them."
        case "Template" | "Schema":
            return f"Set spec.version to a version that accepts the configured values, or {operator} to correct them."
        case _:
            return ""


def _cause(release: Json) -> str:
    """Return what went wrong first, in Helm's words if a Helm action failed, else in Flux's."""
    over, reason = _condition(release, "Stalled", "reason"), _condition(release, "Ready", "reason")
    ready = helm_cause(_condition(release, "Ready", "message"))
    if over and over not in _OVER:
        return helm_cause(_condition(release, "Stalled", "message"))
    if reason not in HELM_REASONS and _condition(release, "Ready", "status") == "False":
        return ready
    failed = _condition(release, "Released", "reason") in {"InstallFailed", "UpgradeFailed"}
    first = helm_cause(_condition(release, "Released", "message")) if failed else ""
    match reason:
        case "RollbackFailed" | "UninstallFailed":
            return normalise(f"{first}; {ready}") if first else ready
        case "InstallFailed" | "UpgradeFailed" | "TestFailed":
            return ready or first
        case _:
            return first or helm_cause(_condition(release, "Stalled", "message"))


def _trying_again(release: Json, source: Json | None) -> bool:
    """Tell whether a try is on its way after one with these very inputs failed."""
    counters = ("failures", "installFailures", "upgradeFailures")
    return (
        _condition(release, "Ready", "status") == "Unknown"
        and _condition(release, "Released", "status") != "True"
        and dig(release, "status", "lastAttemptedGeneration") == generation(release)
        and any(dig(release, "status", counter) for counter in counters)
        and not is_old_news(release, source, "Released")
    )


def _given_up(release: Json, reason: str) -> bool:
    """Tell whether Flux will not try again although it does not say so: between two looks, and when it forgot to."""
    if reason not in HELM_REASONS:
        return False
    if _condition(release, "Reconciling", "status") != "True":
        return is_current(release)
    if _condition(release, "Reconciling", "reason") == "ProgressingWithRetry" or reason == "UpgradeFailed":
        return False
    action = text_at(release, "status", "lastAttemptedReleaseAction")
    retries = dig(release, "spec", action, "remediation", "retries") or 0
    return 0 <= retries < (dig(release, "status", f"{action}Failures") or 0)


def _condition(release: Json, kind: str, field: str) -> str:
    return text_at(conditions(release), kind, field)
