"""The author's functions, contained: what they raise or return amiss is a mistake that can be told, not a crash.

Code of other authors is never trusted. Every call of it goes through `Contained`, which returns a well-formed answer or
raises `NoAnswer`. What an exception says stays out of messages: it may quote what a Secret or a spec holds.
"""

import math
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import islice
from pathlib import PurePath
from typing import Any, Literal, TypeVar, get_args

from openmcp_provider.domain.conditions import Condition, Truth
from openmcp_provider.domain.objects import MAPPING, PLATFORM, Json, Ref, dig
from openmcp_provider.provider import (
    Advice,
    Copy,
    Edition,
    Guard,
    Health,
    Item,
    Owned,
    Problem,
    Provider,
    Reference,
    Residue,
    Tenant,
    TenantCluster,
)

__all__ = ["FUNCTIONS", "OWN_STATUS", "Contained", "NoAnswer", "ProviderMistake", "Undecided", "contained", "health_of"]

S = TypeVar("S")
C = TypeVar("C")
T = TypeVar("T")

OWN_STATUS = ("phase", "observedGeneration", "conditions", "installedVersion")
"""Fields of the status that are the library's."""

FUNCTIONS = (
    *("check_spec", "check_config", "references", "desired", "version"),
    *("poll", "unmarked", "advise", "status", "health"),
)
"""The functions of an author's."""

LIMIT = 10_000
"""Most entries of one answer; what goes on beyond them most likely never ends."""

DEPTH = 100
"""Most levels of JSON in an answer."""

_COPIED = ("Secret", "ConfigMap")


class NoAnswer(Exception):
    """The author's code gave no answer that can be used."""


class ProviderMistake(NoAnswer):
    """The author's code raised something, or returned what makes no sense.

    Attributes:
        function: The function of the provider.
        reason: ``Raised`` or ``BadAnswer``.
        why: What was wrong, in words; never what an exception says.
    """

    def __init__(self, function: str, reason: Literal["Raised", "BadAnswer"], why: str) -> None:
        super().__init__(f"{function} {why}")
        self.function = function
        self.reason = reason
        self.why = why


class Undecided(NoAnswer):
    """The author's code says that it cannot decide what should be there, and why."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class Contained(Provider[S, C]):
    """A provider whose functions return what they should or raise `NoAnswer`.

    Its data are those of the provider: what is wrong with them is found before anything starts.

    Args:
        provider: Whose functions these are.
    """

    def __init__(self, provider: Provider[S, C]) -> None:
        self._provider = provider

    @property
    def edition(self) -> Edition:
        """The wire identity."""
        return self._provider.edition

    @property
    def title(self) -> str:
        """What tenants call the thing that is installed."""
        return self._provider.title

    @property
    def spec(self) -> type[S]:
        """The type of the instance's spec."""
        return self._provider.spec

    @property
    def config(self) -> type[C]:
        """The type of the ProviderConfig's spec."""
        return self._provider.config

    @property
    def crds(self) -> tuple[Json, ...]:
        """The CustomResourceDefinitions."""
        return self._provider.crds

    @property
    def clusters(self) -> tuple[TenantCluster, ...]:
        """The clusters of a tenant."""
        return self._provider.clusters

    @property
    def owns(self) -> tuple[Owned, ...]:
        """The kinds that may be written."""
        return self._provider.owns

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The kinds whose objects block deletion."""
        return self._provider.guards

    @property
    def residues(self) -> tuple[Residue, ...]:
        """What must be gone before access is given up."""
        return self._provider.residues

    def check_spec(self, spec: S) -> tuple[Problem, ...]:
        """Return every problem of the tenant's spec.

        Raises:
            ProviderMistake: the author's code gave no answer that can be used.
        """
        return _entries("check_spec", lambda: self._provider.check_spec(spec), _problem)

    def check_config(self, config: C | None) -> tuple[Problem, ...]:
        """Return every problem of the ProviderConfig's spec; None = there is no ProviderConfig.

        Raises:
            ProviderMistake: the author's code gave no answer that can be used.
        """
        return _entries("check_config", lambda: self._provider.check_config(config), _problem)

    def references(self, config: C) -> tuple[Reference, ...]:
        """Return what a ProviderConfig names.

        Raises:
            ProviderMistake: the author's code gave no answer that can be used.
        """
        return _entries("references", lambda: self._provider.references(config), _reference)

    def desired(self, tenant: Tenant[S, C]) -> tuple[Item | Copy, ...]:
        """Return what should be there.

        Raises:
            ProviderMistake: the author's code gave no answer that can be used.
            Undecided: it says that it cannot decide.
        """
        found = _entries("desired", lambda: self._provider.desired(tenant), lambda entry: self._wanted(entry, tenant))
        problems = tuple(entry for entry in found if isinstance(entry, Problem))
        if problems:
            raise Undecided(problems)
        return tuple(entry for entry in found if not isinstance(entry, Problem))

    def version(self, spec: S) -> str:
        """Return the version that the tenant asked for.

        Raises:
            ProviderMistake: the author's code gave no answer that can be used.
        """
        return _answer("version", lambda: self._provider.version(spec), lambda found: _is(found, str, "the version"))

    def poll(self, config: C | None) -> timedelta:
        """Return how often tenant clusters are read.

        Raises:
            ProviderMistake: the author's code gave no answer that can be used.
        """
        return _answer("poll", lambda: self._provider.poll(config), lambda found: _is(found, timedelta, "the interval"))

    def unmarked(self, name: str, namespace: str) -> tuple[tuple[Ref, int], ...]:
        """Return the objects of older programs that may be ours, with their wave.

        Raises:
            ProviderMistake: the author's code gave no answer that can be used.
        """
        return _entries("unmarked", lambda: self._provider.unmarked(name, namespace), self._older)

    def advise(self, spec: S, installed: str) -> tuple[Advice, ...]:
        """Return conditions of the author's own.

        Raises:
            ProviderMistake: the author's code gave no answer that can be used.
        """
        return _entries("advise", lambda: self._provider.advise(spec, installed), _advice)

    def status(self, tenant: Tenant[S, C], live: Mapping[Ref, Json]) -> Json:
        """Return extra status fields.

        Raises:
            ProviderMistake: the author's code gave no answer that can be used.
        """
        return _answer("status", lambda: self._provider.status(tenant, live), _status)

    def _wanted(self, entry: object, tenant: Tenant[S, C]) -> Item | Copy | Problem:
        """Return an entry of `desired` if it can be written.

        Raises:
            _Unusable: it cannot.
        """
        if isinstance(entry, Problem):
            return _problem(entry)
        if not isinstance(entry, (Item, Copy)):
            raise _Unusable(f"is {_kind(entry)} rather than an Item, a Copy or a Problem")
        _is(entry.wave, int, "wave")
        ref = _copied(entry) if isinstance(entry, Copy) else _written(entry)
        self._check_place(ref, tenant.home, "")
        return entry

    def _check_place(self, ref: Ref, home: str, older: str) -> None:
        """Raise `_Unusable` where nothing of ours can be at a place."""
        known = (PLATFORM, *(cluster.id for cluster in self.clusters))
        if ref.cluster not in known:
            raise _Unusable(f'names cluster "{_short(ref.cluster)}"; known are {", ".join(known)}')
        if ref.cluster == PLATFORM and ref.namespace != home:
            raise _Unusable(f"is {_short(str(ref))} on the platform, where only the tenant's namespace is open")
        owned = {(owned.cluster, owned.api_version, owned.kind) for owned in self.owns}
        if ref[:3] not in owned and (older or ref.kind != "Namespace"):
            raise _Unusable(f"is of {_short(f'{ref.api_version} {ref.kind}')} on {ref.cluster}, which is not in owns")

    def _older(self, entry: object) -> tuple[Ref, int]:
        if not (isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], Ref)):  # noqa: PLR2004
            raise _Unusable(f"is {_kind(entry)} rather than a Ref and a wave")
        ref, wave = entry
        _check_ref(ref, empty=("name",))
        self._check_place(ref, ref.namespace, "older")
        return ref, _is(wave, int, "its wave")


def contained(provider: Provider[S, C]) -> Contained[S, C]:
    """Return the provider with its functions contained."""
    return provider if isinstance(provider, Contained) else Contained(provider)


def health_of(item: Callable[[Json, Mapping[Ref, Json]], Health], obj: Json, live: Mapping[Ref, Json]) -> Health:
    """Return what the author's rule says of an object.

    Raises:
        ProviderMistake: the author's code gave no answer that can be used.
    """
    return _answer("health", lambda: item(obj, live), _health)


class _Unusable(Exception):
    """What was answered cannot be used; says why, after the name of what it is about."""


def _answer(function: str, ask: Callable[[], object], check: Callable[[Any], T]) -> T:
    try:
        found = ask()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it is, it is the author's
        raise _raised(function, error) from None
    try:
        return check(found)
    except _Unusable as unusable:
        raise ProviderMistake(function, "BadAnswer", f"returned what cannot be used: {unusable}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an answer may run code of the author's too
        raise _raised(function, error) from None


def _entries(function: str, ask: Callable[[], object], check: Callable[[object], T]) -> tuple[T, ...]:
    def checked(found: object) -> tuple[T, ...]:
        if not isinstance(found, Iterable) or isinstance(found, (str, bytes, Mapping)):
            raise _Unusable(f"{_kind(found)} rather than something to go through")
        entries = tuple(islice(found, LIMIT + 1))
        if len(entries) > LIMIT:
            raise _Unusable(f"more than {LIMIT:,} entries")
        return tuple(_numbered(entries, check))

    return _answer(function, ask, checked)


def _numbered(entries: tuple[object, ...], check: Callable[[object], T]) -> Iterator[T]:
    for at, entry in enumerate(entries, 1):
        try:
            yield check(entry)
        except _Unusable as unusable:
            raise _Unusable(f"entry {at} {unusable}") from None


def _raised(function: str, error: BaseException) -> ProviderMistake:
    """Return an exception as a mistake: its type, and the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({PurePath(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return ProviderMistake(function, "Raised", f"raised {_short(type(error).__name__)}{where}")


def _problem(entry: object) -> Problem:
    if not isinstance(entry, Problem):
        raise _Unusable(f"is {_kind(entry)} rather than a Problem")
    for field, value in zip(Problem._fields, entry, strict=True):
        _is(value, str, field)
    return entry


def _reference(entry: object) -> Reference:
    if not isinstance(entry, Reference):
        raise _Unusable(f"is {_kind(entry)} rather than a Reference")
    for field, value in zip(Reference._fields, entry, strict=True):
        _is(value, str, field)
    if entry.kind not in _COPIED or not entry.name:
        raise _Unusable(f"names no {' or '.join(_COPIED)}")
    return entry


def _advice(entry: object) -> Advice:
    if not isinstance(entry, Advice):
        raise _Unusable(f"is {_kind(entry)} rather than an Advice")
    _check_condition(entry.condition)
    _is(entry.event, str, "event")
    return entry


def _health(found: object) -> Health:
    if not isinstance(found, Health):
        raise _Unusable(f"{_kind(found)} rather than a Health")
    if found.state not in ("Ready", "Progressing", "Failed", "Suspended"):
        raise _Unusable("state is none of Ready, Progressing, Failed, Suspended")
    for field in ("message", "installed", "event", "stalled"):
        _is(getattr(found, field), str, field)
    for field in ("keeps_ready", "retried"):
        _is(getattr(found, field), bool, field)
    for condition in _is(found.conditions, tuple, "conditions"):
        _check_condition(condition)
    return found


def _check_condition(found: object) -> None:
    """Raise `_Unusable` unless it is a condition that a server stores."""
    if not isinstance(found, Condition):
        raise _Unusable(f"has {_kind(found)} for a Condition")
    for field, value in zip(Condition._fields, found, strict=True):
        if not _is(value, str, f"{field} of a condition") and field != "message":
            raise _Unusable(f"{field} of a condition is empty")
    if found.status not in get_args(Truth):
        raise _Unusable(f"status of condition {_short(found.type)} is none of True, False, Unknown")


def _status(found: object) -> Json:
    fields: Json = found if isinstance(found, Mapping) else {}
    if fields is not found:
        raise _Unusable(f"{_kind(found)} rather than an object")
    _check_json(fields, "status")
    for own in OWN_STATUS:
        if own in fields:
            raise _Unusable(f"status.{own} is not the author's to set")
    return fields


def _copied(copy: Copy) -> Ref:
    """Return where a copy goes."""
    if not isinstance(copy.to, Ref):
        raise _Unusable(f"goes to {_kind(copy.to)} rather than a Ref")
    _check_ref(copy.to)
    if copy.to.api_version != "v1" or copy.to.kind not in _COPIED:
        raise _Unusable(f"copies a {_short(copy.to.kind)}; only {' and '.join(_COPIED)} of v1 are copied")
    if not _is(copy.source, str, "source"):
        raise _Unusable("has an empty source")
    _is(copy.type, str, "type")
    return copy.to


def _written(item: Item) -> Ref:
    """Return where an item is."""
    _is(item.cluster, str, "cluster")
    if item.on_delete not in ("delete", "orphan"):
        raise _Unusable("on_delete is neither delete nor orphan")
    if item.health is not None and not callable(item.health):
        raise _Unusable(f"has {_kind(item.health)} for a health rule")
    if not isinstance(item.manifest, MAPPING):
        raise _Unusable(f"has {_kind(item.manifest)} for a manifest")
    _check_json(item.manifest, "manifest")
    texts = [item.manifest.get("apiVersion"), item.manifest.get("kind"), dig(item.manifest, "metadata", "name")]
    for path, value in zip(("apiVersion", "kind", "metadata.name"), texts, strict=True):
        if not isinstance(value, str) or not value:
            raise _Unusable(f"has no {path}")
    metadata = item.manifest["metadata"]
    namespace = metadata.get("namespace", "")
    _is(namespace, str, "metadata.namespace")
    for field in ("labels", "annotations"):
        if not isinstance(metadata.get(field) or {}, MAPPING):
            raise _Unusable(f"has {_kind(metadata[field])} for metadata.{field}")
    return Ref(item.cluster, str(texts[0]), str(texts[1]), str(texts[2]), namespace)


def _check_ref(ref: Ref, empty: tuple[str, ...] = ()) -> None:
    for field, value in zip(Ref._fields, ref, strict=True):
        if not _is(value, str, field) and field not in ("namespace", *empty):
            raise _Unusable(f"has an empty {field}")


def _check_json(value: object, path: str, depth: int = DEPTH) -> None:
    """Raise `_Unusable` for what JSON cannot say."""
    if depth == 0:
        raise _Unusable(f"{_short(path)} is deeper than {DEPTH} levels")
    if isinstance(value, MAPPING):
        for key, below in value.items():
            if not isinstance(key, str):
                raise _Unusable(f"{_short(path)} has {_kind(key)} for a key")
            _check_json(below, f"{path}.{key}", depth - 1)
    elif isinstance(value, (list, tuple)):
        for at, below in enumerate(value):
            _check_json(below, f"{path}[{at}]", depth - 1)
    elif isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise _Unusable(f"{_short(path)} is no finite number")
    elif value is not None and not isinstance(value, (int, float)):
        raise _Unusable(f"{_short(path)} is {_kind(value)}, which JSON does not know")


def _is(value: Any, kind: type[T], what: str) -> T:  # noqa: ANN401 - anything may come
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _Unusable(f"has {_kind(value)} for {what}")
    if isinstance(value, str):
        _check_text(value, what)
    return value


def _check_text(value: str, what: str) -> None:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise _Unusable(f"has half a character in {_short(what)}") from None


def _kind(value: object) -> str:
    return f"a {_short(type(value).__name__)}"


def _short(text: str) -> str:
    """Return a text cut to what fits a message, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"  # noqa: PLR2004
