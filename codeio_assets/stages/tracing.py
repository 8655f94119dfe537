"""Tracing a sample back to its file, in lines for a person.

What does not live here: the joins (`sql/lineage/trace.sql`).
"""

from collections.abc import Iterator
from typing import Any

from codeio_assets.core.canonical import canonical_json
from codeio_assets.store import StoreError, Warehouse

SHORTEST_ID = 6
LONGEST_VALUE = 300


def trace_sample(warehouse: Warehouse, query: str, sample_id: str) -> Iterator[str]:
    """Yield the lines that tell where a sample comes from, for each recipe and stage that holds it.

    Raises:
        StoreError: the id is too short, or no training set holds such a sample.
    """
    if len(sample_id) < SHORTEST_ID:
        raise StoreError(f"{sample_id!r} may be many samples: give {SHORTEST_ID} digits of the id or more.")
    rows = warehouse.sql(query, sample_id=sample_id).to_dicts()
    if not rows:
        raise StoreError(f"No training set holds a sample {sample_id}. `training_sets` in warehouse.duckdb lists them.")
    for row in rows:
        yield from _lines(row)
        yield from _versions(warehouse, row["sample"]["recipe"], row["file"]["shard"])
        yield ""


def _lines(row: dict[str, Any]) -> Iterator[str]:
    for part in ("sample", "task", "pair", "function", "file"):
        if row[part]["id"] is not None:
            yield f"{part} {row[part]['id']}"
            yield from _fields({name: value for name, value in row[part].items() if name != "id"})
    turns: list[dict[str, Any]] = row["turns"] or []
    for turn in turns:
        yield f"turn {turn['turn']}"
        yield from _fields({name: value for name, value in turn.items() if name != "turn"})


def _fields(fields: dict[str, Any]) -> Iterator[str]:
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
