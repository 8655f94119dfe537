"""The store: DuckDB over immutable Parquet versions, with one manifest per partition as the commit.

More modules than a room usually has: one per kind of file or promise, behind `Warehouse`, the door to most.
Source: design.md section 4. What does not live here: Dagster (`resources`), the tables' schemas (`core.tables.data`).
"""

from codeio_assets.store.errors import StoreError
from codeio_assets.store.garbage import GarbageReport
from codeio_assets.store.manifests import Manifest, TableVersion
from codeio_assets.store.snapshots import Snapshot, SnapshotEntry, snapshot_of
from codeio_assets.store.standing import CommitRefusedError, Finding
from codeio_assets.store.warehouse import Warehouse

__all__ = [
    "CommitRefusedError",
    "Finding",
    "GarbageReport",
    "Manifest",
    "Snapshot",
    "SnapshotEntry",
    "StoreError",
    "TableVersion",
    "Warehouse",
    "snapshot_of",
]
