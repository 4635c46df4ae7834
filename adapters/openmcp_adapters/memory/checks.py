"""Everything that a server checks before it stores an object."""

from collections.abc import Iterator
from typing import Any

from openmcp_adapters.memory.kinds import Kind
from openmcp_adapters.memory.metadata import metadata_problems, update_problems
from openmcp_adapters.memory.schema import rule_problems, validate
from openmcp_adapters.memory.structure import below
from openmcp_adapters.memory.values import MISSING, get_path, same

__all__ = ["object_problems"]

_HEAD = frozenset({"apiVersion", "kind", "metadata"})


def object_problems(kind: Kind, version: str, obj: dict[str, Any], old: dict[str, Any] | None) -> Iterator[str]:
    """Yield what is wrong with an object as it would be stored, given how it was before, if it was."""
    metadata = obj["metadata"]
    name = metadata.get("name", "")
    if not name:
        yield "metadata.name: Required value: name or generateName is required"
    elif problem := kind.name_problem(name):
        yield f"metadata.name: Invalid value: {name!r}: {problem}"
    yield from metadata_problems(metadata, domains=kind.domains)
    schema = kind.schemas[version]
    parts = ((key, value, below(schema, key)) for key, value in obj.items() if key not in _HEAD)
    wrong = [problem for key, value, part in parts if part for problem in validate(value, part, key)]
    wrong += [f"{key}: Required value" for key in schema.get("required", ()) if key not in obj]
    yield from wrong
    if old is not None:
        yield from update_problems(metadata, old["metadata"])
        yield from rule_problems(obj, old, schema) if kind.rules else ()
        for path in kind.immutable:
            before = get_path(old, path)
            if before is not MISSING and not same(before, get_path(obj, path)):
                yield f"{'.'.join(path)}: Invalid value: field is immutable"
    if not wrong:
        yield from kind.check(obj, old)
