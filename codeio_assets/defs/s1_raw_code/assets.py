"""s1: raw code files of a shard, and those that can become functions."""

import dagster as dg

from codeio_assets.orchestration.publishing import Stopwatch, publish
from codeio_assets.orchestration.stages import spec
from codeio_assets.resources.engines import ProjectResource, WarehouseResource
from codeio_assets.stages.ingesting import ingest_shard, select_eligible


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


@dg.asset(**spec("eligible_code_files"))
def eligible_code_files(
    context: dg.AssetExecutionContext, project: ProjectResource, warehouse: WarehouseResource
) -> dg.MaterializeResult:
    """One row per raw file that can become a function: parses, has logic, has the right length, was not seen before.

    Key: `file_id`. Empty, short, long, unparsable, computation-free and duplicate files are rows of
    `eligible_code_files_rejections`.
    """
    watch, here = Stopwatch(), project.get()
    shard = here.shards.load(context.partition_key)
    raw_files = warehouse.get().read("raw_code_files", shard.key)
    result = select_eligible(raw_files, shard, here.source(shard.source))
    return publish(context, result, watch)
