"""Writing a table's rows as Parquet: the schema enforced, and equal rows giving equal bytes.

Bytes are a function of the rows, the schema and the versions of pyarrow and zstd: fixed row groups whatever batches
come in, no time stamps, no Arrow schema of the writing library.
What does not live here: where files go (`layout`), the schemas themselves (`core.tables.data`).
"""

# pyarrow 26 ships no types; delete when it does.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Protocol, cast

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from codeio_assets.core.tables.data import TABLES, polars_schema
from codeio_assets.store.errors import StoreError
from codeio_assets.store.hashing import HashingFile


class ArrowStream(Protocol):
    """Rows that come as Arrow batches: a pyarrow table or record batch reader, a DuckDB relation."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Return the stream (Arrow PyCapsule interface)."""
        ...


Tabular = pl.DataFrame | ArrowStream
"""What can be written as a table."""

ROWS_PER_GROUP = 16_384


def columns_of(table: str) -> dict[str, Any]:
    """Return column name -> polars type of a table.

    Raises:
        StoreError: there is no such table.
    """
    if table not in TABLES:
        raise StoreError(f"There is no table {table!r}; core/tables/data.py declares {', '.join(TABLES)}.")
    return cast(dict[str, Any], polars_schema(table))


def column_types(table: str) -> dict[str, str]:
    """Return column name -> type, as manifests record it."""
    return {field.name: str(field.type) for field in arrow_schema(table)}


def changed_columns(table: str, stored: Mapping[str, str]) -> str:
    """Return in words how stored columns differ from those of a table, empty when their rows can be read as they are.

    A column that may be null and was added since is read as null; anything else needs the rows to be made again.
    """
    wanted = column_types(table)
    gone = [f"{name} is gone" for name in stored if name not in wanted]
    other = [f"{name} was {stored[name]}" for name in stored if name in wanted and stored[name] != wanted[name]]
    nullable = {name for name, column in TABLES[table].to_schema().columns.items() if column.nullable}
    new = [f"{name} is new" for name in wanted if name not in stored and name not in nullable]
    kept = [name for name in wanted if name in stored]
    order = [] if gone or other or kept == list(stored) else ["the order"]
    return ", ".join([*gone, *other, *new, *order])


@cache
def arrow_schema(table: str) -> pa.Schema:
    """Return the Arrow schema that a table is stored with."""
    return pl.DataFrame(schema=columns_of(table)).to_arrow().schema


def write_parquet(table: str, data: Tabular, file: HashingFile) -> int:
    """Write rows to an open file and return how many there were.

    Raises:
        StoreError: the columns are not those of the table.
    """
    source = pa.RecordBatchReader.from_stream(data.to_arrow() if isinstance(data, pl.DataFrame) else data)
    schema = arrow_schema(table)
    _check_columns(table, source.schema, schema)
    rows = 0
    sink = pa.PythonFile(file, mode="w")
    with pq.ParquetWriter(
        sink, schema, compression="zstd", compression_level=3, version="2.6", store_schema=False
    ) as writer:
        for group in _row_groups(source, schema):
            writer.write_table(group, row_group_size=ROWS_PER_GROUP)
            rows += group.num_rows
    return rows


def _row_groups(source: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.Table]:
    pending: list[pa.Table] = []
    count = 0
    for batch in source:
        rest = pa.Table.from_batches([batch]).cast(schema)
        while count + rest.num_rows >= ROWS_PER_GROUP:
            room = ROWS_PER_GROUP - count
            yield pa.concat_tables([*pending, rest.slice(0, room)]).combine_chunks()
            pending, count, rest = [], 0, rest.slice(room)
        if rest.num_rows:
            pending.append(rest)
            count += rest.num_rows
    if pending:
        yield pa.concat_tables(pending).combine_chunks()


def _check_columns(table: str, found: pa.Schema, wanted: pa.Schema) -> None:
    missing = [name for name in wanted.names if name not in found.names]
    unexpected = [name for name in found.names if name not in wanted.names]
    if missing or unexpected:
        raise _mismatch(table, " and ".join(_named("lacks", missing) + _named("has the unexpected", unexpected)))
    if found.names != wanted.names:
        place = next(i for i, pair in enumerate(zip(found.names, wanted.names, strict=True)) if len(set(pair)) > 1)
        raise _mismatch(table, f"has column {found.names[place]!r} where {wanted.names[place]!r} belongs")
    for name in wanted.names:
        has, wants = found.field(name).type, wanted.field(name).type
        if _stored_type(has) != _stored_type(wants):
            raise _mismatch(table, f"has column {name!r} of type {has} where {_stored_type(wants)} belongs")


def _named(verb: str, columns: list[str]) -> list[str]:
    if not columns:
        return []
    return [f"{verb} column{'s' if len(columns) > 1 else ''} {', '.join(map(repr, columns))}"]


def _stored_type(data_type: pa.DataType) -> str:
    """Return a type without the distinctions that Parquet does not make."""
    text = str(data_type)
    return "string" if text in {"large_string", "string_view"} else text


def _mismatch(table: str, what: str) -> StoreError:
    return StoreError(
        f"The data for table {table!r} {what}. Its columns are in core/tables/data.py; types are never coerced "
        f"(core.tables.frame({table!r}, rows) builds a frame that fits). Nothing was written."
    )
