"""How much of an answer is believed. A tenant is admin of its cluster: what that answers is bounded before it is read.

The figures: an API server takes no request above 3 MiB, so no object is larger. Parsing holds the event loop, for at
most a third of a microsecond a value, so that 60,000 values hold it for 20 milliseconds; definitions with their
managedFields, the largest objects that anybody writes, have fewer.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from openmcp_adapters.rest.transport import Answer
from openmcp_provider.domain.errors import ServerError

__all__ = ["Limits", "TooLarge", "parsed", "whole"]

_DEEPEST = 100
_FEW = 1000  # values: fewer cannot nest deeply enough to harm, nor take long


class TooLarge(ServerError):
    """An answer was larger than it may be; a smaller page may fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one answer may cost.

    Attributes:
        size: Bytes.
        values: Values in its JSON, as far as brackets, commas and colons tell.
        large: Bytes above which an answer waits for one of the places of `places`.
        places: How many large answers are read at once, by all clients that share this value: so the memory that they
            take is bounded by the process and not by the number of tenants.
        seconds: How long a large answer may take in its place: whoever is slow must not keep others waiting.
    """

    size: int = 4 << 20
    values: int = 60_000
    large: int = 256 << 10
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))
    seconds: float = 5.0


async def whole(answer: Answer, limits: Limits | None, stack: AsyncExitStack) -> bytes:
    """Return the body of an answer.

    Args:
        answer: The answer.
        limits: What it may cost; None = whatever it costs.
        stack: Keeps the place of a large answer until that is parsed.

    Raises:
        TooLarge: it is larger than that; the rest is not read.
        ServerError: it is large and slow.
    """
    if limits is None:
        return b"".join([piece async for piece in answer.chunks])
    pieces: list[bytes] = []
    size = 0
    deadline = asyncio.timeout(None)
    try:
        async with deadline:
            async for piece in answer.chunks:
                pieces.append(piece)
                size += len(piece)
                if size > limits.size:
                    raise TooLarge(f"the answer is larger than {limits.size >> 20} MiB")
                if size > limits.large and deadline.when() is None:
                    await stack.enter_async_context(limits.places)
                    deadline.reschedule(asyncio.get_running_loop().time() + limits.seconds)
    except TimeoutError:
        if not deadline.expired():  # the client's own, about a server that went silent
            raise
        raise ServerError(f"the answer took more than {limits.seconds:g} seconds") from None
    return b"".join(pieces)


def parsed(body: bytes, limits: Limits | None) -> Any:  # noqa: ANN401 - any JSON
    """Return what a body says.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply.
        TooLarge: it has more values than it may have.
    """
    if limits is None:
        return json.loads(body)
    values = sum(body.count(sign) for sign in (b"[", b"{", b",", b":"))
    if values > limits.values:
        raise TooLarge(f"the answer has more than {limits.values:,} values")
    found = json.loads(body)
    if values > _FEW and _deep(found):
        raise RecursionError
    return found


def _deep(value: object) -> bool:
    """Tell whether a value is nested more deeply than objects are."""
    level: list[object] = [value]
    for _ in range(_DEEPEST):
        level = [below for item in level for below in _below(item)]
        if not level:
            return False
    return True


def _below(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, list):
        yield from value
