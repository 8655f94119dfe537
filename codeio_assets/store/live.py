"""From tables and partitions to the files that are live: only the manifests of the assets that write them are read.

What does not live here: opening files (`warehouse`), which asset writes a table (`writers`).
"""

from collections.abc import Collection

from codeio_assets.core.tables.data import TABLES
from codeio_assets.store import layout
from codeio_assets.store.errors import StoreError
from codeio_assets.store.lost import LostPartitions, lost_partitions
from codeio_assets.store.manifests import Manifests
from codeio_assets.store.snapshots import Files, Snapshot, files_by_table
from codeio_assets.store.writers import Writers


class LiveFiles:
    """What is live now, or was in a snapshot."""

    def __init__(self, manifests: Manifests, writers: Writers) -> None:
        self._manifests = manifests
        self._writers = writers

    def writer_of(self, table: str) -> str | None:
        """Return the asset that writes a table; None when nobody has."""
        return self._writers.of(table)

    def of_table(self, table: str, partition: str | None, snapshot: Snapshot | None) -> Files:
        """Return the files of a table, of one partition or of all.

        Raises:
            StoreError: a manifest among them is damaged, or the key is none.
        """
        if partition is not None:
            layout.checked_key(partition, "partition key")
        if snapshot is not None:
            files = snapshot.by_table().get(table, [])
            return {table: [file for file in files if partition in (None, file.address.partition)]}
        writer = self.writer_of(table)
        if partition is None:
            found = self._manifests.all(writer) if writer else []
        else:
            found = [self._manifests.get(writer, partition) if writer else None]
        return files_by_table({table: m.tables[table]} for m in found if m and table in m.tables)

    def of_tables(self, snapshot: Snapshot | None = None, tables: Collection[str] | None = None) -> Files:
        """Return the files of some tables, or of all; those of damaged manifests are left out."""
        if snapshot is not None:
            files = snapshot.by_table()
        else:
            assets = self._manifests.assets() if tables is None else set(self._writers_of(tables).values())
            files = files_by_table(m.tables for asset in sorted(assets) for m in self._manifests.whole(asset))
        return files if tables is None else {table: files[table] for table in tables if table in files}

    def lost(self, snapshot: Snapshot | None = None, tables: Collection[str] | None = None) -> LostPartitions:
        """Return what `of_tables` left out."""
        return (
            {} if snapshot else lost_partitions(self._manifests, self._writers_of(TABLES if tables is None else tables))
        )

    def damaged(self) -> dict[tuple[str, str], StoreError]:
        """Return (asset, partition) -> error of all manifests that cannot be read."""
        return {
            (asset, partition): error
            for asset in self._manifests.assets()
            for partition, error in self._manifests.damaged(asset).items()
        }

    def _writers_of(self, tables: Collection[str]) -> dict[str, str]:
        return {table: writer for table in tables if (writer := self.writer_of(table))}
