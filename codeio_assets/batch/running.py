"""`codeio run`: programs and their calls, one typed outcome per call, in the order of the input."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from codeio_assets.batch.held import Held
from codeio_assets.batch.lines import Line, ProgressLine, Writer, chunks, value_of
from codeio_assets.core.values.canonical import Json, written_json
from codeio_assets.sandbox.contract import Job, Outcome, Sandbox

CHUNK = 1_000
"""Programs that are held at a time to bring outcomes back into the order of the input."""
CALLS_AT_ONCE = 16
"""Calls whose outcomes, up to 1 MiB each, are in memory together."""


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
    for chunk in chunks(programs, CHUNK):
        with Held() as held:
            for number, first, outcomes in _run(chunk, sandbox):
                held.put((number, first), ", ".join(json.dumps(outcome_fields(outcome)) for outcome in outcomes))
                statuses.update(outcome.status for outcome in outcomes)
                statuses["retried"] += sum(outcome.attempts > 1 for outcome in outcomes)
            for number, program in enumerate(chunk):
                texts = (held.read((number, first)) for first in _firsts(program))
                out.write_list({"id": program.id}, "outcomes", texts)
        progress.advance(len(chunk))
    progress.finish()
    return +statuses


def _run(chunk: list[ProgramLine], sandbox: Sandbox) -> Iterator[tuple[int, int, list[Outcome]]]:
    """Yield outcomes as they come: which program, which of its calls is the first, and some of its outcomes."""
    jobs: list[Job] = []
    for number, program in enumerate(chunk):
        for first in _firsts(program):
            calls = _calls(program, first)
            if program.problem is None:
                jobs.append(Job(f"{number}:{first}", program.code, program.entry, calls, first=first))
            else:
                yield number, first, [Outcome("not_serialisable", message=f"the line {program.problem}")] * len(calls)
    for job, outcomes in sandbox.run_many(jobs):
        yield int(job.job_id.split(":")[0]), job.first, outcomes


def _firsts(program: ProgramLine) -> range:
    return range(0, len(program.calls), CALLS_AT_ONCE)


def _calls(program: ProgramLine, first: int) -> tuple[str, ...]:
    return tuple(written_json(call) for call in program.calls[first : first + CALLS_AT_ONCE])


def outcome_fields(outcome: Outcome) -> dict[str, Json]:
    """Return an outcome as the JSON object that the command writes."""
    return {
        "status": outcome.status,
        "value": value_of(outcome.value_json),
        "error_type": outcome.error_type,
        "message": outcome.message,
        "cpu_s": round(outcome.cpu_s, 6),
        "wall_s": round(outcome.wall_s, 6),
    }
