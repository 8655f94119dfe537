"""Many workers behind the contract: who serves what, and what happens when one dies.

What does not live here: what an outcome is (`outcomes`), what a worker is (`workers`).
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Self

from codeio_assets.core.values.canonical import Json
from codeio_assets.sandbox import cgroups
from codeio_assets.sandbox.contract import Job, Limits, Outcome, SandboxUnavailable
from codeio_assets.sandbox.cores import usable_cores
from codeio_assets.sandbox.interpreters import Interpreter, own_interpreter
from codeio_assets.sandbox.outcomes import judge
from codeio_assets.sandbox.preloading import worker_kind
from codeio_assets.sandbox.protocol import Request, WorkerDied, pack_request
from codeio_assets.sandbox.workers import IsolationName, Process, Worker, WorkerKey, start_worker

STOP_S = 5.0
IDLE_WORKERS_PER_SLOT = 4
JOBS_AHEAD_PER_SLOT = 3
RETRY_PAUSE_S = 0.2
MAX_PROGRAM_CHARACTERS = 1 << 20
MAX_ARGUMENT_CHARACTERS = 16 << 20
_CLOSED = "the sandbox is closed"
_ABANDONED = "nobody waits for this job any more"
_NO_CLOCK = (
    "no clock can be set in the sandbox here, so nobody would see what depends on the date: this machine lets no "
    "process change its own code (SELinux: `setsebool -P selinuxuser_execmod 1`)"
)
_NAMES = {"bubblewrap": "bubblewrap+seccomp", "none": "none"}


class WorkerPool:
    """The sandbox: at most `workers` leaves run at the same time, in workers that are started when first needed."""

    def __init__(
        self, limits: Limits, workers: int, isolation: IsolationName, python: Interpreter | None = None
    ) -> None:
        self._limits, self._workers = limits, workers
        self._python = python or own_interpreter()
        self._isolation: IsolationName = isolation
        self._slots = threading.BoundedSemaphore(workers)
        self._lock = threading.Lock()
        self._idle: list[tuple[WorkerKey, Worker]] = []
        self._busy: set[Worker] = set()
        self._closed = False
        self._retries = 0
        self._launcher = ThreadPoolExecutor(1, "sandbox-launcher")
        place = cgroups.place() if isolation == "bubblewrap" else ""
        self._groups = place if isinstance(place, Path) else None
        if self._groups is not None:
            cgroups.remove_left(self._groups)

    @property
    def isolation(self) -> str:
        """Level in force, for people."""
        return _NAMES[self._isolation] + "+cgroup" * (self._groups is not None)

    @property
    def workers(self) -> int:
        """How many leaves run at the same time."""
        return self._workers

    @property
    def retries(self) -> int:
        """How often a request was repeated because the machine was at fault."""
        return self._retries

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def warm(self, *keys: WorkerKey) -> None:
        """Have an idle worker for each of the keys, which may repeat, ahead of the first job.

        Raises:
            SandboxUnavailable: one could not be started.
        """
        taken: list[tuple[WorkerKey, Worker]] = []
        try:
            for key in keys:
                taken.append((key, self._take(key)))
        finally:
            for key, worker in taken:
                self._give_back(key, worker)

    def run(self, job: Job) -> list[Outcome]:
        """Run one job and return its outcomes, as `Sandbox.run` describes.

        Raises:
            SandboxUnavailable: no worker could be started, or the sandbox is closed.
        """
        return self._run(job, threading.Event())

    def _run(self, job: Job, abandoned: threading.Event) -> list[Outcome]:
        refusal = _refusal(job)
        if refusal is not None:
            return [refusal] * (job.draws or len(job.calls))
        calls = [_arguments(text) for text in job.calls or ("{}",) * job.draws]
        sound = [call for call in calls if not isinstance(call, Outcome)]
        with self._slots:
            outcomes = iter(self._run_calls(job, sound, abandoned))
            return [call if isinstance(call, Outcome) else next(outcomes) for call in calls]

    def _run_calls(self, job: Job, calls: list[dict[str, Json]], abandoned: threading.Event) -> list[Outcome]:
        key = WorkerKey(worker_kind(job.code), job.variant.hash_seed, job.variant.elsewhere)
        size = len(calls) if job.draws or job.together else 1
        outcomes: list[Outcome] = []
        bytecode = b""
        for first in range(0, len(calls), max(size, 1)):
            group = calls[first : first + size]
            keep = first == 0 and len(calls) > size
            try:
                request = pack_request(job, self._limits, group, first=job.first + first, bytecode=bytecode, keep=keep)
            except ValueError as error:
                outcomes += [_malformed(error)] * len(group)
                continue
            got, given = self._attempt(key, request, abandoned)
            outcomes += got
            bytecode = bytecode or given
        return outcomes

    def run_many(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, list[Outcome]]]:
        """Run jobs over all workers and yield each as it ends, reading only a few jobs ahead.

        Whoever stops before the end, by an interrupt for one, waits for no call that is still running.
        """
        abandoned = threading.Event()
        waiting: dict[Future[list[Outcome]], Job] = {}
        done: SimpleQueue[Future[list[Outcome]]] = SimpleQueue()
        threads = ThreadPoolExecutor(self._workers, "sandbox")
        try:
            for job in jobs:
                future = threads.submit(self._run, job, abandoned)
                waiting[future] = job
                future.add_done_callback(done.put)
                if len(waiting) >= self._workers * JOBS_AHEAD_PER_SLOT:
                    future = _next(done)
                    yield waiting.pop(future), future.result()
            while waiting:
                future = _next(done)
                yield waiting.pop(future), future.result()
        finally:
            if waiting:
                abandoned.set()
                self._kill_busy()
            threads.shutdown(wait=True, cancel_futures=True)

    def close(self) -> None:
        """Stop the workers, those in the middle of a call too. A closed sandbox starts no more."""
        with self._lock:
            self._closed = True
            workers = [worker for _, worker in self._idle]
            self._idle.clear()
        for worker in workers:
            worker.ask_to_stop()
        for worker in workers:
            worker.stop(STOP_S)
        self._kill_busy()
        self._launcher.shutdown()

    def _kill_busy(self) -> None:
        with self._lock:
            for worker in self._busy:
                worker.kill()

    def _attempt(self, key: WorkerKey, request: Request, abandoned: threading.Event) -> tuple[list[Outcome], bytes]:
        if abandoned.is_set():
            raise SandboxUnavailable(_ABANDONED)
        outcomes, given = self._exchange(key, request, abandoned, fresh=False)
        if not abandoned.is_set() and any(outcome.status == "infrastructure" for outcome in outcomes):
            with self._lock:
                self._retries += 1
            time.sleep(RETRY_PAUSE_S)
            again, given = self._exchange(key, request, abandoned, fresh=True)
            outcomes = [replace(outcome, attempts=2) for outcome in again]
        return outcomes, given

    def _exchange(
        self, key: WorkerKey, request: Request, abandoned: threading.Event, *, fresh: bool
    ) -> tuple[list[Outcome], bytes]:
        worker = self._take(key, fresh=fresh)
        if abandoned.is_set():  # while the worker started, so that nobody killed it
            self._discard(worker)
            raise SandboxUnavailable(_ABANDONED)
        if request.sets_clock and not worker.moves_clock:
            self._discard(worker)
            raise SandboxUnavailable(_NO_CLOCK)
        try:
            stream, ending = worker.exchange(request)
        except WorkerDied as death:
            self._discard(worker)
            return [Outcome("infrastructure", message=f"worker: {death}")] * request.turns, b""
        except BaseException:  # an interrupt: the worker's state is unknown
            self._discard(worker)
            raise
        outcomes, given = judge(request, stream, ending, self._limits)
        if outcomes[-1].status == "infrastructure" and worker.ran_out_of_memory():
            self._discard(worker)
            return [_blame_memory(outcome) for outcome in outcomes], given
        if ending.must_replace_worker or any(outcome.status == "infrastructure" for outcome in outcomes):
            self._discard(worker)
        else:
            self._give_back(key, worker)
        return outcomes, given

    def _take(self, key: WorkerKey, *, fresh: bool = False) -> Worker:
        with self._lock:
            if self._closed:
                raise SandboxUnavailable(_CLOSED)
            places = [place for place, (idle, _) in enumerate(self._idle) if idle == key]
            if places and not fresh:
                worker = self._idle.pop(places[-1])[1]
                self._busy.add(worker)
                return worker
        worker = start_worker(
            self._isolation, key, self._limits, self._python, launch=self._launch, groups=self._groups
        )
        with self._lock:
            if not self._closed:
                self._busy.add(worker)
                return worker
        worker.stop()
        raise SandboxUnavailable(_CLOSED)

    def _launch(self, start: Callable[[], Process]) -> Process:
        try:
            return self._launcher.submit(start).result()
        except RuntimeError as error:  # the launcher is shut down
            raise SandboxUnavailable(_CLOSED) from error

    def _give_back(self, key: WorkerKey, worker: Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
            self._idle.append((key, worker))
            too_many = len(self._idle) - self._workers * IDLE_WORKERS_PER_SLOT
            oldest = [self._idle.pop(0)[1] for _ in range(max(too_many, 0))]
            if self._closed:
                oldest += [idle for _, idle in self._idle]
                self._idle.clear()
        for leaving in oldest:
            leaving.stop(STOP_S)

    def _discard(self, worker: Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
        worker.stop()


def _blame_memory(outcome: Outcome) -> Outcome:
    return replace(outcome, status="out_of_memory", message=None) if outcome.status == "infrastructure" else outcome


def _next(done: SimpleQueue[Future[list[Outcome]]]) -> Future[list[Outcome]]:
    """Wait for the next job that ends; awake twice a second, for a signal may reach and wake another thread only."""
    while True:
        with suppress(Empty):
            return done.get(timeout=0.5)


def default_workers() -> int:
    """Return how many leaves fill what we may use of this machine: one per core, within a container's quota."""
    return usable_cores()


def _arguments(text: str) -> dict[str, Json] | Outcome:
    """Return the keyword arguments of one call, or the outcome of a text that is no JSON object."""
    try:
        arguments: Json = json.loads(text)
        if not isinstance(arguments, dict):
            raise ValueError(f"a JSON object is needed, and it is of type {type(arguments).__name__}")
    except (ValueError, RecursionError) as error:
        return _malformed(error)
    return arguments


def _malformed(error: Exception) -> Outcome:
    return Outcome("exception", error_type="MalformedArguments", message=str(error))


def _refusal(job: Job) -> Outcome | None:
    """Return the outcome of a job that is too large to be sent inside, or None."""
    if len(job.code) > MAX_PROGRAM_CHARACTERS:
        message = f"the program has {len(job.code)} characters; {MAX_PROGRAM_CHARACTERS} are allowed"
        return Outcome("exception", error_type="ProgramTooLarge", message=message)
    if any(len(arguments) > MAX_ARGUMENT_CHARACTERS for arguments in job.calls):
        message = f"a call's arguments have more than {MAX_ARGUMENT_CHARACTERS} characters"
        return Outcome("exception", error_type="ArgumentsTooLarge", message=message)
    return None
