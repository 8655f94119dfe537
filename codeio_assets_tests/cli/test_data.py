"""The commands about training sets, from their arguments to what they print."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from codeio_assets.cli.data import app
from codeio_assets.core.settings.project import SettingsError
from codeio_assets.store import Warehouse
from codeio_assets_tests.products.test_export import built
from codeio_assets_tests.steps.answered_tasks import RIGHT, WRONG, Task, fill


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A project with a training set of the recipe `demo`."""
    monkeypatch.setenv("CODEIO_HOME", str(tmp_path))
    return built(fill(tmp_path / "warehouse", [Task(1, turns=[WRONG, RIGHT]), Task(2)], conversations=2), name="demo")


def say(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_export_trace_and_diff(warehouse: Warehouse, tmp_path: Path) -> None:
    assert say("export", "demo", "--to", str(tmp_path / "out")).startswith("demo in ")
    assert (tmp_path / "out" / "data" / "stage2" / "train.parquet").is_file()
    sample = warehouse.read("training_sets", "demo").filter(kind="codeio").row(0, named=True)
    assert f"task {sample['task_id']}" in say("trace", sample["sample_id"])
    (before,) = warehouse.pins().values()
    built(fill(warehouse.root, [Task(1, turns=[WRONG, RIGHT]), Task(3)]), name="demo")
    listed = say("snapshots", "demo").splitlines()
    after = next(line.split()[0] for line in listed if not line.startswith(before[:12]))
    told = say("diff", "demo", "--snapshot", before[:10], after)
    assert "io_pairs                1 changed" in told
    assert "its function is no longer there" in told
    say("unpin", f"training_sets.demo.{before[:12]}")
    assert len(say("snapshots", "demo").splitlines()) == 1


def test_an_unknown_recipe_names_those_that_are_there(warehouse: Warehouse, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no recipe 'gone'; recipes/ has codeio_"):
        say("export", "gone", "--to", str(tmp_path / "out"))


def test_verify_names_what_is_damaged(warehouse: Warehouse) -> None:
    assert "all as they were written" in say("verify")
    manifest = warehouse.manifest("training_sets", "demo")
    assert manifest
    path = warehouse.root / manifest.tables["training_sets"].file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    result = CliRunner().invoke(app, ["verify"])
    assert result.exit_code == 1
    assert f"The file {path} is damaged" in result.output
    assert "1 damaged" in result.output
