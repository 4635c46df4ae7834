"""The garbage collector and the end of namespaces, on clusters in memory: steps due a while after a deletion."""

import asyncio

from openmcp_adapters.emulation.memory_world import MemoryWorld
from openmcp_adapters.emulation.traffic import Link

__all__ = ["GarbageCollector"]


class GarbageCollector:
    """Cleans up a cluster a while after something was deleted there, once for all that was deleted meanwhile.

    It makes no requests, and does nothing while nothing is deleted.
    """

    def __init__(self, world: MemoryWorld) -> None:
        self._world = world
        self._due: dict[str, asyncio.TimerHandle] = {}
        self.running = False

    def start(self) -> None:
        """Begin, with a look at every cluster."""
        self.running = True
        for link in self._world.links.values():
            self.notice(link)

    def stop(self) -> None:
        """Do nothing any more."""
        self.running = False
        for timer in self._due.values():
            timer.cancel()
        self._due.clear()

    def notice(self, link: Link) -> None:
        """Be told that something was deleted on a cluster."""
        if self.running and link.name not in self._due:
            loop = asyncio.get_running_loop()
            self._due[link.name] = loop.call_later(self._world.delays.garbage, self._clean, link)

    def _clean(self, link: Link) -> None:
        del self._due[link.name]
        if link.memory is None:
            return
        before = -1
        while before != (before := link.memory.finish_namespaces()) or link.memory.collect_garbage():
            pass
