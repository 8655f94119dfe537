"""Exporting a training set: Parquet and JSONL in the layout of Hugging Face datasets, with a dataset card.

What does not live here: the text of the card (`products.dataset_card`).
"""

# pyarrow 26 ships no types; delete when it does.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeStubs=false

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import polars as pl
import polars.selectors as cs
import pyarrow as pa
import pyarrow.parquet as pq

from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.core.tables.data import SPLITS
from codeio_assets.products.dataset_card import CardFacts, dataset_card
from codeio_assets.products.new_folder import new_folder
from codeio_assets.steps.training_sets import PINS
from codeio_assets.store import Manifest, Snapshot, StoreError, Warehouse

ROWS_AT_A_TIME = 16_384
MESSAGES_TYPE = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
MESSAGES = pl.List(pl.Struct({"role": pl.String, "content": pl.String}))
FACTS = ("sources", "models", "prompts", "rules")


def export_training_set(warehouse: Warehouse, recipe: Recipe, query: Callable[[str], str], target: Path) -> Path:
    """Write the training set of a recipe to a folder that `datasets.load_dataset` opens, and return the folder.

    A stage is a configuration, the sides of the split are its splits: `data/stage1/train.parquet`, and the same rows as
    `jsonl/stage1/train.jsonl`, where text that is missing is an empty text: lines have no types, and a loader that
    sees only nulls would make one up. What is read is verified first; the folder appears when it is complete. `query`
    returns the text of a file under sql/.

    Raises:
        StoreError: there is no training set, or the folder exists and is not empty.
    """
    manifest = warehouse.manifest("training_sets", recipe.name)
    if manifest is None:
        raise StoreError(f"training_sets[{recipe.name}] is missing: materialise it first.")
    warehouse.require_whole(warehouse.snapshot(["training_sets"], [recipe.name]))
    with new_folder(target) as folder:
        counts = _write_files(warehouse.file(manifest.tables["training_sets"]), folder)
        facts = _facts(warehouse, recipe, manifest, query, counts)
        (folder / "README.md").write_text(dataset_card(recipe, facts), encoding="utf-8")
    return target


def push(folder: Path, repository: str) -> str:
    """Upload an exported folder to a dataset repository of a hub and return its address.

    Raises:
        StoreError: there is no token in the environment variable HF_TOKEN.
    """
    token = os.environ.get("HF_TOKEN")
    if not token:
        raise StoreError("There is no token: set HF_TOKEN to one that may write to the hub, then push again.")
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    address = api.create_repo(repository, repo_type="dataset", private=True, exist_ok=True)
    api.upload_folder(repo_id=repository, repo_type="dataset", folder_path=folder)
    return str(address)


def _write_files(table: Path, folder: Path) -> dict[tuple[int, str], int]:
    """Write a file per stage and split in both formats, streaming; return the rows of each."""
    counts: dict[tuple[int, str], int] = {}
    with ExitStack() as stack:
        parts: dict[tuple[int, str], _Part] = {}
        for batch in pq.ParquetFile(table).iter_batches(ROWS_AT_A_TIME):
            rows = pl.DataFrame(pl.from_arrow(batch))
            for (stage, split), some in rows.partition_by("stage", "split", as_dict=True, maintain_order=True).items():
                key = int(stage), str(split)
                if key not in parts:
                    parts[key] = stack.enter_context(_Part(folder, *key))
                parts[key].write(_exported(some))
                counts[key] = counts.get(key, 0) + len(some)
    order = {split: place for place, split in enumerate(SPLITS)}
    return dict(sorted(counts.items(), key=lambda item: (item[0][0], order[item[0][1]])))


def _exported(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows of the table in the form that trainers take: prompt and completion as lists of messages."""
    answer = pl.struct(pl.lit("assistant").alias("role"), pl.col("completion").alias("content"))
    prompt = pl.col("prompt_json").str.json_decode(MESSAGES).alias("prompt")
    rest = [name for name in rows.columns if name not in {"sample_id", "stage", "split", "prompt_json", "completion"}]
    return rows.select("sample_id", prompt, pl.concat_list(answer).alias("completion"), *rest)


class _Part:
    """The files of one side of a stage, written batch by batch."""

    def __init__(self, folder: Path, stage: int, split: str) -> None:
        self._stack = ExitStack()
        self._parquet = folder / "data" / f"stage{stage}" / f"{split}.parquet"
        self._lines = folder / "jsonl" / f"stage{stage}" / f"{split}.jsonl"

    def __enter__(self) -> Self:
        for path in (self._parquet, self._lines):
            path.parent.mkdir(parents=True, exist_ok=True)
        self._text = self._stack.enter_context(self._lines.open("wb"))
        self._writer: pq.ParquetWriter | None = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()
        self._stack.close()

    def write(self, rows: pl.DataFrame) -> None:
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        table = table.cast(pa.schema([(field.name, _plain(field)) for field in table.schema]))
        self._writer = self._writer or pq.ParquetWriter(self._parquet, table.schema, compression="zstd")
        self._writer.write_table(table)
        rows.with_columns(cs.string().fill_null("")).write_ndjson(self._text)


def _plain(field: pa.Field) -> pa.DataType:
    """Return the Arrow type that `datasets` gives the same values when they come from Python."""
    if pa.types.is_large_list(field.type):
        return MESSAGES_TYPE
    return pa.string() if pa.types.is_large_string(field.type) else field.type


def _facts(
    warehouse: Warehouse,
    recipe: Recipe,
    manifest: Manifest,
    query: Callable[[str], str],
    counts: dict[tuple[int, str], int],
) -> CardFacts:
    built_from = _snapshot_of(warehouse, recipe.name, manifest)
    own = warehouse.snapshot(["training_sets"], [recipe.name])
    read = Snapshot(entries=(*built_from.entries, *own.entries))
    funnel = warehouse.sql(query("reports/funnel.sql")).to_dicts()
    return CardFacts(
        counts=counts,
        version=manifest.version,
        snapshot=built_from.id,
        written_at=manifest.written_at,
        dropped_by_reason=dict(manifest.info.get("dropped_by_reason") or {}),
        funnel=[row for row in funnel if "," not in row["step"] or row["step"].endswith(f", {recipe.name}")],
        tables={name: warehouse.sql(query(f"lineage/card_{name}.sql"), snapshot=read).to_dicts() for name in FACTS},
    )


def _snapshot_of(warehouse: Warehouse, recipe: str, manifest: Manifest) -> Snapshot:
    """Return the snapshot that a training set was built from; what is live now when it was not kept."""
    for name, id_ in warehouse.pins().items():
        if name == f"{PINS}{recipe}.{id_[:12]}":
            snapshot = warehouse.load_snapshot(id_)
            if snapshot.versions == manifest.upstream:
                return snapshot
    return warehouse.snapshot(sorted({key.split("/")[0] for key in manifest.upstream}))
