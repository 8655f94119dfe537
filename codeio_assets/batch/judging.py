"""`codeio judge` and `codeio extract`: verdicts for predictions of either direction, and answers in responses.

The expected value never enters the sandbox: a predicted input is executed there, and its output compared here.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from codeio_assets.batch.lines import BadInput, IdentifiedLine, Line, ProgressLine, Writer, chunks, value_of
from codeio_assets.core.method.answers import extract_answer
from codeio_assets.core.method.verdicts import Judgement, judge_input, judge_output, read_input_answer
from codeio_assets.core.values.canonical import canonical_json
from codeio_assets.core.values.comparison import Rule
from codeio_assets.sandbox.contract import Job, Sandbox

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
    """
    progress = ProgressLine("predictions")
    statuses: Counter[str] = Counter()
    for chunk in chunks(predictions, CHUNK):
        for line, judgement in zip(chunk, _judge_chunk(chunk, functions, sandbox, rule), strict=True):
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
    progress.finish()
    return statuses


def _judge_chunk(
    chunk: list[PredictionLine], functions: Mapping[str | int, FunctionLine], sandbox: Sandbox, rule: Rule
) -> list[Judgement]:
    judged: dict[int, Judgement] = {}
    predicted: dict[str | int, dict[int, str]] = {}
    for number, line in enumerate(chunk):
        if line.direction == "output":
            judged[number] = judge_output("answered", line.response, canonical_json(line.output), rule)
            continue
        answer = read_input_answer("answered", line.response, rule)
        if isinstance(answer, Judgement):
            judged[number] = answer
        else:
            predicted.setdefault(line.function_id, {})[number] = answer
    for number, judgement in _execute(chunk, predicted, functions, sandbox, rule):
        judged[number] = judgement
    return [judged[number] for number in range(len(chunk))]


def _execute(
    chunk: list[PredictionLine],
    predicted: dict[str | int, dict[int, str]],
    functions: Mapping[str | int, FunctionLine],
    sandbox: Sandbox,
    rule: Rule,
) -> Iterable[tuple[int, Judgement]]:
    jobs: dict[str, list[int]] = {}
    todo: list[Job] = []
    for function_id, inputs in predicted.items():
        if function_id not in functions:
            line = chunk[next(iter(inputs))]
            raise BadInput(f"prediction {line.id!r}: no function has the id {function_id!r}")
        function = functions[function_id]
        job = Job(str(len(todo)), function.code, function.entry, tuple(inputs.values()))
        jobs[job.job_id] = list(inputs)
        todo.append(job)
    for job, outcomes in sandbox.run_many(todo):
        for number, text, outcome in zip(jobs[job.job_id], job.calls, outcomes, strict=True):
            target = canonical_json(chunk[number].output)
            yield (
                number,
                judge_input(
                    text, outcome.status, outcome.value_json, outcome.error_type, outcome.message, target, rule
                ),
            )


def extract_answers(responses: Iterable[ResponseTextLine], key: str, out: Writer) -> Counter[str]:
    """Write `{"id", "found", "value"}` per response: the last answer object that has the key; count the found."""
    progress = ProgressLine("responses")
    results: Counter[str] = Counter()
    for line in responses:
        answer = extract_answer(line.response, key)
        results["found" if answer.found else "not found"] += 1
        out.write(id=line.id, found=answer.found, value=answer.value)
        progress.advance()
    progress.finish()
    return results
