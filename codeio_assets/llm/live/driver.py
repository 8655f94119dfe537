"""Running a coroutine to its end from synchronous code, whatever thread or loop the caller has.

What lives here: an event loop in a thread of its own, progress handed back to the caller's thread,
cancellation when the caller is interrupted. In the caller's own thread a signal handler that raises
(Ctrl-C, Dagster's termination) could fire inside a callback of the loop, which would swallow it.
What does not: what the coroutine does (`client`).
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")
P = TypeVar("P")

Report = Callable[[P], None]


class _Finished:
    """Put on the queue of reports when the coroutine has ended."""


def run_to_end(
    work: Callable[[Report[P]], Coroutine[object, object, T]], on_progress: Callable[[P], None] | None = None
) -> T:
    """Run `work(report)` in a thread of its own and return its result.

    What it reports reaches `on_progress` in the caller's thread; when reports come faster than they are
    handled, only the newest is passed on. When the caller is interrupted, or `on_progress` raises, the
    work is cancelled and awaited before the exception goes on.
    """
    reports: SimpleQueue[P | _Finished] = SimpleQueue()
    runner = _Runner(lambda: work(reports.put), on_end=lambda: reports.put(_Finished()))
    runner.start()
    try:
        while not isinstance(report := _newest(reports), _Finished):
            if on_progress:
                on_progress(report)
    except BaseException:
        runner.cancel()
        raise
    finally:
        runner.join()
    return runner.result.result()


class _Runner(threading.Thread, Generic[T]):
    """The thread with the loop; `result` is done when it ends."""

    def __init__(self, work: Callable[[], Coroutine[object, object, T]], on_end: Callable[[], None]) -> None:
        super().__init__(name="llm-driver")
        self.result: Future[T] = Future()
        self._work = work
        self._on_end = on_end
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[T] | None = None
        self._cancelled = False

    def run(self) -> None:
        try:
            self.result.set_result(asyncio.run(self._main()))
        except BaseException as error:
            self.result.set_exception(error)
        finally:
            self._on_end()

    def cancel(self) -> None:
        """Cancel the work, whether it has started or not."""
        with self._lock:
            self._cancelled = True
            if self._loop is not None and self._task is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._task.cancel)

    async def _main(self) -> T:
        with self._lock:
            if self._cancelled:
                raise asyncio.CancelledError
            self._loop, self._task = asyncio.get_running_loop(), asyncio.ensure_future(self._work())
        return await self._task


def _newest(reports: "SimpleQueue[P | _Finished]") -> P | _Finished:
    """Wait for a report; skip to the newest, but hand over the last one before the end."""
    report = reports.get()
    while not isinstance(report, _Finished):
        try:
            following = reports.get_nowait()
        except Empty:
            return report
        if isinstance(following, _Finished):
            reports.put(following)
            return report
        report = following
    return report
