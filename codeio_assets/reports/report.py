"""Building the quality report: run the queries, write the page, give the funnel back as a table.

What does not live here: the numbers (`sql/reports`), the plots (`figures`), the page (`page`).
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from codeio_assets.core.tables.data import polars_schema
from codeio_assets.core.tables.reasons import REASONS
from codeio_assets.core.values.canonical import Json
from codeio_assets.reports.headline import summary
from codeio_assets.reports.page import render_page
from codeio_assets.reports.queries import QueryResult, Reported, run_queries
from codeio_assets.steps.result import StepResult, account
from codeio_assets.store.blobs import write_atomically


def build_report(reported: Reported, path: Path) -> StepResult:
    """Write the report over everything and return its funnel as the table `quality_report`.

    The same data give the same bytes. The file is replaced in one step.

    Raises:
        ReportError: a query is missing or is no valid SQL.
        StoreError: a committed file is gone, or the report cannot be written.
    """
    return _written("quality_report", path, run_queries(reported))


def build_shard_report(reported: Reported, path: Path, shard: str) -> StepResult:
    """Write the report on one shard, by the same queries over its rows alone, and return its funnel.

    Raises:
        ReportError, StoreError: as in `build_report`.
    """
    return _written("shard_reports", path, run_queries(reported), shard)


def _written(table: str, path: Path, results: Mapping[str, QueryResult], shard: str | None = None) -> StepResult:
    page = render_page({**results, "rejections": _explained(results["rejections"])}, shard).encode()
    write_atomically(path, page)
    columns = polars_schema(table)
    rows = [{name: row[name] for name in columns} for row in results["funnel"].rows]
    info: dict[str, Json] = {"report_bytes": len(page), "summary": summary(results)}
    return account(table, rows, None, items_in=len(rows), info=info)


def _explained(rejections: QueryResult) -> QueryResult:
    """Return the rejections with what each reason means."""
    rows = [
        {**row, "meaning": REASONS[f"{row['step']}_rejections"].get(row["reason"], "not registered")}
        for row in rejections.rows
    ]
    return replace(rejections, columns=[*rejections.columns, "meaning"], rows=rows)
