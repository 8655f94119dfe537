"""s8: flaws of the chains of thought, the quality reports, the status at one look, and the audit of published data."""

import dagster as dg
from pydantic import Field

from codeio_assets.graph import metadata as keys
from codeio_assets.graph.steps import spec
from codeio_assets.operating.code_location import known_checks
from codeio_assets.operating.status import project_status
from codeio_assets.products.status import as_result, to_markdown
from codeio_assets.reports import build_report, build_shard_report
from codeio_assets.resources.engines import ProjectResource, SandboxResource, WarehouseResource
from codeio_assets.running.publishing import Stopwatch, audit_metadata, publish, report_links
from codeio_assets.running.retries import INFRASTRUCTURE, failing_at_once
from codeio_assets.sources.published import published_path, read_published
from codeio_assets.steps.cot_flaws import review_cots
from codeio_assets.steps.published_data_audit import Case, audit_published


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


class AuditConfig(dg.Config):
    """What the launchpad offers for an audit."""

    path: str = Field(
        default="",
        description="JSONL of functions with recorded pairs, relative to the project. Empty takes `quality.published` "
        "of codeio.yaml.",
    )


@dg.asset(**spec("published_data_audit"), retry_policy=INFRASTRUCTURE)
def published_data_audit(
    context: dg.AssetExecutionContext, config: AuditConfig, project: ProjectResource, sandbox: SandboxResource
) -> dg.MaterializeResult:
    """One row per recorded pair of published CodeI/O data: whether it reproduces, and what else is wrong with it.

    Key: `pair_id`. Each pair is executed in a fresh process; one that differs is executed again with one thing changed
    at a time, which names the cause. Flags: constant outputs, repeated inputs, prompts and functions, and outputs that
    the public comparison misjudges. It takes part in no job: materialise it when there is published data to judge.
    """
    watch, here = Stopwatch(), project.get()
    with failing_at_once(), sandbox.open() as box:
        path = published_path(here.root, here.settings.quality.published, config.path)
        cases = (Case(each.number, each.code, each.entry, each.pairs) for each in read_published(path))
        result = audit_published(cases, box)
    return publish(context, result, watch, extra=audit_metadata(path, result))


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
    found = project_status(project.get(), context.instance, known_checks())
    extra: dict[str, dg.MetadataValue] = {keys.STATUS: dg.MetadataValue.md(to_markdown(found))}
    return publish(context, as_result(found), watch, extra=extra)
