"""Choosing and streaming the tasks of an export for reinforcement learning: Parquet, one file per side of the split.

What does not live here: the rules (`sql/exports`), the folder and its card (`products.export_rl`).
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq

from codeio_assets.core.method.assembly import Parameters, parameters_of
from codeio_assets.core.tables.data import SPLITS, Row
from codeio_assets.core.values.comparison import rule_version
from codeio_assets.steps.training_sets import place_functions
from codeio_assets.store import Snapshot, Warehouse

ROWS_PER_BATCH = 4_096


@dataclass(frozen=True, slots=True)
class RlChoice:
    """Which tasks are wanted, beyond the recipe: sides of the split, and a range of pass rates instead of its own.

    `pass_rate_model` names the model whose pass rates count; empty adds those of all models up. `with_steps` takes the
    questions about single steps, too.
    """

    splits: Sequence[str] = tuple(SPLITS)
    pass_rates: tuple[float, float] | None = None
    pass_rate_model: str = ""
    with_steps: bool = False

    def parameters(self) -> Parameters:
        """Return what the queries need to know."""
        ranged: Parameters = {}
        if self.pass_rates is not None:
            low, high = self.pass_rates
            ranged = {"by_pass_rate": True, "pass_rate_low": low, "pass_rate_high": high}
        return {
            **ranged,
            "splits": list(self.splits),
            "pass_rate_model": self.pass_rate_model,
            "rule_version": rule_version(),
            "with_steps": self.with_steps,
        }


@dataclass(frozen=True)
class RlRows:
    """The tasks of a warehouse, decided; open while the block of `choosing` runs."""

    connection: duckdb.DuckDBPyConnection
    query: Callable[[str], str]
    values: Parameters

    def counts(self) -> list[Row]:
        """Return the taken tasks per side and direction, with functions and mean pass rate."""
        return self._frame(
            "select split, kind, direction, count(*) as tasks, count(distinct function_id) as functions, "
            "count(pass_rate) as with_pass_rate, avg(pass_rate) as mean_pass_rate "
            "from rl_outcomes where reason is null group by all order by split, kind, direction"
        )

    def left_out(self) -> list[Row]:
        """Return the tasks left out, by reason."""
        return self._frame(
            "select reason, count(*) as tasks from rl_outcomes where reason is not null group by all "
            "order by tasks desc, reason"
        )

    def licenses(self) -> list[Row]:
        """Return the taken tasks by source and licence."""
        return self._frame(
            "select source, coalesce(license, 'unknown') as license, count(*) as tasks, "
            "count(distinct function_id) as functions from rl_outcomes where reason is null group by all "
            "order by source, tasks desc, license"
        )

    def write(self, side: str, path: Path) -> None:
        """Write one side as Parquet, streaming."""
        values = {**self.values, "side": side}
        query = self.query("exports/rl_rows.sql")
        reader = self.connection.sql(query, params=parameters_of(query, values)).to_arrow_reader(ROWS_PER_BATCH)
        with pq.ParquetWriter(path, reader.schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(batch)

    def _frame(self, query: str) -> list[Row]:
        return pl.DataFrame(self.connection.sql(query)).to_dicts()


@contextmanager
def choosing(
    warehouse: Warehouse, snapshot: Snapshot, query: Callable[[str], str], values: Parameters
) -> Generator[RlRows]:
    """Decide on all tasks of a snapshot. `query` returns the text of a file under sql/."""
    with warehouse.connect(snapshot) as connection:
        connection.execute(query("transforms/_hashing.sql"))
        place_functions(connection, query, values)
        connection.execute(query("exports/_prompt.sql"))
        outcomes = query("exports/rl_outcomes.sql")
        connection.execute(f"create temp table rl_outcomes as {outcomes}", parameters_of(outcomes, values))
        yield RlRows(connection, query, values)
