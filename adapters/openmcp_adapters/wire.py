"""Strict decoding: JSON as it came into the author's classes, and every problem at once where it does not fit.

Nothing is coerced. A field's wire name is its camelCase form (with attrs that of its alias), or that of its metadata
(``{"wire": "chartURL"}``); ``{"want": "..."}`` is what a person is told whose value has another type. As on an API
server null counts as absent. Types known: text, numbers, booleans, `Literal`, frozen dataclasses and attrs classes,
``X | None``, ``tuple[X, ...]`` and ``Mapping[str, X]``; ``Mapping[str, Any]`` is any object, kept as it is.

Problems name fields, never text that was written: that may be secret.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar, get_args, runtime_checkable

from cattrs import BaseValidationError, Converter, ForbiddenExtraKeysError
from cattrs.cols import homogenous_tuple_structure_factory, mapping_structure_factory
from cattrs.errors import AttributeValidationNote, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override

from openmcp_adapters.wire_types import (
    Part,
    check_type,
    is_any_object,
    is_literal,
    is_mapping,
    is_object,
    is_tuple,
    parts,
)
from openmcp_provider.domain.snapshot import Invalid, Valid
from openmcp_provider.provider import Problem

__all__ = ["DecodeError", "check_type", "child", "decode", "decoder", "kind_of"]

T = TypeVar("T")

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class DecodeError(ValueError):
    """A value does not fit its type.

    Args:
        problems: Every reason, in the order of the type's fields.
    """

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


@runtime_checkable
class Written(Protocol):
    """A number that remembers how it was written: 1.10 is the number 1.1, but the text "1.10"."""

    written: str


class _Mismatch(ValueError):
    """A value of the wrong kind, and what would be right.

    Args:
        why: What is wrong.
        want: What would be right.
        quoted: The value in quotes, where only they are missing.
    """

    def __init__(self, why: str, want: str, quoted: str = "") -> None:
        super().__init__(why)
        self.why, self.want, self.quoted = why, want, quoted


def decode(cls: type[T], value: object, path: str = "spec") -> T:
    """Return `value` as a `cls`.

    Args:
        cls: A dataclass or attrs class.
        value: JSON: mappings, lists, text, numbers, booleans, None.
        path: Where the value stands, the beginning of every problem's path.

    Raises:
        DecodeError: it does not fit.
    """
    if value is None:
        raise DecodeError((Problem(path, "is missing", _want(dict)),))
    try:
        return _CONVERTER.structure(value, cls)
    except (BaseValidationError, _Mismatch) as error:
        raise DecodeError(tuple(_problems(error, path, value))) from None


def decoder(cls: type[T], value: object) -> Valid[T] | Invalid:
    """Decode a spec as the port `Decoder` has it; a spec that is absent counts as an empty one."""
    try:
        return Valid(decode(cls, {} if value is None else value))
    except DecodeError as error:
        return Invalid(error.problems)


def child(path: str, key: str | int) -> str:
    """Return the path of what lies under `key`: ``spec.a``, ``spec.list[0]``, ``data[".dockerconfigjson"]``."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    if not _PLAIN_KEY.fullmatch(key):
        return f"{path}[{json.dumps(key)}]"
    return f"{path}.{key}" if path else key


def kind_of(value: object) -> str:
    """Return what a JSON value is, in words."""
    names: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "a boolean"),
        (str, "text"),
        ((int, float), "a number"),
        (Mapping, "an object"),
        ((list, tuple), "a list"),
    )
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def _want(kind: type) -> str:
    wants = {
        str: "text",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        dict: "an object",
        tuple: "a list",
    }
    return f"must be {wants[kind]}"


def _text(value: object, _: object) -> str:
    if isinstance(value, str):
        return value
    text = value.written if isinstance(value, Written) else json.dumps(value)
    quoted = json.dumps(text) if isinstance(value, (bool, int, float)) else ""
    raise _Mismatch(f"is {kind_of(value)}", _want(str), quoted)


def _boolean(value: object, _: object) -> bool:
    if isinstance(value, bool):
        return value
    raise _Mismatch(f"is {kind_of(value)}", _want(bool))


def _integer(value: object, _: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise _Mismatch(f"is {kind_of(value)}" + (" with a fraction" if isinstance(value, float) else ""), _want(int))


def _number(value: object, _: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise _Mismatch(f"is {kind_of(value)}", _want(float))


def _literal(value: object, kind: Any) -> object:  # noqa: ANN401 - a special form of typing has no type
    choices = get_args(kind)
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    raise _Mismatch(
        "is none of the known values", "write one of " + ", ".join(json.dumps(choice) for choice in choices)
    )


def _any_object(value: object, _: object) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise _Mismatch(f"is {kind_of(value)}", _want(dict))


def _object_hook(kind: Any, converter: Converter) -> Callable[[object, Any], object]:  # noqa: ANN401 - any object
    names: dict[str, Any] = {part.name: override(rename=part.wire) for part in parts(kind)}
    inner = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True, **names)

    def hook(value: object, target: Any) -> object:  # noqa: ANN401 - the type to decode to
        found = _any_object(value, target)
        return inner({key: item for key, item in found.items() if item is not None}, target)

    return hook


def _list_hook(kind: Any, converter: Converter) -> Callable[[object, Any], object]:  # noqa: ANN401 - tuple[X, ...]
    inner = homogenous_tuple_structure_factory(kind, converter)

    def hook(value: object, target: Any) -> object:  # noqa: ANN401 - the type to decode to
        if not isinstance(value, (list, tuple)):
            raise _Mismatch(f"is {kind_of(value)}", _want(tuple))
        return inner(value, target)

    return hook


def _mapping_hook(kind: Any, converter: Converter) -> Callable[[object, Any], object]:  # noqa: ANN401 - Mapping[str, X]
    inner = mapping_structure_factory(kind, converter, structure_to=dict)

    def hook(value: object, target: Any) -> object:  # noqa: ANN401 - the type to decode to
        return inner(dict(_any_object(value, target)), target)

    return hook


def _converter() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    strict: tuple[tuple[type, Callable[[object, object], object]], ...] = (
        (str, _text),
        (bool, _boolean),
        (int, _integer),
        (float, _number),
    )
    for kind, hook in strict:
        converter.register_structure_hook(kind, hook)
    # The last one registered is asked first.
    converter.register_structure_hook_factory(is_object, _object_hook)
    converter.register_structure_hook_factory(is_tuple, _list_hook)
    converter.register_structure_hook_factory(is_mapping, _mapping_hook)
    converter.register_structure_hook_func(is_any_object, _any_object)
    converter.register_structure_hook_func(is_literal, _literal)
    return converter


def _problems(error: Exception, path: str, value: object, part: Part | None = None) -> Iterator[Problem]:
    """Yield what is wrong with a value, in the order of the type's fields, unknown fields last.

    Args:
        error: What was raised for it.
        path: Where it stands.
        value: The value.
        part: The field whose value it is, None for an entry of a list or mapping.
    """
    if isinstance(error, BaseValidationError):
        for inner in error.exceptions:
            yield from _part_problems(error.cl, inner, path, value)
    elif isinstance(error, _Mismatch):
        name = f"{part.wire}: " if part else ""
        want = f"write it in quotes: {name}{error.quoted}" if error.quoted else error.want
        yield Problem(path, error.why, (part and part.want) or want)
    else:  # a type this module does not know: its own words could repeat the value
        yield Problem(path, "cannot be read", f"write a legal value ({type(error).__name__})")


def _part_problems(cls: type, error: Exception, path: str, value: Any) -> Iterator[Problem]:  # noqa: ANN401 - JSON
    """Yield what is wrong with one part of a value that should be a `cls`."""
    notes = getattr(error, "__notes__", ())
    note = next((note for note in notes if isinstance(note, (AttributeValidationNote, IterableValidationNote))), None)
    if isinstance(error, ForbiddenExtraKeysError):
        yield from _unknown(error, path)
    elif isinstance(note, IterableValidationNote):
        yield from _problems(error, child(path, note.index), value[note.index])
    elif isinstance(note, AttributeValidationNote):
        part = next(part for part in parts(cls) if part.name == note.name)
        if value.get(part.wire) is None:
            yield Problem(child(path, part.wire), "is missing", part.want or f"write {part.wire}: ...")
        else:
            yield from _problems(error, child(path, part.wire), value[part.wire], part)
    else:
        yield from _problems(error, path, value)


def _unknown(error: ForbiddenExtraKeysError, path: str) -> Iterator[Problem]:
    known = [part.wire for part in parts(error.cl)]
    folded = {_fold(name): name for name in known}
    for name in sorted(error.extra_fields):
        near = difflib.get_close_matches(_fold(name), folded, n=1)
        want = f"did you mean {folded[near[0]]}?" if near else f"known are: {', '.join(known)}"
        yield Problem(child(path, name), "is not a known field", want)


def _fold(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()


_CONVERTER = _converter()
