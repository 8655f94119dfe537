"""Auditing recorded pairs: which do not reproduce in fresh processes, and why; which say nothing, or stand twice.

A pair is executed under reference surroundings; one that differs is executed again with one thing changed at a time,
and on inputs as they were recorded. What does not live here: reading files (`sources.published`, `batch.lines`),
how the public comparison judges (`core.values.public_rule`).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from codeio_assets.core.method.io_pairs import is_degenerate
from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.canonical import (
    Json,
    JsonLike,
    canonical_text,
    content_id,
    same_json,
    sha256_hex,
    written_json,
)
from codeio_assets.core.values.comparison import equal_values
from codeio_assets.core.values.public_rule import misjudges
from codeio_assets.sandbox.contract import Job, Outcome, Sandbox, Variant
from codeio_assets.steps.executing import REFERENCE, describe, execute, variants_by_cause
from codeio_assets.steps.result import StepResult, account

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


@dataclass(slots=True)
class Case:
    """A function with recorded pairs; after `examine`, what they give now, and the cause for each that differs."""

    number: int
    code: str
    entry: str
    pairs: Sequence[Mapping[str, Json]]
    outcomes: list[Outcome] = field(default_factory=list[Outcome])
    causes: dict[int, str] = field(default_factory=dict[int, str])

    @property
    def inputs(self) -> list[str]:
        """The recorded inputs as JSON, in the order recorded."""
        return [written_json(pair["input"]) for pair in self.pairs]

    def results(self) -> list[str]:
        """Return for each pair `reproduces` or the cause why not."""
        return [self.causes.get(index, REPRODUCES) for index in range(len(self.pairs))]

    def now(self, index: int) -> Json:
        """Return the value that a pair's input gives now, or in words how the call ended."""
        outcome = self.outcomes[index]
        return json.loads(outcome.value_json) if outcome.value_json is not None else describe(outcome)

    def differing(self) -> list[int]:
        """Return the indices of pairs whose recorded output is not what the call gives."""
        return [
            index
            for index, (pair, outcome) in enumerate(zip(self.pairs, self.outcomes, strict=True))
            if not _reproduces(pair["output"], outcome)
        ]


def examine(cases: Sequence[Case], sandbox: Sandbox) -> None:
    """Execute the pairs of some functions and find the cause of what differs.

    Raises:
        InfrastructureError: some execution ended as `infrastructure`, and so says nothing about its pair.
    """
    by_number = {case.number: case for case in cases}
    for number, outcomes in _outcomes(cases, sandbox, REFERENCE):
        by_number[number].outcomes = outcomes
    suspects = [case for case in cases if case.differing()]
    for case in suspects:
        failures = {index: _failure(case.outcomes[index]) for index in case.differing()}
        case.causes = {index: cause for index, cause in failures.items() if cause}
    for cause, variant in variants_by_cause():
        for number, outcomes in _outcomes(suspects, sandbox, variant):
            case = by_number[number]
            for index in case.differing():
                if not same_json(outcomes[index].value_json, case.outcomes[index].value_json):
                    case.causes.setdefault(index, cause)
    mutating = _mutating(suspects, sandbox)
    for case in suspects:
        for index in case.differing():
            rest = "argument_mutation" if case.number in mutating else "global_state_or_other_code"
            case.causes.setdefault(index, rest)


def audit_published(functions: Iterable[Case], sandbox: Sandbox) -> StepResult:
    """Audit published functions: one row per recorded pair, and in `info` the counts of what was found.

    Raises:
        InfrastructureError: some execution ended as `infrastructure`.
    """
    rows: list[Row] = []
    seen_code: set[str] = set()
    pending = iter(functions)
    count = 0
    while chunk := list(islice(pending, CHUNK)):
        examine(chunk, sandbox)
        for case in chunk:
            rows.extend(_rows(case, seen_code))
        count += len(chunk)
    return account("published_data_audit", rows, None, items_in=len(rows), info=_findings(rows, count))


def _rows(case: Case, seen_code: set[str]) -> Iterable[Row]:
    """Yield the rows of one function; the codes seen so far tell whether it stands twice."""
    outputs = [written_json(pair["output"]) for pair in case.pairs]
    code = sha256_hex(" ".join(case.code.split()))
    is_repeated = code in seen_code
    seen_code.add(code)
    inputs = case.inputs
    same_inputs, same_outputs = list(map(canonical_text, inputs)), list(map(canonical_text, outputs))
    for index, (result, given, output) in enumerate(zip(case.results(), inputs, outputs, strict=True)):
        yield {
            "pair_id": content_id(function=case.number, code=code, index=index, input_json=same_inputs[index]),
            "function_number": case.number,
            "pair_index": index,
            "entry": case.entry,
            "result": result,
            "input_json": given,
            "output_json": output,
            "now_json": written_json(case.now(index)),
            "is_degenerate": len(outputs) > 1 and is_degenerate(outputs),
            "repeats_input": same_inputs[index] in same_inputs[:index],
            "repeats_input_prompt": same_outputs[index] in same_outputs[:index],
            "repeats_function": is_repeated,
            "misjudged": misjudges(case.pairs[index]["output"]),
        }


def _findings(rows: list[Row], functions: int) -> dict[str, JsonLike]:
    flags = ("is_degenerate", "repeats_input", "repeats_input_prompt", "repeats_function")
    return {
        "functions": functions,
        "pairs_by_result": dict(Counter(row["result"] for row in rows).most_common()),
        "functions_degenerate": len({row["function_number"] for row in rows if row["is_degenerate"]}),
        "functions_repeated": len({row["function_number"] for row in rows if row["repeats_function"]}),
        **{f"pairs_{flag.removeprefix('is_')}": sum(row[flag] for row in rows) for flag in flags},
        "pairs_misjudged": dict(Counter(row["misjudged"] for row in rows if row["misjudged"]).most_common()),
    }


def _outcomes(cases: Sequence[Case], sandbox: Sandbox, variant: Variant) -> list[tuple[int, list[Outcome]]]:
    jobs = [
        Job(str(case.number), case.code, case.entry, tuple(case.inputs), variant=variant)
        for case in cases
        if case.pairs
    ]
    return [(int(job.job_id), list(outcomes)) for job, outcomes in execute(jobs, sandbox)]


def _mutating(cases: Sequence[Case], sandbox: Sandbox) -> set[int]:
    """Return the functions that change an argument for at least one of their recorded inputs."""
    jobs = [
        Job(
            str(case.number),
            case.code + MUTATION_PROBE.format(entry=case.entry),
            "_codeio_probe",
            tuple(f'{{"arguments":{text}}}' for text in case.inputs),
            variant=REFERENCE,
        )
        for case in cases
    ]
    return {
        int(job.job_id)
        for job, outcomes in execute(jobs, sandbox)
        if any(outcome.value_json == "true" for outcome in outcomes)
    }


def _failure(outcome: Outcome) -> str | None:
    if outcome.status == "ok":
        return None
    if outcome.error_type in {"ModuleNotFoundError", "ImportError"}:
        return "missing_import"
    return "error" if outcome.status == "exception" else outcome.status


def _reproduces(recorded: Json, outcome: Outcome) -> bool:
    return outcome.value_json is not None and equal_values(recorded, json.loads(outcome.value_json))
