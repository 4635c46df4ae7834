"""What is wrong with a provider and can be seen before anything starts, every mistake at once."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from openmcp_provider.domain.author import FUNCTIONS, NoAnswer, contained
from openmcp_provider.domain.definitions import cluster_of
from openmcp_provider.domain.legal import check_subdomain
from openmcp_provider.domain.names import access_request_name
from openmcp_provider.domain.objects import MAPPING, ONBOARDING, PLATFORM, dig
from openmcp_provider.provider import Edition, Guard, Owned, Problem, Provider, Residue, TenantCluster

__all__ = ["check"]

_KIND = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")
_PLURAL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_VERSION = re.compile(r"v[0-9]+((alpha|beta)[0-9]+)?")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9.]{0,40})")
_ID = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST_MANAGER = 128
_FUNCTIONS = tuple(name for name in FUNCTIONS if name != "health")  # which is a function of items


def check(provider: Provider[Any, Any]) -> tuple[Problem, ...]:
    """Return every mistake in a provider that can be seen without a tenant; paths are those of its members.

    The types of spec and config are checked by the wire, which decodes them.
    """
    problems: list[Problem] = []
    for member, (kind, look) in _MEMBERS.items():
        try:
            value = getattr(provider, member)
            problems += look(provider, value) if isinstance(value, kind) else [_wrong(member, value, kind)]
        except Exception as error:  # noqa: BLE001 - a property is the author's code, and so is what it raises
            problems.append(Problem(member, f"cannot be read ({type(error).__name__})", "supply it"))
    for name in _FUNCTIONS:
        if not callable(getattr(provider, name, None)):
            problems.append(Problem(name, "is missing or no function", "derive from Provider, or supply it"))
    if not problems:
        problems += _answers(provider)
    return tuple(problems)


def _wrong(member: str, value: object, kind: type) -> Problem:
    return Problem(member, f"is a {type(value).__name__}", f"supply a {kind.__name__}")


def _answers(provider: Provider[Any, Any]) -> Iterator[Problem]:
    """Yield the mistakes of functions that can be asked without a tenant."""
    author = contained(provider)
    questions: Mapping[str, Callable[[], object]] = {
        "check_config": lambda: author.check_config(None),
        "unmarked": lambda: author.unmarked("name", "namespace"),
    }
    for name, ask in questions.items():
        try:
            ask()
        except NoAnswer as answer:
            yield Problem(name, str(answer), "correct it")


def _edition(_: Provider[Any, Any], edition: Edition) -> Iterator[Problem]:
    for field in ("group", "finalizer", "access_controller", "onboarding_controller", "lease", "name"):
        value, path = getattr(edition, field), f"edition.{field}"
        if not isinstance(value, str):
            yield _wrong(path, value, str)
            continue
        name, slash, rest = value.partition("/")
        yield from check_subdomain(path, name)
        if field == "finalizer" and not (slash and rest):
            yield Problem(path, "has no / and name behind its domain", "write <domain>/<name>")
        elif field != "finalizer" and slash:
            yield Problem(path, "has a /", "leave it out")
    for field, pattern, want in (
        ("version", _VERSION, "write such as v1 or v1alpha1"),
        ("kind", _KIND, "write a word in CamelCase"),
        ("plural", _PLURAL, "write the plural in small letters"),
        ("copy_prefix", _PREFIX, "write small letters, digits, - and ."),
    ):
        value = getattr(edition, field)
        if not pattern.fullmatch(_text(value)):
            yield Problem(f"edition.{field}", "is not legal", want)
    manager = _text(edition.field_manager)
    if not (manager.isprintable() and 0 < len(manager) <= _LONGEST_MANAGER):
        yield Problem("edition.field_manager", "is not legal", f"write 1 to {_LONGEST_MANAGER} printable characters")


def _title(_: Provider[Any, Any], title: str) -> Iterator[Problem]:
    if not title.strip():
        yield Problem("title", "is empty", "write what tenants call the thing that is installed")


def _type(_: Provider[Any, Any], __: type) -> Iterator[Problem]:
    yield from ()


def _crds(_: Provider[Any, Any], crds: tuple[object, ...]) -> Iterator[Problem]:
    for at, crd in enumerate(crds):
        path = f"crds[{at}]"
        if not (isinstance(crd, MAPPING) and dig(crd, "kind") == "CustomResourceDefinition"):
            yield Problem(path, "is no CustomResourceDefinition", "supply the whole definition")
        elif not isinstance(dig(crd, "metadata", "name"), str):
            yield Problem(path, "has no metadata.name", "write <plural>.<group>")
        else:
            try:
                cluster_of(crd)
            except ValueError as error:
                yield Problem(path, str(error), "label it")


def _clusters(provider: Provider[Any, Any], clusters: tuple[object, ...]) -> Iterator[Problem]:
    ids: set[str] = set()
    names: set[str] = set()
    for at, cluster in enumerate(clusters):
        path = f"clusters[{at}]"
        if not isinstance(cluster, TenantCluster):
            yield _wrong(path, cluster, TenantCluster)
            continue
        for field in ("id", "suffix"):
            value = getattr(cluster, field)
            if not _ID.fullmatch(_text(value)):
                yield Problem(f"{path}.{field}", "is not legal", "write small letters, digits and -")
                return
        if cluster.id in {PLATFORM, ONBOARDING, *ids}:
            yield Problem(f"{path}.id", f'is "{cluster.id}", which is taken', "give each cluster an id of its own")
        name = access_request_name(provider.edition.access_controller, "name", cluster.suffix)
        if name in names:
            yield Problem(f"{path}.suffix", "is that of another cluster", "give each cluster a suffix of its own")
        ids.add(cluster.id)
        names.add(name)
        if not all(isinstance(rule, MAPPING) for rule in cluster.rules):
            yield Problem(f"{path}.rules", "holds what is no rule", "write RBAC rules")
    if not clusters:
        yield Problem("clusters", "is empty", "name the clusters of a tenant that are reached")


def _owns(provider: Provider[Any, Any], owns: tuple[object, ...]) -> Iterator[Problem]:
    known, seen = _known(provider), set[tuple[str, ...]]()
    for at, owned in enumerate(owns):
        path = f"owns[{at}]"
        if not isinstance(owned, Owned):
            yield _wrong(path, owned, Owned)
        elif not all(map(_text, owned)):
            yield Problem(path, "has an empty field", "write cluster, API version, kind and plural")
        elif owned.cluster not in {PLATFORM, *known}:
            yield _unknown(path, owned.cluster, (PLATFORM, *known))
        elif owned.kind == "Namespace":
            yield Problem(path, "is Namespace", "leave it out: namespaces are made where missing, and never owned")
        elif owned[:3] in seen:
            yield Problem(path, f"names {owned.kind} once more", "name each kind of a cluster once")
        else:
            seen.add(owned[:3])


def _guards(provider: Provider[Any, Any], guards: tuple[object, ...]) -> Iterator[Problem]:
    for at, guard in enumerate(guards):
        path = f"guards[{at}]"
        if not isinstance(guard, Guard):
            yield _wrong(path, guard, Guard)
        elif guard.cluster not in _known(provider):
            yield _unknown(path, guard.cluster, _known(provider))
        elif not _text(guard.group):
            yield Problem(path, "has no group", "write an API group")


def _residues(provider: Provider[Any, Any], residues: tuple[object, ...]) -> Iterator[Problem]:
    for at, residue in enumerate(residues):
        path = f"residues[{at}]"
        if not isinstance(residue, Residue):
            yield _wrong(path, residue, Residue)
        elif residue.cluster not in _known(provider):
            yield _unknown(path, residue.cluster, _known(provider))
        elif not all(map(_text, (residue.api_version, residue.kind, residue.name))):
            yield Problem(path, "has an empty field", "write API version, kind and name")


def _text(value: object) -> str:
    """Return a text, empty for anything else."""
    return value if isinstance(value, str) else ""


def _known(provider: Provider[Any, Any]) -> tuple[str, ...]:
    return tuple(cluster.id for cluster in provider.clusters)


def _unknown(path: str, cluster: object, known: tuple[str, ...]) -> Problem:
    return Problem(f"{path}.cluster", f'is "{cluster}"', f"known are: {', '.join(known)}")


_MEMBERS: Mapping[str, tuple[type, Callable[[Provider[Any, Any], Any], Iterator[Problem]]]] = {
    "edition": (Edition, _edition),
    "title": (str, _title),
    "spec": (type, _type),
    "config": (type, _type),
    "crds": (tuple, _crds),
    "clusters": (tuple, _clusters),
    "owns": (tuple, _owns),
    "guards": (tuple, _guards),
    "residues": (tuple, _residues),
}
