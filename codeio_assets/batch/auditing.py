"""`codeio audit`: which recorded pairs do not reproduce in fresh processes, and why.

Reads the published format (`refcode`, `funcname`, `ios` of `input` and `output`). A pair is executed under reference
surroundings; one that differs is executed again with one thing changed at a time, and on inputs as they were recorded.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from codeio_assets.batch.lines import Line, ProgressLine, Writer, chunks
from codeio_assets.core.canonical import canonical_json
from codeio_assets.core.comparison import equal_values
from codeio_assets.sandbox.contract import Job, Outcome, Sandbox, Variant
from codeio_assets.stages.sampling import REFERENCE, describe, variants_by_cause

CHUNK = 200
REPRODUCES = "reproduces"
MUTATION_PROBE = """

def _codeio_probe(arguments):
    import copy
    given = copy.deepcopy(arguments)
    {entry}(**arguments)
    return given != arguments
"""
"""Appended to a program to ask whether its entry changes its arguments."""


class RecordedFunction(Line):
    """A function with recorded pairs, in the published format."""

    refcode: str
    funcname: str = "main_solution"
    ios: list[dict[str, Any]]


@dataclass(slots=True)
class _Case:
    """One function under audit: recorded pairs, and what they give now."""

    number: int
    line: RecordedFunction
    outcomes: list[Outcome]

    @property
    def inputs(self) -> list[str]:
        return [canonical_json(pair["input"]) for pair in self.line.ios]

    def differing(self) -> list[int]:
        """Return the indices of pairs whose recorded output is not what the call gives."""
        return [
            index
            for index, (pair, outcome) in enumerate(zip(self.line.ios, self.outcomes, strict=True))
            if not _reproduces(pair["output"], outcome)
        ]


@dataclass(slots=True)
class Audit:
    """Pairs by result, `reproduces` or a cause, and the functions that have pairs with that result."""

    pairs: Counter[str] = field(default_factory=Counter[str])
    functions: Counter[str] = field(default_factory=Counter[str])

    def add(self, results: list[str]) -> None:
        """Count one function's pairs; as a function it counts as `reproduces` only if all of them do."""
        self.pairs.update(results)
        causes = set(results) - {REPRODUCES}
        self.functions.update(causes or {REPRODUCES})


def audit_functions(functions: Iterable[RecordedFunction], sandbox: Sandbox, out: Writer) -> Audit:
    """Write one line per pair that does not reproduce, and return the counts."""
    progress = ProgressLine("functions")
    audited = Audit()
    numbered = enumerate(functions)
    for chunk in chunks(numbered, CHUNK):
        cases = [_Case(number, line, []) for number, line in chunk]
        _run(cases, sandbox)
        suspects = [case for case in cases if case.differing()]
        causes = _causes(suspects, sandbox)
        for case in cases:
            found = causes.get(case.number, {})
            audited.add([found.get(index, REPRODUCES) for index in range(len(case.outcomes))])
            for index, cause in sorted(found.items()):
                out.write(function=case.number, pair=index, cause=cause, **_shown(case, index))
        progress.advance(len(chunk))
    progress.finish()
    return audited


def summary(audited: Audit) -> dict[str, Any]:
    """Return the counts as JSON: total, and per result pairs, their share, and functions."""
    total = sum(audited.pairs.values())
    rows = [
        {"result": name, "pairs": count, "pairs_ratio": round(count / total, 6), "functions": audited.functions[name]}
        for name, count in sorted(audited.pairs.items(), key=lambda item: (item[0] != REPRODUCES, -item[1], item[0]))
    ]
    return {"pairs": total, "results": rows}


def table(summarised: dict[str, Any]) -> str:
    """Return a summary as a table for people."""
    lines = [f"{'result':<28}{'pairs':>8}{'share':>9}{'functions':>11}"]
    lines += [
        f"{row['result']:<28}{row['pairs']:>8,}{row['pairs_ratio']:>9.2%}{row['functions']:>11,}"
        for row in summarised["results"]
    ]
    return "\n".join([*lines, f"{'all':<28}{summarised['pairs']:>8,}"])


def _run(cases: list[_Case], sandbox: Sandbox) -> None:
    by_id = {str(case.number): case for case in cases}
    jobs = (
        Job(key, case.line.refcode, case.line.funcname, tuple(case.inputs), variant=REFERENCE)
        for key, case in by_id.items()
    )
    for job, outcomes in sandbox.run_many(jobs):
        by_id[job.job_id].outcomes = outcomes


def _causes(suspects: list[_Case], sandbox: Sandbox) -> dict[int, dict[int, str]]:
    """Return function -> pair -> cause, from what is seen first to what is left."""
    causes: dict[int, dict[int, str]] = {case.number: {} for case in suspects}
    for case in suspects:
        for index in case.differing():
            cause = _failure(case.outcomes[index])
            if cause:
                causes[case.number][index] = cause
    for cause, variant in variants_by_cause():
        for case, outcomes in _again(suspects, sandbox, variant):
            for index in case.differing():
                if outcomes[index].value_json != case.outcomes[index].value_json:
                    causes[case.number].setdefault(index, cause)
    mutating = _mutating(suspects, sandbox)
    for case in suspects:
        for index in case.differing():
            cause = "argument_mutation" if case.number in mutating else "global_state_or_other_code"
            causes[case.number].setdefault(index, cause)
    return causes


def _again(cases: list[_Case], sandbox: Sandbox, variant: Variant) -> Iterable[tuple[_Case, list[Outcome]]]:
    by_id = {str(case.number): case for case in cases}
    jobs = (
        Job(key, case.line.refcode, case.line.funcname, tuple(case.inputs), variant=variant)
        for key, case in by_id.items()
    )
    return [(by_id[job.job_id], outcomes) for job, outcomes in sandbox.run_many(jobs)]


def _mutating(cases: list[_Case], sandbox: Sandbox) -> set[int]:
    """Return the functions that change an argument for at least one of their recorded inputs."""
    jobs = (
        Job(
            str(case.number),
            case.line.refcode + MUTATION_PROBE.format(entry=case.line.funcname),
            "_codeio_probe",
            tuple(f'{{"arguments":{text}}}' for text in case.inputs),
            variant=REFERENCE,
        )
        for case in cases
    )
    return {
        int(job.job_id)
        for job, outcomes in sandbox.run_many(jobs)
        if any(outcome.value_json == "true" for outcome in outcomes)
    }


def _failure(outcome: Outcome) -> str | None:
    if outcome.status == "ok":
        return None
    if outcome.error_type in {"ModuleNotFoundError", "ImportError"}:
        return "missing_import"
    return "error" if outcome.status == "exception" else outcome.status


def _reproduces(recorded: Any, outcome: Outcome) -> bool:
    return outcome.value_json is not None and equal_values(recorded, json.loads(outcome.value_json))


def _shown(case: _Case, index: int) -> dict[str, Any]:
    outcome = case.outcomes[index]
    return {
        "input": case.line.ios[index]["input"],
        "recorded": case.line.ios[index]["output"],
        "now": json.loads(outcome.value_json) if outcome.value_json is not None else describe(outcome),
    }
