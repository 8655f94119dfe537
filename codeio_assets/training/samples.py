"""The rows a training job reads: from the table `training_sets` to what TRL's SFTTrainer takes.

What lives here: selecting a stage's rows, their identity, and writing them as prompt/completion conversations.
What does not: tokens (`audit`) and the choice of samples for a recipe (`core.assembly`).
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from codeio_assets.core.canonical import Json
from codeio_assets.training.contract import TrainingError, TrainingJob

COLUMNS = ["sample_id", "stage", "split", "prompt_json", "completion"]
BATCH_ROWS = 4096
MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation: what is given, and the answer whose tokens the loss is computed on."""

    sample_id: str
    prompt: list[dict[str, str]]
    completion: str

    @property
    def answer(self) -> list[dict[str, str]]:
        """The completion as chat messages."""
        return [{"role": "assistant", "content": self.completion}]


def stage_rows(job: TrainingJob, split: str, limit: int | None = None) -> pl.LazyFrame:
    """Return the rows of a job's stage and of one split, ordered by `sample_id`.

    Raises:
        TrainingError: a data file is missing.
    """
    missing = [file for file in job.data_files if not Path(file).is_file()]
    if missing or not job.data_files:
        raise TrainingError(f"training data is missing: {missing or 'no files were given'}. Build training_sets.")
    rows = (
        pl.scan_parquet(list(job.data_files))
        .select(COLUMNS)
        .filter((pl.col("stage") == job.stage) & (pl.col("split") == split))
        .sort("sample_id")
    )
    return rows if limit is None else rows.head(limit)


def write_conversations(rows: pl.LazyFrame, path: Path) -> int:
    """Write rows as Parquet with the columns `sample_id`, `prompt` and `completion` (lists of chat messages).

    Returns:
        The number of rows written.
    """
    answer = pl.struct(role=pl.lit("assistant"), content=pl.col("completion"))
    conversations = rows.select(
        "sample_id",
        prompt=pl.col("prompt_json").str.json_decode(MESSAGES),
        completion=pl.concat_list(answer),
    )
    conversations.sink_parquet(path, row_group_size=BATCH_ROWS)
    return pl.scan_parquet(path).select(pl.len()).collect().item()


def read_samples(path: Path) -> Iterator[Sample]:
    """Yield what `write_conversations` wrote, in order."""
    for batch in pl.scan_parquet(path).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        for row in batch.iter_rows(named=True):
            yield Sample(row["sample_id"], row["prompt"], row["completion"][0]["content"])


def data_sha256(job: TrainingJob) -> str:
    """Return the identity of what a job learns from: a hash over ids, splits and texts in order of ids."""
    digest = hashlib.sha256()
    for split in ("train", "validation"):
        for batch in stage_rows(job, split).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
            for row in batch.iter_rows():
                digest.update(_line(row))
    return digest.hexdigest()


def _line(row: Sequence[Json]) -> bytes:
    return json.dumps(list(row), ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
