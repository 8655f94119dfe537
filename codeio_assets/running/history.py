"""What is kept beside the tables of a shard: how many verdicts of each version were right, which functions are slow.

What does not live here: the comparison of versions (`sql/warnings`, `sql/reports`).
"""

from typing import Any

from codeio_assets.core.tables.data import frame
from codeio_assets.project import Project
from codeio_assets.store import StoreError, Warehouse

TABLE = "verdict_history"
COSTS = "function_costs"


def record_verdicts(shard: str) -> None:
    """Write how many verdicts of a shard's present version are right, in a partition of that version's own.

    Raises:
        StoreError: nothing is committed for the shard, or the rows cannot be written.
    """
    project = Project.find()
    warehouse = Warehouse(project.warehouse)
    manifest = warehouse.manifest("verdicts", shard)
    if manifest is None:
        raise StoreError(f"verdicts[{shard}]: must be published before its history is written")
    counts = warehouse.sql(project.sql("lineage/verdict_history.sql"), partition=shard).to_dicts()
    fixed = {"version": manifest.version, "shard": shard, "written_at": manifest.written_at}
    rows = [{**row, **fixed} for row in counts]
    warehouse.write(TABLE, f"{shard}.{manifest.version[:12]}", {TABLE: frame(TABLE, rows)})


def record_costs(shard: str, slowest: list[dict[str, Any]]) -> None:
    """Write the slowest functions of a shard, as `steps.io_pairs` counted them, in place of those before.

    They differ from run to run, so they are no part of the table of pairs.
    """
    rows = [{**row, "shard": shard} for row in slowest]
    Warehouse(Project.find().warehouse).write(COSTS, shard, {COSTS: frame(COSTS, rows)})
