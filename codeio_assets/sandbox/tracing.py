"""Following calls line by line inside the sandbox: jobs whose values are traces.

What does not live here: what is inside (`traced_program`), reading a trace with distrust (`core.method.traces`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from codeio_assets.sandbox.contract import Job, Variant
from codeio_assets.sandbox.preloading import worker_kind

ENTRY = "traced_call"


@dataclass(frozen=True, slots=True)
class TraceBounds:
    """Where a trace is cut: the call goes on to its end, and only the trace says that it is not complete."""

    events: int = 2_000
    json_bytes: int = 200_000


def trace_job(
    job_id: str,
    code: str,
    calls: Sequence[str],
    variant: Variant,
    bounds: TraceBounds | None = None,
    *,
    entry: str = "main_solution",
) -> Job:
    """Return the job that follows each call of a program; its values are traces as `core.method.traces` reads them.

    A trace takes more time than the call: some 20 microseconds per line, and what it takes to look at all names.
    """
    within = bounds or TraceBounds()
    kind = worker_kind(code)
    program = f"""{_program_around()}
if False:  # tells which worker has the modules of the program
    import {kind if kind not in ("light", "library") else "json"}
_NAMES = load({code!r})


def {ENTRY}(**arguments):
    return Tracer({within.events}, {within.json_bytes}).run(_NAMES[{entry!r}], arguments)
"""
    return Job(job_id, program, ENTRY, calls, variant=variant)


@cache
def _program_around() -> str:
    return Path(__file__).with_name("traced_program.py").read_text(encoding="utf-8")
