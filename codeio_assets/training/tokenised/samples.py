"""The rows a training job reads out of the table `training_sets`, in the order of their ids.

What lives here: selecting a stage's rows, and the identity of what is learned from.
What does not: tokens (`tokenised`) and the choice of samples for a recipe (`core.method.assembly`).
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from codeio_assets.core.method.conversations import fold_system_json
from codeio_assets.core.values.canonical import Json
from codeio_assets.training.contract import TrainingError, TrainingJob

COLUMNS = ["sample_id", "stage", "split", "prompt_json", "completion"]
BATCH_ROWS = 4096
SORTED_IN_MEMORY = "2GB"
"""Of each training process."""


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


def stage_rows(job: TrainingJob, split: str) -> Iterator[list[tuple[str, ...]]]:
    """Yield the rows of a job's stage and of one split as tuples of `COLUMNS`, ordered by `sample_id`, in batches.

    Rows that fill more than `SORTED_IN_MEMORY` are sorted in the folder for temporary files (TMPDIR).

    Raises:
        TrainingError: a data file is missing.
    """
    missing = [file for file in job.data_files if not Path(file).is_file()]
    if missing or not job.data_files:
        raise TrainingError(f"training data is missing: {missing or 'no files were given'}. Build training_sets.")
    query = f"select {', '.join(COLUMNS)} from read_parquet($files) where stage = $stage and split = $split"
    parameters = {"files": list(job.data_files), "stage": job.stage, "split": split}
    with tempfile.TemporaryDirectory(prefix="codeio-rows-") as spilled:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": SORTED_IN_MEMORY,
            "threads": 2,
            "temp_directory": spilled,
        }
        with duckdb.connect(config=settings) as connection:
            rows = connection.execute(f"{query} order by sample_id", parameters)
            while batch := rows.fetchmany(BATCH_ROWS):
                yield batch


def sample_of(row: Sequence[str], *, fold: bool = False) -> Sample:
    """Return a row of `stage_rows` as a conversation; `fold` puts system text before the first message of the user."""
    sample_id, _, _, prompt_json, completion = row
    return Sample(sample_id, json.loads(fold_system_json(prompt_json) if fold else prompt_json), completion)


def data_sha256(job: TrainingJob) -> str:
    """Return the identity of what a job learns from: a hash over ids, splits and texts in order of ids."""
    digest = hashlib.sha256()
    for split in ("train", "validation"):
        for batch in stage_rows(job, split):
            for row in batch:
                digest.update(line(row))
    return digest.hexdigest()


def line(row: Sequence[Json]) -> bytes:
    """Return a row as the bytes that `data_sha256` is made of."""
    return json.dumps(list(row), ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
