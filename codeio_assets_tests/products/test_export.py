import json
from pathlib import Path

import datasets
import polars as pl
import polars.selectors as cs
import pytest

from codeio_assets.core.settings.project import Split
from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.products.export import export_training_set, push
from codeio_assets.project import Project
from codeio_assets.steps.training_sets import Assembly, assemble, pin_name
from codeio_assets.store import StoreError, Warehouse
from codeio_assets_tests.steps.answered_tasks import LEAKAGE, PHRASES, RIGHT, WRONG, Task, fill, recipe

OF = recipe({1: {"codeio": 1.0}, 2: {"instruction": 1.0}}, licenses={"allow": ["mit"]})
SQL = Project.find().sql


def built(warehouse: Warehouse, of: Recipe = OF, name: str = "r") -> Warehouse:
    """Commit the training set of a recipe as its asset does."""
    snapshot = warehouse.snapshot(set(warehouse.assets()) - {"training_sets"})
    warehouse.pin(pin_name(name, snapshot), snapshot)
    result = assemble(
        Assembly.of(of, warehouse, snapshot, SQL, phrases=PHRASES, split=Split(validation_ratio=0.3), leakage=LEAKAGE)
    )
    info = {"dropped_by_reason": result.dropped_by_reason}
    warehouse.write("training_sets", name, result.streams, upstream=snapshot.versions, info=info)
    return warehouse


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Warehouse, Path]:
    base = tmp_path_factory.mktemp("export")
    tasks = [Task(n, turns=[WRONG, RIGHT], license="gpl-3.0" if n % 5 == 0 else "mit") for n in range(30)]
    warehouse = built(fill(base / "warehouse", tasks, conversations=6))
    return warehouse, export_training_set(warehouse, OF, SQL, base / "out" / "set")


def test_datasets_opens_the_folder(exported: tuple[Warehouse, Path], tmp_path: Path) -> None:
    warehouse, folder = exported
    stage1 = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))
    stage2 = datasets.load_dataset(str(folder), "stage2", cache_dir=str(tmp_path))
    rows = warehouse.read("training_sets", "r")
    for stage, opened in ((1, stage1), (2, stage2)):
        expected = rows.filter(pl.col("stage") == stage).group_by("split").len().rows()
        assert {name: len(split) for name, split in opened.items()} == dict(expected)
    sample = stage1["train"][0]
    original = rows.filter(pl.col("sample_id") == sample["sample_id"]).row(0, named=True)
    assert [dict(message) for message in sample["prompt"]] == json.loads(original["prompt_json"])
    assert sample["completion"] == [{"role": "assistant", "content": original["completion"]}]
    assert {name: sample[name] for name in ("turn_1", "feedback_2", "license", "group_id")} == {
        name: original[name] for name in ("turn_1", "feedback_2", "license", "group_id")
    }


def test_the_lines_are_the_same_rows(exported: tuple[Warehouse, Path]) -> None:
    _, folder = exported
    for parquet in sorted((folder / "data").rglob("*.parquet")):
        lines = folder / "jsonl" / parquet.parent.name / f"{parquet.stem}.jsonl"
        rows = pl.read_parquet(parquet, hive_partitioning=False)
        assert rows.with_columns(cs.string().fill_null("")).to_dicts() == [
            json.loads(line) for line in lines.read_text().splitlines()
        ]


def test_the_card_tells_counts_licences_and_what_was_left_out(exported: tuple[Warehouse, Path]) -> None:
    warehouse, folder = exported
    card = (folder / "README.md").read_text()
    manifest = warehouse.manifest("training_sets", "r")
    assert manifest is not None
    assert card.startswith("---\nlicense: mit\n")
    for part in (
        manifest.version,
        "| s | mit | 24 | 24 |",
        r"| license\_not\_allowed | 6 |",
        "raw files",
        "Known limits",
    ):
        assert part in card
    assert next(iter(warehouse.pins().values())) in card


def test_a_folder_that_holds_something_is_left_alone(exported: tuple[Warehouse, Path], tmp_path: Path) -> None:
    warehouse, _ = exported
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(StoreError, match="exists and is not empty"):
        export_training_set(warehouse, OF, SQL, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_missing_training_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"training_sets\[r\] is missing: materialise it first"):
        export_training_set(Warehouse(tmp_path), OF, SQL, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pushing_needs_a_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(StoreError, match="set HF_TOKEN"):
        push(tmp_path, "me/set")
