"""s9: flaws of the chains of thought, the quality reports, the status at one look, and the audit of published data."""

import dagster as dg
from pydantic import Field

from codeio_assets.graph import metadata as keys
from codeio_assets.graph.steps import (
    COT_FLAWS,
    PUBLISHED_DATA_AUDIT,
    QUALITY_REPORT,
    SHARD_REPORTS,
    STATUS,
    spec,
)
from codeio_assets.operating.code_location import known_checks
from codeio_assets.operating.status import project_status
from codeio_assets.products.status import as_result, to_markdown
from codeio_assets.reports import Reported, build_report, build_shard_report
from codeio_assets.resources.engines import ProjectResource, SandboxResource
from codeio_assets.running.publishing import audit_metadata, report_links
from codeio_assets.running.step import begin
from codeio_assets.sources.published import published_path, read_published
from codeio_assets.steps.cot_flaws import Responses, review_cots
from codeio_assets.steps.published_data_audit import Case, audit_published


@dg.asset(**spec(COT_FLAWS))
def cot_flaws(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per response of any turn: which flaws its chain of thought shows.

    Key: `prediction_id`. Flags are read from the text alone: no answer, cut off, program code, a loop, and others; what
    counts is set in codeio.yaml under `quality`. Failed requests have no response and no row.
    """
    with begin(context, COT_FLAWS, project) as step:
        return step.publish(review_cots(step.frames(Responses), step.uses))


@dg.asset(**spec(SHARD_REPORTS))
def shard_reports(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per step of a shard's funnel from raw file to verdict, and one HTML file that explains it.

    The same report as `quality_report`, by the same queries from `sql/reports` over the rows of the shard alone.
    """
    with begin(context, SHARD_REPORTS, project) as step:
        path = step.project.shard_report(step.partition)
        reported = Reported(step.uses, step.warehouse, step.snapshot, step.reads)
        result = build_shard_report(reported, path, step.partition)
        return step.publish(result, report_links(step.project, path, result))


class AuditConfig(dg.Config):
    """What the launchpad offers for an audit."""

    path: str = Field(
        default="",
        description="JSONL of functions with recorded pairs, relative to the project. Empty takes `quality.published` "
        "of codeio.yaml.",
    )


@dg.asset(**spec(PUBLISHED_DATA_AUDIT))
def published_data_audit(
    context: dg.AssetExecutionContext, config: AuditConfig, project: ProjectResource, sandbox: SandboxResource
) -> dg.MaterializeResult:
    """One row per recorded pair of published CodeI/O data: whether it reproduces, and what else is wrong with it.

    Key: `pair_id`. Each pair is executed in a fresh process; one that differs is executed again with one thing changed
    at a time, which names the cause. Flags: constant outputs, repeated inputs, prompts and functions, and outputs that
    the public comparison misjudges. It takes part in no job: materialise it when there is published data to judge.
    """
    with begin(context, PUBLISHED_DATA_AUDIT, project) as step:
        path = published_path(step.project.root, step.project.settings.quality.published, config.path)
        cases = (Case(each.number, each.code, each.entry, each.pairs) for each in read_published(path))
        with sandbox.open(step.uses.executed, step.workers) as box:
            result = audit_published(cases, box)
        return step.publish(result, audit_metadata(path, result))


@dg.asset(**spec(QUALITY_REPORT))
def quality_report(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per step of the funnel from raw file to training token, and one HTML file that explains it.

    The file is self-contained: funnel, rejections, verdict flow, accuracy, flaws of chains of thought, duplicates,
    cost, losses, examples to read. Its numbers come from `sql/reports` and can be queried in warehouse.duckdb.
    """
    with begin(context, QUALITY_REPORT, project) as step:
        path = step.project.report
        result = build_report(Reported(step.uses, step.warehouse, step.snapshot, step.reads), path)
        step.warehouse.refresh_views()
        return step.publish(result, report_links(step.project, path, result))


@dg.asset(**spec(STATUS))
def status(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per asset: partitions made, failed and missing. The metadata has the whole status at one look.

    How far the data set is, what it cost, what is wrong with it: failed shards, failing checks, the funnel, tokens and
    cost, reasons for dropping. Takes seconds at any size; `codeio status` prints the same.
    """
    with begin(context, STATUS, project) as step:
        found = project_status(step.project, context.instance, known_checks(step.project))
        return step.publish(as_result(found), {keys.STATUS: dg.MetadataValue.md(to_markdown(found))})
