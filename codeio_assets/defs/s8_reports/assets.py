"""s8: flaws of the chains of thought, the quality report, and the status at one look."""

import dagster as dg

from codeio_assets.orchestration import metadata as keys
from codeio_assets.orchestration.publishing import Stopwatch, publish, report_links
from codeio_assets.orchestration.stages import spec
from codeio_assets.orchestration.status import project_status
from codeio_assets.reports import build_report, build_shard_report
from codeio_assets.resources.engines import ProjectResource, WarehouseResource
from codeio_assets.stages.overview import as_result, to_markdown
from codeio_assets.stages.reviewing import review_cots


@dg.asset(**spec("cot_flaws"))
def cot_flaws(
    context: dg.AssetExecutionContext, project: ProjectResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """One row per response of any turn: which flaws its chain of thought shows.

    Key: `prediction_id`. Flags are read from the text alone: no answer, cut off, program code, a loop, and others; what
    counts is set in codeio.yaml under `quality`. Failed requests have no response and no row.
    """
    watch, store = Stopwatch(), warehouse.get()
    names = ("unified_functions", "predictions", "revised_predictions")
    functions, first, revised = (store.read(name, context.partition_key) for name in names)
    return publish(context, review_cots(functions, first, revised, project.get().settings.quality.cot), watch)


@dg.asset(**spec("shard_reports"))
def shard_reports(
    context: dg.AssetExecutionContext, project: ProjectResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """One row per step of a shard's funnel from raw file to verdict, and one HTML file that explains it.

    The same report as `quality_report`, by the same queries from `sql/reports` over the rows of the shard alone.
    """
    watch, here = Stopwatch(), project.get()
    result = build_shard_report(here, warehouse.get(), context.partition_key)
    return publish(context, result, watch, extra=report_links(here.shard_report(context.partition_key), result))


@dg.asset(**spec("quality_report"))
def quality_report(
    context: dg.AssetExecutionContext, project: ProjectResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """One row per step of the funnel from raw file to training token, and one HTML file that explains it.

    The file is self-contained: funnel, rejections, verdict flow, accuracy, flaws of chains of thought, duplicates,
    cost, losses, examples to read. Its numbers come from `sql/reports` and can be queried in warehouse.duckdb.
    """
    watch, here = Stopwatch(), project.get()
    result = build_report(here, warehouse.get())
    return publish(context, result, watch, extra=report_links(here.report, result))


@dg.asset(**spec("status"))
def status(
    context: dg.AssetExecutionContext, project: ProjectResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """One row per asset: partitions made, failed and missing. The metadata has the whole status at one look.

    How far the data set is, what it cost, what is wrong with it: failed shards, failing checks, the funnel, tokens and
    cost, reasons for dropping. Takes seconds at any size; `codeio status` prints the same.
    """
    watch = Stopwatch()
    checks = context.repository_def.asset_graph.asset_check_keys
    found = project_status(project.get(), context.instance, checks)
    extra: dict[str, dg.MetadataValue] = {keys.STATUS: dg.MetadataValue.md(to_markdown(found))}
    return publish(context, as_result(found), watch, extra=extra)
