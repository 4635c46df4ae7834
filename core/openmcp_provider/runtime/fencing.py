"""Writes only while it is this process's turn, by the clock: also right after the process was frozen."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from openmcp_provider.ports import Cluster, Unavailable
from openmcp_provider.runtime.around import Around, Call

__all__ = ["Fenced"]

T = TypeVar("T")


class Fenced(Around):
    """Passes reads on always, writes only while that is allowed.

    Args:
        cluster: What carries the calls out.
        allowed: Whether this process may write now.
    """

    def __init__(self, cluster: Cluster, allowed: Callable[[], bool]) -> None:
        super().__init__(cluster)
        self._allowed = allowed

    async def around(self, call: Call, carry_out: Callable[[Cluster], Awaitable[T]]) -> T:
        """Carry a call out.

        Raises:
            Unavailable: it would write, and this process may not.
        """
        if call.writes and not self._allowed():
            raise Unavailable("not sent: this process does not lead any more")
        return await carry_out(self.cluster)
