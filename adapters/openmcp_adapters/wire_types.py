"""What the author's classes say of themselves, dataclasses and attrs classes alike, and which types can be decoded."""

import dataclasses
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeGuard, Union, get_args, get_origin, get_type_hints

import attrs

from openmcp_provider.provider import Problem

__all__ = ["Part", "check_type", "is_any_object", "is_literal", "is_mapping", "is_object", "is_tuple", "parts"]

_SCALARS = (str, int, float, bool)
_WANT = (
    "use str, int, float, bool, Literal, a frozen dataclass or attrs class, X | None, tuple[X, ...] or Mapping[str, X]"
)


class Part(NamedTuple):
    """A field of a class.

    Attributes:
        name: As Python has it.
        wire: As it is written.
        want: What a person is told whose value has another type; empty for a text by the type.
        kind: Its type as declared, which may be a text.
    """

    name: str
    wire: str
    want: str
    kind: object


def is_object(kind: object) -> TypeGuard[type]:
    """Tell whether a type is a dataclass or an attrs class."""
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or attrs.has(kind))


def is_any_object(kind: object) -> bool:
    """Tell whether a type is ``Mapping[str, Any]``, which is kept as it is."""
    return is_mapping(kind) and get_args(kind)[1:] == (Any,)


def is_mapping(kind: object) -> bool:
    """Tell whether a type is a ``Mapping[str, X]``."""
    return get_origin(kind) in (Mapping, dict)


def is_tuple(kind: object) -> bool:
    """Tell whether a type is a ``tuple[X, ...]``."""
    return get_origin(kind) is tuple


def is_literal(kind: object) -> bool:
    """Tell whether a type is a `Literal`."""
    return get_origin(kind) is Literal


def parts(kind: Any) -> tuple[Part, ...]:  # noqa: ANN401 - any dataclass or attrs class
    """Return the fields of a class that are decoded: those that its constructor takes."""
    if dataclasses.is_dataclass(kind):
        return tuple(_part(at.name, at.name, at.metadata, at.type) for at in dataclasses.fields(kind) if at.init)
    return tuple(_part(at.name, at.alias or at.name, at.metadata, at.type) for at in attrs.fields(kind) if at.init)


def check_type(kind: object, path: str) -> Iterator[Problem]:
    """Yield why values of an author's class cannot be decoded, each with the path of the field; never raise.

    Args:
        kind: The class.
        path: What it is, such as ``spec``.
    """
    try:
        yield from _object_flaws(kind, path, set()) if is_object(kind) else _unknown(kind, path)
    except Exception as error:  # noqa: BLE001 - the class is the author's, and so is what it raises
        yield Problem(path, f"cannot be looked at ({type(error).__name__})", _WANT)


def _part(name: str, written: str, metadata: Mapping[Any, Any], kind: object) -> Part:
    head, *tail = written.lstrip("_").split("_")
    camel = head + "".join(word.title() for word in tail)
    return Part(name, metadata.get("wire", camel), metadata.get("want", ""), kind)


def _frozen(kind: Any) -> bool:  # noqa: ANN401 - any dataclass or attrs class
    if dataclasses.is_dataclass(kind):
        return bool(getattr(kind, "__dataclass_params__").frozen)  # noqa: B009 - typeshed does not know it
    return attrs.inspect(kind).is_frozen


def _object_flaws(kind: type, path: str, seen: set[type]) -> Iterator[Problem]:
    """Yield what is wrong with a class and its fields, once for each class."""
    if kind in seen:
        return
    seen.add(kind)
    if not _frozen(kind):
        yield Problem(path, f"is {kind.__name__}, which is not frozen", "freeze it: its values are shared")
    try:
        hints = get_type_hints(kind)
    except Exception as error:  # noqa: BLE001 - names in annotations are looked up, and what that raises is the author's
        why = f"has a field whose type cannot be resolved ({type(error).__name__})"
        yield Problem(path, why, "use names in annotations that the module has when it is imported")
        return
    known: dict[str, str] = {}
    for part in parts(kind):
        inner = f"{path}.{part.name}"
        if part.wire in known:
            yield Problem(inner, f"is written {part.wire}, as {known[part.wire]} is", "name one of them otherwise")
        known.setdefault(part.wire, inner)
        yield from _flaws(hints.get(part.name, part.kind), inner, seen)


def _flaws(kind: object, path: str, seen: set[type]) -> Iterator[Problem]:
    arguments = get_args(kind)
    if is_object(kind):
        yield from _object_flaws(kind, path, seen)
    elif get_origin(kind) in (Union, UnionType):
        rest = [argument for argument in arguments if argument is not NoneType]
        yield from _flaws(rest[0], path, seen) if len(rest) == 1 else _unknown(kind, path)
    elif is_tuple(kind) and arguments[1:] == (Ellipsis,):
        yield from _flaws(arguments[0], f"{path}[]", seen)
    elif is_mapping(kind) and arguments[0] is str:
        yield from () if is_any_object(kind) else _flaws(arguments[1], f"{path}[]", seen)
    elif not (kind in _SCALARS or (is_literal(kind) and all(type(choice) in _SCALARS for choice in arguments))):
        yield from _unknown(kind, path)


def _unknown(kind: object, path: str) -> Iterator[Problem]:
    name = kind.__name__ if type(kind) is type else repr(kind)
    yield Problem(path, f"is {name}, which cannot be decoded", _WANT)
