"""Committing: writing the files of a partition's tables, then replacing its manifest, under a lock.

What does not live here: reading (`warehouse`), what makes a candidate live (`standing`).
"""

import contextlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal

from codeio_assets.store import layout
from codeio_assets.store.blobs import Blobs
from codeio_assets.store.errors import StoreError
from codeio_assets.store.manifests import Manifest, ManifestReader, TableVersion, data_version
from codeio_assets.store.parquet import Tabular, column_types, write_parquet
from codeio_assets.store.standing import Standing

WHATEVER_IS_THERE: Literal["whatever is there"] = "whatever is there"


class Committer:
    """Writes partitions of one warehouse."""

    def __init__(self, blobs: Blobs, live: ManifestReader, standing: Standing) -> None:
        self._blobs = blobs
        self._live = live
        self._standing = standing

    def commit(
        self,
        draft: Manifest,
        tables: Mapping[str, Tabular],
        *,
        awaits_checks: bool,
        replaces: Manifest | Literal["whatever is there"] | None,
    ) -> Manifest:
        """Write the tables of a manifest that has none yet, and put it in place; as `Warehouse.write`."""
        asset, partition = draft.asset, draft.partition
        layout.manifest_file(asset, partition)
        self._check_owner(asset, partition, tables)
        versions = {name: self._write_version(name, partition, tables[name]) for name in sorted(tables)}
        written_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        update = {"version": data_version(versions), "tables": versions, "written_at": written_at}
        manifest = draft.model_copy(update=update)
        with self._blobs.locked(layout.lock_file(asset, partition)):
            if replaces != WHATEVER_IS_THERE:
                self._standing.refuse_other_than(replaces, asset, partition)
            with contextlib.suppress(StoreError):  # a damaged manifest is mended by replacing it
                self._standing.spare(self._standing.latest(asset, partition))
            if awaits_checks:
                self._standing.put(manifest)
            else:
                self._blobs.put(layout.manifest_file(asset, partition), manifest.to_json())
                self._standing.withdraw(asset, partition)
        return manifest

    def _write_version(self, table: str, partition: str, data: Tabular) -> TableVersion:
        columns = column_types(table)
        with self._blobs.staged(layout.table_folder(table, partition)) as staged:
            rows = write_parquet(table, data, staged.file)
            version = layout.version_of(staged.file.sha256)
            staged.publish(f"{version}.parquet")
        return TableVersion(
            version=version,
            file=layout.table_file(table, partition, version),
            rows=rows,
            bytes=staged.file.bytes_written,
            sha256=staged.file.sha256,
            columns=columns,
        )

    def _check_owner(self, asset: str, partition: str, tables: Iterable[str]) -> None:
        for other in self._live.assets():
            manifest = None if other == asset else self._owner(other, partition)
            for name in tables:
                if manifest and name in manifest.tables:
                    raise StoreError(
                        f"Table {name!r} of partition {partition!r} is written by the asset {other!r}; a table has "
                        f"one writer, so {asset!r} cannot write it."
                    )

    def _owner(self, asset: str, partition: str) -> Manifest | None:
        with contextlib.suppress(StoreError):  # a damaged manifest concerns its own partition only
            return self._live.get(asset, partition)
        return None
