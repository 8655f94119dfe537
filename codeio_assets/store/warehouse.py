"""The warehouse: committing an asset's tables, and reading what is committed.

Immutable Parquet versions under `tables/`, one manifest per asset and partition whose replacement is the commit. Any
number of processes may write and read at once without locks; of two commits to one partition the last stays.
What does not live here: file operations (`blobs`), the schemas (`core.tables.data`).
"""

import contextlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

import duckdb
import polars as pl

from codeio_assets.core.values.canonical import Json
from codeio_assets.store import layout
from codeio_assets.store.blobs import Blobs, replace_durably, temporary_path
from codeio_assets.store.errors import StoreError
from codeio_assets.store.garbage import GarbageReport, collect
from codeio_assets.store.manifests import Manifest, ManifestReader, TableVersion, data_version
from codeio_assets.store.parquet import Tabular, changed_columns, column_types, columns_of, write_parquet
from codeio_assets.store.snapshots import Snapshot, SnapshotShelf, files_by_table, snapshot_of
from codeio_assets.store.standing import Standing
from codeio_assets.store.views import create_comments, create_views

READ_ATTEMPTS = 3
"""Resolving anew helps when a collection removed a version between resolving and opening it."""

Files = dict[str, list[TableVersion]]
Result = TypeVar("Result")


class Warehouse:
    """All tables below one folder.

    Args:
        root: the folder; it is made by the first write.
        memory_limit: of DuckDB connections, e.g. "4GB"; None leaves DuckDB's own (80% of the memory).
        threads: of DuckDB connections; None takes all cores.
    """

    def __init__(self, root: Path, memory_limit: str | None = None, threads: int | None = None) -> None:
        self.root = Path(root).resolve()
        self._blobs = Blobs(self.root)
        self._manifests = ManifestReader(self._blobs)
        self._shelf = SnapshotShelf(self._blobs)
        self.standing = Standing(self._blobs, self._manifests)
        self._settings: dict[str, str | bool | int | float | list[str]] = {"temp_directory": str(self.root / ".spill")}
        self._settings |= {"memory_limit": memory_limit} if memory_limit else {}
        self._settings |= {"threads": threads} if threads else {}

    # -- writing ------------------------------------------------------------------------------------------------

    def write(
        self,
        asset: str,
        partition: str,
        tables: Mapping[str, Tabular],
        *,
        run_id: str = "",
        fingerprint: str = "",
        upstream: Mapping[str, str] | None = None,
        info: Mapping[str, Json] | None = None,
        awaits_checks: bool = False,
        replaces: Manifest | Literal["whatever is there"] | None = "whatever is there",
    ) -> Manifest:
        """Replace an asset's partition, all its tables in one step, and return the new manifest.

        With `awaits_checks` the commit is a candidate: it becomes live by `standing.promote`. `replaces` is the last
        commit that the writer knows of.

        Raises:
            CommitRefusedError: the partition was committed by someone else meanwhile; nothing changed.
            StoreError: a key, table, column or type is wrong, the disk is full or not writable. What was committed
                before is then still live and whole.
        """
        layout.manifest_file(asset, partition)
        self._check_owner(asset, partition, tables)
        extra = _json_object(info or {})
        versions = {name: self._write_version(name, partition, tables[name]) for name in sorted(tables)}
        manifest = Manifest(
            asset=asset,
            partition=partition,
            version=data_version(versions),
            tables=versions,
            run_id=run_id,
            fingerprint=fingerprint,
            upstream=dict(upstream or {}),
            info=extra,
            written_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        with self._blobs.locked(layout.lock_file(asset, partition)):
            if replaces != "whatever is there":
                self.standing.refuse_other_than(replaces, asset, partition)
            with contextlib.suppress(StoreError):  # a damaged manifest is mended by replacing it
                self.standing.spare(self.standing.latest(asset, partition))
            if awaits_checks:
                self.standing.put(manifest)
            else:
                self._blobs.put(layout.manifest_file(asset, partition), manifest.to_json())
                self.standing.withdraw(asset, partition)
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
        for other in self._manifests.assets():
            manifest = None if other == asset else self._manifests.get(other, partition)
            for name in tables:
                if manifest and name in manifest.tables:
                    raise StoreError(
                        f"Table {name!r} of partition {partition!r} is written by the asset {other!r}; a table has "
                        f"one writer, so {asset!r} cannot write it."
                    )

    # -- what is committed --------------------------------------------------------------------------------------

    def manifest(self, asset: str, partition: str = layout.UNPARTITIONED) -> Manifest | None:
        """Return what is committed for an asset's partition, None when nothing is.

        Raises:
            StoreError: the manifest is damaged, or a key is not one.
        """
        return self._manifests.get(asset, partition)

    def assets(self) -> list[str]:
        """Return the assets that have committed something, sorted."""
        return [asset for asset in self._manifests.assets() if self._manifests.partitions(asset)]

    def partitions(self, asset: str) -> list[str]:
        """Return the partition keys that an asset has committed, sorted."""
        return self._manifests.partitions(asset)

    def writer_of(self, table: str) -> str | None:
        """Return the asset that writes a table, as the manifests tell; None when nobody has."""
        for asset in self._likely_writers(table):
            if any(table in manifest.tables for manifest in self._manifests.all(asset)):
                return asset
        return None

    def _likely_writers(self, table: str) -> list[str]:
        """Return all assets, those first whose name the table's begins with."""
        return sorted(self._manifests.assets(), key=lambda asset: (not table.startswith(asset), asset))

    # -- reading ------------------------------------------------------------------------------------------------

    def read(
        self,
        table: str,
        partition: str | None = None,
        columns: Sequence[str] | None = None,
        snapshot: Snapshot | None = None,
    ) -> pl.DataFrame:
        """Return the rows of a table, of one partition or of all in the order of their keys.

        Raises:
            StoreError: there is no such table or column, or a file is gone, damaged or of another schema.
        """
        schema = columns_of(table)
        wanted = list(columns) if columns is not None else list(schema)
        if unknown := [name for name in wanted if name not in schema]:
            raise StoreError(f"Table {table!r} has no column {unknown[0]!r}; it has {', '.join(schema)}.")

        def load(files: Files) -> pl.DataFrame:
            versions = files.get(table, [])
            _check_schema(table, versions)
            if not versions:
                return pl.DataFrame(schema={name: schema[name] for name in wanted})
            paths = [self._blobs.path(version.file) for version in versions]
            rows = pl.scan_parquet(paths, schema=schema, missing_columns="insert", glob=False, hive_partitioning=False)
            return rows.select(wanted).collect()

        return self._with_files(lambda: self._files_of(table, partition, snapshot), load, retry=snapshot is None)

    def sql(
        self,
        query: str,
        *,
        snapshot: Snapshot | None = None,
        tables: Collection[str] | None = None,
        **parameters: object,
    ) -> pl.DataFrame:
        """Return the result of a query over the views of all tables, or of some; `$name` stands for a parameter.

        Raises:
            StoreError: a file is gone or damaged.
            duckdb.Error: the query is wrong.
        """

        def run(files: Files) -> pl.DataFrame:
            with self._connect(files, tables) as connection:
                relation = connection.sql(query, params=parameters)
                return pl.DataFrame(relation)

        return self._with_files(lambda: self._all_files(snapshot), run, retry=snapshot is None)

    def connect(
        self, snapshot: Snapshot | None = None, tables: Collection[str] | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Return an in-memory DuckDB connection with a view per table, or of some, over what is live now, or then.

        Results larger than memory leave it as `connection.sql(query).to_arrow_reader(rows)`, which `write` takes.

        Raises:
            StoreError: a file is gone or damaged.
        """
        return self._with_files(
            lambda: self._all_files(snapshot), lambda files: self._connect(files, tables), retry=snapshot is None
        )

    def _connect(self, files: Files, tables: Collection[str] | None) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:", config=self._settings)
        try:
            create_views(connection, files, self._blobs, tables)
        except BaseException:
            connection.close()
            raise
        return connection

    def _files_of(self, table: str, partition: str | None, snapshot: Snapshot | None) -> Files:
        if partition is not None:
            layout.checked_key(partition, "partition key")
        if snapshot is not None:
            files = snapshot.by_table().get(table, [])
            return {table: [file for file in files if partition in (None, file.address.partition)]}
        if partition is None:
            writer = self.writer_of(table)
            found = self._manifests.all(writer) if writer else []
        else:
            manifests = (self._manifests.get(asset, partition) for asset in self._likely_writers(table))
            found = [next((m for m in manifests if m and table in m.tables), None)]
        return files_by_table({table: m.tables[table]} for m in found if m and table in m.tables)

    def _all_files(self, snapshot: Snapshot | None) -> Files:
        if snapshot is not None:
            return snapshot.by_table()
        return files_by_table(m.tables for asset in self._manifests.assets() for m in self._manifests.all(asset))

    def _with_files(self, resolve: Callable[[], Files], use: Callable[[Files], Result], retry: bool) -> Result:
        """Use the files that are live; resolve them again when one is gone by the time it is opened."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            files = resolve()
            try:
                return use(files)
            except (OSError, duckdb.Error, pl.exceptions.PolarsError) as error:
                broken = self._broken(files)
                if broken is None and not isinstance(error, FileNotFoundError | duckdb.IOException):
                    raise
                if attempt == READ_ATTEMPTS or not retry:
                    if broken is None:
                        raise
                    raise broken from error
        raise AssertionError("unreachable")

    def _broken(self, files: Files) -> StoreError | None:
        for version in (version for versions in files.values() for version in versions):
            size = self._blobs.size(version.file)
            if size != version.bytes:
                where, what = self._blobs.path(version.file), "gone" if size is None else f"damaged ({size} bytes)"
                table, partition, _ = version.address
                return StoreError(
                    f"The file {where} is {what}; its manifest says {version.bytes} bytes. Materialise partition "
                    f"{partition!r} of the asset that writes {table!r} again: it makes the same file anew."
                )
        return None

    # -- snapshots ----------------------------------------------------------------------------------------------

    def snapshot(
        self,
        assets: Iterable[str] | None = None,
        partitions: Iterable[str] | None = None,
        tables: Iterable[str] | None = None,
    ) -> Snapshot:
        """Return the versions that are live now, limited to some assets, partitions or tables if told."""
        keys = None if partitions is None else set(partitions)
        names = self._manifests.assets() if assets is None else sorted(set(assets))
        found = (manifest for asset in names for manifest in self._manifests.all(asset))
        return snapshot_of((m for m in found if keys is None or m.partition in keys), tables)

    def save_snapshot(self, snapshot: Snapshot) -> str:
        """Store a snapshot and return its id. Only a pin keeps its files from being collected."""
        self._shelf.save(snapshot)
        return snapshot.id

    def load_snapshot(self, snapshot_id: str) -> Snapshot:
        """Return a stored snapshot.

        Raises:
            StoreError: there is none of that id, or its file is damaged.
        """
        return self._shelf.load(snapshot_id)

    def pin(self, name: str, snapshot: Snapshot) -> None:
        """Store a snapshot and keep its files from garbage collection until `unpin(name)` or another pin so named.

        Raises:
            StoreError: one of its files is gone already.
        """
        self._shelf.pin(name, snapshot)

    def unpin(self, name: str) -> None:
        """Let go of a pin; nothing happens when there is none."""
        self._shelf.unpin(name)

    def pins(self) -> dict[str, str]:
        """Return pin name -> snapshot id."""
        return self._shelf.pins()

    # -- upkeep -------------------------------------------------------------------------------------------------

    def refresh_views(self) -> Path:
        """Write `warehouse.duckdb` anew, a view per table over what is committed now, and return its path.

        It is replaced in one step: who has it open keeps the former views.

        Raises:
            StoreError: a file is gone or damaged, the disk is full or not writable.
        """
        target = self.root / layout.VIEWS_FILE
        for _ in range(READ_ATTEMPTS):
            written = self._with_files(
                lambda: self._all_files(None), lambda files: self._write_views(target, files), True
            )
            if self._all_files(None) == written:  # else a commit came between, whose own refresh ours may have undone
                break
        return target

    def _write_views(self, target: Path, files: Files) -> Files:
        temporary = temporary_path(self.root)
        try:
            with duckdb.connect(str(temporary), config=self._settings) as connection:
                create_views(connection, files, self._blobs)
                create_comments(connection)
            replace_durably(temporary, target)
        except duckdb.IOException as error:
            if self._broken(files) is None:
                raise StoreError(f"Cannot write {target}: {error}. The tables are not affected.") from error
            raise
        finally:
            for leftover in (temporary, temporary.with_name(f"{temporary.name}.wal")):
                leftover.unlink(missing_ok=True)
        return files

    def collect_garbage(self, grace_s: float = 86_400, dry_run: bool = False) -> GarbageReport:
        """Remove files that are neither live nor pinned and older than the grace period in seconds.

        Age counts from a version's replacement. The views are refreshed first, so that they name no removed file.
        A grace below the duration of the longest running step may take the files of running writers and readers.

        Raises:
            StoreError: a manifest, pin or pinned snapshot cannot be read; nothing was removed.
        """
        if not dry_run and (self.root / layout.VIEWS_FILE).exists():
            self.refresh_views()
        return collect(self._blobs, self._live_files, self._pinned_files, grace_s, dry_run)

    def _live_files(self) -> set[str]:
        live = {version.file for versions in self._all_files(None).values() for version in versions}
        return live | self.standing.files()

    def _pinned_files(self) -> set[str]:
        snapshots = (self._shelf.load(snapshot_id) for snapshot_id in set(self.pins().values()))
        return {file.file for snapshot in snapshots for files in snapshot.by_table().values() for file in files}


def _check_schema(table: str, versions: Sequence[TableVersion]) -> None:
    for version in versions:
        if changed := changed_columns(table, version.columns):
            raise StoreError(
                f"{version.file} was written with other columns than table {table!r} has now ({changed}): materialise "
                f"partition {version.address.partition!r} again."
            )


def _json_object(info: Mapping[str, Json]) -> dict[str, Json]:
    try:
        return json.loads(json.dumps(dict(info)))
    except (TypeError, ValueError) as error:
        raise StoreError(f"The info of a commit must be JSON values: {error}. Nothing was written.") from error
