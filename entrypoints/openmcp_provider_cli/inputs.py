"""From documents to what a provider's functions take: tenants, and the Secrets and ConfigMaps that they refer to.

Everything that is wrong is told at once.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from openmcp_adapters.wire import child, kind_of
from openmcp_provider.domain.author import ProviderMistake, Undecided, contained
from openmcp_provider.domain.copies import Source, source_of, unusable
from openmcp_provider.domain.desired import ACCESS_API, access_of, desired
from openmcp_provider.domain.legal import check_label, check_subdomain
from openmcp_provider.domain.names import tenant_namespace
from openmcp_provider.domain.objects import dig
from openmcp_provider.provider import Copy, Edition, Problem, Provider, Tenant
from openmcp_provider_cli.documents import STDIN, Document, Fault, Place, WrongInput, read
from openmcp_provider_cli.examine import SPEC, examine
from openmcp_provider_cli.sources import check_source, stored

__all__ = ["Inputs", "gather"]

S = TypeVar("S")
C = TypeVar("C")
T = TypeVar("T")

CONFIG = "ProviderConfig"
ACCESS = "AccessRequest"
SOURCES = ("Secret", "ConfigMap")
DEFAULT_NAMESPACE = "default"
_TOP_LEVEL = ("apiVersion", "kind", "metadata", SPEC, "status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs(Generic[S, C]):
    """What was given, without a fault.

    Attributes:
        tenants: One per instance, in the order given.
        sources: The Secrets and ConfigMaps of the provider's namespace, by kind and name.
        given: Every document, with its namespace filled in, by kind.
    """

    tenants: tuple[Tenant[S, C], ...]
    sources: Mapping[tuple[str, str], Source]
    given: Mapping[str, Sequence[Document]]


class _Known(NamedTuple, Generic[C]):
    """A spec that can be looked at; `value` None where the provider can do without a ProviderConfig."""

    value: C | None


class _Instance(NamedTuple, Generic[S, C]):
    """An instance and where it was read."""

    document: Document
    tenant: Tenant[S, C]


class _Given(NamedTuple):
    """A Secret or ConfigMap and where it was read; `source` None where its data is faulty."""

    document: Document
    source: Source | None


def gather(provider: Provider[S, C], files: Sequence[str], namespace: str) -> Inputs[S, C]:
    """Return what the files give.

    Args:
        provider: Whose instances and ProviderConfig they are.
        files: Names of files, ``-`` for standard input.
        namespace: The provider's own namespace.

    Raises:
        WrongInput: something is wrong in the files.
        ProviderMistake: the provider's own code is wrong; a note names the object.
    """
    provider = contained(provider)
    faults: list[Fault] = []
    documents = read(files, faults)
    faults += _absent(provider, documents, files) if not faults else ()  # what could not be read may be there
    given = _by_kind(provider.edition, documents, namespace, faults)
    config = _config(provider, given[CONFIG], faults)
    secrets = _kubeconfigs(given[ACCESS], faults)
    instances = [_instance(provider, document, config, secrets, faults) for document in given[provider.edition.kind]]
    sources = _sources(given, namespace, faults)
    for instance in instances:
        if instance:
            faults += _copy_faults(provider, instance, given, sources, namespace)
    if faults:
        raise WrongInput(faults)
    return Inputs(
        tenants=tuple(instance.tenant for instance in instances if instance),
        sources={key: found.source for key, found in sources.items() if found.source},
        given=given,
    )


def _absent(provider: Provider[S, C], documents: list[Document], files: Sequence[str]) -> Iterator[Fault]:
    """Yield what is missing altogether; that is said of all files together, after everything else."""
    nowhere = Place(len(files), ", ".join("<stdin>" if file == STDIN else file for file in files))
    seen = {document.kind for document in documents}
    edition = provider.edition
    if edition.kind not in seen:
        problem = Problem(edition.kind, "is missing", f"give at least one, of {edition.api_version}")
        yield Fault(nowhere, f"{nowhere}: {problem}")
    if CONFIG not in seen:
        yield from (Fault(nowhere, f"{nowhere}: {problem}") for problem in provider.check_config(None))


def _by_kind(
    edition: Edition, documents: list[Document], namespace: str, faults: list[Fault]
) -> dict[str, list[Document]]:
    """Return the documents whose kind, API version and metadata are right, with their namespaces filled in."""
    expected = {edition.kind: edition.api_version, CONFIG: edition.api_version, ACCESS: ACCESS_API}
    expected |= dict.fromkeys(SOURCES, "v1")
    namespaces = dict.fromkeys(expected, DEFAULT_NAMESPACE) | {CONFIG: ""} | dict.fromkeys(SOURCES, namespace)
    given: dict[str, list[Document]] = {kind: [] for kind in expected}
    first: dict[tuple[str, str, str], Document] = {}
    for found in documents:
        document = _placed(found, namespaces[found.kind]) if found.kind in namespaces else found
        problems = [*_type_problems(edition, document, expected)] or [*_metadata_problems(document)]
        before = first.setdefault((document.kind, document.namespace, document.name), document)
        if not problems and before is not document:
            problems.append(
                Problem("metadata.name", f"the same object stands in {before.place}", "give each object once")
            )
        if not problems and document.kind == CONFIG and given[CONFIG]:
            other = given[CONFIG][0]
            problems.append(
                Problem("kind", f"there is another one: {other.title} in {other.place}", "give exactly one")
            )
        faults += [document.fault(problem) for problem in problems]
        if not problems:
            given[document.kind].append(document)
    return given


def _placed(document: Document, namespace: str) -> Document:
    """Return the document with the namespace that it is in if it says none."""
    metadata = document.metadata
    if not metadata or metadata.get("namespace") not in (None, ""):
        return document
    return Document(place=document.place, body={**document.body, "metadata": {**metadata, "namespace": namespace}})


def _type_problems(edition: Edition, document: Document, expected: Mapping[str, str]) -> Iterator[Problem]:
    if document.kind not in expected:
        why = "is not known here" if document.kind else "is missing or no text"
        known = (f"{kind} ({version})" for kind, version in expected.items())
        yield Problem("kind", why, f"known are {', '.join(known)}")
    elif document.api_version != (right := expected[document.kind]):
        why = f'is "{document.api_version}"' if document.api_version else "is missing or no text"
        group, slash, _ = document.api_version.partition("/")
        # A later version of the older program has its objects in another group: to rewrite them would not be right.
        if document.kind in {edition.kind, CONFIG} and slash and group != edition.group:
            why += ", of an API group that this program does not serve yet"
            yield Problem("apiVersion", why, f"it serves {right}")
        else:
            yield Problem("apiVersion", why, f"write apiVersion: {right}")


def _metadata_problems(document: Document) -> Iterator[Problem]:
    metadata = document.body.get("metadata")
    if not isinstance(metadata, Mapping):
        why = "is missing" if metadata is None else f"is {kind_of(metadata)}"
        yield Problem("metadata", why, "write an object with a name")
        return
    for field, check in (("name", check_subdomain), ("namespace", check_label)):
        path, value = f"metadata.{field}", metadata.get(field)
        if isinstance(value, str):
            yield from check(path, value) if value or field == "name" else ()
        elif value is None:
            yield from [Problem(path, "is missing", "give the object a name")] if field == "name" else ()
        else:
            yield Problem(path, f"is {kind_of(value)}", "must be text, in quotes if need be")


def _config(provider: Provider[S, C], documents: list[Document], faults: list[Fault]) -> _Known[C] | None:
    """Return the spec of the ProviderConfig, None if there is nothing to look at."""
    if not documents:
        return None if [*provider.check_config(None)] else _Known(None)
    value = _examined(documents[0], provider.config, provider.check_config, faults)
    return None if value is None else _Known(value)


def _instance(
    provider: Provider[S, C],
    document: Document,
    config: _Known[C] | None,
    secrets: Mapping[tuple[str, str], str],
    faults: list[Fault],
) -> _Instance[S, C] | None:
    """Return an instance, None if there is nothing to look at."""
    name, namespace = document.name, document.namespace
    spec = _examined(document, provider.spec, provider.check_spec, faults)
    if spec is None or config is None:
        return None
    home = tenant_namespace(name, namespace)
    kubeconfigs = {}
    for access in access_of(provider, name, namespace, home):
        secret = secrets.get((home, access.access["metadata"]["name"]))
        kubeconfigs[access.cluster.id] = access.secret._replace(name=secret) if secret else access.secret
    tenant = Tenant(name=name, namespace=namespace, home=home, spec=spec, config=config.value, kubeconfigs=kubeconfigs)
    return _Instance(document, tenant)


def _examined(
    document: Document, cls: type[T], check: Callable[[T], Iterable[Problem]], faults: list[Fault]
) -> T | None:
    with _about(document):
        examined = examine(cls, check, document.body.get(SPEC))
    unknown = [name for name in document.body if name not in _TOP_LEVEL]
    strange = [
        Problem(child("", name), "is not a known field", f"known are: {', '.join(_TOP_LEVEL)}") for name in unknown
    ]
    faults += [document.fault(problem) for problem in (*examined.problems, *strange)]
    return examined.value


@contextmanager
def _about(document: Document) -> Iterator[None]:
    """Have a mistake of the provider's name the object for which it was made."""
    try:
        yield
    except ProviderMistake as mistake:
        mistake.add_note(f"{document.title} in {document.place}")
        raise


def _kubeconfigs(documents: list[Document], faults: list[Fault]) -> dict[tuple[str, str], str]:
    """Return the name of the kubeconfig Secret of each AccessRequest that has one, by namespace and name."""
    found = {}
    for document in documents:
        reference = dig(document.body, "status", "secretRef")
        name = dig(reference, "name")
        if reference is not None and (not isinstance(name, str) or not name):
            problem = Problem(
                "status.secretRef.name", "is missing or no text", "write the name of the kubeconfig Secret"
            )
            faults.append(document.fault(problem))
        elif reference is not None:
            found[document.namespace, document.name] = name
    return found


def _sources(given: Mapping[str, list[Document]], namespace: str, faults: list[Fault]) -> dict[tuple[str, str], _Given]:
    """Return the Secrets and ConfigMaps of the provider's namespace, by kind and name."""
    found = {}
    for document in (document for kind in SOURCES for document in given[kind]):
        problems = [document.fault(problem) for problem in check_source(document.body)]
        faults += problems
        if document.namespace == namespace:
            source = None if problems else source_of(stored(document.body))
            found[document.kind, document.name] = _Given(document, source)
    return found


def _copy_faults(
    provider: Provider[S, C],
    instance: _Instance[S, C],
    given: Mapping[str, list[Document]],
    sources: Mapping[tuple[str, str], _Given],
    namespace: str,
) -> Iterator[Fault]:
    """Yield what is wrong with the sources of an instance's copies, at the object where it can be fixed."""
    try:
        with _about(instance.document):
            wanted = desired(provider, instance.tenant)
    except Undecided as undecided:
        yield from map(instance.document.fault, undecided.problems)
        return
    for item in wanted.items:
        if not item.source:
            continue
        copy = Copy(source=item.source, to=item.ref, type=item.source_type)
        namer, path = _namer((*given[CONFIG], instance.document), copy.source)
        found = sources.get((copy.to.kind, copy.source))
        if found is None:
            elsewhere = [other for other in given[copy.to.kind] if other.name == copy.source]
            yield namer.fault(_missing(copy, path, namespace, elsewhere))
        elif found.source and (flaw := unusable(found.source, copy.type)):
            where = "type" if copy.type and found.source.type != copy.type else "data"
            yield found.document.fault(Problem(where, flaw, f"needed because {namer.title} names it in {path}"))


def _missing(copy: Copy, path: str, namespace: str, elsewhere: list[Document]) -> Problem:
    why = f"names {copy.to.kind} {namespace}/{copy.source}, which is not given"
    if elsewhere:
        why += f"; there is one in namespace {elsewhere[0].namespace}, but only the provider's own namespace counts"
    return Problem(path, why, f"add it to the files{f', of type {copy.type}' if copy.type else ''}")


def _namer(documents: Sequence[Document], name: str) -> tuple[Document, str]:
    """Return the object that names a source and where it does; if none does, the provider does it for the last one."""
    named = ((document, path) for document in documents for path in _paths(document.body.get(SPEC), SPEC, name))
    return next(named, (documents[-1], SPEC))


def _paths(value: object, path: str, text: str) -> Iterator[str]:
    if value == text:
        yield path
    inner: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, item in inner:
        yield from _paths(item, child(path, key), text)
