"""Sources of raw code: finding items, cutting them into shards, reading a shard. Plain Python over local files."""

from codeio_assets.sources.reading import RawItem, read_items
from codeio_assets.sources.shards import Shard, ShardItem, ShardRegistry

__all__ = ["RawItem", "Shard", "ShardItem", "ShardRegistry", "read_items"]
