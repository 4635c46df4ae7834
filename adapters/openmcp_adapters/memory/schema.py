"""What a CustomResourceDefinition's schema does to an object: pruning, defaults, validation."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from openmcp_adapters.memory.formats import format_problem
from openmcp_adapters.memory.structure import ANYTHING, Schema, below, item_step
from openmcp_adapters.memory.values import MISSING, alike, clone, compact, same

__all__ = ["prune_and_default", "rule_problems", "validate"]

_INT_OR_STRING = "x-kubernetes-int-or-string"
_COMBINED = frozenset({"allOf", "anyOf", "oneOf", "not"})


def prune_and_default(value: Any, schema: Schema, *, nulls: bool = False) -> Any:  # noqa: ANN401
    """Return the value without fields that the schema does not know, with its defaults.

    Args:
        value: Of an object.
        schema: Of the value.
        nulls: Keep null where it is not allowed and there is no default; else it is dropped.
    """
    if schema is ANYTHING:
        return value
    if isinstance(value, dict):
        result = {}
        for key, inner in value.items():
            found = below(schema, key)
            if found is None:
                continue
            if inner is None and _drops_null(found, nulls=nulls):
                continue
            result[key] = prune_and_default(inner, found, nulls=nulls)
        for key, found in schema.get("properties", {}).items():
            if key not in result and "default" in found:
                result[key] = prune_and_default(clone(found["default"]), found, nulls=nulls)
        return result
    if isinstance(value, list) and "items" in schema:
        return [prune_and_default(item, schema["items"], nulls=nulls) for item in value]
    return value


def _drops_null(schema: Schema, *, nulls: bool) -> bool:
    """Tell whether null stands for a missing field."""
    if schema is ANYTHING or schema.get("nullable"):
        return False
    return "default" in schema or not nulls


def validate(value: Any, schema: Schema, path: str = "") -> Iterator[str]:  # noqa: ANN401
    """Yield everything that is wrong with a value, each with its path."""
    if schema is ANYTHING or (value is None and schema.get("nullable")):
        return
    here = path or "<object>"
    if problem := _type_problem(value, schema):
        yield f"{here}: {problem}"
        return
    yield from (f"{here}: {problem}" for problem in _plain_problems(value, schema))
    if not _COMBINED.isdisjoint(schema):
        yield from (f"{here}: {problem}" for problem in _combined_problems(value, schema))
    if isinstance(value, dict):
        yield from (f"{path}.{key}".lstrip(".") + ": Required value" for key in _lacking(value, schema))
        for key, inner in value.items():
            found = below(schema, key)
            if found is not None:
                yield from validate(inner, found, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        yield from (f"{here}: {problem}" for problem in _list_problems(value, schema))
        if "items" in schema:
            for at, item in enumerate(value):
                yield from validate(item, schema["items"], f"{path}[{at}]")


def rule_problems(new: Any, old: Any, schema: Schema, path: str = "") -> Iterator[str]:  # noqa: ANN401
    """Yield violations of the one validation rule that is understood: ``self == oldSelf``."""
    if old is MISSING or new is MISSING:
        return
    for rule in schema.get("x-kubernetes-validations", ()):
        if rule.get("rule", "").replace(" ", "") in {"self==oldSelf", "oldSelf==self"} and not same(new, old):
            yield f"{path}: {rule.get('message') or 'failed rule: self == oldSelf'}"
    if isinstance(new, dict) and isinstance(old, dict):
        for key, found in schema.get("properties", {}).items():
            inner = f"{path}.{key}".lstrip(".")
            yield from rule_problems(new.get(key, MISSING), old.get(key, MISSING), found, inner)


def _type_problem(value: object, schema: Schema) -> str:
    if schema.get(_INT_OR_STRING):
        good = isinstance(value, str) or _is_whole(value)
        return "" if good else "must be an integer or a string"
    wanted = schema.get("type")
    if wanted is None:
        return ""
    fits = {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str),
        "boolean": isinstance(value, bool),
        "integer": _is_whole(value),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
    }
    return "" if fits.get(wanted) else f"must be of type {wanted}"


def _is_whole(value: object) -> bool:
    return value.is_integer() if isinstance(value, float) else isinstance(value, int) and not isinstance(value, bool)


def _plain_problems(value: Any, schema: Schema) -> Iterator[str]:  # noqa: ANN401
    if "enum" in schema and not any(alike(value, choice) for choice in schema["enum"]):
        yield f"Unsupported value: supported values: {compact(schema['enum'])}"
    if isinstance(value, str):
        yield from _length_problems(len(value), schema, "Length", "characters")
        if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
            yield f"should match '{schema['pattern']}'"
        if "format" in schema and format_problem(schema["format"], value):
            yield f"must be of format {schema['format']}"
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from _number_problems(value, schema)
    elif isinstance(value, dict):
        yield from _length_problems(len(value), schema, "Properties", "properties")
    elif isinstance(value, list):
        yield from _length_problems(len(value), schema, "Items", "items")


def _length_problems(length: int, schema: Schema, what: str, unit: str) -> Iterator[str]:
    if length < schema.get(f"min{what}", 0):
        yield f"should have at least {schema[f'min{what}']} {unit}"
    if length > schema.get(f"max{what}", length):
        yield f"may not have more than {schema[f'max{what}']} {unit}"


def _number_problems(value: float, schema: Schema) -> Iterator[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value < low or (schema.get("exclusiveMinimum") and value == low)):
        yield f"should be {'greater than' if schema.get('exclusiveMinimum') else 'at least'} {low}"
    if high is not None and (value > high or (schema.get("exclusiveMaximum") and value == high)):
        yield f"should be {'less than' if schema.get('exclusiveMaximum') else 'at most'} {high}"
    if schema.get("multipleOf") and value % schema["multipleOf"]:
        yield f"should be a multiple of {schema['multipleOf']}"
    bits = {"int32": 31, "int64": 63}.get(schema.get("format", ""))
    if bits and not -(2**bits) <= value < 2**bits:
        yield f"must fit {schema['format']}"


def _combined_problems(value: Any, schema: Schema) -> Iterator[str]:  # noqa: ANN401
    for part in schema.get("allOf", ()):
        yield from (problem.partition(": ")[2] for problem in validate(value, part))
    fitting = [sum(not any(validate(value, part)) for part in schema.get(name, ())) for name in ("anyOf", "oneOf")]
    if schema.get("anyOf") and not schema.get(_INT_OR_STRING) and not fitting[0]:
        yield "must validate at least one schema (anyOf)"
    if schema.get("oneOf") and fitting[1] != 1:
        yield "must validate one and only one schema (oneOf)"
    if "not" in schema and not any(validate(value, schema["not"])):
        yield "must not validate the schema (not)"


def _list_problems(items: list[Any], schema: Schema) -> Iterator[str]:
    if schema.get("x-kubernetes-list-type") in {"map", "set"}:
        seen = set()
        for at, item in enumerate(items):
            step = item_step(schema, item)
            if step in seen:
                yield f"item {at}: Duplicate value: {step.partition(':')[2]}"
            seen.add(step)


def _lacking(value: dict[str, Any], schema: Schema) -> list[str]:
    return [key for key in schema.get("required", ()) if key not in value]


@cache
def _pattern(text: str) -> re.Pattern[str]:
    """Return the pattern as the server means it: in Go, ``$`` is the end of the text and nothing else."""
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", text))
