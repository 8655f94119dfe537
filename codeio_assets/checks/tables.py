"""Check factories: pandera schemas and SQL rules as partitioned asset checks.

A SQL check is a file `<asset>__<name>.sql` whose rows are what breaks the rule; it may use `$partition` and the
thresholds of codeio.yaml. One in `sql/checks` blocks what comes after, one in `sql/warnings` only warns.
Checks are partitioned like their asset, so a run covers one partition.
What does not live here: checks that execute or read texts (`quality_checks`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.errors
import polars as pl

from codeio_assets.core.settings.models import Chat
from codeio_assets.core.settings.quality import Quality
from codeio_assets.core.tables.data import RUN_TABLES, TABLES
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.partitions import partition_of
from codeio_assets.graph.steps import STEPS
from codeio_assets.project import Project
from codeio_assets.store import Warehouse

FAILING_ROWS_SHOWN = 50
SCHEMA_COLUMNS = ["table", "column", "check", "value", "row", "id"]
SQL_THRESHOLDS = ("max_degenerate_ratio", "max_too_long_ratio", "max_drift", "compared_versions")
DEFAULT_PARAMETERS: dict[str, Any] = {
    **Quality.model_validate({}).model_dump(include=set(SQL_THRESHOLDS)),
    "max_failed_ratio": Chat.model_fields["max_failed_ratio"].default,
    "max_lengths": [4_096, 4_096],
}
"""What a SQL check may name besides `$partition`, at its defaults."""
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
    rule = "Every row of every table of this partition fits its pandera schema."

    @dg.asset_check(
        asset=asset, name="schema_matches", blocking=True, partitions_def=STEPS[asset].partitions_def, description=rule
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
        return check_result(failures, SCHEMA_COLUMNS, rows, rule)

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


def run_table_check(asset: str) -> dg.AssetChecksDefinition:
    """Return the check that every row of the tables that runs add to fits its pandera model; shown at an asset."""
    rule = f"Every row of {', '.join(RUN_TABLES)} fits its pandera schema."

    @dg.asset_check(asset=asset, name="run_tables_match", blocking=True, description=rule)
    def run_tables_match() -> dg.AssetCheckResult:
        warehouse = Warehouse(Project.find().warehouse)
        frames = {table: warehouse.read(table) for table in RUN_TABLES}
        failures = [row for table, frame in frames.items() for row in failing_rows(table, frame)]
        return check_result(failures, SCHEMA_COLUMNS, sum(map(len, frames.values())), rule)

    return run_tables_match


def sql_checks() -> list[dg.AssetChecksDefinition]:
    """Return one check per file in sql/checks, which block, and in sql/warnings, which do not."""
    folder = Project.find().root / "sql"
    return [
        _sql_check(path.stem, path.read_text("utf-8"), blocking=name == "checks")
        for name in ("checks", "warnings")
        for path in sorted((folder / name).glob("*.sql"))
    ]


def _sql_check(stem: str, query: str, *, blocking: bool) -> dg.AssetChecksDefinition:
    asset, name = stem.split("__")
    first_line = query.splitlines()[0].removeprefix("--").strip()

    @dg.asset_check(
        asset=asset,
        name=name,
        blocking=blocking,
        partitions_def=STEPS[asset].partitions_def,
        description=first_line,
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        project, partition = Project.find(), partition_of(context)
        warehouse = Warehouse(project.warehouse)
        failures = run_sql_check(warehouse, query, partition, check_parameters(project, partition))
        rows = rows_of(warehouse, asset, partition)
        return check_result(failures.to_dicts(), failures.columns, rows, first_line, warns=not blocking)

    return check


def check_parameters(project: Project, partition: str) -> dict[str, Any]:
    """Return what a SQL check may name: thresholds from codeio.yaml and, of a recipe, its lengths."""
    quality = project.settings.quality.model_dump(include=set(SQL_THRESHOLDS))
    recipe = project.recipes.get(partition)
    lengths = [stage.max_length for _, stage in sorted(recipe.stages.items())] if recipe else []
    return {**quality, "max_failed_ratio": project.settings.chat.max_failed_ratio, "max_lengths": lengths}


def run_sql_check(
    warehouse: Warehouse, query: str, partition: str, parameters: Mapping[str, Any] = DEFAULT_PARAMETERS
) -> pl.DataFrame:
    """Return the rows that break a rule in a partition; the query names what it needs of the parameters."""
    known: dict[str, Any] = {"partition": partition, **parameters}
    return warehouse.sql(query, **{name: value for name, value in known.items() if f"${name}" in query})


def rows_of(warehouse: Warehouse, asset: str, partition: str) -> int:
    """Return how many rows an asset's own table has in a partition; those of a rejected whole count as well."""
    manifest = warehouse.manifest(asset, partition)
    return sum(version.rows for version in manifest.tables.values()) if manifest else 0


def check_result(
    failures: list[dict[str, Any]],
    columns: list[str],
    rows: int,
    rule: str,
    *,
    warns: bool = False,
    told: str | None = None,
    extra: dict[str, Any] | None = None,
) -> dg.AssetCheckResult:
    """Return what the UI shows of a check: the rule, how many rows break it, their share, and the first of them.

    Ids in the table are of kinds that `codeio trace` understands.
    """
    metadata: dict[str, Any] = {
        keys.RULE: rule,
        keys.FAILING_ROWS: len(failures),
        keys.ROWS: rows,
        keys.FAILING_RATIO: round(len(failures) / rows, 6) if rows else 0.0,
        **(extra or {}),
    }
    if failures:
        metadata[keys.FAILURES] = keys.table_value(failures[:FAILING_ROWS_SHOWN], columns)
    return dg.AssetCheckResult(
        passed=not failures,
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
        description=(told or f"{len(failures)} row(s) break the rule; the first are listed.") if failures else None,
    )
