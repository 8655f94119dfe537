"""Rows of a Parquet file of strangers, a few at a time, so that a small file cannot fill the memory.

What does not live here: what the fields mean (`reading`, `conversations`).
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (pyarrow has no types; rows of strangers are checked by hand)

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa  # pyright: ignore[reportMissingTypeStubs]
import pyarrow.parquet as pq  # pyright: ignore[reportMissingTypeStubs]

from codeio_assets.core.settings.project import SettingsError

ROWS_AT_A_TIME = 16
"""A value that is stored once and repeated takes its full size in each row that is looked at."""
MOST_EXPANDED = 200
EXPANDED_BYTES = 256 << 20
"""A row group that says it unpacks to more than this, and to so many times its size, is refused."""


def parquet_rows(path: Path, columns: Sequence[str | None], what: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file with those of the columns that are there.

    Raises:
        SettingsError: it is no Parquet file, is damaged, or unpacks to far more than its size.
    """
    return (row for _, row in numbered_rows(path, columns, what))


def numbered_rows(
    path: Path, columns: Sequence[str | None], what: str, only: Collection[int] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the index and the row of all rows, or of some, whose row groups alone are read; as `parquet_rows`."""
    try:
        with pq.ParquetFile(path) as file:
            _refuse_bomb(file.metadata, path, what)
            there = [name for name in columns if name in file.schema_arrow.names]
            start = 0
            for group in range(file.metadata.num_row_groups):
                end = start + file.metadata.row_group(group).num_rows
                if only is None or any(start <= index < end for index in only):
                    for index, row in _rows_of(file, group, there, start):
                        if only is None or index in only:
                            yield index, row
                start = end
    except (pa.ArrowException, OSError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).split("\n", 1)[0][:200]
        raise SettingsError(f"{what}: {path}: is not a readable Parquet file ({reason}). Write it anew.") from error


def _rows_of(file: Any, group: int, columns: list[str], start: int) -> Iterator[tuple[int, dict[str, Any]]]:
    batches = file.iter_batches(batch_size=ROWS_AT_A_TIME, row_groups=[group], columns=columns, use_threads=False)
    for batch in batches:
        for index in range(batch.num_rows):
            row = {name: batch.column(place)[index].as_py() for place, name in enumerate(batch.schema.names)}
            yield start + index, row
        start += batch.num_rows


def _refuse_bomb(metadata: Any, path: Path, what: str) -> None:
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
