"""Tracing a sample, or any other item with an id, back to its file, in lines for a person.

What does not live here: the joins (`sql/lineage/trace.sql`).
"""

from collections.abc import Iterator

from codeio_assets.core.tables.data import Row
from codeio_assets.core.values.canonical import canonical_json
from codeio_assets.store import StoreError, Warehouse

SHORTEST_ID = 6
LONGEST_VALUE = 300


def trace_item(warehouse: Warehouse, query: str, item_id: str) -> Iterator[str]:
    """Yield the lines that tell where a sample, prediction, verdict, task, pair, function or file comes from.

    A sample is told for each recipe and stage that holds it, other items by the tasks that they lead to.

    Raises:
        StoreError: the id is too short, or no table holds it.
    """
    if len(item_id) < SHORTEST_ID:
        raise StoreError(f"{item_id!r} may be many items: give {SHORTEST_ID} digits of the id or more.")
    rows = warehouse.sql(query, id=item_id).to_dicts()
    if not rows:
        raise StoreError(
            f"Nothing has the id {item_id}: no sample, prediction, verdict, task, pair, function or raw file. "
            "The tables of warehouse.duckdb list them."
        )
    for row in rows:
        yield from _lines(row)
        if row["sample"]["recipe"] is not None:
            yield from _versions(warehouse, row["sample"]["recipe"], row["file"]["shard"])
        yield ""


def _lines(row: Row) -> Iterator[str]:
    for part in ("sample", "task", "pair", "function", "file"):
        if row[part]["id"] is not None:
            yield f"{part} {row[part]['id']}"
            yield from _fields({name: value for name, value in row[part].items() if name != "id"})
    turns: list[Row] = row["turns"] or []
    for turn in turns:
        yield f"turn {turn['turn']}"
        yield from _fields({name: value for name, value in turn.items() if name != "turn"})


def _fields(fields: Row) -> Iterator[str]:
    for name, value in fields.items():
        if value is not None:
            text = value if isinstance(value, str) else canonical_json(value)
            flat = " ".join(text.split())
            yield f"  {name:<22}{flat if len(flat) <= LONGEST_VALUE else flat[: LONGEST_VALUE - 1] + '…'}"


def _versions(warehouse: Warehouse, recipe: str, shard: str | None) -> Iterator[str]:
    """Yield the data versions of what the sample passed through, as the training set's manifest names them."""
    manifest = warehouse.manifest("training_sets", recipe)
    if manifest is None:
        return
    yield "versions"
    yield f"  {'training_sets/' + recipe:<46}{manifest.version[:20]}  run {manifest.run_id or '-'}"
    for name, version in sorted(manifest.upstream.items()):
        asset, partition = name.split("/", 1)
        if partition in {shard, "all"}:
            made = warehouse.manifest(asset, partition)
            live = "" if made and made.version == version else ", since replaced"
            run = made.run_id if made and made.version == version else "-"
            yield f"  {name:<46}{version[:20]}  run {run or '-'}{live}"
