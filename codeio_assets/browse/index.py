"""The index: a row per item with what lists are narrowed and sorted by, in a DuckDB file beside a full-text index.

It is derived from the warehouse, one partition at a time, when a manifest has changed, and can be deleted at any time.
What does not live here: what a row holds (`sql/browse`), conditions on rows (`listing`), whole texts (`items`).
"""

import json
import shutil
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from codeio_assets.browse import lists
from codeio_assets.browse.search import TextIndex
from codeio_assets.store import Manifest, StoreError, Warehouse
from codeio_assets.store.snapshots import snapshot_of

VERSION = "3"
"""Goes up when a table of the index gets other columns; an index of another version is made anew."""
SHARD_ASSETS = (
    "raw_code_files", "eligible_code_files", "unified_functions", "io_pairs", "prediction_tasks", "predictions",
    "verdicts", "revised_predictions", "revised_verdicts", "cot_flaws",
)  # fmt: skip
LISTS = ("tasks", "functions", "files")
"""Lists whose rows have an id that pages go by; `rejections` is the fourth."""
_KEY = "cast('0x' || left({column}, 16) as ubigint)"

Manifests = Mapping[str, Manifest]
"""Asset -> its manifest, of one partition."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far the index is: partitions that it holds and that are still to be read; `generation` counts changes."""

    parts: int = 0
    waiting: int = 0
    generation: int = 0


class Index:
    """The index of a warehouse, below a folder that one process at a time opens.

    Args:
        warehouse: what is read.
        folder: where the index is kept.
        sql: returns the text of a file under sql/.
    """

    def __init__(self, warehouse: Warehouse, folder: Path, sql: Callable[[str], str], threads: int = 2) -> None:
        self.warehouse = warehouse
        self.freshness = Freshness()
        self._folder = folder
        self._sql = sql
        self._refreshing = threading.Lock()
        self._marking = threading.Lock()
        self._marks_version = ""
        self._connection = self._open(threads)
        self._texts = TextIndex(folder / f"texts.{VERSION}.sqlite")

    def _open(self, threads: int) -> duckdb.DuckDBPyConnection:
        self._folder.mkdir(parents=True, exist_ok=True)
        for old in self._folder.iterdir():
            if old.name.startswith(("rows.", "texts.")) and old.name.split(".")[1] != VERSION:
                old.unlink()
        file = self._folder / f"rows.{VERSION}.duckdb"
        try:
            connection = duckdb.connect(str(file), config={"threads": threads})
        except duckdb.IOException as error:
            raise StoreError(
                f"{file} is in use: a `codeio dev` or `codeio browse` of this project runs. Open its page, or stop it."
            ) from error
        connection.execute(self._sql("browse/tables.sql"))
        return connection

    def close(self) -> None:
        """Close the file, so that another process may open it."""
        with self._refreshing:
            self._connection.close()

    @contextmanager
    def cursor(self) -> Generator[duckdb.DuckDBPyConnection]:
        """Give a connection of one's own to the rows, for the time of a question."""
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def find(self, words: str) -> list[int] | None:
        """Return the numbers of the rows that hold all words; see `TextIndex.find`."""
        return self._texts.find(words)

    # -- bringing it up to date ---------------------------------------------------------------------------------

    def refresh(self, is_over: Callable[[], bool] = lambda: False) -> Freshness:
        """Read what has changed in the warehouse since; one call at a time, others wait.

        It ends between two partitions when `is_over` says so.
        """
        with self._refreshing:
            self._refresh_marks()
            wanted = self._wanted()
            held = dict(self._connection.cursor().execute("select part, signature from parts").fetchall())
            gone = [part for part in held if part not in wanted]
            changed = [part for part in wanted if held.get(part) != _signature(wanted[part])]
            for part in gone:
                self._replace(part, {})
            for number, part in enumerate(changed):
                if is_over():
                    return self.freshness
                self._tell(parts=len(wanted), waiting=len(changed) - number)
                self._replace(part, wanted[part])
            self._tell(parts=len(wanted), waiting=0, changes=len(gone) + len(changed))
            if gone or changed:
                self._drop_dead_texts()
            return self.freshness

    def refresh_marks(self) -> None:
        """Read the marks again, after one was made."""
        self._refresh_marks()

    def _tell(self, parts: int, waiting: int, changes: int = 0) -> None:
        self.freshness = Freshness(parts, waiting, self.freshness.generation + (1 if changes else 0))

    def _wanted(self) -> dict[str, Manifests]:
        """Return what is committed: partition -> asset -> manifest, of shards and of recipes."""
        found: dict[str, dict[str, Manifest]] = {}
        for asset in (*SHARD_ASSETS, "training_sets"):
            for partition in self.warehouse.partitions(asset):
                part = recipe_part(partition) if asset == "training_sets" else partition
                if manifest := self._manifest(asset, partition):
                    found.setdefault(part, {})[asset] = manifest
        return dict(sorted(found.items()))

    def _manifest(self, asset: str, partition: str) -> Manifest | None:
        """Return a manifest; a damaged one is as one that is not there, and status tells of it."""
        with suppress(StoreError):
            return self.warehouse.manifest(asset, partition)
        return None

    def _replace(self, part: str, manifests: Manifests) -> None:
        """Put the rows of a partition in the place of those before; its words first, which no row names yet."""
        cursor = self._connection.cursor()
        with self._of_partition(manifests) as source:
            cursor.execute("begin")
            for table in (*LISTS, "rejections", "members", "counted"):
                cursor.execute(f"delete from {table} where part = $part", {"part": part})
            cursor.execute("delete from parts where part = $part", {"part": part})
            if "training_sets" in manifests:
                self._add_members(cursor, source, part)
            elif manifests:
                self._add_rows(cursor, source, part)
            if manifests:
                cursor.execute("insert into parts values ($part, $signature)", _named(part, manifests))
            cursor.execute("commit")
        cursor.close()

    @contextmanager
    def _of_partition(self, manifests: Manifests) -> Generator[duckdb.DuckDBPyConnection]:
        connection = self.warehouse.connect(snapshot_of(manifests.values()))
        try:
            yield connection
        finally:
            connection.close()

    def _add_rows(self, cursor: duckdb.DuckDBPyConnection, source: duckdb.DuckDBPyConnection, part: str) -> None:
        for table in (*LISTS, "rejections"):
            rows = source.sql(self._sql(f"browse/{table}.sql"), params={"part": part}).to_arrow_table()
            first = _one(cursor, "select coalesce(max(next), 1) from numbering")
            cursor.execute("delete from numbering")
            cursor.execute("insert into numbering values ($next)", {"next": first + rows.num_rows})
            cursor.register("fresh", rows)
            key = _KEY.format(column="item_id" if table == "rejections" else "id")
            cursor.execute(
                f"insert into {table} by name "
                f"select *, cast({first} - 1 + row_number() over () as bigint) as no, {key} as key from fresh"
            )
            cursor.unregister("fresh")
            of = lists.LISTS[table]
            query = lists.counts_query(of, [facet for facet in of.facets if facet.name != "mark"], "t.part = $part")
            cursor.execute(
                f"insert into counted select $part, '{table}', facet, value, n from ({query})", {"part": part}
            )
            if table in LISTS:
                self._add_texts(source, table, first)

    def _add_texts(self, source: duckdb.DuckDBPyConnection, table: str, first: int) -> None:
        texts = source.execute(self._sql(f"browse/{table[:-1]}_texts.sql"))
        number = first
        while batch := texts.fetchmany(1_000):
            self._texts.add((number + place, text) for place, (_, text) in enumerate(batch))
            number += len(batch)

    def _add_members(self, cursor: duckdb.DuckDBPyConnection, source: duckdb.DuckDBPyConnection, part: str) -> None:
        query = (
            f"select distinct {_KEY.format(column='task_id')} as key, part as recipe, split from training_sets "
            "where task_id is not null"
        )
        cursor.register("fresh", source.sql(query).to_arrow_table())
        cursor.execute("insert into members by name select *, $part as part from fresh", {"part": part})
        cursor.unregister("fresh")

    def _refresh_marks(self) -> None:
        manifests = [self.warehouse.manifest("marks", person) for person in self.warehouse.partitions("marks")]
        present = {manifest.partition: manifest for manifest in manifests if manifest}
        version = json.dumps({person: manifest.version for person, manifest in sorted(present.items())})
        if version == self._marks_version:
            return
        with self._marking, self._of_partition(present) as source:
            fresh = source.sql(self._sql("browse/marks.sql")).to_arrow_table()
            cursor = self._connection.cursor()
            cursor.register("fresh", fresh)
            cursor.execute("begin")
            cursor.execute("delete from marked")
            cursor.execute(f"insert into marked by name select *, {_KEY.format(column='item_id')} as key from fresh")
            cursor.execute("commit")
            cursor.close()
            self._marks_version = version
            self.freshness = replace(self.freshness, generation=self.freshness.generation + 1)

    def _drop_dead_texts(self) -> None:
        """Begin anew with the next start when most of the words are those of rows that are gone."""
        counts = " + ".join(f"(select count(*) from {table})" for table in LISTS)
        living = _one(self._connection.cursor(), f"select {counts}")
        numbered = _one(self._connection.cursor(), "select coalesce(max(next), 1) from numbering")
        if numbered > 4 * living + 1_000_000:
            (self._folder / "stale").touch()


def folder_of(home: Path) -> Path:
    """Return where a project's index is; one that is due to be made anew is removed."""
    folder = home / "browse"
    if (folder / "stale").exists():
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def recipe_part(recipe: str) -> str:
    """Return the name under which the index holds a recipe, which no shard can have."""
    return f"recipe:{recipe}"


def _signature(manifests: Manifests) -> str:
    return json.dumps({asset: manifest.version for asset, manifest in sorted(manifests.items())})


def _named(part: str, manifests: Manifests) -> dict[str, str]:
    return {"part": part, "signature": _signature(manifests)}


def _one(cursor: duckdb.DuckDBPyConnection, query: str) -> int:
    row = cursor.execute(query).fetchone()
    assert row is not None
    return int(row[0])
