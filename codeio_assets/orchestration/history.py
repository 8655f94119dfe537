"""The history of verdicts: how many were right in each version of a shard, so that drift can be seen.

What does not live here: the comparison (`sql/warnings`, `sql/reports`).
"""

from codeio_assets.core.tables import frame
from codeio_assets.project import Project
from codeio_assets.store import StoreError, Warehouse

TABLE = "verdict_history"


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
