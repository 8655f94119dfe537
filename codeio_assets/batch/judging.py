"""`codeio judge` and `codeio extract`: verdicts for predictions of either direction, and answers in responses.

The expected value never enters the sandbox: a predicted input is executed there, and its output compared here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from codeio_assets.batch.lines import BadInput, IdentifiedLine, Line, ProgressLine, Writer, chunks, value_of
from codeio_assets.core.method.answers import extract_answer
from codeio_assets.core.values.canonical import canonical_json, written_json
from codeio_assets.core.values.comparison import Rule
from codeio_assets.sandbox.contract import Sandbox
from codeio_assets.steps.executing import Claim, judge_claims

CHUNK = 2_000
"""Predictions that are held at a time to bring verdicts back into the order of the input."""


class FunctionLine(IdentifiedLine):
    """A function that predicted inputs are executed with."""

    code: str
    entry: str = "main_solution"


class PredictionLine(Line):
    """A prediction: `input` and `output` are the pair it is about, `response` what the model said."""

    id: str | int
    function_id: str | int
    direction: Literal["input", "output"]
    input: Any = None
    output: Any
    response: str


class ResponseTextLine(Line):
    """A response to look for an answer in."""

    id: str | int
    response: str


def judge_predictions(
    predictions: Iterable[PredictionLine],
    functions: Mapping[str | int, FunctionLine],
    sandbox: Sandbox,
    rule: Rule,
    out: Writer,
) -> Counter[str]:
    """Write one verdict per prediction, in order; return predictions by status.

    Raises:
        BadInput: a prediction in the direction `input` names a function that is not there.
        InfrastructureError: the machine, not an answer, was at fault.
    """
    with ProgressLine("predictions") as progress:
        statuses: Counter[str] = Counter()
        for chunk in chunks(predictions, CHUNK):
            judgements = judge_claims([_claim(line, functions) for line in chunk], sandbox, rule)
            for line, judgement in zip(chunk, judgements, strict=True):
                statuses[judgement.status] += 1
                out.write(
                    id=line.id,
                    status=judgement.status,
                    predicted=value_of(judgement.predicted_json),
                    executed_output=value_of(judgement.executed_output_json),
                    feedback=judgement.feedback,
                    rule_version=judgement.rule_version,
                )
            progress.advance(len(chunk))
    return statuses


def _claim(line: PredictionLine, functions: Mapping[str | int, FunctionLine]) -> Claim:
    target = written_json(line.output)
    if line.direction == "output":
        return Claim(str(line.function_id), line.direction, "answered", line.response, target)
    if line.function_id not in functions:
        raise BadInput(f"prediction {line.id!r}: no function has the id {line.function_id!r}")
    function = functions[line.function_id]
    group = canonical_json(line.function_id)  # 1 and "1" are two functions
    return Claim(group, line.direction, "answered", line.response, target, function.code, function.entry)


def extract_answers(responses: Iterable[ResponseTextLine], key: str, out: Writer) -> Counter[str]:
    """Write `{"id", "found", "value"}` per response: the last answer object that has the key; count the found."""
    with ProgressLine("responses") as progress:
        results: Counter[str] = Counter()
        for line in responses:
            answer = extract_answer(line.response, key)
            results["found" if answer.found else "not found"] += 1
            out.write(id=line.id, found=answer.found, value=answer.value)
            progress.advance()
    return results
