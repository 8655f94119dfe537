"""`codeio run`: programs and their calls, one typed outcome per call, in the order of the input."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from codeio_assets.batch.lines import Line, ProgressLine, Writer, chunks, value_of
from codeio_assets.core.values.canonical import canonical_json
from codeio_assets.sandbox.contract import Job, Outcome, Sandbox

CHUNK = 1_000
"""Programs that are held at a time to bring outcomes back into the order of the input."""


class ProgramLine(Line):
    """One program: code, the function to call, and keyword arguments per call."""

    id: str | int
    code: str
    entry: str = "main_solution"
    calls: list[dict[str, Any]]


def run_programs(programs: Iterable[ProgramLine], sandbox: Sandbox, out: Writer) -> Counter[str]:
    """Run every program, write `{"id", "outcomes": [...]}` per program, in order; return calls by status."""
    progress = ProgressLine("programs")
    statuses: Counter[str] = Counter()
    for program, outcomes in run_in_order(programs, sandbox):
        out.write(id=program.id, outcomes=[outcome_fields(outcome) for outcome in outcomes])
        statuses.update(outcome.status for outcome in outcomes)
        statuses["retried"] += sum(outcome.attempts > 1 for outcome in outcomes)
        progress.advance()
    progress.finish()
    return +statuses


def run_in_order(programs: Iterable[ProgramLine], sandbox: Sandbox) -> Iterator[tuple[ProgramLine, list[Outcome]]]:
    """Yield each program with its outcomes, in the order of the input, holding a thousand at a time."""
    for chunk in chunks(programs, CHUNK):
        jobs = (
            Job(str(number), program.code, program.entry, tuple(canonical_json(call) for call in program.calls))
            for number, program in zip(count(), chunk, strict=False)
        )
        outcomes = {int(job.job_id): found for job, found in sandbox.run_many(jobs)}
        for number, program in enumerate(chunk):
            yield program, outcomes[number]


def outcome_fields(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome as the JSON object that the command writes."""
    return {
        "status": outcome.status,
        "value": value_of(outcome.value_json),
        "error_type": outcome.error_type,
        "message": outcome.message,
        "cpu_s": round(outcome.cpu_s, 6),
        "wall_s": round(outcome.wall_s, 6),
    }
