"""s8: the quality report."""

import dagster as dg

from codeio_assets.orchestration.publishing import Stopwatch, publish
from codeio_assets.orchestration.stages import spec
from codeio_assets.reports import build_report
from codeio_assets.resources.engines import ProjectResource, WarehouseResource


@dg.asset(**spec("quality_report"))
def quality_report(
    context: dg.AssetExecutionContext, project: ProjectResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """One row per step of the funnel from raw file to training token, and one HTML file that explains it.

    The file is self-contained: funnel, rejections, verdict flow, lengths, losses, examples to read. Its numbers come
    from `sql/reports` and can be queried in warehouse.duckdb.
    """
    watch, here = Stopwatch(), project.get()
    result = build_report(here, warehouse.get())
    extra: dict[str, dg.MetadataValue] = {
        "codeio/report": dg.MetadataValue.path(str(here.report)),
        "codeio/report_url": dg.MetadataValue.url(here.report.as_uri()),
    }
    return publish(context, result, watch, extra=extra)
