"""Runs programs that nobody trusts, and says what came of each call.

    with open_sandbox(Limits(cpu_s=2)) as sandbox:
        [outcome] = sandbox.run(Job("f", "def main_solution(a): return a + 1", calls=['{"a": 1}']))

Every call runs in a process of its own, forked from a worker that never runs a program itself. Around it, with
`isolation="bubblewrap"`:

* no network, no host files but a read-only Python runtime, no environment, no other process in sight, no new
  privileges; a private working directory in memory that is empty at the start of each call;
* system calls from a short list: no new processes, no signals, no sockets, no exec, no change of limits;
* limits on CPU time, wall time, address space, file size, open files, threads and output.

An outcome cannot be forged: how a process ended and what it used is told by the worker, the value is parsed and
brought into canonical form by the host, and the worker's memory holds nothing of other calls when it forks.

Not guaranteed:

* A program can return any value and raise any exception of its own by any means, also by writing to the result pipe
  itself; that is its result. What it cannot do is to pass for another call or to see an expected value.
* The kernel is shared: a hole in the kernel's namespaces or in seccomp is a way out. Programs of people who would
  spend such a hole on you belong in a virtual machine.
* CPU caches and timing are shared between calls, so that side channels are open.
* The working directory is limited in size and not in the number of empty files, of which CPU time allows a program to
  make some hundred thousand; they are gone with its call.
* Threads are limited by RLIMIT_NPROC for ordinary users; the kernel exempts root, where the address space and the CPU
  time limit them.
* Seeds and clocks of a `Variant` are an aid to reproducible results, and a program can undo them.
* `isolation="none"` keeps the limits and the process per call, and nothing else: a program can read and write what you
  can, and may leave processes behind.
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
from codeio_assets.sandbox.pool import WorkerPool, default_workers
from codeio_assets.sandbox.workers import IsolationName, WorkerKey

__all__ = [
    "STATUSES",
    "Job",
    "Limits",
    "Outcome",
    "OutcomeStatus",
    "Sandbox",
    "SandboxUnavailable",
    "Variant",
    "WorkerPool",
    "open_sandbox",
]


def open_sandbox(
    limits: Limits | None = None, workers: int | None = None, isolation: IsolationName = "bubblewrap"
) -> WorkerPool:
    """Open a sandbox, to be closed after use (it is a context manager).

    Args:
        limits: what one call may use; the defaults of `Limits` if None.
        workers: how many calls run at the same time; one per core if None.
        isolation: "none" runs programs with nothing between them and this machine.

    Raises:
        SandboxUnavailable: the isolation cannot be had on this machine; the message says what to do.
    """
    pool = WorkerPool(limits or Limits(), workers or default_workers(), isolation)
    try:
        pool.warm(WorkerKey("light", 0))
    except BaseException:
        pool.close()
        raise
    return pool
