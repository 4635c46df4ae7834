"""JSON patch (RFC 6902) and JSON merge patch (RFC 7396)."""

from collections.abc import Sequence
from typing import Any

from openmcp_adapters.memory.values import MISSING, clone, same
from openmcp_provider.domain.errors import Invalid

__all__ = ["json_patch", "merge_patch"]


def merge_patch(target: Any, patch: Any) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return `target` with the patch laid over it: null removes, objects merge, all else replaces."""
    if not isinstance(patch, dict):
        return clone(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(document: Any, operations: Any) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Return `document` after all operations.

    Raises:
        Invalid: one of them cannot be done, or a test failed; then none is.
    """
    if not isinstance(operations, list):
        raise Invalid("a JSON patch is a list of operations")
    holder = [clone(document)]
    for at, operation in enumerate(operations):
        try:
            _operate(holder, operation)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            op, path = (operation.get(key) for key in ("op", "path")) if isinstance(operation, dict) else ("", "")
            raise Invalid(f"the JSON patch failed at operation {at}: {op} {path}: {error}") from None
    return holder[0]


def _operate(holder: list[Any], operation: dict[str, Any]) -> None:
    op, path = operation["op"], _pointer(operation["path"])
    if op == "test":
        found = _get(holder, path)
        wanted = operation.get("value")
        if not same(None if found is MISSING else found, wanted):
            raise ValueError("the test failed")
    elif op == "remove":
        _remove(holder, path)
    elif op == "add":
        _add(holder, path, clone(operation["value"]))
    elif op == "replace":
        # The server's library does not insist that the field of an object be there; only that its parent is.
        _put(holder, path, clone(operation["value"]))
    elif op in {"move", "copy"}:
        source = _pointer(operation["from"])
        value = _get(holder, source)
        if value is MISSING:
            raise KeyError("there is nothing at from")
        if op == "move":
            _remove(holder, source)
        _add(holder, path, clone(value))
    else:
        raise ValueError("there is no such operation")


def _pointer(text: str) -> list[str]:
    """Return the steps of a JSON pointer, the root's place in the holder first."""
    if text and not text.startswith("/"):
        raise ValueError("a JSON pointer begins with /")
    return ["0", *(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])]


def _index(step: str, items: Sequence[Any]) -> int:
    at = int(step)
    if not 0 <= at < len(items):
        raise IndexError("there is no such item")
    return at


def _get(value: Any, path: list[str]) -> Any:  # noqa: ANN401 - JSON has no narrower type
    for step in path:
        if isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list):
            value = value[_index(step, value)]
        else:
            return MISSING
    return value


def _parent(holder: list[Any], path: list[str]) -> Any:  # noqa: ANN401 - JSON has no narrower type
    found = _get(holder, path[:-1])
    if not isinstance(found, (dict, list)):
        raise KeyError("there is nothing above it")
    return found


def _add(holder: list[Any], path: list[str], value: object) -> None:
    if len(path) == 1:
        holder[0] = value
        return
    parent, step = _parent(holder, path), path[-1]
    if isinstance(parent, dict):
        parent[step] = value
    elif step == "-" or int(step) == len(parent):
        parent.append(value)
    else:
        parent.insert(_index(step, parent), value)


def _put(holder: list[Any], path: list[str], value: object) -> None:
    parent, step = _parent(holder, path), path[-1]
    if isinstance(parent, dict):
        parent[step] = value
    else:
        parent[_index(step, parent)] = value


def _remove(holder: list[Any], path: list[str]) -> None:
    parent, step = _parent(holder, path), path[-1]
    if isinstance(parent, dict):
        del parent[step]
    else:
        del parent[_index(step, parent)]
