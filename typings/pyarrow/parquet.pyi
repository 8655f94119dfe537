from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Self

from pyarrow import BufferOutputStream, PythonFile, RecordBatch, Schema, Table

class ColumnChunkMetaData:
    total_compressed_size: int
    total_uncompressed_size: int

class RowGroupMetaData:
    num_columns: int
    num_rows: int
    def column(self, place: int) -> ColumnChunkMetaData: ...

class FileMetaData:
    num_row_groups: int
    def row_group(self, group: int) -> RowGroupMetaData: ...

class ParquetFile:
    metadata: FileMetaData
    schema_arrow: Schema
    def __init__(self, source: Path) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def iter_batches(
        self,
        batch_size: int = ...,
        *,
        row_groups: Sequence[int] | None = None,
        columns: Sequence[str] | None = None,
        use_threads: bool = True,
    ) -> Iterator[RecordBatch]: ...

class ParquetWriter:
    def __init__(
        self,
        where: Path | PythonFile,
        schema: Schema,
        *,
        compression: str = ...,
        compression_level: int | None = None,
        version: str = ...,
        store_schema: bool = True,
    ) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def write_table(self, table: Table, row_group_size: int | None = None) -> None: ...
    def write_batch(self, batch: RecordBatch) -> None: ...
    def close(self) -> None: ...

def read_table(source: Path | IO[bytes]) -> Table: ...
def write_table(table: Table, where: BufferOutputStream, *, compression: str = ...) -> None: ...
