"""Committing: writing the files of a partition's tables, then replacing its record, if nobody else has meanwhile.

What does not live here: reading (`warehouse`), what makes a candidate live (`standing`).
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from codeio_assets.store import layout
from codeio_assets.store.interface import Blobs
from codeio_assets.store.manifests import Manifest, TableVersion, data_version
from codeio_assets.store.parquet import Tabular, column_types, columns_of, write_parquet
from codeio_assets.store.standing import Standing, refusal
from codeio_assets.store.tombstones import Tombstones
from codeio_assets.store.writers import Writers

WHATEVER_IS_THERE: Literal["whatever is there"] = "whatever is there"


class Committer:
    """Writes partitions of one warehouse."""

    def __init__(self, blobs: Blobs, standing: Standing, writers: Writers, tombstones: Tombstones) -> None:
        self._blobs = blobs
        self._standing = standing
        self._writers = writers
        self._tombstones = tombstones

    def commit(
        self,
        draft: Manifest,
        tables: Mapping[str, Tabular],
        *,
        awaits_checks: bool,
        replaces: Manifest | Literal["whatever is there"] | None,
        read: Sequence[Manifest] = (),
    ) -> Manifest:
        """Write the tables of a manifest that has none yet, and put it in place; as `Warehouse.write`."""
        asset, partition = draft.asset, draft.partition
        layout.manifest_file(asset, partition)
        for name in tables:
            columns_of(name)
        self._writers.claim(asset, partition, tables)
        versions = {name: self._write_version(name, partition, tables[name]) for name in sorted(tables)}
        self._tombstones.revive(version.file for version in versions.values())
        written_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        update = {"version": data_version(versions), "tables": versions, "written_at": written_at}
        manifest = draft.model_copy(update=update)
        refuse_replacing = None if replaces == WHATEVER_IS_THERE else refusal(replaces, asset, partition)

        def refuse(now: Manifest | None) -> None:
            if refuse_replacing:
                refuse_replacing(now)
            self._standing.refuse_changed(read, asset, partition)

        self._standing.put(manifest, awaits_checks=awaits_checks, refuse=refuse)
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
