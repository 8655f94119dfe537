"""Running a function on many items in processes that are given up when an item takes too much time or memory.

What lives here: a pool whose results come in the order of the items, with None for an item that ended its process or
took too long. The time is CPU time, so that a busy machine changes no result; wall time is the backstop. What does not:
what the function does, and programs that nobody trusts (`sandbox`), from which this protects nothing but time and
memory.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

WALL_FACTOR: Final = 10
"""How much longer than its CPU time an item may wait for the processor, or sleep."""
WINDOW: Final = 64
"""Items per process that are held at a time to bring results back into the order of the input."""


@dataclass(frozen=True, slots=True)
class ItemLimits:
    """What one item may use: CPU seconds, and the process's address space in MiB."""

    cpu_s: float = 20.0
    memory_mib: int = 8_192


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    item: int | None = None
    deadline: float = 0.0


class GuardedPool(Generic[_Item, _Result]):
    """Processes that run one function; a context manager.

    The function and its items are pickled: it is a function of a module. What it raises counts as no result.
    """

    def __init__(self, function: Callable[[_Item], _Result], workers: int, limits: ItemLimits | None = None) -> None:
        self._function = function
        self._limits = limits or ItemLimits()
        self._n_workers = workers
        self._context = multiprocessing.get_context("forkserver")
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def map(self, items: Iterable[_Item]) -> Iterator[_Result | None]:
        """Yield the result of each item in order; None where there is none."""
        source = enumerate(items)
        waiting: deque[tuple[int, _Item]] = deque()
        results: dict[int, _Result | None] = {}
        following, is_done = 0, False
        while not is_done or waiting or any(worker.item is not None for worker in self._workers) or results:
            while not is_done and len(waiting) + len(results) < WINDOW * self._n_workers:
                try:
                    waiting.append(next(source))
                except StopIteration:
                    is_done = True
            self._hand_out(waiting)
            self._collect(results)
            while following in results:
                yield results.pop(following)
                following += 1

    def _hand_out(self, waiting: deque[tuple[int, _Item]]) -> None:
        """Give each idle process an item, starting processes as they are needed."""
        while waiting and len(self._workers) < self._n_workers:
            self._workers.append(self._start())
        for worker in self._workers:
            if worker.item is None and waiting:
                worker.item, item = waiting.popleft()
                worker.deadline = time.monotonic() + self._limits.cpu_s * WALL_FACTOR
                worker.pipe.send(item)

    def _collect(self, results: dict[int, _Result | None]) -> None:
        """Wait for the first results, and replace the processes that ended or are over their time."""
        busy = {worker.pipe: worker for worker in self._workers if worker.item is not None}
        if not busy:
            return
        now = time.monotonic()
        ready = wait(list(busy), timeout=max(0.0, min(worker.deadline for worker in busy.values()) - now))
        for pipe, worker in busy.items():
            if pipe in ready or time.monotonic() >= worker.deadline:
                number = worker.item
                result = self._receive(worker) if pipe in ready else self._give_up(worker)
                if number is not None:
                    results[number] = result

    def _receive(self, worker: _Worker) -> _Result | None:
        try:
            result: _Result | None = worker.pipe.recv()
        except (EOFError, OSError):
            return self._give_up(worker)
        worker.item = None
        return result

    def _give_up(self, worker: _Worker) -> None:
        _end(worker)
        self._workers.remove(worker)

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._function, self._limits), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            _end(worker)
        self._workers.clear()


def _end(worker: _Worker) -> None:
    worker.pipe.close()
    worker.process.kill()
    worker.process.join()


def _serve(pipe: Connection, function: Callable[[Any], Any], limits: ItemLimits) -> None:
    """Answer items until the pipe closes. A CPU timer ends the process, as no exception could be held back."""
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    memory = limits.memory_mib << 20
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    with contextlib.suppress(EOFError, OSError), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):  # noqa: PTH123
        while True:
            item = pipe.recv()
            signal.setitimer(signal.ITIMER_PROF, limits.cpu_s)
            try:
                result = function(item)
            except Exception:  # a pool that must go on with the next item
                result = None
            signal.setitimer(signal.ITIMER_PROF, 0)
            pipe.send(result)
