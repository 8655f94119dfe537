"""What all table models share: their base, the form of ids, and the words of columns that many of them have.

What does not live here: the tables (`core.tables`, `core.training_tables`).
"""

from typing import Any

import pandera.polars as pa

ID: dict[str, Any] = {"str_matches": r"^[0-9a-f]{64}$"}
DIRECTIONS = ["input", "output"]
VERDICT_STATUSES = [
    "correct", "wrong", "exception", "timeout", "out_of_memory", "no_answer", "infrastructure",
]  # fmt: skip

COLUMNS = {
    "accuracy": "correct answers of all answers",
    "accuracy_high": "upper end of the 95% interval (Wilson)",
    "asset": "name of the asset in the graph",
    "base_model": "name of the model that training began from",
    "checkpoint_sha256": "hash of the checkpoint that answered; null for the base model",
    "completion_tokens": "tokens that the model wrote",
    "correct": "verdicts that are `correct`",
    "currency": "of the price table, such as USD",
    "detail": "what was found, for a person",
    "direction": "what is predicted: the output, or a feasible input",
    "error_type": "class of the exception that the execution raised",
    "executed_output_json": "what the predicted input really gives",
    "failed": "requests that ended without a response",
    "feedback_1": "what the model was told about its first answer",
    "feedback_2": "what the second answer would be told",
    "file_id": "the raw file it comes from",
    "finish_reason": "why the server stopped: `stop`, `length`, ...",
    "function_id": "the function it is about",
    "input_generator": "Python that draws a random input: a dictionary of keyword arguments",
    "input_json": "keyword arguments, canonical JSON",
    "io_description": "types and meaning of inputs and output, in words",
    "kind": "`codeio` for predictions, `instruction` for chats",
    "learning_rate": "at this step",
    "license": "licence as stated by the source",
    "loss_after": "the same after training",
    "loss_high": "upper end of the 95% interval",
    "loss_low": "lower end of the 95% interval",
    "loss_rows": "held-out rows that the loss is taken on",
    "max_row_tokens": "tokens of the longest row, prompt and completion",
    "messages_json": "the conversation: a JSON list of `role` and `content`",
    "model": "which model answered: the base, or the checkpoint of a stage",
    "model_id": "name of the model as it was asked for",
    "packing": "whether rows share sequences",
    "pair_id": "the pair it asks about",
    "pair_index": "place of the pair within its function, from 0",
    "partitions": "what its partitions are",
    "path": "path inside the source; of a checkpoint, its folder",
    "position": "order in the pipeline, from 1",
    "predicted_json": "the value found in the response",
    "prediction_id": "the prediction it is about",
    "prompt": "what the model is asked, whole",
    "prompt_tokens": "tokens of the prompt",
    "query": "the question in words that the function answers",
    "recipe": "name of the recipe, a partition",
    "reference_code": "the unified function with what it needs; `main_solution` is its entry",
    "repository": "repository of origin, where known",
    "request_key": "key of the response in the journal",
    "response": "text of the answer",
    "rows": "how many rows",
    "rule_version": "version of the comparison rule",
    "run_id": "the Dagster run",
    "sample_id": "sha256 over the messages",
    "samples_per_sequence": "mean rows in a sequence; 1 without packing",
    "share_of_previous": "rows per row of the step before",
    "source": "name in sources.yaml",
    "split": "side that it is on: trained on, or held out",
    "stage": "of training: 1 on predictions, 2 on instructions",
    "status": "how it ended",
    "step": "optimiser step; in a funnel, what is counted",
    "steps": "optimiser steps",
    "task_id": "the task it answers",
    "tokens_per_s": "tokens trained on per second of wall time",
    "tokens_seen": "tokens of all batches trained on",
    "train_rows": "rows trained on",
    "turn": "1 = first answer, 2.. = after feedback",
    "turn_1": "the first answer",
    "turn_2": "the answer after the first feedback",
    "validation_rows": "held-out rows that the loss is taken on",
    "wall_time_s": "wall time in seconds",
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
