"""cot_grounding: what responses say of values, looked up in the execution that they speak of.

A predicted output speaks of the pair's own execution; a predicted input of the execution of that input, which is traced
here. What does not live here: reading statements (`core.method.grounding`), traces (`steps.execution_traces`).
"""

from dataclasses import dataclass

import polars as pl

from codeio_assets.core.method.cot_quality import prose_of
from codeio_assets.core.method.grounding import check_state_lines, count_state_lines, ground, without_state_lines
from codeio_assets.core.method.traces import MalformedTrace, Trace, read_trace
from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.canonical import canonical_json
from codeio_assets.sandbox.contract import Outcome, Sandbox
from codeio_assets.sandbox.tracing import TraceBounds, trace_job
from codeio_assets.steps.executing import REFERENCE, execute
from codeio_assets.steps.result import StepResult, account

SHOWN = 10


@dataclass(frozen=True)
class Spoken:
    """The chains of thought of a shard and what they speak of: the tables of these names."""

    unified_functions: pl.DataFrame
    prediction_tasks: pl.DataFrame
    execution_traces: pl.DataFrame
    predictions: pl.DataFrame
    verdicts: pl.DataFrame
    revised_predictions: pl.DataFrame
    revised_verdicts: pl.DataFrame


def ground_nothing() -> StepResult:
    """Return the result of a shard that is not traced."""
    return account("cot_grounding", [], None, items_in=0)


def ground_cots(spoken: Spoken, sandbox: Sandbox, bounds: TraceBounds | None = None) -> StepResult:
    """Return one row per response of any turn with a state line, or a statement that can be checked.

    Raises:
        InfrastructureError: some execution ended as `infrastructure`.
    """
    functions, tasks, traces = spoken.unified_functions, spoken.prediction_tasks, spoken.execution_traces
    predictions = pl.concat([spoken.predictions, spoken.revised_predictions])
    verdicts = pl.concat([spoken.verdicts, spoken.revised_verdicts])
    responses = predictions.filter(pl.col("status") != "failed").sort("prediction_id").to_dicts()
    pair_of = dict(tasks.select("task_id", "pair_id").iter_rows())
    own = dict(traces.select("pair_id", "trace_json").iter_rows())
    predicted = _traced_inputs(functions, responses, verdicts, sandbox, bounds)
    rows: list[Row] = []
    for row in responses:
        if row["direction"] == "output":
            text = own.get(pair_of[row["task_id"]])
            trace = None if text is None else read_trace(text)
        else:
            trace = predicted.get(row["prediction_id"])
        rows += _row(row, trace if trace is not None and trace.is_complete else None)  # a cut one says too little
    total, borne_out = sum(row["statements"] for row in rows), sum(row["grounded"] for row in rows)
    info = {
        "responses": len(responses),
        "with_statements": sum(row["statements"] > 0 for row in rows),
        "statements": total,
        "grounded": borne_out,
        "state_lines": sum(row["state_lines"] for row in rows),
        "right_state_lines": sum(row["right_state_lines"] or 0 for row in rows),
    }
    return account("cot_grounding", rows, None, items_in=len(rows), info=info)


def _row(prediction: Row, trace: Trace | None) -> list[Row]:
    text = prediction["response"]
    found, lines = None, None
    if trace is not None:
        found = ground(without_state_lines(prose_of(text, prediction["direction"])), trace)
        lines = check_state_lines(text, trace)
    count = count_state_lines(text)
    if not count and (found is None or not found.statements):
        return []
    shared = ("prediction_id", "task_id", "function_id", "source", "direction", "turn")
    words = [statement.words for statement in found.ungrounded[:SHOWN]] if found else []
    return [
        {
            **{name: prediction[name] for name in shared},
            "statements": found.statements if found else 0,
            "grounded": found.grounded if found else 0,
            "ungrounded_json": canonical_json(words),
            "state_lines": count,
            "right_state_lines": lines and count - len(lines.wrong),
            "wrong_state_lines_json": canonical_json(list(lines.wrong[:SHOWN]) if lines else []),
        }
    ]


def _traced_inputs(
    functions: pl.DataFrame, responses: list[Row], verdicts: pl.DataFrame, sandbox: Sandbox, bounds: TraceBounds | None
) -> dict[str, Trace]:
    """Return prediction -> trace of what the predicted input does, where it does something within the limits."""
    code = dict(functions.select("function_id", "reference_code").iter_rows())
    judged = dict(verdicts.select("prediction_id", "predicted_json").iter_rows())
    by_function: dict[str, list[tuple[str, str]]] = {}
    for row in responses:
        given = judged.get(row["prediction_id"])
        if row["direction"] == "input" and given is not None:
            by_function.setdefault(row["function_id"], []).append((row["prediction_id"], given))
    jobs = (
        trace_job(function_id, code[function_id], tuple(given for _, given in group), REFERENCE, bounds)
        for function_id, group in by_function.items()
    )
    found: dict[str, Trace] = {}
    for job, outcomes in execute(jobs, sandbox):
        for (prediction_id, _), outcome in zip(by_function[job.job_id], outcomes, strict=True):
            trace = _trace(outcome)
            if trace is not None:
                found[prediction_id] = trace
    return found


def _trace(outcome: Outcome) -> Trace | None:
    if outcome.status != "ok" or outcome.value_json is None:
        return None
    try:
        return read_trace(outcome.value_json)
    except MalformedTrace:
        return None
