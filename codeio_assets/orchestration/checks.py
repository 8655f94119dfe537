"""Check factories: pandera schemas and SQL rules as partitioned, blocking asset checks.

A SQL check is a file `sql/checks/<asset>__<name>.sql` whose rows are what breaks the rule; it may use `$partition` and
`$max_failed_ratio`.
Checks are partitioned like their asset, so a run covers one partition.
"""

from pathlib import Path
from typing import Any

import dagster as dg
import pandera.errors
import polars as pl

from codeio_assets.core.model_settings import Chat
from codeio_assets.core.tables import TABLES
from codeio_assets.orchestration import metadata as keys
from codeio_assets.orchestration.partitions import partition_of
from codeio_assets.orchestration.stages import STAGES
from codeio_assets.project import Project
from codeio_assets.store import Warehouse

FAILING_ROWS_SHOWN = 50
DEFAULT_MAX_FAILED_RATIO: float = Chat.model_fields["max_failed_ratio"].default
ROWS_PER_BATCH = 32_768


def tables_of(asset: str) -> list[str]:
    """Return the tables that an asset's commit holds: its own, its rejections, its logs."""
    side = {
        "eligible_code_files": ["near_duplicate_groups"],
        "unified_functions": ["transform_attempts"],
        "revised_predictions": ["revised_verdicts"],
        "sft_stage1_checkpoint": ["sft_stage1_training_log", "sft_stage1_token_audit"],
        "sft_stage2_checkpoint": ["sft_stage2_training_log", "sft_stage2_token_audit"],
        "held_out_scores": ["held_out_answers"],
    }
    own = [asset, *side.get(asset, [])]
    return own + [name for name in (f"{asset}_rejections",) if name in TABLES]


def schema_check(asset: str) -> dg.AssetChecksDefinition:
    """Return the check `schema_matches`: every committed row of every table of an asset fits its pandera model."""

    @dg.asset_check(
        asset=asset,
        name="schema_matches",
        blocking=True,
        partitions_def=STAGES[asset].partitions_def,
        description="Every row of every table of this partition fits its pandera schema.",
    )
    def schema_matches(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        warehouse = Warehouse(Project.find().warehouse)
        partition = partition_of(context)
        rows = 0
        failures: list[dict[str, Any]] = []
        manifest = warehouse.manifest(asset, partition)
        for table, version in (manifest.tables if manifest else {}).items():
            rows += version.rows
            failures += failing_rows_of_file(table, warehouse.root / version.file)
        return _result(failures, ["table", "column", "check", "value", "row", "id"], rows)

    return schema_matches


def failing_rows(table: str, frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Return one record per broken rule and row of a frame; empty when the frame fits the table's model."""
    model = TABLES[table]
    try:
        model.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as errors:
        ids = frame.to_series(0).to_list()
        records: list[dict[str, Any]] = errors.failure_cases.to_dicts()  # pyright: ignore
        return [_record(table, record, ids) for record in records]
    return []


def failing_rows_of_file(table: str, path: Path) -> list[dict[str, Any]]:
    """Return one record per broken rule and row of a Parquet file, read in batches; values must be unique over all."""
    file = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    failures: list[dict[str, Any]] = []
    batches = 0
    for batch in file.collect_batches(chunk_size=ROWS_PER_BATCH, maintain_order=True):
        batches += 1
        failures += failing_rows(table, batch)
    if batches == 0:
        failures += failing_rows(table, file.head(0).collect())
    columns = TABLES[table].to_schema().columns.items()
    for column in [name for name, schema in columns if schema.unique and batches > 1]:
        repeated = file.group_by(column).len().filter(pl.col("len") > 1).collect()[column]
        failures += [
            {"table": table, "column": column, "check": "unique", "value": str(value), "row": None, "id": value}
            for value in repeated.to_list()
        ]
    return failures


def _record(table: str, record: dict[str, Any], ids: list[Any]) -> dict[str, Any]:
    index = record.get("index")
    known = isinstance(index, int) and index < len(ids)
    return {
        "table": table,
        "column": str(record.get("column")),
        "check": str(record.get("check")),
        "value": str(record.get("failure_case")),
        "row": index,
        "id": ids[index] if known and isinstance(index, int) else None,
    }


def sql_checks() -> list[dg.AssetChecksDefinition]:
    """Return one check per file in sql/checks."""
    folder = Project.find().root / "sql" / "checks"
    return [_sql_check(path.stem, path.read_text("utf-8")) for path in sorted(folder.glob("*.sql"))]


def _sql_check(stem: str, query: str) -> dg.AssetChecksDefinition:
    asset, name = stem.split("__")
    first_line = query.splitlines()[0].removeprefix("--").strip()

    @dg.asset_check(
        asset=asset,
        name=name,
        blocking=True,
        partitions_def=STAGES[asset].partitions_def,
        description=first_line,
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        warehouse = Warehouse(Project.find().warehouse)
        share = Project.find().settings.chat.max_failed_ratio
        failures = run_sql_check(warehouse, query, partition_of(context), share)
        return _result(failures.to_dicts(), failures.columns, None)

    return check


def run_sql_check(
    warehouse: Warehouse, query: str, partition: str, max_failed_ratio: float = DEFAULT_MAX_FAILED_RATIO
) -> pl.DataFrame:
    """Return the rows that break a rule in a partition; `max_failed_ratio` is `$max_failed_ratio` in the query."""
    known: dict[str, Any] = {"partition": partition, "max_failed_ratio": max_failed_ratio}
    return warehouse.sql(query, **{name: value for name, value in known.items() if f"${name}" in query})


def _result(failures: list[dict[str, Any]], columns: list[str], rows: int | None) -> dg.AssetCheckResult:
    metadata: dict[str, Any] = {"codeio/failing_rows": len(failures)}
    if rows is not None:
        metadata["codeio/rows"] = rows
        metadata["codeio/failing_ratio"] = round(len(failures) / rows, 6) if rows else 0.0
    if failures:
        metadata["codeio/failures"] = keys.table_value(failures[:FAILING_ROWS_SHOWN], columns)
    return dg.AssetCheckResult(
        passed=not failures,
        severity=dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
        description=None if not failures else f"{len(failures)} row(s) break the rule; the first are listed.",
    )
