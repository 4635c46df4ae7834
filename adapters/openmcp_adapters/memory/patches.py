"""JSON patch (RFC 6902) and JSON merge patch (RFC 7396), as the server's library does them."""

import re
from typing import Any

from openmcp_adapters.memory.values import MISSING, clone, same
from openmcp_provider.domain.errors import Invalid

__all__ = ["json_patch", "merge_patch"]

_INDEX = re.compile(r"[-+]?[0-9]+")


def merge_patch(target: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return `target` with the patch laid over it: null removes, objects merge, all else replaces."""
    if not isinstance(target, dict):
        return _without_nulls(patch)
    if not isinstance(patch, dict):
        return clone(patch)
    result = dict(target)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def _without_nulls(value: Any) -> Any:  # noqa: ANN401
    """Return a value without fields that are null, which is what a new one leaves to remove; items stay."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def json_patch(document: Any, operations: Any) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return `document` after all operations.

    Raises:
        Invalid: one of them cannot be done, or a test failed; then none is.
    """
    if not isinstance(operations, list):
        raise Invalid("a JSON patch is a list of operations")
    found = clone(document)
    for at, operation in enumerate(operations):
        try:
            found = _operate(found, operation)
        except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
            op, path = (operation.get(key) for key in ("op", "path")) if isinstance(operation, dict) else ("", "")
            raise Invalid(f"the JSON patch failed at operation {at}: {op} {path}: {error}") from None
    return found


def _operate(document: Any, operation: dict[str, Any]) -> Any:  # noqa: ANN401
    op, path = operation["op"], operation["path"]
    # The server takes a value that is not there for null.
    value = clone(operation.get("value"))
    if op == "test":
        if not same(_got(document, path), value):
            raise ValueError("the test failed")
    elif op == "remove":
        _remove(document, path)
    elif op == "add":
        _add(document, path, value)
    elif op == "replace":
        return _replaced(document, path, value)
    elif op in {"move", "copy"}:
        source = operation["from"]
        value = clone(_got(document, source) if source else _read(None, ""))
        if op == "move":
            _remove(document, source)
        _add(document, path, value)
    else:
        raise ValueError("there is no such operation")
    return document


def _place(document: Any, pointer: str) -> tuple[Any, str]:  # noqa: ANN401
    """Return what holds the value at a JSON pointer, and under which key or index."""
    if not pointer.startswith("/"):
        raise KeyError("a path begins with /")
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    at = document
    for step in steps[:-1]:
        at = _read(at, step)
    if not isinstance(at, (dict, list)):
        raise KeyError("there is nothing above it")
    return at, steps[-1]


def _index(step: str, length: int) -> int:
    """Return a place in a list; negative ones count from its end."""
    if not _INDEX.fullmatch(step):
        raise ValueError("that is no index")
    at = int(step)
    at = at + length if at < 0 else at
    if not 0 <= at < length:
        raise IndexError("there is no such item")
    return at


def _read(holder: Any, step: str) -> Any:  # noqa: ANN401
    if isinstance(holder, dict):
        return holder.get(step, MISSING)
    if isinstance(holder, list):
        return holder[_index(step, len(holder))]
    raise KeyError("there is nothing above it")


def _got(document: Any, pointer: str) -> Any:  # noqa: ANN401
    """Return what a test compares: null where there is nothing."""
    found = document if pointer == "" else _read(*_place(document, pointer))
    return None if found is MISSING else found


def _replaced(document: Any, pointer: str, value: Any) -> Any:  # noqa: ANN401
    if pointer == "":
        if not isinstance(value, (dict, list)):
            raise ValueError("a document is an object or a list")
        return value
    holder, step = _place(document, pointer)
    if isinstance(holder, dict):
        # The server's library does not insist that the field of an object be there; only that its parent is.
        holder[step] = value
    else:
        holder[_index(step, len(holder))] = value
    return document


def _add(document: Any, pointer: str, value: object) -> None:  # noqa: ANN401
    holder, step = _place(document, pointer)
    if isinstance(holder, dict):
        holder[step] = value
    elif step == "-":
        holder.append(value)
    else:
        holder.insert(_index(step, len(holder) + 1), value)


def _remove(document: Any, pointer: str) -> None:  # noqa: ANN401
    holder, step = _place(document, pointer)
    if isinstance(holder, dict):
        del holder[step]
    else:
        del holder[_index(step, len(holder))]
