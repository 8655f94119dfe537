"""Verdicts: what a response is worth, and what the next turn is told about it.

What lives here: judging in both directions, from values alone. An input is judged in two steps, because between
reading it and judging it somebody must execute it. What does not: executing (`sandbox`), rows and ids (`steps`).

Source: CodeI/O, sec. 2.3 (statuses) and 2.4 (feedback; the sentences are ours).
"""

import json
from dataclasses import dataclass
from typing import Final, Literal

from codeio_assets.core.method.answers import extract_answer
from codeio_assets.core.values.canonical import content_id, written_json
from codeio_assets.core.values.comparison import Rule, equal_values, rule_version

Status = Literal["correct", "wrong", "exception", "timeout", "out_of_memory", "no_answer", "infrastructure"]
Direction = Literal["input", "output"]

MAX_VALUE_CHARS: Final = 1_000
"""Longer values are cut in feedback: a wrong input may produce megabytes, and the next prompt must hold them."""
MAX_EXECUTED_CHARS: Final = 1 << 16
"""Longer outputs of a wrong input are not stored: an input can be made that gives megabytes."""
MAX_MESSAGE_CHARS: Final = 500
MAX_NAME_CHARS: Final = 100

CORRECT: Final = "Success"
FEEDBACK: Final[dict[str, str]] = {
    "output/wrong": "The predicted output is not correct.",
    "input/wrong": (
        "The predicted input is not correct. With it the code produces this output: {executed}\n"
        "The required output is: {target}"
    ),
    "input/exception": "With the predicted input the code raises an exception. {error_type}: {message}",
    "input/exception_without_message": "With the predicted input the code raises an exception: {error_type}.",
    "input/output_too_large": (
        "The predicted input is not correct. With it the code produces an output that is far too large."
    ),
    "input/not_serialisable": (
        "The predicted input is not correct. With it the code produces an output that has no JSON form. {message}"
    ),
    "input/crashed": "The predicted input is not correct. With it the code ends the process that runs it.",
    "input/timeout": "With the predicted input the code does not finish within the time limit.",
    "input/out_of_memory": "With the predicted input the code needs more memory than it may use.",
    "input/no_answer": (
        'The response has no readable answer. It must end with one JSON object of the form {{"input": {{...}}}}, '
        "with an argument name and a value for each argument."
    ),
    "output/no_answer": (
        'The response has no readable answer. It must end with one JSON object of the form {{"output": ...}}.'
    ),
    "infrastructure": "Not judged: the machine was at fault, not the answer.",
}
"""What a turn is told, by direction and finding. The text of `infrastructure` is for people only."""
FEEDBACK_VERSION: Final = content_id(texts=FEEDBACK, correct=CORRECT, lengths=[MAX_VALUE_CHARS, MAX_MESSAGE_CHARS])
"""Changes with any feedback text: stored feedback is then stale."""

_ERROR_TYPES: Final = {
    "output_too_large": "OutputTooLarge", "not_serialisable": "NotSerialisable", "crashed": "Crashed",
}  # fmt: skip
"""Outcomes without an exception object that count as `exception`, and the error type that names them."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict before it is a row. Values are compact JSON, keys as written; `error_type` goes with `exception`."""

    status: Status
    predicted_json: str | None
    executed_output_json: str | None
    error_type: str | None
    feedback: str
    rule_version: str


def judge_output(response_status: str, response: str, target_json: str, rule: Rule = "default") -> Judgement:
    """Judge a predicted output against the recorded one.

    Args:
        response_status: how the request ended (answered, truncated, refused, failed). A truncated or refused
            response is judged by the answer that it holds, if any; a failed request is nobody's answer.
        response: text of the response.
        target_json: the recorded output as JSON.
        rule: rule of comparison.
    """
    if response_status == "failed":
        return _judgement("infrastructure", rule)
    answer = extract_answer(response, "output")
    if not answer.found:
        return _judgement("no_answer", rule, direction="output")
    predicted_json = written_json(answer.value)
    if equal_values(json.loads(target_json), answer.value, rule):
        return _judgement("correct", rule, predicted_json=predicted_json)
    return _judgement("wrong", rule, direction="output", predicted_json=predicted_json)


def read_input_answer(response_status: str, response: str, rule: Rule = "default") -> str | Judgement:
    """Return the predicted input as JSON, to be executed in the order written; or the verdict, if there is none."""
    if response_status == "failed":
        return _judgement("infrastructure", rule)
    answer = extract_answer(response, "input")
    if not answer.found:
        return _judgement("no_answer", rule, direction="input")
    return written_json(answer.value)


def judge_input(
    predicted_json: str,
    *,
    outcome_status: str,
    outcome_value_json: str | None,
    error_type: str | None,
    message: str | None,
    target_json: str,
    rule: Rule = "default",
) -> Judgement:
    """Judge a predicted input by what its execution gave: any input that gives the target is correct.

    Args:
        predicted_json: the input that was executed.
        outcome_status: how the execution ended, a status of the sandbox contract.
        outcome_value_json: the value that it returned, as JSON, with the status `ok`.
        error_type: type of the exception, with the status `exception`.
        message: message of the exception, or of the sandbox.
        target_json: the recorded output as JSON.
        rule: rule of comparison.

    Raises:
        ValueError: the status is not in the sandbox contract, or an `ok` outcome has no value.
    """
    if outcome_status == "ok":
        if outcome_value_json is None:
            raise ValueError("an outcome with status 'ok' must have a value")
        return _judge_executed(predicted_json, outcome_value_json, target_json, rule)
    if outcome_status == "infrastructure":
        return _judgement("infrastructure", rule, predicted_json=predicted_json)
    if outcome_status == "timeout" or outcome_status == "out_of_memory":
        return _judgement(outcome_status, rule, direction="input", predicted_json=predicted_json)
    if outcome_status != "exception" and outcome_status not in _ERROR_TYPES:
        raise ValueError(f"unknown outcome status {outcome_status!r}")
    named = _cut(_storable(error_type or _ERROR_TYPES.get(outcome_status, "Exception")), MAX_NAME_CHARS)
    return Judgement(
        status="exception",
        predicted_json=predicted_json,
        executed_output_json=None,
        error_type=named,
        feedback=_exception_feedback(outcome_status, named, message or ""),
        rule_version=rule_version(rule),
    )


def _judge_executed(predicted_json: str, executed_json: str, target_json: str, rule: Rule) -> Judgement:
    """Compare what a predicted input really gives with what it should give."""
    if equal_values(json.loads(target_json), json.loads(executed_json), rule):
        status, feedback = "correct", CORRECT
    else:
        status = "wrong"
        feedback = FEEDBACK["input/wrong"].format(executed=_cut(executed_json), target=_cut(target_json))
    return Judgement(
        status=status,
        predicted_json=predicted_json,
        executed_output_json=executed_json if len(executed_json) <= MAX_EXECUTED_CHARS else None,
        error_type=None,
        feedback=feedback,
        rule_version=rule_version(rule),
    )


def _judgement(
    status: Status, rule: Rule, *, direction: Direction | None = None, predicted_json: str | None = None
) -> Judgement:
    """Return a judgement whose feedback has nothing to fill in."""
    text = CORRECT if status == "correct" else FEEDBACK[f"{direction}/{status}" if direction else status].format()
    return Judgement(
        status=status,
        predicted_json=predicted_json,
        executed_output_json=None,
        error_type=None,
        feedback=text,
        rule_version=rule_version(rule),
    )


def _exception_feedback(outcome_status: str, error_type: str, message: str) -> str:
    name = f"input/{outcome_status}"
    if outcome_status == "exception" and not message.strip():
        name = "input/exception_without_message"
    shown = _cut(_storable(message.strip()), MAX_MESSAGE_CHARS)
    return FEEDBACK[name].format(error_type=error_type, message=shown).strip()


def _storable(text: str) -> str:
    """Return a text from a program without what UTF-8 cannot hold (lone surrogates)."""
    return text.encode("utf-8", "backslashreplace").decode()


def _cut(text: str, max_chars: int = MAX_VALUE_CHARS) -> str:
    """Return a text, or its beginning and how much is missing."""
    if len(text) <= max_chars:
        return text
    return f"{text[:max_chars]}... ({len(text) - max_chars} more characters)"
