"""What a stage gives back: its tables, how many items it was given, and numbers worth showing.

What does not live here: writing (`store`), Dagster metadata (`running.publishing`).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from codeio_assets.core.tables.data import Row, frame
from codeio_assets.core.values.canonical import JsonLike
from codeio_assets.store.parquet import ArrowStream


class AccountingError(Exception):
    """Rows went missing or appeared from nowhere: a defect of ours, never of the data."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """The output of one stage for one partition.

    `tables` maps table names to frames; `items_in` counts the items that had to end as a row or a rejection;
    `items_out` those that did not end as a rejection; `info` holds JSON numbers for people; `streams` holds the tables
    that may be larger than memory and can be read once.
    """

    tables: dict[str, pl.DataFrame]
    items_in: int
    items_out: int
    dropped_by_reason: dict[str, int] = field(default_factory=dict[str, int])
    info: Mapping[str, JsonLike] = field(default_factory=dict[str, JsonLike])
    streams: dict[str, ArrowStream] = field(default_factory=dict[str, ArrowStream])


def account(
    table: str,
    rows: list[Row] | pl.DataFrame,
    rejections: list[Row] | None,
    *,
    items_in: int,
    items_out: int | None = None,
    side_tables: dict[str, pl.DataFrame] | None = None,
    info: Mapping[str, JsonLike] | None = None,
) -> StepResult:
    """Put rows and rejections into frames and hold the account: items in = items out + rejections.

    Rows may be a frame already, sorted by the key of the table; `items_out` is given where an item may give several.

    Raises:
        AccountingError: the account does not hold.
    """
    out = len(rows) if items_out is None else items_out
    dropped = rejections or []
    if items_in != out + len(dropped):
        raise AccountingError(f"{table}: {items_in} items in, {out} out, {len(dropped)} rejected")
    made = rows if isinstance(rows, pl.DataFrame) else frame(table, rows)
    tables = {table: made, **(side_tables or {})}
    if rejections is not None:
        name = f"{table}_rejections"
        tables[name] = frame(name, rejections)
    reasons = dict(sorted(Counter(str(row["reason"]) for row in dropped).items()))
    return StepResult(tables, items_in, out, reasons, info or {})


def storable(text: str) -> str:
    """Return a model's text with lone surrogates, which no table can hold, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def rejection(item_id: str, source: str, reason: str, detail: str) -> Row:
    """Return a rejection row; the detail is cut to 2,000 characters."""
    return {"id": item_id, "source": source, "reason": reason, "detail": detail[:2_000]}
