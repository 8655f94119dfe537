"""revised_predictions and revised_verdicts: asking again with feedback, each turn judged before the next (CodeI/O++).

What does not live here: the feedback and the conversation (`core.method.revision`), judging (`steps.verdicts`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import polars as pl

from codeio_assets.core.method.revision import NEEDS_REVISION, next_messages
from codeio_assets.core.prompts import Prompt
from codeio_assets.core.settings.models import ModelCall
from codeio_assets.core.tables.data import Row, frame
from codeio_assets.llm.contract import ChatClient
from codeio_assets.steps.predictions import prediction_row, settled, usage
from codeio_assets.steps.result import StepResult, account
from codeio_assets.steps.unified_functions import request

Conversation = list[tuple[str, str]]


@dataclass(frozen=True)
class Asked:
    """What was asked at turn 1 and what became of it: the tables of these names, of one shard."""

    prediction_tasks: pl.DataFrame
    predictions: pl.DataFrame
    verdicts: pl.DataFrame


@dataclass(frozen=True)
class Reviser:
    """Who revises, how, how often, and with which feedback."""

    client: ChatClient
    call: ModelCall
    prompt: Prompt
    turns: int = 1


def revise(
    asked: Asked,
    reviser: Reviser,
    judge_turn: Callable[[pl.DataFrame], StepResult],
    already: pl.DataFrame | None = None,
) -> StepResult:
    """Give wrong predictions up to `turns` further turns; each turn is judged before the next is asked.

    With the rows `already` there from a previous run, only requests that have none yet or failed are sent.

    Tables: `revised_predictions` and `revised_verdicts`, one row per (task, turn), turn >= 2.
    """
    predictions: list[pl.DataFrame] = []
    verdicts: list[pl.DataFrame] = []
    flow: list[Row] = []
    previous, judged, kept = asked.predictions, asked.verdicts, settled(already)
    prompts = asked.prediction_tasks.select("task_id", "prompt").iter_rows()
    talks: dict[str, Conversation] = {task_id: [("user", text)] for task_id, text in prompts}
    for turn in range(2, reviser.turns + 2):
        wrong = judged.filter(pl.col("status").is_in(sorted(NEEDS_REVISION)))
        if wrong.is_empty():
            break
        rows = _ask_again(wrong, previous, talks, turn, reviser=reviser, kept=kept)
        previous = frame("revised_predictions", rows)
        judged = judge_turn(previous).tables["revised_verdicts"]
        predictions.append(previous)
        verdicts.append(judged)
        flow += _flow(turn, wrong, judged)
    made = pl.concat(predictions) if predictions else frame("revised_predictions", [])
    info = usage(made.to_dicts()) | {"flow": flow}
    result = account("revised_predictions", made.to_dicts(), None, items_in=len(made), info=info)
    tables = {
        **result.tables,
        "revised_verdicts": pl.concat(verdicts).sort("verdict_id") if verdicts else frame("revised_verdicts", []),
    }
    return StepResult(tables, result.items_in, result.items_out, {}, result.info)


def _ask_again(
    wrong: pl.DataFrame,
    previous: pl.DataFrame,
    talks: dict[str, Conversation],
    turn: int,
    *,
    reviser: Reviser,
    kept: Mapping[tuple[str, int], Row],
) -> list[Row]:
    answers = {row["prediction_id"]: row for row in previous.to_dicts()}
    items = wrong.sort("function_id", "direction", "task_id").to_dicts()
    for verdict in items:
        talks[verdict["task_id"]] = next_messages(
            talks[verdict["task_id"]],
            answers[verdict["prediction_id"]]["response"],
            verdict["feedback"],
            verdict["direction"],
            reviser.prompt,
        )
    asked = [item for item in items if (item["task_id"], turn) not in kept]
    responses = reviser.client.complete(
        [request(reviser.client.model, talks[item["task_id"]], reviser.call, item["function_id"]) for item in asked]
    )
    rows = [kept[item["task_id"], turn] for item in items if (item["task_id"], turn) in kept]
    return rows + [prediction_row(item, turn, response) for item, response in zip(asked, responses, strict=True)]


def _flow(turn: int, before: pl.DataFrame, after: pl.DataFrame) -> list[Row]:
    """Return the status flow of a turn as rows: turn, from, to, count."""
    joined = before.select("task_id", "status").join(after.select("task_id", to="status"), on="task_id")
    counts = joined.group_by("status", "to").len().sort("status", "to")
    return [{"turn": turn, "from": row["status"], "to": row["to"], "count": row["len"]} for row in counts.to_dicts()]
