"""Rules on tables: pandera schemas, and SQL.

A SQL check is a file `<asset>__<name>.sql` whose rows are what breaks the rule; it may use `$partition` and the
thresholds of codeio.yaml. One in `sql/checks` blocks what comes after, one in `sql/warnings` only warns.
Checks are partitioned like their asset, so a run covers one partition.
What does not live here: checks that execute or read texts (`checks.quality`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pandera.errors
import polars as pl

from codeio_assets.checks.rules import Checking, Rule
from codeio_assets.core.settings.models import Chat
from codeio_assets.core.settings.quality import Quality
from codeio_assets.core.tables.data import RUN_TABLES, TABLES, polars_schema
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.steps import Step
from codeio_assets.project import Project, browser_url
from codeio_assets.running.inputs import tables_in
from codeio_assets.store import Warehouse
from codeio_assets.store.parquet import column_types

FAILING_ROWS_SHOWN = 50
SCHEMA_COLUMNS = ["table", "column", "check", "value", "row", "id"]
SQL_THRESHOLDS = ("max_degenerate_ratio", "max_too_long_ratio", "max_drift", "compared_versions")
DEFAULT_PARAMETERS: dict[str, Any] = {
    **Quality.model_validate({}).model_dump(include=set(SQL_THRESHOLDS)),
    **Quality.model_validate({}).yields.parameters(),
    "max_failed_ratio": Chat.model_fields["max_failed_ratio"].default,
    "max_lengths": [4_096, 4_096],
    "stages": [1, 2],
}
"""What a SQL check may name besides `$partition`, at its defaults."""
ROWS_PER_BATCH = 32_768


def schema_rule(step: Step[object]) -> Rule:
    """Return the rule `schema_matches`: every committed row of every table of a step fits its pandera model."""

    def find(checking: Checking) -> dg.AssetCheckResult:
        rows = 0
        failures: list[dict[str, Any]] = []
        for table, version in (checking.manifest.tables if checking.manifest else {}).items():
            rows += version.rows
            failures += failing_rows_of_file(table, checking.warehouse.file(version))
        return check_result(failures, SCHEMA_COLUMNS, rows, rule.says)

    says = "Every row of every table of this partition fits its pandera schema."
    rule = Rule(step.asset, "schema_matches", says, find, uses=lambda _project, _partition: _schemas(step.writes))
    return rule


def _schemas(tables: Sequence[str]) -> dict[str, dict[str, str]]:
    return {table: column_types(table) for table in tables}


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
    schema = polars_schema(table)
    stored = pl.read_parquet_schema(path)
    new = [pl.lit(None, kind).alias(name) for name, kind in schema.items() if name not in stored]
    file = pl.scan_parquet(path, glob=False, hive_partitioning=False).with_columns(new)
    file = file.select([*(name for name in schema if name), *(name for name in stored if name not in schema)])
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


def run_table_rule(asset: str) -> Rule:
    """Return the rule that every row of the tables that runs add to fits its pandera model; shown at an asset."""
    says = f"Every row of {', '.join(RUN_TABLES)} fits its pandera schema."

    def find(checking: Checking) -> dg.AssetCheckResult:
        frames = {table: checking.read(table) for table in RUN_TABLES}
        failures = [row for table, frame in frames.items() for row in failing_rows(table, frame)]
        return check_result(failures, SCHEMA_COLUMNS, sum(map(len, frames.values())), says)

    return Rule(asset, "run_tables_match", says, find, reads=RUN_TABLES)


@dataclass(frozen=True)
class Thresholds:
    """What a SQL rule goes by: its text, and the values that it names."""

    query: str
    parameters: Mapping[str, Any]


def sql_rules(folder: Path) -> list[Rule]:
    """Return one rule per file in a folder's `checks`, which block, and `warnings`, which do not."""
    return [
        _sql_rule(path.stem, path.read_text("utf-8"), blocking=name == "checks")
        for name in ("checks", "warnings")
        for path in sorted((folder / name).glob("*.sql"))
    ]


def _sql_rule(stem: str, query: str, *, blocking: bool) -> Rule:
    asset, name = stem.split("__")
    says = query.splitlines()[0].removeprefix("--").strip()

    def goes_by(project: Project, partition: str) -> Thresholds:
        return Thresholds(query, _named(query, check_parameters(project, partition)))

    def find(checking: Checking) -> dg.AssetCheckResult:
        thresholds: Thresholds = checking.uses
        failures = checking.sql(query, **_named(query, {"partition": checking.partition}), **thresholds.parameters)
        rows = sum(version.rows for version in checking.manifest.tables.values()) if checking.manifest else 0
        return check_result(failures.to_dicts(), failures.columns, rows, says, warns=not blocking)

    return Rule(asset, name, says, find, blocking, tuple(sorted(tables_in(query))), goes_by)


def _named(query: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if f"${name}" in query}


def check_parameters(project: Project, partition: str) -> dict[str, Any]:
    """Return what a SQL check may name: thresholds from codeio.yaml and, of a recipe, its stages and their lengths."""
    settings = project.settings.quality
    quality = settings.model_dump(include=set(SQL_THRESHOLDS))
    quality |= settings.yields_of(partition.rpartition("-")[0]).parameters()
    stages = project.recipe(partition).stages if partition in project.recipe_names() else {}
    lengths = [stage.max_length for _, stage in sorted(stages.items())]
    failed = {"max_failed_ratio": project.settings.chat.max_failed_ratio}
    return {**quality, **failed, "max_lengths": lengths, "stages": sorted(stages)}


def run_sql_check(
    warehouse: Warehouse, query: str, partition: str, parameters: Mapping[str, Any] = DEFAULT_PARAMETERS
) -> pl.DataFrame:
    """Return the rows that break a rule in a partition; the query names what it needs of the parameters."""
    return warehouse.sql(query, **_named(query, {"partition": partition, **parameters}))


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
        keys.FAILING_RATIO: round(min(1.0, len(failures) / rows), 6) if rows else 0.0,
        **(extra or {}),
    }
    if failures:
        metadata |= _where_to_look(failures)
        metadata[keys.FAILURES] = keys.table_value(failures[:FAILING_ROWS_SHOWN], columns)
    return dg.AssetCheckResult(
        passed=not failures,
        severity=dg.AssetCheckSeverity.WARN if warns else dg.AssetCheckSeverity.ERROR,
        metadata=metadata,
        description=(told or f"{len(failures)} row(s) break the rule; the first are listed.") if failures else None,
    )


def _where_to_look(failures: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the address of the first row that has an id, in the browser."""
    for row in failures:
        for value in row.values():
            if isinstance(value, str) and keys.ID_FORM.fullmatch(value):
                return {keys.BROWSE: dg.MetadataValue.url(f"{browser_url()}/find?id={value}")}
    return {}
