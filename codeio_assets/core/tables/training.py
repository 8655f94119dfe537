"""The tables of training: checkpoints, their logs and token audits, and how models do on the held-out side.

What does not live here: the list of all tables (`core.tables.data`).
"""

import pandera.polars as pa

from codeio_assets.core.tables.schema import DIRECTIONS, ID, VERDICT_STATUSES, Table

EVALUATED = ["base", "stage1", "stage2"]
SUBJECTS = [*DIRECTIONS, "instruction", "steps"]


class Checkpoint(Table):
    """One row per finished checkpoint of a stage: where it is, what it is, and its loss on held-out rows."""

    checkpoint_sha256: str = pa.Field(unique=True, **ID, description="hash over the hashes of its files")
    recipe: str
    stage: int = pa.Field(isin=[1, 2])
    path: str = pa.Field(description="its folder, below that of all checkpoints")
    parent_sha256: str = pa.Field(nullable=True, description="the checkpoint it started from; null for the base")
    base_model: str = pa.Field(description="name of the model that training began from")
    steps: int = pa.Field(ge=1)
    train_rows: int = pa.Field(ge=1, description="rows trained on")
    validation_rows: int = pa.Field(ge=0, description="held-out rows that the loss is taken on")
    tokens_seen: int = pa.Field(ge=1, description="tokens of all batches trained on")
    loss_before: float = pa.Field(nullable=True, description="mean loss per completion token, held-out rows")
    loss_after: float = pa.Field(
        nullable=True, description="mean loss per completion token after training, held-out rows"
    )
    audit_json: str = pa.Field(str_matches=r"^\{", description="token audit")


class TrainingLogEntry(Table):
    """One row per logged optimiser step of a stage."""

    step: int = pa.Field(ge=0, unique=True, description="optimiser step")
    recipe: str
    stage: int = pa.Field(isin=[1, 2])
    loss: float = pa.Field(description="mean training loss since the last entry")
    learning_rate: float = pa.Field(nullable=True, ge=0, description="at this step")
    grad_norm: float = pa.Field(nullable=True, ge=0, description="before clipping")
    tokens_per_s: float = pa.Field(nullable=True, ge=0, description="tokens trained on per second of wall time")
    memory_bytes: int = pa.Field(nullable=True, ge=0, description="most memory held so far by the first process")


class TokenAuditEntry(Table):
    """One row per trained stage of a recipe: what its rows come to in tokens, counted before the first step."""

    audit_id: str = pa.Field(unique=True, **ID, description="sha256 over the recipe, the stage and the counts")
    recipe: str
    stage: int = pa.Field(isin=[1, 2])
    rows: int = pa.Field(ge=1)
    prompt_tokens: int = pa.Field(ge=0)
    completion_tokens: int = pa.Field(ge=0, description="before truncation")
    max_row_tokens: int = pa.Field(ge=0, description="tokens of the longest row, prompt and completion")
    rows_truncated: int = pa.Field(ge=0, description="longer than max_length")
    completion_tokens_lost: int = pa.Field(ge=0, description="cut off by max_length")
    trainable_tokens: int = pa.Field(ge=1, description="what the loss is computed on, per epoch")
    rows_untrainable: int = pa.Field(ge=0, description="the prompt alone fills max_length; left out")
    rows_without_end: int = pa.Field(ge=0, description="the end of the turn is cut off or missing")
    rows_with_control_tokens: int = pa.Field(
        nullable=True, ge=0, description="a text spells a control token of the tokenizer; null before that was stored"
    )
    control_tokens: int = pa.Field(
        nullable=True, ge=0, description="such spellings, which the model sees as plain text"
    )
    packing: bool = pa.Field(description="whether rows share sequences")
    sequences: int = pa.Field(ge=1, description="what an epoch consists of: rows, or packs of rows")
    samples_per_sequence: float = pa.Field(ge=0, description="mean rows in a sequence; 1 without packing")
    padding_ratio: float = pa.Field(ge=0, le=1, description="positions that hold no sample")
    steps: int = pa.Field(ge=1)
    epochs_implied: float = pa.Field(ge=0, description="how often a row is seen on average")


class TokenisedStage(TokenAuditEntry):
    """One row per stage of a recipe: its rows as tokens, and what they come to, before a GPU is asked for."""

    set_id: str = pa.Field(**ID, description="folder below var/tokens: sha256 over rows, tokenizer and layout")
    data_sha256: str = pa.Field(**ID, description="of the rows in the order of their ids")
    tokenizer_sha256: str = pa.Field(**ID, description="of the tokenizer and its chat template")
    rows_with_control_tokens: int = pa.Field(ge=0, description="a text spells one of the tokenizer's special tokens")
    validation_sequences: int = pa.Field(ge=0, description="held-out rows, for the loss before and after")
    size_bytes: int = pa.Field(ge=0, description="of the folder")


class HeldOutScore(Table):
    """One row per (recipe, model, subject): accuracy and loss on the held-out side, with 95% confidence intervals."""

    score_id: str = pa.Field(unique=True, **ID, description="sha256 over recipe, model, checkpoint and subject")
    recipe: str
    model: str = pa.Field(isin=EVALUATED)
    checkpoint_sha256: str = pa.Field(nullable=True, description="null for the base model")
    subject: str = pa.Field(isin=SUBJECTS, description="what is predicted, or the kind of sample")
    answers: int = pa.Field(ge=0, description="prompts answered")
    without_value: int = pa.Field(ge=0, description="answers with no readable value; they count as not correct")
    correct: int = pa.Field(ge=0, description="by execution")
    accuracy: float = pa.Field(nullable=True, ge=0, le=1, description="correct answers of all answers")
    accuracy_low: float = pa.Field(nullable=True, ge=0, le=1, description="Wilson")
    accuracy_high: float = pa.Field(nullable=True, ge=0, le=1, description="upper end of the 95% interval (Wilson)")
    loss_rows: int = pa.Field(ge=0, description="held-out rows that the loss is taken on")
    loss_tokens: int = pa.Field(ge=0, description="completion tokens that the loss is the mean of")
    loss: float = pa.Field(nullable=True, description="nats per completion token")
    loss_low: float = pa.Field(nullable=True, description="lower end of the 95% interval")
    loss_high: float = pa.Field(nullable=True, description="upper end of the 95% interval")


class HeldOutAnswer(Table):
    """One row per (recipe, model, held-out task): what the model answered, and its verdict by execution."""

    answer_id: str = pa.Field(unique=True, **ID, description="sha256 over recipe, model, checkpoint and task")
    recipe: str
    model: str = pa.Field(isin=EVALUATED)
    checkpoint_sha256: str = pa.Field(
        nullable=True, description="hash of the checkpoint that answered; null for the base model"
    )
    task_id: str = pa.Field(**ID)
    function_id: str = pa.Field(**ID)
    source: str
    direction: str = pa.Field(isin=DIRECTIONS)
    response: str = pa.Field(description="text of the answer")
    finish_reason: str = pa.Field(description="stop, length, prompt_too_long")
    prompt_tokens: int = pa.Field(ge=0)
    completion_tokens: int = pa.Field(ge=0)
    status: str = pa.Field(isin=VERDICT_STATUSES)
    predicted_json: str = pa.Field(nullable=True, description="the value found in the response")
    executed_output_json: str = pa.Field(nullable=True, description="what the predicted input really gives")
    error_type: str = pa.Field(nullable=True)
    rule_version: str
