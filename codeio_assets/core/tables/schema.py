"""What all table models share: their base, the form of ids, and the words of columns that many of them have.

What does not live here: the tables (`core.tables.data`, `core.tables.training`).
"""

from typing import Any

import pandera.polars as pa

ID: dict[str, Any] = {"str_matches": r"^[0-9a-f]{64}$"}
DIRECTIONS = ["input", "output"]
VERDICT_STATUSES = [
    "correct", "wrong", "exception", "timeout", "out_of_memory", "no_answer", "infrastructure",
]  # fmt: skip

COLUMNS = {
    "asset": "name of the asset in the graph",
    "completion_tokens": "tokens that the model wrote",
    "direction": "what is predicted: the output, or a feasible input",
    "error_type": "class of the exception that the execution raised",
    "file_id": "the raw file it comes from",
    "function_id": "the function it is about",
    "license": "licence as stated by the source",
    "model": "which model answered: the base, or the checkpoint of a stage",
    "model_id": "name of the model as it was asked for",
    "path": "path inside the source",
    "position": "order in the pipeline, from 1",
    "prediction_id": "the prediction it is about",
    "prompt_tokens": "tokens of the prompt",
    "recipe": "name of the recipe, a partition",
    "repository": "repository of origin, where known",
    "request_key": "key of the response in the journal",
    "rows": "how many rows",
    "rule_version": "version of the comparison rule",
    "source": "name in sources.yaml",
    "split": "side that it is on: trained on, or held out",
    "stage": "of training: 1 on predictions, 2 on instructions",
    "status": "how it ended",
    "steps": "optimiser steps",
    "task_id": "the task it answers",
    "turn": "1 = first answer, 2.. = after feedback",
}
"""Columns whose meaning is the same wherever they stand; a table's own description goes before."""


def column_description(name: str, own: str | None) -> str:
    """Return what a column holds: what its table says of it, else what the name means everywhere."""
    return own or COLUMNS[name]


class Table(pa.DataFrameModel):
    """Base of all tables: strict columns, typed, in this order; rows are sorted by the first one."""

    class Config:  # pyright: ignore[reportIncompatibleVariableOverride]  (how pandera takes options)
        """Columns beyond the schema are an error; types are never coerced."""

        strict = True
        ordered = True
        coerce = False
