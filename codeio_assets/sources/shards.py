"""Shards: which items of which source form which partition, decided once and never changed.

What lives here: the registry (one JSON file per shard), registration of new items. What does not: Dagster's dynamic
partitions (`orchestration.partitions` copies the keys there).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from codeio_assets.core.settings import Source, Sources
from codeio_assets.sources.reading import RawItem, read_items, source_files
from codeio_assets.store.blobs import write_atomically

KEY = re.compile(r"^(?P<source>[a-z0-9][a-z0-9_]*)-(?P<number>\d{4,})$")


@dataclass(frozen=True, slots=True)
class ShardItem:
    """One item of a shard: the file it stands in (relative to the source's path), its identity, and its twin.

    `duplicate_of` names the item (source, shard and path) that first had the same content, if one is registered.
    """

    file: str
    path: str
    item_sha256: str
    content_sha256: str
    duplicate_of: str | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """A partition of raw code: its key `<source>-<NNNN>`, its source and its items."""

    key: str
    source: str
    items: tuple[ShardItem, ...]


class ShardRegistry:
    """The shards of a project, in a folder of `<key>.json` files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self) -> list[str]:
        """Return the keys of all shards, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.json") if KEY.match(path.stem))

    def load(self, key: str) -> Shard:
        """Return a shard.

        Raises:
            KeyError: no such shard; the message says how to see those that are there.
        """
        path = self.folder / f"{key}.json"
        if not KEY.match(key) or not path.exists():
            raise KeyError(f"there is no shard {key!r}; `codeio shards` lists and registers them")
        data = json.loads(path.read_text(encoding="utf-8"))
        return Shard(data["key"], data["source"], tuple(ShardItem(**item) for item in data["items"]))

    def register_new(self, sources: Sources, base: Path) -> list[Shard]:
        """Form shards from all items that no shard holds yet, write them, and return them.

        Existing shards never change: a changed file is a new item. Items keep the order of the source, so that two
        registrations over the same files give the same shards.

        Raises:
            SettingsError: a source's folder or file does not exist.
        """
        known = [self.load(key) for key in self.keys()]
        seen = {(shard.source, item.file, item.path, item.item_sha256) for shard in known for item in shard.items}
        first_at = {
            item.content_sha256: f"{shard.key}:{item.path}"
            for shard in reversed(known)
            for item in reversed(shard.items)
            if item.duplicate_of is None
        }
        new: list[Shard] = []
        for name, source in sources.sources.items():
            fresh = [
                item for item in _scan(name, source, base) if (name, item.file, item.path, item.item_sha256) not in seen
            ]
            number = 1 + max((_number(shard.key) for shard in known if shard.source == name), default=-1)
            for start in range(0, len(fresh), source.shard_size):
                key = f"{name}-{number + start // source.shard_size:04d}"
                items = _mark_duplicates(key, fresh[start : start + source.shard_size], first_at)
                new.append(Shard(key, name, items))
        for shard in new:
            text = json.dumps(asdict(shard), indent=1, ensure_ascii=True)
            write_atomically(self.folder / f"{shard.key}.json", text.encode())
        return new


def read_shard(shard: Shard, source: Source, base: Path) -> Iterator[tuple[ShardItem, RawItem | None]]:
    """Yield each item of a shard with what the source holds now: None when it is gone or has changed."""
    root = base / source.path
    found: dict[tuple[str, str], RawItem] = {}
    wanted = {item.item_sha256 for item in shard.items}
    for file in dict.fromkeys(item.file for item in shard.items):
        path = root / file if file else root
        if path.exists():
            items = read_items(source, base, path)
            found |= {(file, item.item_sha256): item for item in items if item.item_sha256 in wanted}
    for item in shard.items:
        yield item, found.get((item.file, item.item_sha256))


def _number(key: str) -> int:
    match = KEY.match(key)
    return int(match["number"]) if match else -1


def _scan(name: str, source: Source, base: Path) -> Iterator[ShardItem]:
    root = base / source.path
    for path in source_files(name, source, base):
        file = path.relative_to(root).as_posix() if source.kind == "directory" else ""
        for item in read_items(source, base, path):
            yield ShardItem(file, item.path, item.item_sha256, item.content_sha256)


def _mark_duplicates(key: str, items: list[ShardItem], first_at: dict[str, str]) -> tuple[ShardItem, ...]:
    marked: list[ShardItem] = []
    for item in items:
        twin = first_at.get(item.content_sha256)
        if twin is None:
            first_at[item.content_sha256] = f"{key}:{item.path}"
        marked.append(ShardItem(item.file, item.path, item.item_sha256, item.content_sha256, twin))
    return tuple(marked)
