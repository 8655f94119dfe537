"""Choosing held-out rows, judging answers in the real sandbox, counting."""

import json

import polars as pl
import pytest

from codeio_assets.checks.tables import failing_rows
from codeio_assets.core.settings.recipes import Evaluation
from codeio_assets.core.tables.data import frame
from codeio_assets.core.values.canonical import content_id
from codeio_assets.core.values.intervals import wilson
from codeio_assets.steps.held_out_scores import HeldOutError, choose_held_out, score

CODE = "def main_solution(a):\n    return {'double': 2 * a}\n"
FUNCTION = content_id(function="double")


def pair(number: int) -> dict:
    return {
        "pair_id": content_id(pair=number),
        "function_id": FUNCTION,
        "source": "s",
        "pair_index": number,
        "input_json": json.dumps({"a": number}),
        "output_json": json.dumps({"double": 2 * number}),
        "is_degenerate": False,
    }


def task(number: int, direction: str) -> dict:
    return {
        "task_id": content_id(task=number, direction=direction),
        "pair_id": content_id(pair=number),
        "function_id": FUNCTION,
        "source": "s",
        "direction": direction,
        "prompt": f"{direction} of {number}?",
        "prompt_sha256": content_id(prompt=1),
    }


TASKS = [task(number, direction) for number in range(3) for direction in ("input", "output")]
FUNCTION_ROW = {
    "function_id": FUNCTION, "file_id": content_id(file=1), "source": "s", "path": "p", "reference_code": CODE,
    "io_description": "d", "input_generator": "def input_generator(): ...", "query": "q", "completed_names": "",
    "attempt": 1, "request_key": content_id(request=1), "model_id": "m", "prompt_sha256": content_id(prompt=1),
    "repository": None, "license": None,
}  # fmt: skip
TABLES = {
    "prediction_tasks": frame("prediction_tasks", TASKS),
    "io_pairs": frame("io_pairs", [pair(number) for number in range(3)]),
    "unified_functions": frame("unified_functions", [FUNCTION_ROW]),
}


def sample(of: dict | None, stage: int = 1, split: str = "validation", chat: int = 0) -> dict:
    kind = {"kind": "codeio" if of else "instruction", "split": split, "stage": stage, "source": "s"}
    known = {name: of[name] for name in ("task_id", "function_id", "direction")} if of else {}
    identity = content_id(stage=stage, of=of, chat=chat)
    texts = {"prompt_json": json.dumps([{"role": "user", "content": "?"}]), "completion": "!"}
    return {**kind, **known, "sample_id": identity, **texts}


def training_set(rows: list[dict]) -> pl.DataFrame:
    empty = dict.fromkeys(frame("training_sets", []).columns)
    return frame("training_sets", [{**empty, **row} for row in rows])


def chosen(**evaluation) -> pl.DataFrame:
    rows = [sample(one) for one in TASKS] + [sample(TASKS[0], stage=2), sample(TASKS[1], split="train")]
    rows += [sample(None, stage=2, chat=number) for number in range(4)]
    return choose_held_out(training_set(rows), Evaluation.model_validate(evaluation))


def test_the_first_rows_of_each_subject_are_asked_and_measured() -> None:
    rows = chosen(tasks_per_direction=2, loss_rows=1)
    counts = rows.group_by("subject").agg(pl.col("ask").sum(), pl.col("measure").sum()).sort("subject")
    assert counts.rows() == [("input", 2, 1), ("instruction", 0, 1), ("output", 2, 1)]
    assert rows["item_id"].n_unique() == len(rows)
    assert set(rows["split"]) == {"validation"}
    assert rows.equals(chosen(tasks_per_direction=2, loss_rows=1))


def answer(model: str, of: dict, text: str) -> dict:
    counts = {"finish_reason": "stop", "prompt_tokens": 5, "completion_tokens": 3}
    return {"model": model, "kind": "answer", "item_id": of["task_id"], "text": text, **counts}


def loss(model: str, of: dict, value: float) -> dict:
    return {"model": model, "kind": "loss", "item_id": of["task_id"], "loss_sum": value, "tokens": 2}


def test_answers_are_judged_by_execution_and_counted(sandbox) -> None:
    """Any input that gives the output is right; base never answers, stage 1 is right but for one of each."""
    findings = []
    for of in TASKS:
        number = next(index for index in range(3) if content_id(pair=index) == of["pair_id"])
        right = {"input": {"a": float(number)}} if of["direction"] == "input" else {"output": {"double": 2 * number}}
        said = json.dumps(right if number else {of["direction"]: {"a": 99}})
        findings += [answer("base", of, "no idea"), answer("stage1", of, f"So: {said}")]
        findings += [loss("base", of, 4.0), loss("stage1", of, 2.0)]
    sha = content_id(checkpoint=1)
    rows = chosen(tasks_per_direction=9, loss_rows=9).filter(pl.col("subject") != "instruction")
    result = score("demo", {"base": None, "stage1": sha}, rows, findings, TABLES, sandbox=sandbox, rule="default")
    for name, table in result.tables.items():
        assert failing_rows(name, table) == []
    scores = {(row["model"], row["subject"]): row for row in result.tables["held_out_scores"].to_dicts()}
    assert len(scores) == 4
    for subject in ("input", "output"):
        base, stage1 = scores["base", subject], scores["stage1", subject]
        assert (base["answers"], base["without_value"], base["correct"], base["loss"]) == (3, 3, 0, 2.0)
        assert (stage1["correct"], stage1["without_value"], stage1["loss"]) == (2, 0, 1.0)
        assert (stage1["accuracy_low"], stage1["accuracy_high"]) == wilson(2, 3)
        assert stage1["checkpoint_sha256"] == sha
    statuses = result.tables["held_out_answers"].filter(model="stage1").group_by("status").len()
    assert dict(statuses.rows()) == {"correct": 4, "wrong": 2}


def test_a_recipe_without_codeio_rows_has_losses_alone(sandbox) -> None:
    rows = chosen(tasks_per_direction=0, loss_rows=2).filter(pl.col("subject") == "instruction")
    findings = [
        {"model": "base", "kind": "loss", "item_id": item, "loss_sum": 3.0, "tokens": 1} for item in rows["item_id"]
    ]
    result = score("demo", {"base": None}, rows, findings, TABLES, sandbox=sandbox, rule="default")
    (row,) = result.tables["held_out_scores"].to_dicts()
    assert (row["subject"], row["answers"], row["accuracy"], row["loss"]) == ("instruction", 0, None, 3.0)


def test_a_task_that_is_gone_is_named(sandbox) -> None:
    rows = chosen(tasks_per_direction=9, loss_rows=0)
    gone = {**TABLES, "prediction_tasks": TABLES["prediction_tasks"].head(5)}
    with pytest.raises(HeldOutError, match=r"1 held-out task.*Materialise training_sets"):
        score("demo", {"base": None}, rows, [], gone, sandbox=sandbox, rule="default")
