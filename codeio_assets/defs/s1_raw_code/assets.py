"""s1: raw code files of a shard, and those that can become functions."""

import dagster as dg

from codeio_assets.graph.steps import spec
from codeio_assets.resources.engines import ChatServerResource, ProjectResource, SandboxResource, WarehouseResource
from codeio_assets.running.asking import asking
from codeio_assets.running.publishing import Stopwatch, publish
from codeio_assets.running.retries import INFRASTRUCTURE, failing_at_once
from codeio_assets.steps.eligible_code_files import select_eligible
from codeio_assets.steps.file_labels import PROMPTS, label_files, no_labels
from codeio_assets.steps.raw_code_files import ingest_shard


@dg.asset(**spec("raw_code_files"))
def raw_code_files(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult:
    """One row per raw code file of a shard, as it stands in its source.

    Key: `file_id` (source, path and content). Licence, repository and path travel with the file to the training
    sample. Files that are not text, too large, broken or gone are rows of `raw_code_files_rejections`.
    """
    watch, here = Stopwatch(), project.get()
    shard = here.shards.load(context.partition_key)
    result = ingest_shard(shard, here.source(shard.source), here.root)
    return publish(context, result, watch)


@dg.asset(**spec("file_labels"), retry_policy=INFRASTRUCTURE)
def file_labels(
    context: dg.AssetExecutionContext,
    project: ProjectResource,
    warehouse: WarehouseResource,
    chat_server: ChatServerResource,
    sandbox: SandboxResource,
) -> dg.MaterializeResult:
    """One row per raw file that a model was asked about: its category, and how often it completed a function of it.

    Key: `file_id`. Empty unless the source's filters in sources.yaml name `categories` or `difficulty`; completions
    are judged by execution. Nothing is dropped here. Source: CodeI/O, sec. 2.1 (PyEdu-R, CodeMix).
    """
    watch, here = Stopwatch(), project.get()
    shard = here.shards.load(context.partition_key)
    source = here.source(shard.source)
    if not source.filters.ask_a_model:
        return publish(context, no_labels(), watch)
    raw_files = warehouse.get().read("raw_code_files", shard.key)
    prompts = {name: here.prompt(name) for name in PROMPTS}
    with failing_at_once(), sandbox.open() as workers, asking(context, chat_server) as step:
        result = label_files(raw_files, shard, source, step.client, workers, prompts)
    return publish(context, result, watch, extra=step.metadata)


@dg.asset(**spec("eligible_code_files"))
def eligible_code_files(
    context: dg.AssetExecutionContext, project: ProjectResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """One row per raw file that can become a function: parses, has logic, has the right length, was not seen before.

    Key: `file_id`. What the source's filters drop (rules on the text, licence, copies, near-duplicates, labels) are
    rows of `eligible_code_files_rejections`; `near_duplicate_groups` has the group of every file.
    """
    watch, here = Stopwatch(), project.get()
    shard = here.shards.load(context.partition_key)
    raw_files, labels = (warehouse.get().read(table, shard.key) for table in ("raw_code_files", "file_labels"))
    result = select_eligible(raw_files, labels, shard, here.source(shard.source))
    return publish(context, result, watch)
