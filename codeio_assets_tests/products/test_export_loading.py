"""An exported training set in the hands of others: the real `datasets`, also streaming, in every order of files."""

from pathlib import Path

import datasets
import pytest

from codeio_assets.products.export import export_training_set
from codeio_assets.products.licenses import card_licenses, hub_license
from codeio_assets.store import StoreError
from codeio_assets_tests.products.test_export import SQL, built
from codeio_assets_tests.steps.answered_tasks import RIGHT, WRONG, Task, fill, recipe

OF = recipe({1: {"codeio": 1.0}, 2: {"instruction": 1.0}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set whose first rows have no licence and no second turn."""
    base = tmp_path_factory.mktemp("loading")
    tasks = [
        Task(n, turns=[WRONG, RIGHT] if n > 15 else [RIGHT], license=None if n < 20 else "MIT License")
        for n in range(30)
    ]
    warehouse = built(fill(base / "warehouse", tasks, conversations=6), OF)
    return export_training_set(warehouse, OF, SQL, base / "set")


def orders_of(folder: Path) -> dict[str, list[str]]:
    first, second = ([str(path) for path in sorted(folder.glob(f"jsonl/stage{n}/*.jsonl"))] for n in (1, 2))
    return {"stage 1 first": first + second, "stage 2 first": second + first, "backwards": (first + second)[::-1]}


def test_features_are_those_of_a_dataset_made_from_a_list(folder: Path, tmp_path: Path) -> None:
    opened = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))["train"]
    listed = datasets.Dataset.from_list([dict(row) for row in opened])
    assert opened.features == listed.features
    assert len(datasets.concatenate_datasets([opened, listed])) == 2 * len(opened)
    message = {"role": datasets.Value("string"), "content": datasets.Value("string")}
    assert opened.features["prompt"] == opened.features["completion"] == datasets.List(message)


def test_both_stages_align(folder: Path, tmp_path: Path) -> None:
    parts = [datasets.load_dataset(str(folder), f"stage{n}", cache_dir=str(tmp_path))["train"] for n in (1, 2)]
    assert parts[0].features == parts[1].features
    assert len(datasets.concatenate_datasets(parts)) == sum(map(len, parts))


@pytest.mark.parametrize("order", ["stage 1 first", "stage 2 first", "backwards"])
@pytest.mark.parametrize("streaming", [False, True])
def test_the_lines_of_both_stages_load_in_one_call(folder: Path, order: str, streaming: bool, tmp_path: Path) -> None:
    files = orders_of(folder)[order]
    opened = datasets.load_dataset(
        "json", data_files=files, split="train", streaming=streaming, cache_dir=str(tmp_path)
    )
    rows = list(opened)
    assert len(rows) == sum(len(Path(file).read_text().splitlines()) for file in files)
    assert {row["license"] for row in rows} == {"", "MIT License"}
    assert {type(value) for row in rows for name, value in row.items() if name not in ("prompt", "completion")} == {str}


def test_a_folder_of_lines_is_a_dataset(folder: Path, tmp_path: Path) -> None:
    opened = datasets.load_dataset(str(folder / "jsonl"), cache_dir=str(tmp_path))
    assert set(opened) == {"train", "validation"}


def test_what_is_exported_is_verified_first(tmp_path: Path) -> None:
    warehouse = built(fill(tmp_path / "warehouse", [Task(n) for n in range(4)]), OF)
    manifest = warehouse.manifest("training_sets", "r")
    assert manifest
    path = warehouse.root / manifest.tables["training_sets"].file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=f"The file {path} is damaged"):
        export_training_set(warehouse, OF, SQL, tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_the_card_has_the_hubs_identifiers(folder: Path) -> None:
    from huggingface_hub import DatasetCard

    card = DatasetCard.load(folder / "README.md")
    assert card.data.license == ["mit", "unknown"]


@pytest.mark.parametrize(
    ("stated", "identifier"),
    [
        ("MIT", "mit"), ("MIT License", "mit"), ("The MIT License", "mit"), ("Apache License 2.0", "apache-2.0"),
        ("Apache-2.0", "apache-2.0"), ("Apache License, Version 2.0", "apache-2.0"), ("GPL-3.0-or-later", "gpl-3.0"),
        ("GPLv3", "gpl-3.0"), ("BSD-3-Clause", "bsd-3-clause"), ("CC0-1.0", "cc0-1.0"), ("unknown", "unknown"),
        ("my own: ask me", "other"), ("mit-ish", "other"), ("NOASSERTION", "unknown"), ("LGPL-2.1-only", "lgpl-2.1"),
    ],
)  # fmt: skip
def test_licences_become_identifiers_of_hubs(stated: str, identifier: str) -> None:
    assert hub_license(stated) == identifier


def test_the_words_of_other_licences_are_kept() -> None:
    assert card_licenses(["MIT", "my own: ask me"]) == (["mit", "other"], ["my own: ask me"])
    assert card_licenses([]) == (["unknown"], [])
