"""What the provider reads in the Helm values: the pull secrets of the toolkit's own image. The rest is the chart's."""

from collections.abc import Iterator, Mapping

from openmcp_provider.domain.applicable import LONGEST_KEY, long_key
from openmcp_provider.domain.copies import DOCKER_CONFIG
from openmcp_provider.domain.legal import check_subdomain
from openmcp_provider.provider import Json, Problem, Reference

__all__ = ["check_values", "named_secrets", "pull_secrets"]

_WANT = "write a list of objects with a name: imagePullSecrets: [{name: my-secret}]"


def pull_secrets(values: Json | None) -> tuple[str, ...]:
    """Return the names in ``manager.imagePullSecrets`` of values that passed `check_values`, each once."""
    return tuple(dict.fromkeys(reference.name for reference in named_secrets("", values)))


def named_secrets(path: str, values: Json | None) -> Iterator[Reference]:
    """Yield what ``manager.imagePullSecrets`` of values names, with where; `path` is that of the values."""
    yield from (found for found in _read(path, values) if isinstance(found, Reference))


def check_values(path: str, values: Json | None) -> Iterator[Problem]:
    """Yield every problem of the values; `path` is theirs."""
    if found := long_key(values, path):
        yield Problem(found, "is too long a key to be applied", f"write a key of fewer than {LONGEST_KEY} characters")
    yield from (found for found in _read(path, values) if isinstance(found, Problem))


def _read(path: str, values: Json | None) -> Iterator[Reference | Problem]:
    manager = (values or {}).get("manager")
    path = f"{path}.manager"
    if manager is None:
        return
    if not isinstance(manager, Mapping):
        yield Problem(
            path, "is not an object", "write an object or nothing: manager: {imagePullSecrets: [{name: my-secret}]}"
        )
        return
    secrets = manager.get("imagePullSecrets")
    path = f"{path}.imagePullSecrets"
    if secrets is None:
        return
    if not isinstance(secrets, (list, tuple)):
        yield Problem(path, "is not a list", _WANT)
        return
    for at, secret in enumerate(secrets):
        yield from _read_reference(f"{path}[{at}]", secret)


def _read_reference(path: str, secret: object) -> Iterator[Reference | Problem]:
    if not isinstance(secret, Mapping):
        yield Problem(path, "is not an object", _WANT)
        return
    name = secret.get("name")
    path = f"{path}.name"
    if name is None:
        yield Problem(path, "is missing", "give the name of a Secret in the provider's namespace")
    elif not isinstance(name, str):
        yield Problem(
            path, "is not text", "give the name of a Secret in the provider's namespace, in quotes if need be"
        )
    else:
        problems = tuple(check_subdomain(path, name))
        yield from problems or (Reference(path, name, type=DOCKER_CONFIG),)
