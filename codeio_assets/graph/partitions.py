"""Partitions: shards of raw code (dynamic) and recipes (static, one per file)."""

import dagster as dg

from codeio_assets.project import Project

code_shards = dg.DynamicPartitionsDefinition(name="code_shards")
recipes = dg.StaticPartitionsDefinition(Project.find().recipe_names())
ALL_SHARDS = dg.AllPartitionMapping()
UNPARTITIONED = "all"
"""Partition key in the store of assets without partitions."""


def partition_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> str:
    """Return the partition key of a run, `all` where there is none."""
    return context.partition_key if context.has_partition_key else UNPARTITIONED
