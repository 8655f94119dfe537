"""Publishing: committing a stage's result and telling Dagster about it; and telling what is up to date.

What does not live here: computing (`steps`), how a commit works (`store`).
"""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import polars as pl

from codeio_assets.core.values.canonical import Json, content_id
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.partitions import UNPARTITIONED, partition_of
from codeio_assets.graph.steps import STEPS, Step
from codeio_assets.project import Project
from codeio_assets.steps.result import StepResult
from codeio_assets.store import Manifest, Warehouse


@dataclass(slots=True)
class Stopwatch:
    """Wall and CPU seconds since it was made; CPU includes children that have ended."""

    started: float = field(default_factory=time.monotonic)
    times: os.times_result = field(default_factory=os.times)

    def read(self) -> tuple[float, float]:
        """Return (wall seconds, CPU seconds)."""
        now = os.times()
        cpu = sum(now[:4]) - sum(self.times[:4])
        return round(time.monotonic() - self.started, 3), round(cpu, 3)


def upstream_versions(stage: Step, partition: str, warehouse: Warehouse) -> dict[str, str]:
    """Return "asset/partition" -> data version of everything a partition reads; missing ones are left out."""
    versions: dict[str, str] = {}
    for name in stage.upstream:
        upstream = STEPS[name]
        shared = upstream.partitioned == stage.partitioned
        partitions = [partition] if shared else warehouse.partitions(name)
        for key in partitions:
            manifest = warehouse.manifest(name, key)
            if manifest:
                versions[f"{name}/{key}"] = manifest.version
    return versions


def fingerprint(stage: Step, partition: str, project: Project, upstream: dict[str, str]) -> str:
    """Return the content id of everything that decides a partition's content."""
    return content_id(
        asset=stage.asset,
        partition=partition,
        code_version=stage.code_version,
        settings=stage.settings(project, partition),
        upstream=upstream,
    )


def is_current(stage: Step, partition: str, project: Project, warehouse: Warehouse) -> bool:
    """Tell whether a partition was made from the present inputs, settings and code version."""
    manifest = warehouse.manifest(stage.asset, partition)
    if manifest is None:
        return False
    upstream = upstream_versions(stage, partition, warehouse)
    return manifest.fingerprint == fingerprint(stage, partition, project, upstream)


def committed(warehouse: Warehouse, asset: str, partition: str) -> dict[str, pl.DataFrame]:
    """Return all tables that an asset has committed for a partition; empty when it has not."""
    manifest = warehouse.manifest(asset, partition)
    return {table: warehouse.read(table, partition) for table in manifest.tables} if manifest else {}


def publish(
    context: dg.AssetExecutionContext,
    result: StepResult,
    watch: Stopwatch,
    asset: str | None = None,
    extra: dict[str, dg.MetadataValue] | None = None,
    upstream: dict[str, str] | None = None,
) -> dg.MaterializeResult:
    """Commit the tables of a stage in one step and return what the UI shows.

    `upstream` names the versions that were read, for a step that reads a snapshot; else those that are live now.

    Raises:
        StoreError: the commit failed; the previous version stays.
    """
    project = Project.find()
    warehouse = Warehouse(project.warehouse)
    stage = STEPS[asset or context.asset_key.to_user_string()]
    partition = partition_of(context)
    upstream = upstream_versions(stage, partition, warehouse) if upstream is None else upstream
    wall_s, cpu_s = watch.read()
    account: dict[str, Json] = {
        "items_in": result.items_in,
        "items_out": result.items_out,
        "dropped_by_reason": result.dropped_by_reason,
        **result.info,
    }
    manifest = warehouse.write(
        stage.asset,
        partition,
        {**result.tables, **result.streams},
        run_id=context.run.run_id,
        fingerprint=fingerprint(stage, partition, project, upstream),
        upstream=upstream,
        info={**account, "wall_time_s": wall_s, "cpu_time_s": cpu_s},
    )
    wall_s, cpu_s = watch.read()  # streams are computed while they are written
    warehouse.refresh_views()
    metadata = materialization_metadata(stage.asset, result, manifest, warehouse)
    metadata |= {keys.WALL_TIME_S: dg.MetadataValue.float(wall_s), keys.CPU_TIME_S: dg.MetadataValue.float(cpu_s)}
    context.log.info(f"{stage.asset}[{partition}]: {result.items_in} in, {result.items_out} out, {wall_s} s")
    return dg.MaterializeResult(
        asset_key=stage.asset,
        metadata=_first_things_first(metadata | (extra or {})),
        data_version=dg.DataVersion(manifest.version),
    )


def _first_things_first(metadata: dict[str, dg.MetadataValue]) -> dict[str, dg.MetadataValue]:
    """Return metadata with what is for reading at its top: the UI keeps the order."""
    readable = [name for name in (keys.STATUS, keys.SUMMARY, keys.REPORT_URL) if name in metadata]
    return {name: metadata[name] for name in readable} | metadata


def report_links(path: Path, result: StepResult) -> dict[str, dg.MetadataValue]:
    """Return where a report is, as a path and as an address for a browser, and what it says in short."""
    return {
        keys.SUMMARY: dg.MetadataValue.md(str(result.info["summary"])),
        keys.REPORT_URL: dg.MetadataValue.url(report_url(path)),
        keys.REPORT: dg.MetadataValue.path(str(path)),
    }


def audit_metadata(path: Path, result: StepResult, per_finding: int = 3) -> dict[str, dg.MetadataValue]:
    """Return which file was audited, and for each finding the first pairs as examples."""
    rows = (
        result.tables["published_data_audit"].filter(pl.col("result") != "reproduces").sort("result", "function_number")
    )
    examples = rows.group_by("result", maintain_order=True).head(per_finding)
    columns = ["result", "function_number", "pair_index", "input_json", "output_json", "now_json", "pair_id"]
    return {
        keys.AUDITED: dg.MetadataValue.path(str(path)),
        keys.EXAMPLES: keys.table_value(examples.to_dicts(), columns),
    }


def report_url(path: Path) -> str:
    """Return a report's address: below `CODEIO_REPORTS_URL` where something serves the folder of reports, else a file.

    Browsers open no file from a page of a web server, so `make dev` serves the folder.
    """
    served, reports = os.environ.get("CODEIO_REPORTS_URL"), Project.find().report.parent
    if not served or not path.is_relative_to(reports):
        return path.as_uri()
    return f"{served.rstrip('/')}/{quote(path.relative_to(reports).as_posix())}"


def publish_companion(
    context: dg.AssetExecutionContext,
    result: StepResult,
    table: str,
    committed_by: str,
    info: dict[str, Json] | None = None,
) -> dg.MaterializeResult:
    """Return what the UI shows of a second asset whose table was in another asset's commit; `info` are its numbers."""
    warehouse = Warehouse(Project.find().warehouse)
    manifest = warehouse.manifest(committed_by, partition_of(context))
    if manifest is None:
        raise RuntimeError(f"{table}: {committed_by} must be published first")
    rows = len(result.tables[table])
    account = StepResult(result.tables, rows, rows, info=info or {})
    version = dg.DataVersion(manifest.tables[table].version)
    metadata = materialization_metadata(table, account, manifest, warehouse)
    return dg.MaterializeResult(asset_key=table, metadata=metadata, data_version=version)


def materialization_metadata(
    table: str, result: StepResult, manifest: Manifest, warehouse: Warehouse
) -> dict[str, dg.MetadataValue]:
    """Return what a person looks for, first things first: account, preview, the stage's own numbers, where it is."""
    ratio = result.items_out / result.items_in if result.items_in else 0.0
    rows_key = keys.ROW_COUNT if manifest.partition == UNPARTITIONED else keys.PARTITION_ROW_COUNT
    own = {f"{keys.PREFIX}{name}": _value(value) for name, value in result.info.items()}
    account = {
        rows_key: dg.MetadataValue.int(manifest.tables[table].rows),
        keys.ITEMS_IN: dg.MetadataValue.int(result.items_in),
        keys.ITEMS_OUT: dg.MetadataValue.int(result.items_out),
        keys.ACCEPTED_RATIO: dg.MetadataValue.float(round(ratio, 4)),
        keys.DROPPED_BY_REASON: dg.MetadataValue.json(result.dropped_by_reason),
        keys.PREVIEW: keys.preview(_head(warehouse.root / manifest.tables[table].file)),
    }
    return {
        **account,
        **{name: value for name, value in own.items() if name not in account},
        keys.COLUMN_SCHEMA: dg.MetadataValue.table_schema(keys.column_schema(table)),
        keys.TABLE_NAME: dg.MetadataValue.text(table),
        keys.URI: dg.MetadataValue.path(str(warehouse.root / manifest.tables[table].file)),
        keys.DATA_VERSION: dg.MetadataValue.text(manifest.version),
    }


def _head(path: Path) -> pl.DataFrame:
    return pl.read_parquet(path, n_rows=keys.PREVIEW_ROWS, glob=False, hive_partitioning=False)


def _value(value: Json) -> dg.MetadataValue:
    if isinstance(value, bool):
        return dg.MetadataValue.bool(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    if isinstance(value, float):
        return dg.MetadataValue.float(value)
    return dg.MetadataValue.text(value) if isinstance(value, str) else dg.MetadataValue.json(value)
