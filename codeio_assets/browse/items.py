"""One item with all that belongs to it: raw file, function, pair, prompt, turns, rejections, marks.

Only the partition of the item is opened. What does not live here: lists (`listing`), how it looks (`templates`).
"""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb

from codeio_assets.browse.differences import Pieces, compare_texts, compare_values
from codeio_assets.browse.index import SHARD_ASSETS, Index
from codeio_assets.browse.listing import ask
from codeio_assets.core.tables.data import Row
from codeio_assets.store import StoreError, Warehouse
from codeio_assets.store.snapshots import snapshot_of

SHORTEST_ID = 6
KINDS = {"tasks": "task", "functions": "function", "files": "file"}


@dataclass(frozen=True, slots=True)
class Found:
    """Where an item is."""

    kind: str
    id: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """An answer with its verdict, and what it is to be held against."""

    answer: Row
    verdict: Row
    flaws: list[str]
    wanted: Pieces
    got: Pieces
    changes: Pieces


@dataclass(frozen=True, slots=True)
class Item:
    """A task, function or file, with what it comes from and what came of it; absent parts are None or empty."""

    kind: str
    id: str
    part: str
    file: Row | None = None
    function: Row | None = None
    pair: Row | None = None
    task: Row | None = None
    turns: list[Turn] = field(default_factory=list[Turn])
    pairs: list[Row] = field(default_factory=list[Row])
    tasks: list[Row] = field(default_factory=list[Row])
    attempts: list[Row] = field(default_factory=list[Row])
    labels: list[Row] = field(default_factory=list[Row])
    rejections: list[Row] = field(default_factory=list[Row])
    recipes: list[Row] = field(default_factory=list[Row])
    marks: list[Row] = field(default_factory=list[Row])


class Items:
    """The items of a warehouse.

    Args:
        warehouse: what is read.
        sql: returns the text of a file under sql/.
        index: by which items are found; without one every partition is looked through, which takes longer.
    """

    def __init__(self, warehouse: Warehouse, sql: Callable[[str], str], index: Index | None = None) -> None:
        self._index = index
        self._sql = sql
        self._warehouse = warehouse

    # -- finding ------------------------------------------------------------------------------------------------

    def find(self, beginning: str) -> list[Found]:
        """Return the items whose id begins so, of any kind, at most twenty.

        Raises:
            StoreError: it is too short or not hexadecimal.
        """
        wanted = beginning.strip().lower()
        if len(wanted) < SHORTEST_ID or len(wanted) > 64 or set(wanted) - set("0123456789abcdef"):
            raise StoreError(f"{beginning[:80]!r} is not an id: give {SHORTEST_ID} to 64 hexadecimal digits of it.")
        found = (
            self._indexed(self._index, wanted) if self._index else self._looked_for("browse/locate_items.sql", wanted)
        )
        return found or self._looked_for("browse/locate.sql", wanted)

    def _indexed(self, index: Index, wanted: str) -> list[Found]:
        low, high = int(wanted[:16].ljust(16, "0"), 16), int(wanted[:16].ljust(16, "f"), 16)
        query = " union all ".join(
            f"select '{kind}' as kind, id, part from {table} where key between $low and $high and starts_with(id, $id)"
            for table, kind in KINDS.items()
        )
        with index.cursor() as cursor:
            rows = ask(cursor, f"{query} limit 20", {"low": low, "high": high, "id": wanted})
        return [Found(**row) for row in rows]

    def _looked_for(self, query: str, wanted: str) -> list[Found]:
        with self._warehouse.connect() as connection:
            return [Found(**row) for row in ask(connection, self._sql(query), {"id": wanted})]

    def part_of(self, kind: str, item_id: str) -> str:
        """Return the partition of a task, function or file.

        Raises:
            KeyError: there is none.
        """
        if not re.fullmatch("[0-9a-f]{64}", item_id):
            raise KeyError(f"{item_id[:80]!r} is no whole id of a {kind}")
        if self._index is None:
            parts = [found.part for found in self._looked_for("browse/locate_items.sql", item_id) if found.kind == kind]
        else:
            query = f"select part from {kind}s where key = $key and id = $id limit 1"
            with self._index.cursor() as cursor:
                rows = ask(cursor, query, {"key": int(item_id[:16], 16), "id": item_id})
            parts = [str(row["part"]) for row in rows]
        if not parts:
            raise KeyError(f"there is no {kind} {item_id}")
        return parts[0]

    # -- reading ------------------------------------------------------------------------------------------------

    def task(self, item_id: str) -> Item:
        """Return a task with everything up and down the line.

        Raises:
            KeyError: there is none.
        """
        part = self.part_of("task", item_id)
        with self._opened(part) as tables:
            task = _only(tables, "prediction_tasks", "task_id", item_id)
            if task is None:
                raise KeyError(f"there is no task {item_id}")
            function = _only(tables, "unified_functions", "function_id", task["function_id"])
            pair = _only(tables, "io_pairs", "pair_id", task["pair_id"])
            return Item(
                "task",
                item_id,
                part,
                file=_only(tables, "raw_code_files", "file_id", function["file_id"]) if function else None,
                function=function,
                pair=pair,
                task=task,
                turns=_turns(tables, item_id, pair),
                tasks=self._tasks_of(tables, task["function_id"]),
                recipes=self._recipes(item_id),
                marks=self.marks_of(item_id, task["function_id"], function["file_id"] if function else ""),
            )

    def function(self, item_id: str) -> Item:
        """Return a function with its pairs and tasks.

        Raises:
            KeyError: there is none.
        """
        part = self.part_of("function", item_id)
        with self._opened(part) as tables:
            function = _only(tables, "unified_functions", "function_id", item_id)
            if function is None:
                raise KeyError(f"there is no function {item_id}")
            file_id = function["file_id"]
            return Item(
                "function",
                item_id,
                part,
                file=_only(tables, "raw_code_files", "file_id", file_id),
                function=function,
                pairs=_all(tables, "io_pairs", "function_id", item_id, "pair_index"),
                tasks=self._tasks_of(tables, item_id),
                attempts=_all(tables, "transform_attempts", "file_id", file_id, "attempt"),
                rejections=_rejections(tables, item_id),
                marks=self.marks_of(item_id, file_id),
            )

    def file(self, item_id: str) -> Item:
        """Return a raw file with what became of it.

        Raises:
            KeyError: there is none.
        """
        part = self.part_of("file", item_id)
        with self._opened(part) as tables:
            file = _only(tables, "raw_code_files", "file_id", item_id)
            if file is None:
                raise KeyError(f"there is no file {item_id}")
            function = _only(tables, "unified_functions", "file_id", item_id)
            return Item(
                "file",
                item_id,
                part,
                file=file,
                function=function,
                tasks=self._tasks_of(tables, function["function_id"]) if function else [],
                attempts=_all(tables, "transform_attempts", "file_id", item_id, "attempt"),
                labels=_all(tables, "file_labels", "file_id", item_id, "file_id"),
                rejections=_rejections(tables, item_id),
                marks=self.marks_of(item_id, function["function_id"] if function else ""),
            )

    def sample(self, item_id: str) -> Row:
        """Return a conversation of the instruction data.

        Raises:
            KeyError: there is none.
        """
        rows = self._warehouse.sql("select * from instruction_data where sample_id = $id", id=item_id).to_dicts()
        if not rows:
            raise KeyError(f"there is no conversation {item_id[:80]}")
        return rows[0]

    def marks_of(self, *item_ids: str) -> list[Row]:
        """Return what was said of some items, the latest first."""
        marks = self._warehouse.read("marks")
        return marks.filter(marks["item_id"].is_in(list(item_ids))).sort("marked_at", descending=True).to_dicts()

    @contextmanager
    def _opened(self, part: str) -> Generator[duckdb.DuckDBPyConnection]:
        assets = (*SHARD_ASSETS, "file_labels")
        manifests = [manifest for asset in assets if (manifest := self._warehouse.manifest(asset, part))]
        connection = self._warehouse.connect(snapshot_of(manifests))
        try:
            yield connection
        finally:
            connection.close()

    def _tasks_of(self, tables: duckdb.DuckDBPyConnection, function_id: str) -> list[Row]:
        return ask(tables, self._sql("browse/function_tasks.sql"), {"value": function_id})

    def _recipes(self, task_id: str) -> list[Row]:
        if self._index is None:
            query = "select distinct part as recipe, split from training_sets where task_id = $id order by 1, 2"
            return self._warehouse.sql(query, id=task_id).to_dicts()
        query = "select distinct recipe, split from members where key = $key order by 1, 2"
        with self._index.cursor() as cursor:
            return ask(cursor, query, {"key": int(task_id[:16], 16)})


def _only(tables: duckdb.DuckDBPyConnection, table: str, column: str, value: str) -> Row | None:
    rows = ask(tables, f"select * from {table} where {column} = $value limit 1", {"value": value})
    return rows[0] if rows else None


def _all(tables: duckdb.DuckDBPyConnection, table: str, column: str, value: str, order: str) -> list[Row]:
    return ask(tables, f"select * from {table} where {column} = $value order by {order}", {"value": value})


def _rejections(tables: duckdb.DuckDBPyConnection, item_id: str) -> list[Row]:
    steps = ("raw_code_files", "eligible_code_files", "unified_functions", "io_pairs", "prediction_tasks")
    query = " union all ".join(
        f"select '{step}' as step, reason, detail from {step}_rejections where id = $value" for step in steps
    )
    return ask(tables, query, {"value": item_id})


def _turns(tables: duckdb.DuckDBPyConnection, task_id: str, pair: Row | None) -> list[Turn]:
    rows = _both(tables, "predictions", task_id)
    verdicts = {row["prediction_id"]: row for row in _both(tables, "verdicts", task_id)}
    flaws = {row["prediction_id"]: row for row in _all(tables, "cot_flaws", "task_id", task_id, "turn")}
    turns: list[Turn] = []
    for row in rows:
        verdict = verdicts.get(row["prediction_id"], {})
        wanted, got = held_against(row["direction"], verdict, pair)
        found = [name for name, value in flaws.get(row["prediction_id"], {}).items() if value is True]
        changes = compare_texts(turns[-1].answer["response"], row["response"]) if turns else []
        turns.append(Turn(row, verdict, found, wanted, got, changes))
    return turns


def _both(tables: duckdb.DuckDBPyConnection, table: str, task_id: str) -> list[Row]:
    first, later = (_all(tables, name, "task_id", task_id, "turn") for name in (table, f"revised_{table}"))
    return first + later


def held_against(direction: str, verdict: Row, pair: Row | None) -> tuple[Pieces, Pieces]:
    """Return the output that is wanted and what there is of the answer: the output it says, or what its input gives."""
    if pair is None:
        return [], []
    got = verdict.get("predicted_json") if direction == "output" else verdict.get("executed_output_json")
    return compare_values(pair["output_json"], got)
