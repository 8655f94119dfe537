"""The sandbox contract: what can be run, under which limits, and what can come of it (design of the method's core).

What does not live here: how it is done (`bubblewrap`, `workers`) and what a verdict is (`core.method.verdicts`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

OutcomeStatus = Literal[
    "ok",
    "exception",
    "timeout",
    "out_of_memory",
    "output_too_large",
    "not_serialisable",
    "crashed",
    "infrastructure",
]
STATUSES: frozenset[str] = frozenset(get_args(OutcomeStatus))


class SandboxUnavailable(Exception):  # noqa: N818  (a condition of the machine, named as people search for it)
    """The isolation that was asked for cannot be had on this machine; the message says what to install or set."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one call may use. CPU time decides a timeout; wall time is the backstop against sleeping.

    A call that still gets some CPU time when `wall_s` is over is starved rather than asleep, and gets up to nine more
    such windows, so that a busy machine fails no healthy call. All calls of one process share one `cpu_s`.
    `memory_mib` is address space beyond what the worker has; `scratch_mib` is the working directory, in memory;
    `output_bytes` is the JSON text of one value; `processes` are threads, for no program can start a process.

    Source: 5 s per sample (CodeI/O, sec. 2.3), here of CPU time so that load on the machine changes no verdict.
    """

    cpu_s: float = 5.0
    wall_s: float = 30.0
    memory_mib: int = 512
    output_bytes: int = 1 << 20
    scratch_mib: int = 16
    processes: int = 32


@dataclass(frozen=True, slots=True)
class Variant:
    """The surroundings that a deterministic function must not depend on.

    `hash_seed` picks the worker's PYTHONHASHSEED; `random_seed` seeds `random`, `numpy.random`, `os.urandom` and
    whatever else would draw entropy; `clock_s` is the time (seconds since the epoch) at which the clock starts, or
    None for the real clock; `clock_leap_s` is how far clocks leap ahead each time that somebody looks, as if the
    program were that slow. With `elsewhere` the program finds itself on another machine, as far as it can tell.
    """

    hash_seed: int = 0
    random_seed: int = 0
    clock_s: float | None = None
    clock_leap_s: float = 0.0
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One program and what to do with it.

    `calls` are keyword arguments as JSON object texts, one call each, each in a process of its own; `first` is which of
    the program's calls the first of them is, for its random state. With
    `draws` > 0 the entry is called that often without arguments in one process, re-seeded before each draw from
    (`variant.random_seed`, index), and each draw gives one outcome; `calls` is then empty.

    With `together` all calls run one after the other in one process, as draws do: they share one `cpu_s`, a call finds
    what the ones before it left behind, and one that ends the process is the end of those after it. That is for
    results that are proven again by calls of their own.
    """

    job_id: str
    code: str
    entry: str = "main_solution"
    calls: Sequence[str] = ()
    draws: int = 0
    together: bool = False
    first: int = 0
    variant: Variant = field(default_factory=Variant)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call. `value_json` is compact JSON, keys in the order of the value, and there only with `ok`.

    `cpu_s` and `wall_s` are those of the call's process, its start and loading the program included; of calls that
    share a process, the last has the figures. `attempts` is 2 where the machine was at fault the first time.
    """

    status: OutcomeStatus
    value_json: str | None = None
    error_type: str | None = None
    message: str | None = None
    cpu_s: float = 0.0
    wall_s: float = 0.0
    attempts: int = 1


class Sandbox(Protocol):
    """Runs programs nobody trusts.

    Guarantees: see `codeio_assets.sandbox` for what is and is not isolated. A job's outcomes are as many as its
    calls (or draws), in order. A program cannot forge an outcome, reach the host, outlive its call, or change
    the outcome of another call. A fault of the machine gives `infrastructure` after one retry in a new worker,
    never a status that blames the program.
    """

    @property
    def isolation(self) -> str:
        """Level in force, for people: for example "bubblewrap+seccomp", or "none"."""
        ...

    def run(self, job: Job) -> list[Outcome]:
        """Run one job and return its outcomes.

        Raises:
            SandboxUnavailable: no worker could be started.
        """
        ...

    def run_many(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, list[Outcome]]]:
        """Run jobs over all workers, and yield each with its outcomes as it ends, in any order."""
        ...

    def close(self) -> None:
        """Stop the workers. A closed sandbox starts no more."""
        ...
