"""Building the quality report: run the queries, write the page, give the funnel back as a table.

What does not live here: the numbers (`sql/reports`), the plots (`figures`), the page (`page`).
"""

from codeio_assets.core.tables import polars_schema
from codeio_assets.project import Project
from codeio_assets.reports.page import render_page
from codeio_assets.reports.queries import run_queries
from codeio_assets.stages.result import StageResult, account
from codeio_assets.store import Warehouse
from codeio_assets.store.blobs import write_atomically

TABLE = "quality_report"


def build_report(project: Project, warehouse: Warehouse) -> StageResult:
    """Write the report to `project.report` and return its funnel as the table `quality_report`.

    The same data give the same bytes. The file is replaced in one step.

    Raises:
        ReportError: a query is missing or is no valid SQL.
        StoreError: a committed file is gone, or the report cannot be written.
    """
    results = run_queries(project, warehouse)
    page = render_page(results).encode()
    write_atomically(project.report, page)
    columns = polars_schema(TABLE)
    rows = [{name: row[name] for name in columns} for row in results["funnel"].rows]
    return account(TABLE, rows, None, items_in=len(rows), info={"report_bytes": len(page)})
