"""step_questions: prompts about single steps of traced executions, with the right answers.

What does not live here: choosing and wording questions (`core.method.step_questions`), traces
(`steps.execution_traces`).
"""

from collections import Counter
from dataclasses import replace

import polars as pl

from codeio_assets.core.method.step_questions import StepAsked, step_prompt, step_questions
from codeio_assets.core.method.trace_teacher import walk_to
from codeio_assets.core.method.traces import Trace, read_trace
from codeio_assets.core.method.verdicts import judge_output
from codeio_assets.core.prompts import Prompt
from codeio_assets.core.tables.data import Row, frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.steps.result import StepResult


def with_questions(
    traced: StepResult, functions: pl.DataFrame, pairs: pl.DataFrame, prompt: Prompt | None, per_kind: int
) -> StepResult:
    """Return the result of tracing with the table `step_questions`, which stays empty without a prompt."""
    traces = traced.tables["execution_traces"]
    rows = ask_about_steps(functions, pairs, traces, prompt, per_kind) if prompt else []
    kinds = Counter(row["kind"] for row in rows)
    tables = {**traced.tables, "step_questions": frame("step_questions", rows)}
    return replace(traced, tables=tables, info={**traced.info, "questions_by_kind": dict(sorted(kinds.items()))})


def ask_about_steps(
    functions: pl.DataFrame, pairs: pl.DataFrame, traces: pl.DataFrame, prompt: Prompt, per_kind: int = 1
) -> list[Row]:
    """Return up to `per_kind` questions of each kind about each traced pair; a prompt that came before is left out.

    The teacher's own answer is judged as any is (`core.method.verdicts.judge_output` against `target_json`), and left
    out where it is not right.
    """
    code = dict(functions.select("function_id", "reference_code").iter_rows())
    inputs = dict(pairs.select("pair_id", "input_json").iter_rows())
    rows: dict[str, Row] = {}
    for row in traces.sort("pair_id").to_dicts():
        program = code[row["function_id"]]
        trace = read_trace(row["trace_json"])
        for asked in step_questions(trace, program, row["pair_id"], per_kind):
            text = step_prompt(asked, program, inputs[row["pair_id"]], prompt)
            rows.setdefault(
                text,
                {
                    "question_id": content_id(pair_id=row["pair_id"], kind=asked.kind, prompt=text),
                    **{name: row[name] for name in ("pair_id", "function_id", "source")},
                    "kind": asked.kind,
                    "prompt": text,
                    "target_json": asked.target_json,
                    "answer": _right_answer(asked, trace, program, row["pair_id"]),
                },
            )
    return list(rows.values())


def _right_answer(asked: StepAsked, trace: Trace, program: str, pair_id: str) -> str | None:
    answer = walk_to(asked, trace, program, f"{pair_id}:{asked.question}")
    if answer is None or judge_output("answered", answer, asked.target_json).status != "correct":
        return None
    return answer
