"""The warehouse: committing an asset's tables, and reading what is committed.

Immutable Parquet versions under `tables/`, one manifest per asset and partition whose replacement is the commit. Any
number of processes may write and read at once without locks; of two commits to one partition the last stays, or the
later is refused. A read looks at the manifests of the tables and partitions that it names, and at no others.
What does not live here: file operations (`blobs`), the schemas (`core.tables.data`).
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

import duckdb
import polars as pl

from codeio_assets.core.values.canonical import JsonLike
from codeio_assets.store import layout
from codeio_assets.store.committing import WHATEVER_IS_THERE, Committer
from codeio_assets.store.errors import READ_ERRORS, WRONG_QUERY, StoreError
from codeio_assets.store.garbage import GarbageReport, collect, files_of_partitions
from codeio_assets.store.live import LiveFiles
from codeio_assets.store.lost import LostPartitions, raise_if_lost
from codeio_assets.store.manifests import Manifest, Manifests, TableVersion, json_object
from codeio_assets.store.parquet import Tabular, columns_of
from codeio_assets.store.places import open_blobs
from codeio_assets.store.rollups import Rollups
from codeio_assets.store.snapshots import Files, Snapshot, SnapshotShelf, each_file, snapshot_of
from codeio_assets.store.standing import Standing
from codeio_assets.store.tombstones import Tombstones
from codeio_assets.store.verification import Verifier, VerifyReport, require_present_columns
from codeio_assets.store.views import create_views, named_tables, write_views
from codeio_assets.store.writers import Writers

READ_ATTEMPTS = 3
"""Resolving anew helps when a collection removed a version between resolving and opening it."""

Result = TypeVar("Result")


class Warehouse:
    """All tables below one folder, or in object storage.

    Args:
        root: the folder; it is made by the first write. With `url` it is the cache, and has the views.
        url: of the place in object storage, such as `s3://bucket/prefix`.
        memory_limit: of DuckDB connections, e.g. "4GB"; None leaves DuckDB's own (80% of the memory).
        threads: of DuckDB connections; None takes all cores.
        trust_s: seconds for which a reading of a manifest counts, in this process; what is replaced is always looked at
            anew.
    """

    def __init__(
        self,
        root: Path,
        memory_limit: str | None = None,
        threads: int | None = None,
        trust_s: float = 0.0,
        url: str | None = None,
    ) -> None:
        self.root = Path(root).resolve()
        self._blobs = open_blobs(self.root, url)
        self._manifests = Manifests(self._blobs, trust_s)
        writers = Writers(self._blobs, self._manifests)
        self._live = LiveFiles(self._manifests, writers)
        self._tombstones = Tombstones(self._blobs)
        self._shelf = SnapshotShelf(self._blobs, self._tombstones)
        self.standing = Standing(self._blobs, self._manifests, self._tombstones, trust_s)
        self._committer = Committer(self._blobs, self.standing, writers, self._tombstones)
        self._verifier = Verifier(self._blobs)
        spill = str(self._blobs.folder / ".spill")
        self._settings: dict[str, str | bool | int | float | list[str]] = {"temp_directory": spill}
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
        info: Mapping[str, JsonLike] | None = None,
        awaits_checks: bool = False,
        replaces: Manifest | Literal["whatever is there"] | None = WHATEVER_IS_THERE,
        read: Sequence[Manifest] = (),
    ) -> Manifest:
        """Replace an asset's partition, all its tables in one step, and return the new manifest.

        With `awaits_checks` the commit is a candidate: it becomes live by `standing.conclude`. `replaces` is the last
        commit that the writer knows of, `read` what it was made from.

        Raises:
            CommitRefusedError: the partition, or what it was made from, was changed by others; nothing was done.
            StoreError: a key, table, column or type is wrong, the disk is full or not writable. What was committed
                before is then still live and whole.
        """
        return self._committer.commit(
            Manifest.of(
                asset,
                partition,
                run_id=run_id,
                fingerprint=fingerprint,
                upstream=dict(upstream or {}),
                info=json_object(info or {}),
            ),
            tables,
            awaits_checks=awaits_checks,
            replaces=replaces,
            read=read,
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

    def partitions(self, asset: str, prefix: str = "") -> list[str]:
        """Return the partition keys that an asset has committed and that begin so, sorted."""
        return self._manifests.partitions(asset, prefix)

    def manifests(self, asset: str) -> list[Manifest]:
        """Return what is committed for all partitions of an asset, sorted by key.

        Raises:
            StoreError: a manifest is damaged.
        """
        return self._manifests.all(asset)

    def whole(self, asset: str) -> Iterator[Manifest]:
        """Yield what is committed for each partition of an asset, sorted by key; damaged manifests are left out."""
        return self._manifests.whole(asset)

    def manifests_of(self, asset: str, partitions: Collection[str]) -> list[Manifest]:
        """Return what is committed for some partitions, sorted by key; as `manifests` where one of them is damaged."""
        return self._manifests.some(asset, partitions)

    def writer_of(self, table: str) -> str | None:
        """Return the asset that writes a table; None when nobody has."""
        return self._live.writer_of(table)

    def file(self, version: TableVersion) -> Path:
        """Return the file of a version, for who opens it itself.

        Raises:
            StoreError: it cannot be fetched.
        """
        self._blobs.fetch([version.file])
        return self._blobs.folder / version.file

    def where(self, version: TableVersion) -> str:
        """Return where the file of a version is, for people."""
        return self._blobs.where(version.file)

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
            require_present_columns(table, versions)
            if not versions:
                return pl.DataFrame(schema={name: schema[name] for name in wanted})
            paths = [self._blobs.folder / version.file for version in versions]
            rows = pl.scan_parquet(paths, schema=schema, missing_columns="insert", glob=False, hive_partitioning=False)
            return rows.select(wanted).collect()

        return self._with_files(lambda: self._live.of_table(table, partition, snapshot), load, retry=snapshot is None)

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
        shown = named_tables(query) if tables is None else tables

        def run(files: Files) -> pl.DataFrame:
            with self._connect(files, self._live.lost(snapshot, shown), shown) as connection:
                relation = connection.sql(query, params=parameters)
                return pl.DataFrame(relation)

        return self._with_files(lambda: self._live.of_tables(snapshot, shown), run, retry=snapshot is None)

    def connect(
        self, snapshot: Snapshot | None = None, tables: Collection[str] | None = None
    ) -> duckdb.DuckDBPyConnection:
        """Return an in-memory DuckDB connection with a view per table, or of some, over what is live now, or then.

        Results larger than memory leave it as `connection.sql(query).to_arrow_reader(rows)`, which `write` takes.

        Raises:
            StoreError: a file is gone or damaged.
        """
        return self._with_files(
            lambda: self._live.of_tables(snapshot, tables),
            lambda files: self._connect(files, self._live.lost(snapshot, tables), tables),
            retry=snapshot is None,
        )

    def _connect(
        self, files: Files, lost: LostPartitions, tables: Collection[str] | None = None
    ) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:", config=self._settings)
        try:
            create_views(connection, files, lost, tables)
        except BaseException:
            connection.close()
            raise
        return connection

    def _with_files(self, resolve: Callable[[], Files], use: Callable[[Files], Result], retry: bool) -> Result:
        """Use the files that are live; resolve them again when one is gone by the time it is opened."""
        for attempt in range(1, READ_ATTEMPTS + 1):
            files = resolve()
            try:
                self._blobs.fetch(version.file for version in each_file(files))
                return use(files)
            except READ_ERRORS as error:
                if isinstance(error, WRONG_QUERY):
                    raise
                raise_if_lost(self._manifests, self._manifests.assets(), error)
                if attempt < READ_ATTEMPTS and self._blobs.drop_damaged(file.file for file in each_file(files)):
                    continue
                broken = next(self._verifier.problems(each_file(files)), None)
                if broken is None and not isinstance(error, FileNotFoundError | duckdb.IOException):
                    raise
                if attempt == READ_ATTEMPTS or not retry:
                    if broken is None:
                        raise
                    raise broken from error
        raise AssertionError("unreachable")

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

    # -- whole or damaged ---------------------------------------------------------------------------------------

    def require_whole(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot whose files are, by their sha256, what was committed.

        Raises:
            StoreError: one is not; the message names the file.
        """
        for problem in self._verifier.problems(each_file(snapshot.by_table())):
            raise problem
        return snapshot

    def damage(self, asset: str, partition: str = layout.UNPARTITIONED) -> list[str]:
        """Return one line for each file of a partition's last commit that is not as written, or for its manifest."""
        try:
            manifest = self.standing.latest(asset, partition)
        except StoreError as error:
            return [str(error)]
        return [str(problem) for problem in self._verifier.problems(manifest.tables.values() if manifest else ())]

    def verify(self) -> VerifyReport:
        """Read every record, and every file that is live or pinned; tell which are not what was committed."""
        Rollups(self._blobs).forget()
        live = {version.file: version for version in each_file(self._live.of_tables())}
        pinned, unreadable = self._shelf.pinned_files()
        files = live | {version.file: version for version in pinned}
        problems = [*self._live.damaged().values(), *unreadable, *self._verifier.problems(files.values())]
        return VerifyReport(len(files), sum(version.bytes for version in files.values()), tuple(map(str, problems)))

    # -- upkeep -------------------------------------------------------------------------------------------------

    def refresh_views(self) -> Path:
        """Write `warehouse.duckdb` anew, a view per table over what is committed now, and return its path.

        It is replaced in one step: who has it open keeps the former views. Of tables in object storage
        nothing is written, since it names local files: `codeio sql` reads them.

        Raises:
            StoreError: a file is gone or damaged, the disk is full or not writable.
        """
        target = self.root / layout.VIEWS_FILE
        for _ in range(READ_ATTEMPTS if self._blobs.is_local else 0):
            before = self._manifests.hashes()
            self._with_files(lambda: self._live.of_tables(), lambda files: self._write_views(target, files), True)
            if self._manifests.hashes() == before:  # else a commit came between, whose own refresh ours may have undone
                break
        return target

    def _write_views(self, target: Path, files: Files) -> None:
        try:
            write_views(target, files, self._live.lost(), self._settings)
        except duckdb.IOException as error:
            if not any(self._verifier.problems(each_file(files))):
                raise StoreError(f"Cannot write {target}: {error}. The tables are not affected.") from error
            raise

    def collect_garbage(self, grace_s: float = 86_400, dry_run: bool = False) -> GarbageReport:
        """Remove files that are neither live nor pinned and older than the grace period in seconds.

        Age counts from a version's replacement, or from the first collection that finds it named by nothing.
        A grace below the duration of the longest running step may take the files of running writers and readers.
        The views are refreshed first, so that they name no removed file; on a full disk when there is room again.
        Of a partition whose manifest is damaged nothing is removed.

        Raises:
            StoreError: a pin or pinned snapshot cannot be read; nothing was removed.
        """
        has_views = not dry_run and (self.root / layout.VIEWS_FILE).exists()
        try:
            is_fresh = bool(has_views and self.refresh_views())
        except StoreError:
            is_fresh = False
        kept = self._live_files, self._pinned_files
        report = collect(self._blobs, self._tombstones, *kept, grace_s=grace_s, dry_run=dry_run)
        if has_views and not is_fresh and report.removed:
            self.refresh_views()
        return report

    def _live_files(self) -> set[str]:
        unknown = {partition for _, partition in self._live.damaged()}
        named = {version.file for version in each_file(self._live.of_tables())}
        return named | self.standing.files() | (files_of_partitions(self._blobs, unknown) if unknown else set[str]())

    def _pinned_files(self) -> set[str]:
        files, unreadable = self._shelf.pinned_files()
        if unreadable:
            raise unreadable[0]
        return {version.file for version in files}
