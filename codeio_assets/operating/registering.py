"""The step that registers new raw files as shards, as a run with progress.

What registration is lives in `sources.shards`; the sensor, which only lists files, asks for this run.
"""

import dagster as dg

from codeio_assets.project import Project


@dg.op(tags={"dagster/compute_kind": "python"})
def register_new_files(context: dg.OpExecutionContext) -> None:
    """Read files that no shard holds yet and form shards of them; the sensor then asks for their `data` runs."""
    project = Project.find()
    new = project.shards.register_new(project.sources, project.root, context.log.info)
    context.log.info(f"{len(new)} new shards: {', '.join(shard.key for shard in new) or 'none'}")
