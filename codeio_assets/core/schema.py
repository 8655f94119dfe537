"""What all table models share: the base with its strictness, ids, directions.

What does not live here: the tables (`tables`, `quality_tables`).
"""

from typing import Any

import pandera.polars as pa

ID: dict[str, Any] = {"str_matches": r"^[0-9a-f]{64}$"}
DIRECTIONS = ["input", "output"]


class Table(pa.DataFrameModel):
    """Base of all tables: strict columns, typed, in this order; rows are sorted by the first one."""

    class Config:  # pyright: ignore[reportIncompatibleVariableOverride]  (how pandera takes options)
        """Columns beyond the schema are an error; types are never coerced."""

        strict = True
        ordered = True
        coerce = False
