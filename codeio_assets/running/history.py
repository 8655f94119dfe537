"""What is kept beside the tables of a shard: how many verdicts of each version were right, which functions are slow.

What does not live here: the comparison of versions (`sql/warnings`, `sql/reports`).
"""

from collections.abc import Mapping, Sequence

import polars as pl

from codeio_assets.core.tables.data import frame
from codeio_assets.running.step import Begun
from codeio_assets.steps.result import StepResult

TABLE = "verdict_history"
COSTS = "function_costs"


def record_verdicts(step: Begun[object], result: StepResult) -> None:
    """Write how many verdicts of a shard's new version are right, in a partition of that version's own.

    Raises:
        StoreError: nothing is committed for the shard, or the rows cannot be written.
    """
    warehouse, shard = step.warehouse, step.partition
    manifest = warehouse.standing.latest("verdicts", shard)
    assert manifest is not None, "verdicts must be published before their history is written"
    models = step.read("predictions", ["prediction_id", "model_id"])
    judged = result.tables["verdicts"].filter(pl.col("status") != "infrastructure")
    by = ["source", "direction", "turn", "model_id"]
    counts = (
        judged.join(models, on="prediction_id")
        .group_by(by)
        .agg(correct=(pl.col("status") == "correct").sum().cast(pl.Int64), total=pl.len().cast(pl.Int64))
    )
    fixed = {"version": manifest.version, "shard": shard, "written_at": manifest.written_at}
    rows = [{**row, **fixed} for row in counts.sort(by).to_dicts()]
    warehouse.write(TABLE, f"{shard}.{manifest.version[:12]}", {TABLE: frame(TABLE, rows)})


def record_costs(step: Begun[object], slowest: Sequence[Mapping[str, object]]) -> None:
    """Write the slowest functions of a shard, as `steps.executing` counted them, in place of those before.

    They differ from run to run, so they are no part of the table of pairs.
    """
    rows = [{**row, "shard": step.partition} for row in slowest]
    step.warehouse.write(COSTS, step.partition, {COSTS: frame(COSTS, rows)})
