"""The rows a training job reads: from the table `training_sets` to what TRL's SFTTrainer takes.

What lives here: selecting a stage's rows, their identity, and writing them as prompt/completion conversations.
What does not: tokens (`audit`) and the choice of samples for a recipe (`core.method.assembly`).
"""

# pyarrow 26 ships no types; delete when it does.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import duckdb
import polars as pl
import pyarrow.parquet as pq

from codeio_assets.core.method.conversations import fold_system_json
from codeio_assets.core.values.canonical import Json
from codeio_assets.training.contract import TrainingError, TrainingJob

COLUMNS = ["sample_id", "stage", "split", "prompt_json", "completion"]
BATCH_ROWS = 4096
SORTED_IN_MEMORY = "2GB"
"""Of each training process."""
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


def stage_rows(job: TrainingJob, split: str, limit: int | None = None) -> Iterator[pl.DataFrame]:
    """Yield the rows of a job's stage and of one split, ordered by `sample_id`, in batches.

    Rows that fill more than `SORTED_IN_MEMORY` are sorted in the folder for temporary files (TMPDIR).

    Raises:
        TrainingError: a data file is missing.
    """
    missing = [file for file in job.data_files if not Path(file).is_file()]
    if missing or not job.data_files:
        raise TrainingError(f"training data is missing: {missing or 'no files were given'}. Build training_sets.")
    first = "" if limit is None else f" limit {limit}"
    query = f"select {', '.join(COLUMNS)} from read_parquet($files) where stage = $stage and split = $split"
    parameters = {"files": list(job.data_files), "stage": job.stage, "split": split}
    with tempfile.TemporaryDirectory(prefix="codeio-rows-") as spilled:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": SORTED_IN_MEMORY,
            "threads": 2,
            "temp_directory": spilled,
        }
        with duckdb.connect(config=settings) as connection:
            rows = connection.sql(f"{query} order by sample_id{first}", params=parameters)
            for batch in rows.to_arrow_reader(BATCH_ROWS):
                yield cast(pl.DataFrame, pl.from_arrow(batch))


def write_conversations(rows: Iterable[pl.DataFrame], path: Path, fold: bool = False) -> int:
    """Write rows as Parquet with the columns `sample_id`, `prompt` and `completion` (lists of chat messages).

    `fold` puts the text of system messages in front of the first message of the user.

    Returns:
        The number of rows written.
    """
    count = 0
    schema = _conversations(pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String))).to_arrow().schema
    with pq.ParquetWriter(path, schema) as sink:
        for batch in map(folded_rows, rows) if fold else rows:
            sink.write_table(_conversations(batch).to_arrow().cast(schema))
            count += len(batch)
    return count


def folded_rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows whose `prompt_json` has no system messages."""
    folded = [None if text is None else fold_system_json(text) for text in rows["prompt_json"]]
    return rows.with_columns(pl.Series("prompt_json", folded, dtype=pl.String))


def _conversations(rows: pl.DataFrame) -> pl.DataFrame:
    answer = pl.struct(role=pl.lit("assistant"), content=pl.col("completion"))
    return rows.select(
        "sample_id",
        prompt=pl.col("prompt_json").str.json_decode(MESSAGES),
        completion=pl.concat_list(answer),
    )


def read_samples(path: Path) -> Iterator[Sample]:
    """Yield what `write_conversations` wrote, in order."""
    for batch in pl.scan_parquet(path).collect_batches(chunk_size=BATCH_ROWS, maintain_order=True):
        for row in batch.iter_rows(named=True):
            yield Sample(row["sample_id"], row["prompt"], row["completion"][0]["content"])


def data_sha256(job: TrainingJob) -> str:
    """Return the identity of what a job learns from: a hash over ids, splits and texts in order of ids."""
    digest = hashlib.sha256()
    for split in ("train", "validation"):
        for batch in stage_rows(job, split):
            for row in batch.iter_rows():
                digest.update(_line(row))
    return digest.hexdigest()


def _line(row: Sequence[Json]) -> bytes:
    return json.dumps(list(row), ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
