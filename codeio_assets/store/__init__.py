"""The store: DuckDB over immutable Parquet versions, with one manifest per partition as the commit.

Source: design.md section 4. What does not live here: Dagster (`resources`), the tables' schemas (`core.tables.data`).
"""

from codeio_assets.store.errors import StoreError
from codeio_assets.store.garbage import GarbageReport
from codeio_assets.store.manifests import Manifest, TableVersion
from codeio_assets.store.snapshots import Snapshot, SnapshotEntry
from codeio_assets.store.warehouse import Warehouse

__all__ = [
    "GarbageReport",
    "Manifest",
    "Snapshot",
    "SnapshotEntry",
    "StoreError",
    "TableVersion",
    "Warehouse",
]
