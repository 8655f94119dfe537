"""Shards: which items of which source form which partition, decided once and never changed.

What lives here: the registry (one JSON file per shard), registration of new items. What does not: Dagster's dynamic
partitions (`graph.partitions` copies the keys there).
"""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from codeio_assets.core.settings.project import NearDuplicates, Reading, Source, Sources
from codeio_assets.core.values.canonical import content_id
from codeio_assets.sources.kinship import Kin, Signature, find_kin, read_signatures, sign, write_signatures
from codeio_assets.sources.reading import RawItem, read_items, source_files
from codeio_assets.store.blobs import write_atomically

KEY = re.compile(r"^(?P<source>[a-z0-9][a-z0-9_]*)-(?P<number>\d{4,})$")


@dataclass(frozen=True, slots=True)
class ShardItem:
    """One item of a shard: the file it stands in (relative to the source's path), its identity, and its kin.

    `duplicate_of` and `nearest` name an earlier item (shard and path): one with the same tokens, and the most similar
    one. `group_id` is the file id of the item that founded its near-duplicate group, its own if no earlier item is
    near; None in shards that know of no groups. `bridged_groups` are further groups with items that it is near to.
    """

    file: str
    path: str
    item_sha256: str
    content_sha256: str
    duplicate_of: str | None = None
    group_id: str | None = None
    nearest: str | None = None
    similarity: float | None = None
    bridged_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shard:
    """A partition of raw code: its key `<source>-<NNNN>`, its source and its items."""

    key: str
    source: str
    items: tuple[ShardItem, ...]


def file_id(source: str, item: ShardItem) -> str:
    """Return the id of the raw file that an item is."""
    return content_id(source=source, path=item.path, content_sha256=item.content_sha256)


class ShardRegistry:
    """The shards of a project, in a folder of `<key>.json` files, with what finds kin in `signatures/<key>.parquet`."""

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
        items = [ShardItem(**item) for item in map(_with_tuples, data["items"])]
        return Shard(data["key"], data["source"], tuple(items))

    def taken_down(self, key: str) -> tuple[str, ...]:
        """Return the ids of a shard's files that were taken down, sorted."""
        path = self.folder / "takedowns" / f"{key}.json"
        return tuple(sorted(json.loads(path.read_text("utf-8")))) if path.exists() else ()

    def register_new(self, sources: Sources, base: Path) -> list[Shard]:
        """Form shards from all items that no shard holds yet, write them, and return them.

        Existing shards never change: a changed file is a new item. Items keep the order of the source, so that two
        registrations over the same files give the same shards.

        Raises:
            SettingsError: a source's folder or file does not exist.
        """
        known = [self.load(key) for key in self.keys()]
        seen = {(shard.source, item.file, item.path, item.item_sha256) for shard in known for item in shard.items}
        new: list[Shard] = []
        signatures: list[Signature | None] = []
        for name, source in sources.sources.items():
            fresh: list[ShardItem] = []
            for item, content in _scan(name, source, base):
                if (name, item.file, item.path, item.item_sha256) not in seen:
                    fresh.append(item)
                    signatures.append(None if content is None else sign(content, sources.near_duplicates))
            number = 1 + max((_number(shard.key) for shard in known if shard.source == name), default=-1)
            for start in range(0, len(fresh), source.shard_size):
                key = f"{name}-{number + start // source.shard_size:04d}"
                new.append(Shard(key, name, tuple(fresh[start : start + source.shard_size])))
        if not new:
            return []
        kept = [self._signatures(shard, sources.near_duplicates) for shard in known]
        kin = find_kin([each for shard in kept for each in shard], signatures, sources.near_duplicates)
        new = _with_kin(known, new, kin)
        for shard in new:
            own, signatures = signatures[: len(shard.items)], signatures[len(shard.items) :]
            write_signatures(self._signature_file(shard.key), own, sources.near_duplicates)
            text = json.dumps(asdict(shard), indent=1, ensure_ascii=True)
            write_atomically(self.folder / f"{shard.key}.json", text.encode())
        return new

    def _signature_file(self, key: str) -> Path:
        return self.folder / "signatures" / f"{key}.parquet"

    def _signatures(self, shard: Shard, settings: NearDuplicates) -> list[Signature | None]:
        return read_signatures(self._signature_file(shard.key), len(shard.items), settings)


def read_shard(shard: Shard, source: Reading, base: Path) -> Iterator[tuple[ShardItem, RawItem | None]]:
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


def _with_tuples(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "bridged_groups": tuple(item.get("bridged_groups", ()))}  # JSON has no tuples


def _number(key: str) -> int:
    match = KEY.match(key)
    return int(match["number"]) if match else -1


def _scan(name: str, source: Source, base: Path) -> Iterator[tuple[ShardItem, str | None]]:
    root = base / source.path
    for path in source_files(name, source, base):
        file = path.relative_to(root).as_posix() if source.kind == "directory" else ""
        for item in read_items(source, base, path):
            yield ShardItem(file, item.path, item.item_sha256, item.content_sha256), item.content


def _with_kin(known: list[Shard], new: list[Shard], kin: list[Kin]) -> list[Shard]:
    """Return the new shards with what their items are to earlier ones; items count in the order of registration."""
    earlier = [(shard, item) for shard in known for item in shard.items]
    groups = [item.group_id or file_id(shard.source, item) for shard, item in earlier]
    names = [f"{shard.key}:{item.path}" for shard, item in earlier]
    same_bytes: dict[str, int] = {}
    for index, (_, item) in enumerate(earlier):
        same_bytes.setdefault(item.content_sha256, index)
    related = iter(kin)
    shards: list[Shard] = []
    for shard in new:
        items: list[ShardItem] = []
        for item, its in zip(shard.items, related, strict=False):
            twin = same_bytes.setdefault(item.content_sha256, len(names))
            twin = its.copy_of if twin == len(names) else twin
            group = file_id(shard.source, item) if its.nearest is None else groups[its.nearest]
            items.append(
                replace(
                    item,
                    duplicate_of=None if twin is None else names[twin],
                    group_id=group,
                    nearest=None if its.nearest is None else names[its.nearest],
                    similarity=its.similarity,
                    bridged_groups=tuple(sorted({groups[index] for index in its.near} - {group})),
                )
            )
            groups.append(group)
            names.append(f"{shard.key}:{item.path}")
        shards.append(Shard(shard.key, shard.source, tuple(items)))
    return shards
