"""What the UI shows of a commit: its account, a preview, the step's own numbers, links to reports.

What does not live here: committing (`running.step`), the names of the metadata (`graph.metadata`).
"""

from pathlib import Path
from urllib.parse import quote

import dagster as dg
import polars as pl

from codeio_assets.core.values.canonical import Json
from codeio_assets.graph import metadata as keys
from codeio_assets.graph.partitions import UNPARTITIONED
from codeio_assets.project import Project, browser_url
from codeio_assets.steps.result import StepResult
from codeio_assets.store import Manifest, Warehouse

LISTS = {
    "files": ("raw_code_files", "file_labels", "eligible_code_files"),
    "functions": ("unified_functions", "io_pairs"),
    "tasks": ("prediction_tasks", "predictions", "verdicts", "revised_predictions", "revised_verdicts", "cot_flaws"),
}
"""List of the browser -> the tables that it shows."""


def first_things_first(metadata: dict[str, dg.MetadataValue]) -> dict[str, dg.MetadataValue]:
    """Return metadata with what is for reading at its top: the UI keeps the order."""
    readable = [name for name in (keys.STATUS, keys.SUMMARY, keys.REPORT_URL) if name in metadata]
    return {name: metadata[name] for name in readable} | metadata


def report_links(project: Project, path: Path, result: StepResult) -> dict[str, dg.MetadataValue]:
    """Return where a report is, as a path and as an address for a browser, and what it says in short."""
    return {
        keys.SUMMARY: dg.MetadataValue.md(str(result.info["summary"])),
        keys.REPORT_URL: dg.MetadataValue.url(report_url(project, path)),
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


def report_url(project: Project, path: Path) -> str:
    """Return a report's address in the browser, which serves them: no page of a web server may open a file."""
    reports = project.report.parent
    if not path.is_relative_to(reports):
        return path.as_uri()
    return f"{browser_url()}/reports/{quote(path.relative_to(reports).as_posix())}"


def list_url(table: str, partition: str) -> str:
    """Return where the rows of a partition can be read in the browser: its list, narrowed."""
    if table == "training_sets":
        return f"{browser_url()}/tasks?recipe={quote(partition)}"
    name = next((name for name, tables in LISTS.items() if table in tables), None)
    return browser_url() if name is None else f"{browser_url()}/{name}?shard={quote(partition)}"


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
        keys.BROWSE: dg.MetadataValue.url(list_url(table, manifest.partition)),
        keys.PREVIEW: keys.preview(_head(warehouse.file(manifest.tables[table]))),
    }
    return {
        **account,
        **{name: value for name, value in own.items() if name not in account},
        keys.COLUMN_SCHEMA: dg.MetadataValue.table_schema(keys.column_schema(table)),
        keys.TABLE_NAME: dg.MetadataValue.text(table),
        keys.URI: dg.MetadataValue.path(warehouse.where(manifest.tables[table])),
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
