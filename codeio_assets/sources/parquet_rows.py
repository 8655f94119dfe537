"""Rows of a Parquet file of strangers, a few at a time, so that a small file cannot fill the memory.

What does not live here: what the fields mean (`reading`, `conversations`).
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from codeio_assets.core.settings.project import SettingsError

ROWS_AT_A_TIME = 16
"""A value that is stored once and repeated takes its full size in each row that is looked at."""
MOST_EXPANDED = 200
EXPANDED_BYTES = 256 << 20
"""A row group that says it unpacks to more than this, and to so many times its size, is refused."""


def parquet_rows(path: Path, columns: Sequence[str | None], what: str) -> Iterator[dict[str, object]]:
    """Yield the rows of a file with those of the columns that are there.

    Raises:
        SettingsError: it is no Parquet file, is damaged, or unpacks to far more than its size.
    """
    try:
        with pq.ParquetFile(path) as file:
            _refuse_bomb(file.metadata, path, what)
            there = [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=ROWS_AT_A_TIME, columns=there, use_threads=False):
                for index in range(batch.num_rows):
                    yield {name: batch.column(place)[index].as_py() for place, name in enumerate(batch.schema.names)}
    except (pa.ArrowException, OSError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).split("\n", 1)[0][:200]
        raise SettingsError(f"{what}: {path}: is not a readable Parquet file ({reason}). Write it anew.") from error


def _refuse_bomb(metadata: pq.FileMetaData, path: Path, what: str) -> None:
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for place in range(row_group.num_columns):
            column = row_group.column(place)
            unpacked, packed = column.total_uncompressed_size, max(1, column.total_compressed_size)
            if unpacked > EXPANDED_BYTES and unpacked / packed > MOST_EXPANDED:
                raise SettingsError(
                    f"{what}: {path}: a column unpacks from {packed:,} to {unpacked:,} bytes. Write it anew, in "
                    "smaller row groups."
                )
