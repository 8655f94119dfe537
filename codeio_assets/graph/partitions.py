"""Partitions: shards of raw code (dynamic), recipes (static, one per file) and the paper's benchmarks."""

import dagster as dg

from codeio_assets.benchmarks.catalogue import BENCHMARKS
from codeio_assets.project import Project

code_shards = dg.DynamicPartitionsDefinition(name="code_shards")
recipes = dg.StaticPartitionsDefinition(Project.find().recipe_names())
benchmarks = dg.StaticPartitionsDefinition(list(BENCHMARKS))
ALL = dg.AllPartitionMapping()
UNPARTITIONED = "all"
"""Partition key in the store of assets without partitions."""


def partition_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> str:
    """Return the partition key of a run, `all` where there is none."""
    return context.partition_key if context.has_partition_key else UNPARTITIONED
