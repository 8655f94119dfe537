"""raw_code_files and eligible_code_files: reading a shard, and deciding which files can become functions."""

from pathlib import Path

import polars as pl

from codeio_assets.core.canonical import content_id
from codeio_assets.core.raw_code import reject_file
from codeio_assets.core.settings import Source
from codeio_assets.sources.reading import RawItem
from codeio_assets.sources.shards import Shard, ShardItem, read_shard
from codeio_assets.stages.result import Row, StageResult, account, rejection


def ingest_shard(shard: Shard, source: Source, base: Path) -> StageResult:
    """Read the items of a shard as rows of `raw_code_files`.

    Rejections: the reasons of `sources.reading`, and `source_changed` when the registered item is no longer there.
    """
    rows: list[Row] = []
    rejections: list[Row] = []
    for item, raw in read_shard(shard, source, base):
        file_id = content_id(source=shard.source, path=item.path, content_sha256=item.content_sha256)
        if raw is None:
            detail = f"{item.path}: gone or changed since the shard was registered"
            rejections.append(rejection(file_id, shard.source, "source_changed", detail))
        elif raw.reason:
            rejections.append(rejection(file_id, shard.source, raw.reason, f"{item.path}: {raw.detail}"))
        else:
            rows.append(_raw_row(file_id, shard.source, item, raw))
    unique = {row["file_id"]: row for row in rows}
    rejections += [
        rejection(row["file_id"], shard.source, "repeated_item", f"{row['path']}: stands twice in the source")
        for row in rows
        if unique[row["file_id"]] is not row
    ]
    return account("raw_code_files", list(unique.values()), rejections, items_in=len(shard.items))


def select_eligible(raw_files: pl.DataFrame, shard: Shard, source: Source) -> StageResult:
    """Keep the files that can become functions.

    Rejections: the reasons of `core.raw_code.reject_file`, and `duplicate_content` for a file whose bytes stand in
    an earlier item of any shard.
    """
    twins = {(item.path, item.content_sha256): item.duplicate_of for item in reversed(shard.items)}  # the first decides
    rows: list[Row] = []
    rejections: list[Row] = []
    for row in raw_files.to_dicts():
        twin = twins.get((row["path"], row["content_sha256"]))
        problem = reject_file(row["content"], source.filters)
        if problem is None and twin:
            problem = ("duplicate_content", f"same content as {twin}")
        if problem:
            rejections.append(rejection(row["file_id"], row["source"], problem[0], f"{row['path']}: {problem[1]}"))
        else:
            rows.append(row)
    return account("eligible_code_files", rows, rejections, items_in=len(raw_files))


def _raw_row(file_id: str, source: str, item: ShardItem, raw: RawItem) -> Row:
    return {
        "file_id": file_id,
        "source": source,
        "repository": raw.repository,
        "path": item.path,  # of two equal lines, `raw` is the one read last
        "license": raw.license,
        "content": raw.content,
        "content_sha256": item.content_sha256,
        "size_bytes": raw.size_bytes,
    }
