"""prediction_tasks: both prompts of each pair. What does not live here: their wording (`core.method.tasks`)."""

from collections.abc import Mapping

import polars as pl

from codeio_assets.core.method.tasks import build_tasks
from codeio_assets.core.prompts import Prompt
from codeio_assets.core.tables.data import Row
from codeio_assets.steps.result import StepResult, account


def build_prediction_tasks(functions: pl.DataFrame, pairs: pl.DataFrame, prompts: Mapping[str, Prompt]) -> StepResult:
    """Build both prompts of each pair; rejections: `duplicate_prompt`."""
    by_function: dict[str, list[Row]] = {}
    for pair in pairs.sort("function_id", "pair_index").to_dicts():
        by_function.setdefault(pair["function_id"], []).append(pair)
    rows: list[Row] = []
    rejections: list[Row] = []
    for function in functions.to_dicts():
        tasks, dropped = build_tasks(function, by_function.get(function["function_id"], []), prompts)
        rows.extend(tasks)
        rejections.extend(dropped)
    return account("prediction_tasks", rows, rejections, items_in=2 * len(pairs))
