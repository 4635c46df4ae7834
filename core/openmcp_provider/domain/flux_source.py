"""The health of an OCIRepository: is the chart there, and if not, why and who can do something about it."""

from openmcp_provider.domain.conditions import FALSE, TRUE, UNKNOWN, Condition
from openmcp_provider.domain.flux_state import SourceState, fetched_before, find_release, source_state, text_at
from openmcp_provider.domain.flux_text import PullFailure, normalise, pull_failure
from openmcp_provider.domain.flux_words import CHART, Scene, idle, scene_of
from openmcp_provider.domain.objects import Json, Ref, conditions, dig
from openmcp_provider.domain.rules import HealthContext
from openmcp_provider.provider import Health

__all__ = ["source_health"]

_BY_TEXT = frozenset(
    {"OCIArtifactPullFailed", "OCIOperationFailed", "ReadOperationFailed", "OCIArtifactLayerOperationFailed"}
)
"""Flux's reasons that cover anything a registry may answer; only the text tells what it was."""

_SCHEME = "oci://"


def source_health(ref: Ref, source: Json, context: HealthContext) -> Health:
    """Return how an OCIRepository does."""
    scene = scene_of(ref, find_release(ref, context.live), source, context)
    state = source_state(source)
    if health := idle(scene, source, state, CHART):
        return health
    if state == "Ready":
        return _available(scene, source, "Pulled")
    if state == "Degraded":
        return _available(scene, source, "RefreshFailed")
    if state in {"Failing", "Stalled"}:
        return _failed(scene, source, state)
    return _pulling(scene, source)


def _available(scene: Scene, source: Json, reason: str) -> Health:
    detail = text_at(source, "status", "artifact", "revision")
    if reason == "RefreshFailed":
        detail += f"; the last look at the registry failed: {_said(source)[1]}"
    condition = Condition(CHART, TRUE, reason, detail)
    return Health("Ready", f"The chart of {scene.wanted} is available.", (condition,))


def _pulling(scene: Scene, source: Json) -> Health:
    message = f"Pulling the chart of {scene.wanted} again." if scene.same else f"{scene.change}: pulling the chart."
    return Health(
        "Progressing",
        message,
        (Condition(CHART, UNKNOWN, "Pulling", message),),
        event="" if scene.same else scene.event,
        keeps_ready=fetched_before(source),
    )


def _failed(scene: Scene, source: Json, state: SourceState) -> Health:
    flux_reason, said = _said(source)
    failure = _classify(flux_reason, said)
    return Health(
        "Failed",
        _explain(scene, source, failure, said) + scene.stays,
        (Condition(CHART, FALSE, failure.reason, said),),
        keeps_ready=fetched_before(source),
        retried=state == "Failing" and dig(conditions(source), "Ready", "status") == "Unknown",
        stalled=flux_reason if state == "Stalled" else "",
    )


def _said(source: Json) -> tuple[str, str]:
    """Return the reason and the words of what went wrong: what is final, else the last answer, else what is retried."""
    found = conditions(source)
    for kind, bad in (("Stalled", "True"), ("Ready", "False"), ("FetchFailed", "True")):
        if dig(found, kind, "status") == bad:
            return text_at(found, kind, "reason"), normalise(text_at(found, kind, "message"))
    return "", ""


def _classify(flux_reason: str, said: str) -> PullFailure:
    if flux_reason == "URLInvalid":
        return PullFailure("ChartUrlInvalid", "")
    if flux_reason == "AuthenticationFailed":
        return PullFailure("RegistryCredentialsMissing", "")
    return pull_failure(said) if flux_reason in _BY_TEXT else PullFailure("PullFailed", "")


def _explain(scene: Scene, source: Json, failure: PullFailure, said: str) -> str:
    """Return what went wrong, who acts, and what is next."""
    registry, repository = _registry(source), _repository(source)
    answer = f" ({failure.code})" if failure.code else ""
    operator = f"the platform operator [ProviderConfig {scene.context.config_name}]"
    lasting = f"Retried automatically; if it persists, ask {operator}."
    match failure.reason:
        case "VersionNotFound":
            return (
                f"Version {scene.wanted} does not exist in {repository}{answer}. "
                f"Set spec.version to a published version."
            )
        case "RegistryAccessDenied":
            return _denied(scene, source, answer, failure.words)
        case "RegistryCredentialsMissing":
            return f"{_credentials(scene, source)} for registry {registry} cannot be used: {said}. Ask {operator}."
        case "RegistryRateLimited":
            return f"Registry {registry} was asked too often{answer}. {lasting}"
        case "RegistryUntrusted":
            return f"Registry {registry} shows a certificate that the platform does not trust: {said}. Ask {operator}."
        case "RegistryUnreachable":
            return f"Registry {registry} does not answer: {said}. {lasting}"
        case "ChartUrlInvalid":
            return f'"{repository}" is not a valid address of a chart: {said}. Not retried: ask {operator}.'
        case _:
            return f"The chart of {scene.wanted} could not be pulled from {repository}: {said}. {lasting}"


def _denied(scene: Scene, source: Json, answer: str, words: str) -> str:
    """Return who refused, with which credentials, and why; a registry that gives no reason leaves two possible ones."""
    registry, config = _registry(source), scene.context.config_name
    operator = f"Ask the platform operator [ProviderConfig {config}]"
    if not text_at(source, "spec", "secretRef", "name"):
        return (
            f"Registry {registry} refused anonymous access{f'{answer}: {words}' if words else ''}; "
            f'ProviderConfig "{config}" names no imagePullSecret. {operator}.'
        )
    return (
        f'Registry {registry} refused the chart{answer} with pull secret "{_secret(scene, source, "secretRef")}": '
        f"{words or 'wrong credentials or no such repository'}. {operator}; retried when the secret changes."
    )


def _credentials(scene: Scene, source: Json) -> str:
    """Return which credentials Flux could not use; it does not say so, so that all are named."""
    named = {
        "secretRef": "Pull secret",
        "certSecretRef": "certificate secret",
        "proxySecretRef": "proxy secret",
    }
    found = [f'{what} "{name}"' for key, what in named.items() if (name := _secret(scene, source, key))]
    return " or ".join(found) or "What Flux has as credentials"


def _secret(scene: Scene, source: Json, key: str) -> str:
    """Return the name of a Secret as the ProviderConfig has it: of the source, where Flux reads a copy."""
    name = text_at(source, "spec", key, "name")
    return scene.context.copies.get(Ref(scene.ref.cluster, "v1", "Secret", name, scene.ref.namespace), name)


def _repository(source: Json) -> str:
    return normalise(text_at(source, "spec", "url")).removeprefix(_SCHEME)


def _registry(source: Json) -> str:
    """Return the host of the repository; the first part is one only if it looks like one, as for container images."""
    host = _repository(source).partition("/")[0]
    return host if "." in host or ":" in host or host == "localhost" else "docker.io"
