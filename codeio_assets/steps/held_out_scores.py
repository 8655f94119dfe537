"""held_out_scores: base model and checkpoints on the held-out side, judged by our own execution.

What lives here: choosing held-out rows, judging answers, counting with confidence intervals. What does not: asking
(`training.process.evaluation`, `llm`), the rules of judging (`core.method.verdicts`).
"""

from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from codeio_assets.core.method.verdicts import Rule
from codeio_assets.core.settings.recipes import Evaluation
from codeio_assets.core.tables.data import Row, frame
from codeio_assets.core.tables.schema import DIRECTIONS
from codeio_assets.core.tables.training import SUBJECTS
from codeio_assets.core.values.canonical import content_id
from codeio_assets.core.values.intervals import mean_per_unit, wilson
from codeio_assets.sandbox.contract import Sandbox
from codeio_assets.steps.result import StepResult, storable
from codeio_assets.steps.verdicts import Evidence, judge

TASK_TABLES = ("prediction_tasks", "io_pairs", "unified_functions")


class HeldOutError(Exception):
    """Held-out rows do not fit the tables that they came from; the message says what to materialise."""


def choose_held_out(samples: pl.DataFrame, evaluation: Evaluation) -> pl.DataFrame:
    """Return held-out rows of a training set with `subject`, and whether to `ask` and to `measure` each.

    The first rows by id of each subject are taken: ids are hashes, so this is chance, the same for every model. A
    prompt that both stages hold is taken once.
    """
    subject = pl.coalesce("direction", "kind")
    rows = (
        samples.filter(pl.col("split") == "validation")
        .with_columns(subject=subject, item_id=pl.coalesce("task_id", "sample_id"))
        .sort("item_id", "stage")
        .unique("item_id", keep="first", maintain_order=True)
        .with_columns(place=pl.int_range(pl.len()).over("subject"))
    )
    asked = pl.col("subject").is_in(DIRECTIONS) & (pl.col("place") < evaluation.tasks_per_direction)
    chosen = rows.with_columns(ask=asked, measure=pl.col("place") < evaluation.loss_rows)
    return chosen.filter(pl.col("ask") | pl.col("measure")).drop("place")


def score(
    recipe: str,
    models: Mapping[str, str | None],
    rows: pl.DataFrame,
    findings: Iterable[Row],
    tasks: Mapping[str, pl.DataFrame],
    *,
    sandbox: Sandbox,
    rule: Rule,
) -> StepResult:
    """Judge the answers of all models and count.

    Args:
        recipe: whose checkpoints they are.
        models: name -> checkpoint, None for the base model.
        rows: what `choose_held_out` chose.
        findings: answers and losses, as `training.process.evaluation` writes them.
        tasks: the tables of `TASK_TABLES` with at least the chosen tasks.
        sandbox: executes predicted inputs.
        rule: rule of comparison.

    Raises:
        HeldOutError: a held-out task is in no shard any more.
        InfrastructureError: some execution ended as `infrastructure`.
    """
    found = list(findings)
    asked = {row["item_id"]: row for row in rows.filter("ask").to_dicts()}
    _require_tasks(asked, tasks["prediction_tasks"])
    given = [finding for finding in found if finding["kind"] == "answer"]
    answers = [_answer(recipe, models, asked[finding["item_id"]], finding) for finding in given]
    judged = _judged(answers, tasks, sandbox, rule)
    losses = [finding for finding in found if finding["kind"] == "loss"]
    subjects = dict(rows.select("item_id", "subject").iter_rows())
    scores = [
        _score(
            recipe,
            model,
            checkpoint,
            subject,
            answers=[row for row in judged if row["model"] == model and row["direction"] == subject],
            losses=[one for one in losses if one["model"] == model and subjects[one["item_id"]] == subject],
        )
        for model, checkpoint in models.items()
        for subject in SUBJECTS
        if subject in subjects.values()
    ]
    tables = {
        "held_out_scores": frame("held_out_scores", scores),
        "held_out_answers": frame("held_out_answers", judged),
    }
    return StepResult(tables, len(answers), len(judged), {}, {"held_out_rows": len(rows), "models": list(models)})


def _require_tasks(asked: Mapping[str, Row], tasks: pl.DataFrame) -> None:
    missing = sorted(set(asked) - set(tasks["task_id"]))
    if missing:
        raise HeldOutError(
            f"{len(missing)} held-out task(s) are in no shard any more, the first is {missing[0]}. Materialise "
            f"training_sets and the checkpoints of this recipe again."
        )


def _answer(recipe: str, models: Mapping[str, str | None], row: Row, finding: Row) -> Row:
    """Return an answer as a prediction, the form in which it can be judged, with what its own table adds."""
    model = str(finding["model"])
    return {
        "answer_id": content_id(recipe=recipe, model=model, checkpoint=models[model], task=row["task_id"]),
        "recipe": recipe,
        "model": model,
        "checkpoint_sha256": models[model],
        **{name: row[name] for name in ("task_id", "function_id", "source", "direction")},
        "response": storable(str(finding["text"])),
        "finish_reason": finding["finish_reason"],
        "prompt_tokens": finding["prompt_tokens"],
        "completion_tokens": finding["completion_tokens"],
    }


def _judged(answers: list[Row], tasks: Mapping[str, pl.DataFrame], sandbox: Sandbox, rule: Rule) -> list[Row]:
    predictions = pl.DataFrame(
        [{**row, "prediction_id": row["answer_id"], "turn": 1, "status": "answered"} for row in answers]
    )
    if predictions.is_empty():
        return []
    result = judge(Evidence(predictions=predictions, **tasks), sandbox, rule)
    verdicts = {row["prediction_id"]: row for row in result.tables["verdicts"].to_dicts()}
    taken = ("status", "predicted_json", "executed_output_json", "error_type", "rule_version")
    return [{**row, **{name: verdicts[row["answer_id"]][name] for name in taken}} for row in answers]


def _score(
    recipe: str,
    model: str,
    checkpoint: str | None,
    subject: str,
    *,
    answers: Sequence[Row],
    losses: Sequence[Row],
) -> Row:
    correct = sum(row["status"] == "correct" for row in answers)
    low, high = wilson(correct, len(answers))
    sums, tokens = [one["loss_sum"] for one in losses], [one["tokens"] for one in losses]
    loss = mean_per_unit(sums, tokens) if losses else (None, None, None)
    return {
        "score_id": content_id(recipe=recipe, model=model, checkpoint=checkpoint, subject=subject),
        "recipe": recipe,
        "model": model,
        "checkpoint_sha256": checkpoint,
        "subject": subject,
        "answers": len(answers),
        "without_value": sum(row["status"] == "no_answer" for row in answers),
        "correct": correct,
        "accuracy": correct / len(answers) if answers else None,
        "accuracy_low": low if answers else None,
        "accuracy_high": high if answers else None,
        "loss_rows": len(losses),
        "loss_tokens": sum(tokens),
        "loss": loss[0],
        "loss_low": loss[1],
        "loss_high": loss[2],
    }
