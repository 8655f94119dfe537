"""What all table models share: their base, the form of ids, and the words of columns that many of them have.

What does not live here: the tables (`core.tables`, `core.training_tables`).
"""

from typing import Any

import pandera.polars as pa

ID: dict[str, Any] = {"str_matches": r"^[0-9a-f]{64}$"}
DIRECTIONS = ["input", "output"]
VERDICT_STATUSES = [
    "correct", "wrong", "exception", "timeout", "out_of_memory", "no_answer", "infrastructure",
]  # fmt: skip


class Table(pa.DataFrameModel):
    """Base of all tables: strict columns, typed, in this order; rows are sorted by the first one."""

    class Config:  # pyright: ignore[reportIncompatibleVariableOverride]  (how pandera takes options)
        """Columns beyond the schema are an error; types are never coerced."""

        strict = True
        ordered = True
        coerce = False
