"""predictions: asking a model for every task, turn 1.

What does not live here: transport (`llm`), reading and judging the answers (`steps.verdicts`).
"""

from collections import Counter

import polars as pl

from codeio_assets.core.settings.models import ModelCall
from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.canonical import JsonLike, content_id
from codeio_assets.llm.contract import ChatClient, ChatResponse
from codeio_assets.steps.result import StepResult, account, storable
from codeio_assets.steps.unified_functions import request


def predict(
    tasks: pl.DataFrame, client: ChatClient, call: ModelCall, previous: pl.DataFrame | None = None
) -> StepResult:
    """Ask for every task once: one row per task, answered or not.

    With the rows of a `previous` run, only for those tasks that have none yet or whose request failed.
    """
    kept = settled(previous)
    ordered = tasks.sort("function_id", "direction", "task_id").to_dicts()
    asked = [task for task in ordered if (task["task_id"], 1) not in kept]
    requests = [request(client.model, [("user", task["prompt"])], call, task["function_id"]) for task in asked]
    responses = client.complete(requests)
    rows = [kept[task["task_id"], 1] for task in ordered if (task["task_id"], 1) in kept]
    rows += [prediction_row(task, 1, response) for task, response in zip(asked, responses, strict=True)]
    return account("predictions", rows, None, items_in=len(tasks), info=usage(rows))


def settled(previous: pl.DataFrame | None) -> dict[tuple[str, int], Row]:
    """Return (task, turn) -> row of the predictions of a previous run that need not be asked again."""
    rows = [] if previous is None else previous.filter(pl.col("status") != "failed").to_dicts()
    return {(row["task_id"], row["turn"]): row for row in rows}


def prediction_row(item: Row, turn: int, response: ChatResponse) -> Row:
    """Return a response as a row of `predictions`."""
    return {
        "prediction_id": content_id(task_id=item["task_id"], turn=turn, request_key=response.key),
        **{name: item[name] for name in ("task_id", "function_id", "source", "direction")},
        "turn": turn,
        "request_key": response.key,
        "status": response.status,
        "response": storable(response.text),
        "reasoning": None if response.reasoning is None else storable(response.reasoning),
        "finish_reason": response.finish_reason,
        "model_id": response.model,
        "prompt_tokens": response.prompt_tokens,
        "completion_tokens": response.completion_tokens,
        "attempts": response.attempts,
        "failure": response.failure,
    }


def usage(rows: list[Row]) -> dict[str, JsonLike]:
    """Return how requests ended, and the tokens that they took."""
    return {
        "requests_by_status": dict(sorted(Counter(row["status"] for row in rows).items())),
        "prompt_tokens": sum(row["prompt_tokens"] for row in rows),
        "completion_tokens": sum(row["completion_tokens"] for row in rows),
    }
