"""predictions of the teacher that needs no model: a walk through the trace of each task's pair, ending in its answer.

What does not live here: the text of a walk (`core.method.trace_teacher`), traces (`steps.execution_traces`).
"""

from dataclasses import dataclass

import polars as pl

from codeio_assets.core.method.trace_teacher import MODEL_ID, TEACHER_VERSION, Lesson, walk
from codeio_assets.core.method.traces import read_trace
from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.canonical import content_id
from codeio_assets.steps.result import StepResult, account

NO_WALK = "no complete trace that can be told"


@dataclass(frozen=True)
class Walkable:
    """What walks are made of: the tables of these names."""

    prediction_tasks: pl.DataFrame
    io_pairs: pl.DataFrame
    unified_functions: pl.DataFrame
    execution_traces: pl.DataFrame


def predict_by_trace(given: Walkable) -> StepResult:
    """Answer every task by the trace of its pair: one row per task, `refused` where there is no walk.

    The rows are those of `predictions`, with `teacher:trace` as the model; verdicts judge them like any other.
    """
    tasks, pairs = given.prediction_tasks, given.io_pairs
    functions, traces = given.unified_functions, given.execution_traces
    code = dict(functions.select("function_id", "reference_code").iter_rows())
    told = dict(traces.select("pair_id", "trace_json").iter_rows())
    known = {row["pair_id"]: row for row in pairs.to_dicts()}
    rows: list[Row] = []
    for task in tasks.sort("function_id", "direction", "task_id").to_dicts():
        pair, text = known[task["pair_id"]], told.get(task["pair_id"])
        lesson = Lesson(
            task["task_id"], task["direction"], code[task["function_id"]], pair["input_json"], pair["output_json"]
        )
        rows.append(_prediction(task, walk(lesson, read_trace(text)) if text else None))
    answered = sum(row["status"] == "answered" for row in rows)
    info = {"teacher": MODEL_ID, "teacher_version": TEACHER_VERSION, "walks": answered}
    return account("predictions", rows, None, items_in=len(tasks), info=info)


def _prediction(task: Row, text: str | None) -> Row:
    key = content_id(teacher=TEACHER_VERSION, task_id=task["task_id"])
    return {
        "prediction_id": content_id(task_id=task["task_id"], turn=1, request_key=key),
        **{name: task[name] for name in ("task_id", "function_id", "source", "direction")},
        "turn": 1,
        "request_key": key,
        "status": "refused" if text is None else "answered",
        "response": text or "",
        "reasoning": None,
        "finish_reason": None if text is None else "stop",
        "model_id": MODEL_ID,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "attempts": 0,
        "failure": NO_WALK if text is None else None,
    }
