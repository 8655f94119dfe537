"""Shards: which items of which source form which partition, decided once and never changed.

What lives here: the registry (one JSON file per shard), registration of new items. What does not: reading a
shard's items (`shard_reading`), Dagster's dynamic partitions (`graph.partitions` copies the keys there).
"""

import fcntl
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from codeio_assets.core.settings.project import NearDuplicates, Source, Sources
from codeio_assets.core.values.canonical import Json, content_id, sha256_hex
from codeio_assets.sources.kinship import Kin, Signature, find_kin, read_signatures, sign, signatures_file
from codeio_assets.sources.listings import Listings, listing_of
from codeio_assets.sources.reading import RawItem, read_items, source_files
from codeio_assets.store.blobs import LocalBlobs
from codeio_assets.store.errors import StoreError
from codeio_assets.store.interface import Blobs

SHARD_BYTES = 128 << 20
"""A shard's contents are held in memory together; its usual thousand files take a few megabytes."""
TOLD_EVERY = 10_000
"""Items between two lines of progress."""
Say = Callable[[str], None]
DROPPED = "dropped"
SOURCES_DROPPED = "dropped_sources.list"
TAKEDOWNS = "takedowns.jsonl"
KEY = re.compile(r"^(?P<source>[a-z0-9][a-z0-9_]*)-(?P<number>\d{4,})$")


@dataclass(frozen=True, slots=True)
class ShardItem:
    """One item of a shard: the file it stands in (relative to the source's path), its identity, and its kin.

    `duplicate_of` and `nearest` name an earlier item (shard and path): one with the same tokens, and the most similar
    one. `group_id` is the file id of the item that founded its near-duplicate group, its own if no earlier item is
    near; None in shards that know of no groups. `bridged_groups` are further groups with items that it is near to.
    `at` is where a line begins (bytes) or which row it is, in a file of many items; None in shards that do not know.
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
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """A partition of raw code: its key `<source>-<NNNN>`, its source and its items."""

    key: str
    source: str
    items: tuple[ShardItem, ...]


@dataclass(frozen=True, slots=True)
class Takedown:
    """What a person took down: the path or the content hash of files, why, when, and what had them at that time."""

    what: str
    why: str
    at: str
    files: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()

    def hits(self, item: ShardItem) -> bool:
        """Tell whether a file is one of those: its path, or its content by at least 12 digits of its hash."""
        return item.path == self.what or (len(self.what) >= 12 and item.content_sha256.startswith(self.what))


def file_id(source: str, item: ShardItem) -> str:
    """Return the id of the raw file that an item is."""
    return content_id(source=source, path=item.path, content_sha256=item.content_sha256)


class ShardRegistry:
    """The shards of a project: records `<key>.json`, with what finds kin in `signatures/<key>.parquet`.

    Shards that were dropped stand in `dropped/`, so that their items are not taken for new ones.

    Args:
        folder: of the records.
        objects: where they are in object storage instead; the first registration takes over what is in the folder.
    """

    def __init__(self, folder: Path, objects: Blobs | None = None) -> None:
        self.folder = folder
        self._blobs: Blobs = LocalBlobs(folder) if objects is None else objects
        self._listings = Listings(self._blobs.below("listings"))

    def keys(self) -> list[str]:
        """Return the keys of all shards, sorted."""
        return [key for key in _keys_in(self._blobs.names("")) if KEY.match(key)]

    def load(self, key: str) -> Shard:
        """Return a shard.

        Raises:
            KeyError: no such shard; the message says how to see those that are there.
        """
        shard = self._read(f"{key}.json") if KEY.match(key) else None
        if shard is None:
            raise KeyError(f"there is no shard {key!r}; `codeio shards` lists and registers them")
        return shard

    def _read(self, name: str) -> Shard | None:
        stored = self._blobs.get(name)
        if stored is None:
            return None
        data = json.loads(stored.data or b"")
        items = [ShardItem(**item) for item in map(_with_tuples, data["items"])]
        return Shard(data["key"], data["source"], tuple(items))

    def dropped(self) -> list[str]:
        """Return the keys of the shards that were dropped, sorted."""
        return _keys_in(self._blobs.names(DROPPED))

    def drop(self, key: str) -> None:
        """Take a shard out of what follows; its items stay known, so that they form no new shard.

        Raises:
            KeyError: no such shard.
        """
        stored = self._blobs.get(f"{key}.json") if KEY.match(key) else None
        if stored is None:
            raise KeyError(f"there is no shard {key!r}; `codeio shards` lists and registers them")
        self._blobs.put(f"{DROPPED}/{key}.json", stored.data or b"")
        self._blobs.remove(f"{key}.json")

    def dropped_sources(self) -> list[str]:
        """Return the names of the sources that were dropped: nothing of them is registered."""
        stored = self._blobs.get(SOURCES_DROPPED)
        return sorted(json.loads(stored.data or b"")) if stored else []

    def drop_source(self, name: str) -> None:
        """Register nothing of a source any more, and drop its shards."""
        for key in self.keys_of(name):
            self.drop(key)
        names = sorted({*self.dropped_sources(), name})
        self._blobs.put(SOURCES_DROPPED, json.dumps(names).encode())

    def keys_of(self, source: str) -> list[str]:
        """Return the keys of a source's shards, sorted."""
        return [key for key in self.keys() if key.rpartition("-")[0] == source]

    def takedowns(self) -> list[Takedown]:
        """Return what people took down, in that order."""
        stored = self._blobs.get(TAKEDOWNS)
        lines = (stored.data or b"").decode().splitlines() if stored else []
        return [Takedown(**json.loads(line)) for line in lines]

    def take_down(self, takedown: Takedown) -> None:
        """Leave out files from now on, wherever they stand."""
        lines = [json.dumps(asdict(each), ensure_ascii=True) for each in (*self.takedowns(), takedown)]
        self._blobs.put(TAKEDOWNS, "".join(f"{line}\n" for line in lines).encode())

    def taken_down(self, key: str) -> tuple[str, ...]:
        """Return the ids of a shard's files that were taken down, sorted."""
        takedowns = self.takedowns()
        if not takedowns:
            return ()
        shard = self.load(key)
        found = {file_id(shard.source, item) for item in shard.items if any(each.hits(item) for each in takedowns)}
        return tuple(sorted(found))

    def pending(self, sources: Sources, base: Path) -> str | None:
        """Return an id of the files that were not there, or not so, at the last registration; None without any.

        Names, sizes and times are looked at, and no content. Of a repository or dataset, which has no files, only the
        first registration is pending.

        Raises:
            SettingsError: a source's folder or file does not exist.
        """
        left_out = self.dropped_sources()
        found: dict[str, Json] = {}
        for name, source in sources.sources.items():
            if name in left_out:
                continue
            keys, listed = self._keys_ever(name), listing_of(name, source, base)
            if listed is None:
                found |= {} if keys else {name: ""}
                continue
            seen = self._listings.load(name, source, keys)
            found |= {f"{name}/{file}": sign for file, sign in listed.values() if seen.get(file) != sign}
        return content_id(files=found) if found else None

    def register_new(self, sources: Sources, base: Path, say: Say = lambda _line: None) -> list[Shard]:
        """Form shards from all items that no shard holds yet, write them, and return them.

        One caller at a time on one disk; in object storage the later of two is refused.

        Existing shards never change: a changed file is a new item. Items keep the order of the source, so that two
        registrations over the same files give the same shards. Files that are as they were at the last registration,
        by name, size and time, are not read.

        Raises:
            SettingsError: a source's folder or file does not exist.
            StoreError: another registration formed shards at this moment.
        """
        if not self._blobs.is_local:
            self._take_over()
            return self._register(sources, base, say)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return self._register(sources, base, say)

    def _register(self, sources: Sources, base: Path, say: Say) -> list[Shard]:
        if not self.pending(sources, base) and all(source.path for source in sources.sources.values()):
            return []
        names = [f"{key}.json" for key in self.keys()] + [f"{DROPPED}/{key}.json" for key in self.dropped()]
        known = [shard for name in names if (shard := self._read(name))]
        left_out = self.dropped_sources()
        seen = {(shard.source, item.file, item.path, item.item_sha256) for shard in known for item in shard.items}
        new: list[Shard] = []
        signatures: list[Signature | None] = []
        listings: dict[str, list[tuple[str, str]]] = {}
        for name, source in sources.sources.items():
            if name in left_out:
                continue
            fresh: list[ShardItem] = []
            sizes: list[int] = []
            listed = listing_of(name, source, base)
            listings[name] = [*listed.values()] if listed else []
            before = self._listings.load(name, source, self._keys_ever(name))
            unread = None if listed is None else [p for p, (file, sign) in listed.items() if before.get(file) != sign]
            for read, (item, raw) in enumerate(_scan(name, source, base, unread), start=1):
                if read % TOLD_EVERY == 0:
                    say(f"{name}: {read:,} items read, {len(fresh):,} of them new")
                content = raw.content
                if (name, item.file, item.path, item.item_sha256) not in seen:
                    fresh.append(item)
                    sizes.append(raw.size_bytes)
                    signatures.append(None if content is None else sign(content, sources.near_duplicates))
            number = 1 + max((_number(shard.key) for shard in known if shard.source == name), default=-1)
            for count, part in enumerate(_parts(fresh, sizes, source.shard_size)):
                new.append(Shard(f"{name}-{number + count:04d}", name, tuple(part)))
        if new:
            new = self._write(known, new, signatures, sources, say)
        for name, seen_now in listings.items():
            self._listings.keep(name, sources.sources[name], self._keys_ever(name), seen_now)
        return new

    def _write(
        self, known: list[Shard], new: list[Shard], signatures: list[Signature | None], sources: Sources, say: Say
    ) -> list[Shard]:
        count = sum(len(shard.items) for shard in new)
        if count >= TOLD_EVERY:
            say(f"{count:,} new items are compared with all before them")
        kept = [self._signatures(shard, sources.near_duplicates) for shard in known]
        kin = find_kin([each for shard in kept for each in shard], signatures, sources.near_duplicates)
        new = _with_kin(known, new, kin)
        for shard in new:
            own, signatures = signatures[: len(shard.items)], signatures[len(shard.items) :]
            self._blobs.put(self._signature_file(shard), signatures_file(own, sources.near_duplicates))
            self._create(f"{shard.key}.json", _text(shard))
        return new

    def _create(self, name: str, data: bytes) -> None:
        if self._blobs.is_local:  # nobody else registers
            self._blobs.put(name, data)
        elif self._blobs.put_if(name, data, None) is None:
            there = self._blobs.get(name)
            if there is None or there.data != data:
                raise StoreError(f"{self._blobs.where(name)} was made by another registration just now: run it again.")

    def _take_over(self) -> None:
        """Copy what a project has registered before it had object storage, once; listings are made again."""
        local = LocalBlobs(self.folder)
        shards = [f"{key}.json" for key in _keys_in(local.names("")) if KEY.match(key)]
        if not shards or self.keys() or self.dropped():
            return
        before = ShardRegistry(self.folder)
        dropped = [f"{DROPPED}/{key}.json" for key in before.dropped()]
        names = {name: name for name in (SOURCES_DROPPED, TAKEDOWNS)}
        for name in (*dropped, *shards):
            if shard := before._read(name):
                names |= {before._signature_file(shard): self._signature_file(shard), name: name}
        for name, target in names.items():
            if stored := local.get(name):
                self._blobs.put_if(target, stored.data or b"", None)

    def _keys_ever(self, source: str) -> list[str]:
        """Return the keys of a source's shards, also of those that were dropped."""
        return [key for key in (*self.keys(), *self.dropped()) if key.rpartition("-")[0] == source]

    def _signatures(self, shard: Shard, settings: NearDuplicates) -> list[Signature | None]:
        stored = self._blobs.get(self._signature_file(shard))
        return read_signatures(stored.data if stored else None, len(shard.items), settings)

    def _signature_file(self, shard: Shard) -> str:
        """Return where signatures are; another registration of the same key, which is refused, has its own place."""
        own = "" if self._blobs.is_local else f".{sha256_hex(_text(shard))[:12]}"
        return f"signatures/{shard.key}{own}.parquet"


def _text(shard: Shard) -> bytes:
    return json.dumps(asdict(shard), indent=1, ensure_ascii=True).encode()


def _keys_in(names: list[str]) -> list[str]:
    return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))


def _with_tuples(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "bridged_groups": tuple(item.get("bridged_groups", ()))}  # JSON has no tuples


def _number(key: str) -> int:
    match = KEY.match(key)
    return int(match["number"]) if match else -1


def _parts(items: list[ShardItem], sizes: list[int], most: int) -> Iterator[list[ShardItem]]:
    """Yield the items in parts of so many at most, and of so many bytes that a part fits in memory."""
    part: list[ShardItem] = []
    total = 0
    for item, size in zip(items, sizes, strict=True):
        if part and (len(part) >= most or total + size > SHARD_BYTES):
            yield part
            part, total = [], 0
        part.append(item)
        total += size
    if part:
        yield part


def _scan(name: str, source: Source, base: Path, paths: Sequence[Path] | None) -> Iterator[tuple[ShardItem, RawItem]]:
    root = base / source.path if source.path else base
    for path in source_files(name, source, base) if paths is None else paths:
        file = path.relative_to(root).as_posix() if source.kind == "directory" else ""
        for item in read_items(source, base, path):
            yield ShardItem(file, item.path, item.item_sha256, item.content_sha256, at=item.at), item


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
