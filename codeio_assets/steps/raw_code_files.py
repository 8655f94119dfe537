"""raw_code_files: reading the items of a shard."""

from collections.abc import Collection
from pathlib import Path

from codeio_assets.core.settings.project import Reading
from codeio_assets.core.tables.data import Row
from codeio_assets.sources.reading import RawItem
from codeio_assets.sources.shard_reading import read_shard
from codeio_assets.sources.shards import Shard, ShardItem, file_id
from codeio_assets.steps.result import StepResult, account, rejection


def ingest_shard(shard: Shard, source: Reading, base: Path, taken_down: Collection[str] = ()) -> StepResult:
    """Read the items of a shard as rows of `raw_code_files`; `taken_down` are ids of files that were taken down.

    Rejections: the reasons of `sources.reading`, `source_changed` when the registered item is no longer there, and
    `taken_down`.
    """
    rows: list[Row] = []
    rejections: list[Row] = []
    for item, raw in read_shard(shard, source, base):
        own_id = file_id(shard.source, item)
        if own_id in taken_down:
            rejections.append(rejection(own_id, shard.source, "taken_down", f"{item.path}: taken down by a person"))
        elif raw is None:
            detail = f"{item.path}: gone or changed since the shard was registered"
            rejections.append(rejection(own_id, shard.source, "source_changed", detail))
        elif raw.reason:
            rejections.append(rejection(own_id, shard.source, raw.reason, f"{item.path}: {raw.detail}"))
        else:
            rows.append(_raw_row(own_id, shard.source, item, raw))
    unique = {row["file_id"]: row for row in rows}
    rejections += [
        rejection(row["file_id"], shard.source, "repeated_item", f"{row['path']}: stands twice in the source")
        for row in rows
        if unique[row["file_id"]] is not row
    ]
    return account("raw_code_files", list(unique.values()), rejections, items_in=len(shard.items))


def _raw_row(own_id: str, source: str, item: ShardItem, raw: RawItem) -> Row:
    return {
        "file_id": own_id,
        "source": source,
        "repository": raw.repository,
        "path": item.path,  # of two equal lines, `raw` is the one read last
        "license": raw.license,
        "content": raw.content,
        "content_sha256": item.content_sha256,
        "size_bytes": raw.size_bytes,
    }
