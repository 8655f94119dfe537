"""The schema of every table: columns, types and rules, as pandera models over polars.

One truth for the store (column types), the asset checks (rules), the UI (column schema) and the docs.
What does not live here: rules that need more than one table (`sql/checks`), what the models share (`schema`), the
tables of findings (`quality`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandera.polars as pa
import polars as pl

from codeio_assets.core.tables.benchmarks import (
    BenchmarkAnswer,
    BenchmarkLeak,
    BenchmarkQuestion,
    BenchmarkScore,
    BenchmarkVerdict,
    ResultCell,
)
from codeio_assets.core.tables.marks import Mark
from codeio_assets.core.tables.quality import CotFlaw, FunctionCost, PublishedPair, VerdictHistory
from codeio_assets.core.tables.reasons import REASONS
from codeio_assets.core.tables.reinforcement import (
    CotGrounding,
    ExecutionTrace,
    PassRate,
    SampledAnswer,
    StepQuestion,
)
from codeio_assets.core.tables.schema import DIRECTIONS, ID, VERDICT_STATUSES, Table
from codeio_assets.core.tables.status import StepStatus
from codeio_assets.core.tables.training import (
    Checkpoint,
    HeldOutAnswer,
    HeldOutScore,
    TokenAuditEntry,
    TokenisedStage,
    TrainingLogEntry,
)

RESPONSE_STATUSES = ["answered", "truncated", "refused", "failed"]
SPLITS = ["train", "validation", "test"]


class Rejection(Table):
    """One row per item that a stage dropped: which, why (a code that can be counted), and in words."""

    id: str = pa.Field(description="id of the dropped item in its input table")
    source: str = pa.Field(description="name of the source it came from")
    reason: str = pa.Field(str_matches=r"^[a-z][a-z0-9_]*$", description="reason code")
    detail: str = pa.Field(description="what was found, for a person")


def _rejections(asset: str) -> type[Rejection]:
    """Return the model of an asset's rejections: the reason is one of its codes."""
    field = pa.Field(isin=list(REASONS[f"{asset}_rejections"]), description="reason code; see `core.tables.reasons`")
    members = {"__annotations__": {"reason": str}, "reason": field, "__doc__": f"Rejections of {asset}."}
    return type(f"{asset}_rejections", (Rejection,), {**members, "__module__": __name__})


class RawCodeFile(Table):
    """One row per raw code file of a shard, as found in its source."""

    file_id: str = pa.Field(unique=True, **ID, description="sha256 over source, path and content")
    source: str = pa.Field(str_length={"min_value": 1}, description="name in sources.yaml")
    repository: str = pa.Field(nullable=True, description="repository of origin, where known")
    path: str = pa.Field(str_length={"min_value": 1}, description="path inside the source")
    license: str = pa.Field(nullable=True, description="licence as stated by the source")
    content: str = pa.Field(description="the whole text")
    content_sha256: str = pa.Field(**ID, description="sha256 of the raw bytes")
    size_bytes: int = pa.Field(ge=0, description="length of the raw bytes")


class EligibleCodeFile(RawCodeFile):
    """One row per raw file that can become a function: parses, right length, has logic, not seen before."""

    content: str = pa.Field(str_length={"min_value": 1}, description="the whole text")


class FileLabel(Table):
    """One row per raw file that a model was asked about, where the source's filters want labels."""

    file_id: str = pa.Field(unique=True, **ID)
    source: str
    category: str = pa.Field(nullable=True, description="what it is about; null when not asked or not told")
    function_name: str = pa.Field(nullable=True, description="the function that was left open for completion")
    trials: int = pa.Field(ge=0, description="completions asked for")
    successes: int = pa.Field(ge=0, description="completions that did what the original does, by execution")
    detail: str = pa.Field(nullable=True, description="why a label is missing")
    request_keys_json: str = pa.Field(description="keys of the responses in the journal, a JSON list")
    model_id: str
    prompt_tokens: int = pa.Field(ge=0)
    completion_tokens: int = pa.Field(ge=0)


class NearDuplicateGroup(Table):
    """One row per raw file: the near-duplicate group that it joined when its shard was registered."""

    file_id: str = pa.Field(unique=True, **ID)
    source: str
    group_id: str = pa.Field(**ID, description="file_id of the group's first file; its own when it founded one")
    nearest: str = pa.Field(nullable=True, description="the earlier file that it is nearest to, if any is near")
    similarity: float = pa.Field(nullable=True, ge=0, le=1, description="estimated Jaccard similarity to it")
    bridged_groups_json: str = pa.Field(str_matches=r"^\[", description="other groups with files that it is near to")


class TransformAttempt(Table):
    """One row per request that asked a model to rewrite a file, whatever came of it."""

    attempt_id: str = pa.Field(unique=True, **ID, description="sha256 over file_id and request_key")
    file_id: str = pa.Field(**ID)
    source: str
    attempt: int = pa.Field(ge=1, description="1 = first request, 2.. = repair with the error as feedback")
    request_key: str = pa.Field(**ID, description="key of the response in the journal")
    status: str = pa.Field(isin=RESPONSE_STATUSES)
    reason: str = pa.Field(
        nullable=True, isin=list(REASONS["transform_attempts"]), description="why it gave no function; null when it did"
    )
    detail: str = pa.Field(nullable=True, description="what was found, for a person")
    model_id: str
    prompt_tokens: int = pa.Field(ge=0)
    completion_tokens: int = pa.Field(ge=0)


class UnifiedFunction(Table):
    """One row per file that a model rewrote into the unified format (paper sec. 2.1)."""

    function_id: str = pa.Field(unique=True, **ID, description="sha256 over file_id and the parts below")
    file_id: str = pa.Field(unique=True, **ID)
    source: str
    repository: str = pa.Field(nullable=True)
    path: str
    license: str = pa.Field(nullable=True)
    reference_code: str = pa.Field(
        str_contains="def main_solution",
        description="the unified function with what it needs; `main_solution` is its entry",
    )
    io_description: str = pa.Field(
        str_length={"min_value": 1}, description="types and meaning of inputs and output, in words"
    )
    input_generator: str = pa.Field(
        str_contains="def input_generator",
        description="Python that draws a random input: a dictionary of keyword arguments",
    )
    query: str = pa.Field(str_length={"min_value": 1}, description="the question in words that the function answers")
    completed_names: str = pa.Field(description="definitions taken from the raw file, comma-separated")
    attempt: int = pa.Field(ge=1, description="which request gave it")
    request_key: str = pa.Field(**ID)
    model_id: str
    prompt_sha256: str = pa.Field(**ID, description="hash of the transform prompt template")


class IoPair(Table):
    """One row per (function, distinct input): the input before the call, and the output it reproducibly gives."""

    pair_id: str = pa.Field(
        unique=True, **ID, description="sha256 over function_id and input_json with its keys sorted"
    )
    function_id: str = pa.Field(**ID)
    source: str
    pair_index: int = pa.Field(ge=0, description="order of acceptance within the function")
    input_json: str = pa.Field(str_matches=r"^\{", description="keyword arguments as JSON, in the order written")
    output_json: str = pa.Field(ne="null", description="return value as JSON, keys in their own order")
    is_degenerate: bool = pa.Field(description="all pairs of the function have one output")


class PredictionTask(Table):
    """One row per (pair, direction): a prompt that asks for the output, or for a feasible input."""

    task_id: str = pa.Field(unique=True, **ID, description="sha256 over direction and prompt and pair")
    pair_id: str = pa.Field(**ID, description="the pair it asks about")
    function_id: str = pa.Field(**ID)
    source: str
    direction: str = pa.Field(isin=DIRECTIONS, description="what is to be predicted")
    prompt: str = pa.Field(str_length={"min_value": 1}, description="what the model is asked, whole")
    prompt_sha256: str = pa.Field(**ID, description="hash of the prompt template")


class Prediction(Table):
    """One row per (task, turn): what the model answered, or why it did not."""

    prediction_id: str = pa.Field(unique=True, **ID, description="sha256 over task_id, turn and request_key")
    task_id: str = pa.Field(**ID)
    function_id: str = pa.Field(**ID)
    source: str
    direction: str = pa.Field(isin=DIRECTIONS)
    turn: int = pa.Field(ge=1)
    request_key: str = pa.Field(**ID)
    status: str = pa.Field(isin=RESPONSE_STATUSES)
    response: str = pa.Field(description="text of the answer; empty when it failed")
    reasoning: str = pa.Field(nullable=True, description="reasoning content, where the server keeps it apart")
    finish_reason: str = pa.Field(nullable=True, description="why the server stopped: `stop`, `length`, ...")
    model_id: str
    prompt_tokens: int = pa.Field(ge=0)
    completion_tokens: int = pa.Field(ge=0)
    attempts: int = pa.Field(ge=0, description="requests sent, retries included")
    failure: str = pa.Field(nullable=True, description="reason, when status is failed")


class Verdict(Table):
    """One row per prediction: what execution says about it."""

    verdict_id: str = pa.Field(unique=True, **ID, description="sha256 over prediction_id and rule_version")
    prediction_id: str = pa.Field(unique=True, **ID)
    task_id: str = pa.Field(**ID)
    function_id: str = pa.Field(**ID)
    source: str
    direction: str = pa.Field(isin=DIRECTIONS)
    turn: int = pa.Field(ge=1)
    status: str = pa.Field(isin=VERDICT_STATUSES)
    predicted_json: str = pa.Field(nullable=True, description="the value found in the response")
    executed_output_json: str = pa.Field(
        nullable=True, description="what the predicted input really gives; null beyond 65,536 characters"
    )
    error_type: str = pa.Field(nullable=True)
    feedback: str = pa.Field(str_length={"min_value": 1}, description="what the next turn is told")
    rule_version: str


class InstructionSample(Table):
    """One row per chat conversation for stage 2."""

    sample_id: str = pa.Field(unique=True, **ID, description="sha256 over the messages")
    source: str
    messages_json: str = pa.Field(
        str_matches=r"^\[", description="the conversation: a JSON list of `role` and `content`"
    )
    split: str = pa.Field(isin=SPLITS)


class TrainingSample(Table):
    """One row per (recipe, stage, sample): what a model is trained or validated on."""

    sample_id: str = pa.Field(**ID, description="sha256 over the stage, task or conversation, and texts")
    stage: int = pa.Field(isin=[1, 2])
    kind: str = pa.Field(
        isin=["codeio", "instruction", "steps"],
        description="`codeio` for predictions, `instruction` for chats, `steps` for questions about steps",
    )
    split: str = pa.Field(isin=SPLITS)
    task_id: str = pa.Field(nullable=True)
    function_id: str = pa.Field(nullable=True)
    group_id: str = pa.Field(nullable=True, description="near-duplicate group of its file; decides the split")
    source: str
    direction: str = pa.Field(nullable=True, isin=DIRECTIONS)
    repository: str = pa.Field(nullable=True)
    path: str = pa.Field(nullable=True)
    license: str = pa.Field(nullable=True)
    prompt_json: str = pa.Field(str_matches=r"^\[", description="messages before the completion")
    completion: str = pa.Field(str_length={"min_value": 1}, description="what the loss is computed on")
    turn_1: str = pa.Field(nullable=True, description="the first answer")
    feedback_1: str = pa.Field(nullable=True, description="what the model was told about its first answer")
    turn_2: str = pa.Field(nullable=True, description="the answer after the first feedback")
    feedback_2: str = pa.Field(nullable=True, description="what the second answer would be told")
    final_status: str = pa.Field(nullable=True, description="status of the last verdict")


class FunnelStep(Table):
    """One row per step of the funnel from raw file to training token."""

    position: int = pa.Field(ge=1, unique=True)
    step: str = pa.Field(description="what is counted")
    rows: int = pa.Field(ge=0)
    share_of_previous: float = pa.Field(
        nullable=True, description="of files, share of the step before; of tasks, share of all tasks"
    )


class ModelUsage(Table):
    """One row per step of a run that sent requests to a model: what it took. Never replaced by later runs."""

    usage_id: str = pa.Field(unique=True, **ID, description="sha256 over run_id, asset and shard")
    run_id: str = pa.Field(description="the Dagster run")
    asset: str
    shard: str = pa.Field(description="partition key")
    model_id: str
    ended_at: str = pa.Field(description="UTC, ISO 8601")
    requests: int = pa.Field(ge=0, description="requests that ended, replayed ones included")
    replayed: int = pa.Field(ge=0, description="answered from the journal, which costs nothing")
    failed: int = pa.Field(ge=0, description="requests that ended without a response")
    tries: int = pa.Field(ge=1, description="requests sent, retries included")
    prompt_tokens: int = pa.Field(ge=0)
    cached_tokens: int = pa.Field(ge=0, description="prompt tokens from the server's prefix cache, where it tells")
    completion_tokens: int = pa.Field(ge=0)
    cost: float = pa.Field(ge=0, description="by the price table of that time")
    wall_time_s: float = pa.Field(ge=0, description="wall time in seconds")
    currency: str = pa.Field(description="of the price table, such as USD")


RUN_TABLES = ("model_usage", "verdict_history", "function_costs")
"""Tables that runs add to, beside those of the assets."""
PEOPLE_TABLES = ("marks",)
"""Tables that people add to."""

TABLES: dict[str, type[Table]] = {
    "raw_code_files": RawCodeFile,
    "raw_code_files_rejections": _rejections("raw_code_files"),
    "file_labels": FileLabel,
    "eligible_code_files": EligibleCodeFile,
    "eligible_code_files_rejections": _rejections("eligible_code_files"),
    "near_duplicate_groups": NearDuplicateGroup,
    "transform_attempts": TransformAttempt,
    "unified_functions": UnifiedFunction,
    "unified_functions_rejections": _rejections("unified_functions"),
    "io_pairs": IoPair,
    "io_pairs_rejections": _rejections("io_pairs"),
    "prediction_tasks": PredictionTask,
    "prediction_tasks_rejections": _rejections("prediction_tasks"),
    "predictions": Prediction,
    "verdicts": Verdict,
    "revised_predictions": Prediction,
    "revised_verdicts": Verdict,
    "cot_flaws": CotFlaw,
    "execution_traces": ExecutionTrace,
    "execution_traces_rejections": _rejections("execution_traces"),
    "step_questions": StepQuestion,
    "cot_grounding": CotGrounding,
    "sampled_answers": SampledAnswer,
    "pass_rates": PassRate,
    "instruction_data": InstructionSample,
    "instruction_data_rejections": _rejections("instruction_data"),
    "training_sets": TrainingSample,
    "training_sets_rejections": _rejections("training_sets"),
    "tokenised_sets": TokenisedStage,
    "sft_stage1_checkpoint": Checkpoint,
    "sft_stage1_training_log": TrainingLogEntry,
    "sft_stage1_token_audit": TokenAuditEntry,
    "sft_stage2_checkpoint": Checkpoint,
    "sft_stage2_training_log": TrainingLogEntry,
    "sft_stage2_token_audit": TokenAuditEntry,
    "held_out_scores": HeldOutScore,
    "held_out_answers": HeldOutAnswer,
    "benchmark_questions": BenchmarkQuestion,
    "benchmark_answers": BenchmarkAnswer,
    "benchmark_verdicts": BenchmarkVerdict,
    "benchmark_scores": BenchmarkScore,
    "benchmark_leakage": BenchmarkLeak,
    "results": ResultCell,
    "shard_reports": FunnelStep,
    "published_data_audit": PublishedPair,
    "quality_report": FunnelStep,
    "status": StepStatus,
    "marks": Mark,
    "model_usage": ModelUsage,
    "verdict_history": VerdictHistory,
    "function_costs": FunctionCost,
}
"""Table name -> its model. A `*_rejections` table stands beside each table whose stage drops rows."""


Row = dict[str, Any]
"""A row of a table or query as polars gives it: column -> value; the table's model says of which type."""


def frame(table: str, rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Return rows as a frame with exactly the columns and types of a table, sorted by its key.

    Raises:
        KeyError: unknown table.
        polars.exceptions.PolarsError: a value does not fit its column's type.
    """
    schema = polars_schema(table)
    return pl.DataFrame(rows, schema=schema, strict=True).sort(next(iter(schema)), maintain_order=True)


def polars_schema(table: str) -> dict[str, pl.DataType]:
    """Return column name -> polars type of a table, in order."""
    columns = TABLES[table].to_schema().columns
    return {name: column.dtype.type for name, column in columns.items()}
