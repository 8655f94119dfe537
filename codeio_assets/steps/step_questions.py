"""step_questions: prompts about single steps of traced executions, with the right answers.

What does not live here: choosing and wording questions (`core.method.step_questions`), traces
(`steps.execution_traces`).
"""

from collections import Counter

import polars as pl

from codeio_assets.core.method.step_questions import step_prompt, step_questions
from codeio_assets.core.method.traces import read_trace
from codeio_assets.core.prompts import Prompt
from codeio_assets.core.values.canonical import content_id
from codeio_assets.steps.result import Row, StepResult, account


def ask_about_steps(
    functions: pl.DataFrame, pairs: pl.DataFrame, traces: pl.DataFrame, prompt: Prompt, per_kind: int = 1
) -> StepResult:
    """Ask up to `per_kind` questions of each kind about each traced pair; a prompt that came before is left out.

    An answer `{"output": ...}` is judged by `core.method.verdicts.judge_output` against `target_json`.
    """
    code = dict(functions.select("function_id", "reference_code").iter_rows())
    inputs = dict(pairs.select("pair_id", "input_json").iter_rows())
    rows: dict[str, Row] = {}
    for row in traces.sort("pair_id").to_dicts():
        program = code[row["function_id"]]
        for asked in step_questions(read_trace(row["trace_json"]), program, row["pair_id"], per_kind):
            text = step_prompt(asked, program, inputs[row["pair_id"]], prompt)
            rows.setdefault(
                text,
                {
                    "question_id": content_id(pair_id=row["pair_id"], kind=asked.kind, prompt=text),
                    **{name: row[name] for name in ("pair_id", "function_id", "source")},
                    "kind": asked.kind,
                    "prompt": text,
                    "target_json": asked.target_json,
                },
            )
    kinds = Counter(row["kind"] for row in rows.values())
    info = {"questions_by_kind": dict(sorted(kinds.items()))}
    return account("step_questions", list(rows.values()), None, items_in=len(rows), info=info)
