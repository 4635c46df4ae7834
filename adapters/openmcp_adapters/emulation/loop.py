"""An event loop in which no time passes but what is waited for, and in which a seed decides the order of everything.

When nothing is ready, the clock jumps to the next timer. Handles run in the order in which they became ready, as in any
event loop; timers that are due at the very same moment run in an order that the seed decides, since there asyncio
promises none. With seeded latencies of requests each seed gets its own interleaving, and equal seeds the same one.
"""

import asyncio
import heapq
import itertools
import logging
import random
import sys
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack

from openmcp_adapters.emulation.clock import START, SeededRandomness, VirtualClock

__all__ = ["START", "BusyLoop", "Deadlock", "SeededRandomness", "VirtualClock", "VirtualLoop", "run"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

if TYPE_CHECKING:  # type checkers want every method of an AbstractEventLoop, though none of them is abstract
    _Base = asyncio.BaseEventLoop
else:
    _Base = asyncio.AbstractEventLoop

_SWEEP_FROM = 256  # cancelled timers
_MOST_AT_ONCE = 5_000_000  # handles between two moments


class Deadlock(RuntimeError):
    """Nothing is ready and nothing ever will be, while somebody still waits."""


class BusyLoop(RuntimeError):
    """Time stands still because something runs again and again without waiting."""


class VirtualLoop(_Base):
    """An event loop with virtual time, without sockets, threads and processes.

    What asks for one of those gets NotImplementedError.

    Args:
        seed: Decides the order of timers that are due at the same moment.

    Attributes:
        unhandled: What was raised where nobody could catch it.
    """

    def __init__(self, seed: int = 0) -> None:
        self.unhandled: list[BaseException] = []
        self._random = random.Random(f"{seed}/loop")  # noqa: S311 - no secret depends on it
        self._time = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, float, int, asyncio.TimerHandle]] = []
        self._cancelled = 0
        self._numbers = itertools.count(1)
        self._tasks: weakref.WeakValueDictionary[int, asyncio.Task[Any]] = weakref.WeakValueDictionary()
        self._generators: weakref.WeakValueDictionary[int, AsyncGenerator[Any, Any]] = weakref.WeakValueDictionary()
        self._running = False
        self._stopping = False
        self._closed = False
        self._handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None
        self._factory: Any = None

    # --- time

    def time(self) -> float:
        """Return the virtual seconds since the loop began."""
        return self._time

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback after all that is ready now."""
        self._check_open()
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Do the same: there is one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback after so many virtual seconds."""
        return self.call_at(self._time + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback at a virtual time."""
        self._check_open()
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, self._random.random(), next(self._numbers), timer))
        timer._scheduled = True  # type: ignore[attr-defined]  # noqa: SLF001 - has the timer report its cancellation
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Count cancelled timers, and sweep them out once they are many: asyncio calls this."""
        self._cancelled += 1
        if self._cancelled > _SWEEP_FROM and self._cancelled * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if not entry[3].cancelled()]
            heapq.heapify(self._timers)
            self._cancelled = 0

    # --- running

    def run_forever(self) -> None:
        """Run until `stop` is called.

        Raises:
            Deadlock: nothing is ready, and there is no timer.
            BusyLoop: time does not go on.
        """
        self._check_open()
        if self._running:
            raise RuntimeError("this event loop is already running")
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._on_generator, finalizer=self._on_lost_generator)
        asyncio._set_running_loop(self)  # noqa: SLF001 - made for authors of event loops
        self._running = True
        try:
            self._run()
        finally:
            self._running = self._stopping = False
            asyncio._set_running_loop(None)  # noqa: SLF001
            sys.set_asyncgen_hooks(*hooks)

    def _run(self) -> None:
        ready, count = self._ready, 0
        while not self._stopping:
            if not ready:
                self._advance()
                count = 0
            count += 1
            if count > _MOST_AT_ONCE:
                raise BusyLoop(f"{count} handles ran at second {self._time}; one of: {', '.join(self._waiting())}")
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()  # noqa: SLF001 - what an event loop is for

    def _advance(self) -> None:
        """Jump to the next timer, and make ready all that are due then."""
        timers = self._timers
        while timers and timers[0][3].cancelled():
            heapq.heappop(timers)
            self._cancelled -= 1
        if not timers:
            raise Deadlock("nothing is ready and no timer runs; waiting: " + (", ".join(self._waiting()) or "nobody"))
        self._time = max(self._time, timers[0][0])
        while timers and timers[0][0] <= self._time:
            timer = heapq.heappop(timers)[3]
            timer._scheduled = False  # type: ignore[attr-defined]  # noqa: SLF001
            if timer.cancelled():
                self._cancelled -= 1
            else:
                self._ready.append(timer)

    def _waiting(self) -> list[str]:
        """Return each unfinished task in words, in the order in which they were made."""
        told = []
        for task in self.tasks():
            frames = task.get_stack(limit=1)
            where = f" at {frames[-1].f_code.co_filename}:{frames[-1].f_lineno}" if frames else ""
            told.append(f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')}{where})")
        return told

    def run_until_complete(self, future: Any) -> Any:  # noqa: ANN401 - as asyncio has it
        """Run until a future is done, and return its result."""
        self._check_open()
        task = asyncio.ensure_future(future, loop=self)
        task.add_done_callback(self._on_complete)
        try:
            self.run_forever()
        finally:
            task.remove_done_callback(self._on_complete)
        if not task.done():
            raise RuntimeError("the event loop was stopped before the future was done")
        return task.result()

    def _on_complete(self, _: asyncio.Future[Any]) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop after the handle that runs now."""
        self._stopping = True

    def is_running(self) -> bool:
        """Tell whether it runs."""
        return self._running

    def is_closed(self) -> bool:
        """Tell whether it is closed."""
        return self._closed

    def close(self) -> None:
        """Forget all that is ready or scheduled."""
        if self._running:
            raise RuntimeError("a running event loop cannot be closed")
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("this event loop is closed")

    # --- futures, tasks, generators

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        **options: Any,  # noqa: ANN401 - as asyncio has it
    ) -> asyncio.Task[T]:
        """Start a task. Unlike asyncio's, numbers in names begin with each loop, so that equal runs look equal."""
        self._check_open()
        number = next(self._numbers)
        called = f"task-{number}" if name is None else str(name)
        task: asyncio.Task[T]
        if self._factory is not None:
            task = self._factory(self, coro, **options)
            task.set_name(called)
        else:
            task = asyncio.Task(coro, loop=self, name=called, **options)
        self._tasks[number] = task
        return task

    def tasks(self) -> list[asyncio.Task[Any]]:
        """Return the unfinished tasks in the order in which they were made."""
        return [task for _, task in sorted(self._tasks.items()) if not task.done()]

    def set_task_factory(self, factory: Any) -> None:  # noqa: ANN401 - as asyncio has it
        """Have tasks made by somebody else."""
        self._factory = factory

    def get_task_factory(self) -> Any:  # noqa: ANN401 - as asyncio has it
        """Return who makes tasks."""
        return self._factory

    def _on_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators[next(self._numbers)] = generator

    def _on_lost_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        if not self._closed:
            self.call_soon(self._end_generator, generator)

    def _end_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        async def end() -> None:
            await generator.aclose()

        self._tasks[next(self._numbers)] = self.create_task(end())

    async def shutdown_asyncgens(self) -> None:
        """Close the generators that nobody closed, in the order in which they began."""
        for _, generator in sorted(self._generators.items(), key=lambda entry: entry[0]):
            await generator.aclose()

    async def shutdown_default_executor(self) -> None:
        """Do nothing: there is none."""

    # --- errors

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Hand what nobody caught to the handler, or keep it for `run`."""
        if self._handler is not None:
            self._handler(self, context)
        else:
            self.default_exception_handler(context)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log and keep what nobody caught."""
        error = context.get("exception") or RuntimeError(context.get("message", "unknown"))
        logging.getLogger("asyncio").error("%s: %r", context.get("message"), error)
        self.unhandled.append(error)

    def set_exception_handler(
        self, handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None
    ) -> None:
        """Have what nobody caught handed to a handler."""
        self._handler = handler

    def get_exception_handler(self) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None:
        """Return the handler."""
        return self._handler

    def get_debug(self) -> bool:
        """Return False: asyncio's debug mode looks at the machine's clock."""
        return False

    def set_debug(self, enabled: bool) -> None:  # noqa: FBT001 - as asyncio has it
        """Ignore it, see `get_debug`."""


def run(main: Callable[[], Coroutine[Any, Any, T]], *, seed: int = 0) -> T:
    """Run a coroutine function in a fresh virtual loop, and return what it returns.

    What is still running then is cancelled.

    Raises:
        ExceptionGroup: something was raised where nobody could catch it.
    """
    loop = VirtualLoop(seed)
    try:
        result: T = loop.run_until_complete(main())
    finally:
        try:
            _cancel(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()
    if loop.unhandled:
        raise BaseExceptionGroup("raised where nobody could catch it", loop.unhandled)
    return result


def _cancel(loop: VirtualLoop) -> None:
    """Cancel what still runs, and wait for it."""

    async def wait(tasks: list[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        for task in tasks:
            try:
                await task
            except asyncio.CancelledError:
                continue
            except Exception as error:  # noqa: BLE001 - told by `run`
                loop.unhandled.append(error)

    if tasks := loop.tasks():
        loop.run_until_complete(wait(tasks))
