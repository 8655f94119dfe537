"""The table of marks: what people say about items. Rows are only added; the last of a person on an item holds.

What does not live here: adding rows (`products.marks`), what a recipe makes of them (`sql/transforms`).
"""

from typing import Literal, get_args

import pandera.polars as pa

from codeio_assets.core.tables.schema import ID, Table

MarkName = Literal["accept", "exclude", "flag", "note", "clear"]
ItemKind = Literal["task", "pair", "function", "file", "sample"]
MARKS: tuple[MarkName, ...] = get_args(MarkName)
ITEM_KINDS: tuple[ItemKind, ...] = get_args(ItemKind)


class Mark(Table):
    """One row per mark that a person put on an item. Keyed by content ids, so that rebuilt tables keep their marks."""

    mark_id: str = pa.Field(unique=True, **ID, description="sha256 over item, person, mark, note and time")
    item_id: str = pa.Field(**ID, description="id of the task, pair, function, file or conversation")
    kind: str = pa.Field(isin=list(ITEM_KINDS), description="what the item is")
    mark: str = pa.Field(isin=list(MARKS), description="`clear` takes back what the person said before")
    note: str = pa.Field(description="in words; may be empty")
    person: str = pa.Field(str_length={"min_value": 1}, description="who marked it, a partition")
    marked_at: str = pa.Field(description="UTC, ISO 8601, microseconds")
