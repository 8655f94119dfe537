"""The table of the status.

What does not live here: counting it (`products.status`).
"""

import pandera.polars as pa

from codeio_assets.core.tables.schema import Table


class StepStatus(Table):
    """One row per asset: how many of its partitions are made, failed and expected, and its rows."""

    position: int = pa.Field(ge=1, unique=True)
    asset: str
    partitions: str = pa.Field(isin=["shard", "recipe", "benchmark", "project"], description="what its partitions are")
    expected: int = pa.Field(ge=0, description="partitions that there are")
    done: int = pa.Field(ge=0, description="partitions that are made, those that failed since left out")
    failed: int = pa.Field(ge=0, description="partitions that failed here; what follows on them is not counted again")
    rows: int = pa.Field(ge=0)
    kept_ratio: float = pa.Field(nullable=True, description="items kept of those it was given")
    cpu_h: float = pa.Field(ge=0, description="CPU hours of the present versions")
