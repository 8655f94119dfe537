"""Runs programs that nobody trusts, and says what came of each call.

More modules than a room usually has: one per wall (namespaces, system calls, groups, users), so that each can be
checked alone; `open_sandbox` is the way in.

    with open_sandbox(Limits(cpu_s=2)) as sandbox:
        [outcome] = sandbox.run(Job("f", "def main_solution(a): return a + 1", calls=['{"a": 1}']))

Every call runs in a process of its own, forked from a worker that never runs a program itself. Around it, with
`isolation="bubblewrap"`:

* no network, no host files but a read-only Python runtime, none of our variables, no other process in sight, no new
  privileges; a private working directory in memory that is empty at the start of each call;
* system calls from a short list: no new processes, no signals, no sockets, no exec, no change of limits, no lock or
  lease that others feel (locking a file succeeds and does nothing: a call is alone with its files);
* limits on CPU time, wall time, address space, file size, open files, threads and output; with control groups (v2,
  where they are delegated to us) also on memory and processes of a worker together;
* as root, a worker is a user of its own, without rights; else it is us in a user namespace.

An outcome cannot be forged: how a process ended and what it used is told by the worker, the value is parsed within
bounds by the host. Whatever comes out is taken only when asked for, once, in its place: the compiled program, before
any of it has run, and one frame per call. The worker's memory holds nothing of other calls when it forks, and what a
call may change of open files and of the working directory is as before when the next begins.

A program finds what a script finds that is run alone: `__file__`, `sys.argv`, `exit`, its source, a home, /dev/shm,
the interpreter's own limit of recursion. Its arguments have their keys in the order written.

A `Variant` sets seeds, and the clock for all that asks the C library (numpy, pandas, sqlite too). With `elsewhere`,
these facts are different, so that what depends on them shows: host name, user, working directory, home, variables,
locale, time zone; processor count, page size, load, memory and disk size, kernel and machine name; process ids, file
numbers and times, the order and number of directory entries; limits, stack depth, `sys.version`, loaded modules,
`sys.getsizeof`, `id()`, where memory lies and hashes that follow from it.

Not guaranteed:

* A program can return any value and raise any exception of its own by any means, also by writing to the result pipe
  itself; that is its result. What it cannot do is to pass for another call or to see an expected value.
* The kernel is shared: a hole in the kernel's namespaces or in seccomp is a way out. Programs of people who would
  spend such a hole on you belong in a virtual machine.
* CPU caches and timing are shared between calls, so that side channels are open; so are counters of the kernel that
  only grow: process ids and file numbers tell a later call of the same worker how much there was before.
* A program that calls the kernel itself (`ctypes`) can set the time of last change of a shared device to now.
* The working directory is limited in size and not in the number of empty files, of which CPU time allows a program to
  make some hundred thousand; they are gone with its call.
* A busy machine: a call that wants to work and gets no CPU has up to ten times its wall limit.
* Seeds, clocks and facts of a `Variant` are an aid to reproducible results, and a program can undo them. `elsewhere`
  does not change the operating system, the byte order, the minor version of Python and of packages, what processors
  make of the last digits of floating-point numbers, and what is asked of the kernel past Python's own functions
  (`posix`, `ctypes`).
* Clocks that measure (`perf_counter`) and files show real time where no leap and no `elsewhere` is asked for.
* `isolation="none"` keeps the limits and the process per call, and nothing else: a program can read and write what you
  can, and may leave processes behind.

`codeio check-isolation` tries what this machine gives of it.
"""

from codeio_assets.sandbox.contract import (
    STATUSES,
    Job,
    Limits,
    Outcome,
    OutcomeStatus,
    Sandbox,
    SandboxUnavailable,
    Variant,
)
from codeio_assets.sandbox.interpreters import Interpreter, find_interpreter
from codeio_assets.sandbox.pool import WorkerPool, default_workers
from codeio_assets.sandbox.workers import IsolationName, WorkerKey

__all__ = [
    "STATUSES",
    "Interpreter",
    "Job",
    "Limits",
    "Outcome",
    "OutcomeStatus",
    "Sandbox",
    "SandboxUnavailable",
    "Variant",
    "WorkerPool",
    "find_interpreter",
    "open_sandbox",
]


def open_sandbox(
    limits: Limits | None = None,
    workers: int | None = None,
    isolation: IsolationName = "bubblewrap",
    python: Interpreter | None = None,
) -> WorkerPool:
    """Open a sandbox, to be closed after use (it is a context manager).

    Args:
        limits: what one call may use; the defaults of `Limits` if None.
        workers: how many calls run at the same time; one per core if None.
        isolation: "none" runs programs with nothing between them and this machine.
        python: what runs the programs, with which packages (`find_interpreter`); ours if None.

    Raises:
        SandboxUnavailable: the isolation cannot be had on this machine, or programs cannot import what `extras` of
            the interpreter promise; the message says what to do.
    """
    pool = WorkerPool(limits or Limits(), workers or default_workers(), isolation, python)
    try:
        pool.warm(WorkerKey("light", 0))
        if python is not None:
            _try_imports(pool, python)
    except BaseException:
        pool.close()
        raise
    return pool


def _try_imports(pool: WorkerPool, python: Interpreter) -> None:
    for package in python.extras:
        job = Job("import", f"import {package.name}\ndef main_solution():\n    return 0", calls=("{}",))
        (outcome,) = pool.run(job)
        if outcome.status != "ok":
            why = " ".join(f"{outcome.error_type or outcome.status}: {outcome.message or ''}".split())[:200]
            raise SandboxUnavailable(
                f"programs cannot import {package.name}, which `sandbox.packages` names ({why}): install what it needs "
                "for the sandbox, or take it out"
            )
