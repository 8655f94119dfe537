"""The base of all tables, and the table of the status.

What does not live here: the tables of the data (`tables`).
"""

from typing import Any

import pandera.polars as pa

ID: dict[str, Any] = {"str_matches": r"^[0-9a-f]{64}$"}


class Table(pa.DataFrameModel):
    """Base of all tables: strict columns, typed, in this order; rows are sorted by the first one."""

    class Config:  # pyright: ignore[reportIncompatibleVariableOverride]  (how pandera takes options)
        """Columns beyond the schema are an error; types are never coerced."""

        strict = True
        ordered = True
        coerce = False


class StageStatus(Table):
    """One row per asset: how many of its partitions are made, failed and expected, and its rows."""

    position: int = pa.Field(ge=1, unique=True)
    asset: str
    partitions: str = pa.Field(isin=["shards", "recipes", "none"])
    expected: int = pa.Field(ge=0, description="partitions that there are")
    done: int = pa.Field(ge=0, description="partitions that are made, those that failed since left out")
    failed: int = pa.Field(ge=0, description="partitions that failed here; what follows on them is not counted again")
    rows: int = pa.Field(ge=0)
    kept_ratio: float = pa.Field(nullable=True, description="items kept of those it was given")
    cpu_h: float = pa.Field(ge=0, description="CPU hours of the present versions")
