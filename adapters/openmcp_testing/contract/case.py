"""What a case of the contract is, and what it needs to run anywhere."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import NamedTuple, Protocol, TypeVar

from openmcp_provider.domain.errors import PortError
from openmcp_provider.domain.objects import Json
from openmcp_provider.ports import Cluster, Resource

__all__ = ["Broken", "Case", "Cases", "Fault", "Harness", "equal", "holds", "refused"]

_DEADLINE = 60.0

Failure = TypeVar("Failure", bound=PortError)


class Broken(AssertionError):
    """A rule of the port does not hold."""


class Fault(Enum):
    """What a server does only under force; a harness brings it about, the value says what."""

    TOO_MANY_REQUESTS = "every request is answered 429 with Retry-After: 7"
    SERVER_ERROR = "every request is answered 500 and not carried out"
    UNAUTHORIZED = "every request is answered 401"
    UNREACHABLE = "no connection can be made"
    LOST_ANSWER = "every request is carried out, but no answer arrives"
    OLD_VERSIONS = "watches from any version handed out so far are answered 410"
    OLD_TOKENS = "all continue tokens handed out so far have expired"
    WATCH_EXPIRES = "running watches get an ERROR event 410"
    WATCH_BREAKS = "the connections of running watches break in the middle"
    WATCH_ENDS = "the server ends running watches cleanly"
    BOOKMARK = "the server sends running watches a bookmark"


class Harness(Protocol):
    """Where a case runs."""

    @property
    def cluster(self) -> Cluster:
        """The adapter under test, with all rights on a server that runs no controllers of interest."""

    @property
    def namespace(self) -> str:
        """A namespace that is this case's own, and empty but for what controllers put into every namespace."""

    async def another_namespace(self) -> str:
        """Make one more namespace of that sort and return its name."""

    async def crd(self, manifest: Json) -> Resource:
        """Serve a kind and return its storage version; wait until discovery shows it. May be asked for again."""

    async def another_second(self) -> None:
        """Return when the server's clock shows another second than before."""

    def provoke(self, fault: Fault) -> AbstractAsyncContextManager[None]:
        """Let a fault happen; it is there when the context has begun, and over when it has ended."""


class Case(NamedTuple):
    """One rule of the port.

    Attributes:
        name: Short, of lower case letters and dashes.
        rule: The rule, one sentence.
        play: Shows it; raises `Broken` where it does not hold.
    """

    name: str
    rule: str
    play: Callable[[Harness], Awaitable[None]]

    async def run(self, harness: Harness) -> None:
        """Show that the rule holds.

        Raises:
            Broken: it does not.
        """
        try:
            async with asyncio.timeout(_DEADLINE):
                await self.play(harness)
        except TimeoutError:
            raise Broken(f"{self.rule} Nothing happened for {_DEADLINE:.0f} seconds.") from None
        except PortError as error:
            raise Broken(f"{self.rule} It failed with {error.reason}: {error}") from error


class Cases(list[Case]):
    """A module's cases, in the order of their definition."""

    def rule(self, play: Callable[[Harness], Awaitable[None]]) -> Callable[[Harness], Awaitable[None]]:
        """Add the decorated coroutine function: its name names the case, its docstring's first line is the rule."""
        self.append(
            Case(play.__name__.replace("_", "-"), inspect.cleandoc(play.__doc__ or "").partition("\n")[0], play)
        )
        return play


def equal(expected: object, actual: object, what: str = "") -> None:
    """Hold a case to a value.

    Raises:
        Broken: the values differ.
    """
    if expected != actual:
        raise Broken(f"{what + ': ' if what else ''}expected {expected!r}, got {actual!r}")


def holds(truth: object, what: str) -> None:
    """Hold a case to a fact.

    Raises:
        Broken: it is none.
    """
    if not truth:
        raise Broken(what)


async def refused(error: type[Failure], call: Awaitable[object]) -> Failure:
    """Hold a case to a call's failure, and return the error.

    Raises:
        Broken: the call succeeds, or fails otherwise.
    """
    try:
        answer = await call
    except PortError as found:
        if type(found) is error:
            return found
        raise Broken(f"expected {error.__name__}, got {found.reason}: {found}") from found
    raise Broken(f"expected {error.__name__}, got the answer {answer!r}")
