"""Reading the items of a shard from its source as it is now, or saying that the source has lost them.

What does not live here: which items a shard has (`shards`), reading one file (`reading`).
"""

import os
from collections.abc import Iterator
from pathlib import Path

from codeio_assets.core.settings.project import Reading, SettingsError
from codeio_assets.sources.reading import RawItem, read_items, read_placed, source_files
from codeio_assets.sources.shards import Shard, ShardItem


def read_shard(shard: Shard, source: Reading, base: Path) -> Iterator[tuple[ShardItem, RawItem | None]]:
    """Yield each item of a shard with what the source holds now: None when it is gone or has changed.

    Raises:
        SettingsError: the source cannot be read, holds nothing, or has lost too much of the shard at once.
    """
    root = base / source.path if source.path else base
    _require_source(shard, source, base)
    if (placed := _read_placed(shard, source, root)) is not None:
        yield from placed
        return
    found: dict[tuple[str, str], RawItem] = {}
    wanted = {item.item_sha256 for item in shard.items}
    for file in dict.fromkeys(item.file for item in shard.items):
        path = root / file if file else root
        if path.exists():
            items = read_items(source, base, path)
            found |= {(file, item.item_sha256): item for item in items if item.item_sha256 in wanted}
    lost = sum((item.file, item.item_sha256) not in found for item in shard.items)
    if lost > 1 and lost > source.max_lost_ratio * len(shard.items):
        raise _absent(shard, root, f"{lost} of the {len(shard.items)} items of {shard.key} are gone or have changed")
    for item in shard.items:
        yield item, found.get((item.file, item.item_sha256))


def _read_placed(shard: Shard, source: Reading, root: Path) -> list[tuple[ShardItem, RawItem]] | None:
    """Return the items of a shard from where they stand in their one file; None when they are not all there."""
    if source.kind not in ("jsonl", "parquet") or not root.exists():
        return None
    places = {item.at: item.path for item in shard.items if item.at is not None}
    if len(places) < len(shard.items):
        return None
    found = {item.at: item for item in read_placed(source, root, places)}
    both = [(item, raw) for item in shard.items if (raw := found.get(item.at)) and raw.item_sha256 == item.item_sha256]
    return both if len(both) == len(shard.items) else None


def _require_source(shard: Shard, source: Reading, base: Path) -> None:
    """Return when a source can be read and holds something: a mount point that is empty is no empty source."""
    if source.path is None:  # a repository or a dataset says itself what is wrong with it
        return
    root = base / source.path
    try:
        if source.kind == "directory":
            with os.scandir(root) as entries:
                next(entries, None)
            is_empty = not source_files(shard.source, source, base)
        else:
            with root.open("rb") as file:
                is_empty = not file.read(1)
    except OSError as error:
        raise _absent(shard, root, f"it cannot be read ({error.strerror})") from error
    if is_empty and shard.items:
        raise _absent(shard, root, "it holds nothing")


def _absent(shard: Shard, root: Path, what: str) -> SettingsError:
    return SettingsError(
        f"source {shard.source} ({root}): {what}. The rows of {shard.key} stay as they are. Mount or restore the "
        "source; if the change is meant, set `max_lost_ratio: 1` for it in sources.yaml and materialise again."
    )
