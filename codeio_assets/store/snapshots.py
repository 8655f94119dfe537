"""Snapshots: a frozen set of versions, enough to read the very same rows later. Pins keep one from being collected.

What does not live here: removing what no pin names (`garbage`).
"""

import json
from collections.abc import Iterable, Iterator
from functools import cached_property

from pydantic import BaseModel, ConfigDict

from codeio_assets.core.values.canonical import content_id
from codeio_assets.store import layout
from codeio_assets.store.errors import StoreError
from codeio_assets.store.interface import Blobs
from codeio_assets.store.manifests import Manifest, TableVersion
from codeio_assets.store.tombstones import Tombstones


class SnapshotEntry(BaseModel):
    """The versions of one asset's partition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asset: str
    partition: str
    version: str
    tables: dict[str, TableVersion]


class Snapshot(BaseModel):
    """Versions of partitions as they were at one moment. Its id depends on their content only.

    `snapshot.model_dump(mode="json")` and `Snapshot.model_validate(...)` go to JSON and back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    entries: tuple[SnapshotEntry, ...]

    @cached_property
    def id(self) -> str:
        """Content id, 64 hex digits."""
        tables = {
            f"{entry.asset}/{entry.partition}": {name: table.sha256 for name, table in entry.tables.items()}
            for entry in self.entries
        }
        return content_id(entries=tables)

    @property
    def versions(self) -> dict[str, str]:
        """Return "asset/partition" -> data version, as manifests name their upstream."""
        return {f"{entry.asset}/{entry.partition}": entry.version for entry in self.entries}

    def by_table(self) -> dict[str, list[TableVersion]]:
        """Return the files of each table, sorted by partition."""
        return files_by_table(entry.tables for entry in self.entries)

    def in_groups(self, table: str, max_rows: int) -> list["Snapshot"]:
        """Cut the partitions that hold a table into groups, in the order of their keys.

        A group has up to `max_rows` of the table's rows, or one partition that has more.
        """
        groups: list[list[str]] = []
        room = 0
        for file in self.by_table().get(table, []):
            if not groups or file.rows > room:
                groups.append([])
                room = max_rows
            groups[-1].append(file.address.partition)
            room -= file.rows
        return [self._of(set(group)) for group in groups]

    def _of(self, partitions: set[str]) -> "Snapshot":
        return Snapshot(entries=tuple(entry for entry in self.entries if entry.partition in partitions))


Files = dict[str, list[TableVersion]]
"""Table -> files."""


def each_file(files: Files) -> Iterator[TableVersion]:
    """Yield the files of all tables."""
    return (version for versions in files.values() for version in versions)


def files_by_table(commits: Iterable[dict[str, TableVersion]]) -> dict[str, list[TableVersion]]:
    """Return table -> files sorted by partition, from the tables of many commits."""
    files: dict[str, list[TableVersion]] = {}
    for tables in commits:
        for name, version in tables.items():
            files.setdefault(name, []).append(version)
    return {name: sorted(files[name], key=lambda version: version.address.partition) for name in sorted(files)}


def snapshot_of(manifests: Iterable[Manifest], tables: Iterable[str] | None = None) -> Snapshot:
    """Return the snapshot of what manifests name, limited to some tables if told."""
    wanted = None if tables is None else set(tables)
    entries: list[SnapshotEntry] = []
    for manifest in sorted(manifests, key=lambda manifest: (manifest.asset, manifest.partition)):
        kept = {name: table for name, table in manifest.tables.items() if wanted is None or name in wanted}
        if kept or wanted is None:
            entry = SnapshotEntry(
                asset=manifest.asset, partition=manifest.partition, version=manifest.version, tables=kept
            )
            entries.append(entry)
    return Snapshot(entries=tuple(entries))


class SnapshotShelf:
    """Stored snapshots and the pins that name them."""

    def __init__(self, blobs: Blobs, tombstones: Tombstones) -> None:
        self._blobs = blobs
        self._tombstones = tombstones

    def save(self, snapshot: Snapshot) -> None:
        """Store a snapshot under its id."""
        text = json.dumps(snapshot.model_dump(mode="json"), indent=1) + "\n"
        self._blobs.put(layout.snapshot_file(snapshot.id), text.encode())

    def load(self, snapshot_id: str) -> Snapshot:
        """Return a stored snapshot.

        Raises:
            StoreError: there is none of that id, or its file is damaged.
        """
        name = layout.snapshot_file(snapshot_id)
        stored = self._blobs.get(name)
        if stored is None:
            raise StoreError(f"There is no snapshot {snapshot_id} at {self._blobs.where(name)}.")
        try:
            snapshot = Snapshot.model_validate(json.loads(stored.data or b""))
        except ValueError as error:
            raise StoreError(f"The snapshot {self._blobs.where(name)} is damaged: {error}") from error
        if snapshot.id != snapshot_id:
            raise StoreError(f"The snapshot {self._blobs.where(name)} was changed: its content is {snapshot.id}.")
        return snapshot

    def pin(self, name: str, snapshot: Snapshot) -> None:
        """Keep a snapshot's files from garbage collection under a name, which replaces an earlier one.

        Raises:
            StoreError: a file of the snapshot is gone already; the pin is not kept.
        """
        self.save(snapshot)
        before = self.pins().get(name)
        self._write_pin(name, snapshot.id)
        # The pin stands before the files are made young: a collection that has not seen it sees young files.
        files = [version.file for version in each_file(snapshot.by_table())]
        self._tombstones.revive(self._tombstones.buried().intersection(files))
        there = {name for table in snapshot.by_table() for name in self._blobs.walk(f"{layout.TABLES}/{table}")}
        gone = [file for file in files if file not in there]
        if gone:
            self._write_pin(name, before) if before else self.unpin(name)
            raise StoreError(
                f"Snapshot {snapshot.id} cannot be pinned: {len(gone)} of its files are gone, the first is "
                f"{self._blobs.where(gone[0])}. Take a new snapshot, or materialise what it was taken of again."
            )

    def unpin(self, name: str) -> None:
        """Let go of a pin; nothing happens when there is none."""
        self._blobs.remove(layout.pin_file(name))

    def pins(self) -> dict[str, str]:
        """Return pin name -> snapshot id.

        Raises:
            StoreError: a pin's file is damaged.
        """
        found: dict[str, str] = {}
        for file in self._blobs.names(layout.PINS):
            if not file.endswith(".json"):
                continue
            stored = self._blobs.get(f"{layout.PINS}/{file}")
            if stored is None:
                continue
            try:
                found[file.removesuffix(".json")] = str(json.loads(stored.data or b"")["snapshot"])
            except (ValueError, KeyError, TypeError) as error:
                where = self._blobs.where(f"{layout.PINS}/{file}")
                raise StoreError(f"The pin {where} is damaged ({error!r}): remove the file and pin again.") from error
        return found

    def pinned_files(self) -> tuple[list[TableVersion], list[StoreError]]:
        """Return the files of all pinned snapshots, and the errors of those that cannot be read.

        Raises:
            StoreError: a pin's file is damaged.
        """
        files: list[TableVersion] = []
        unreadable: list[StoreError] = []
        for snapshot_id in sorted(set(self.pins().values())):
            try:
                files += each_file(self.load(snapshot_id).by_table())
            except StoreError as error:
                unreadable.append(error)
        return files, unreadable

    def _write_pin(self, name: str, snapshot_id: str) -> None:
        self._blobs.put(layout.pin_file(name), json.dumps({"snapshot": snapshot_id}).encode())
