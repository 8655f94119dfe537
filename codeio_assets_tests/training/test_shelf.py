"""Checkpoints on the shelf: what is listed, kept and removed, and what is wrong with one."""

import json
import os
from pathlib import Path

import polars as pl
import pytest

from codeio_assets.core.values.canonical import content_id
from codeio_assets.training import shelf
from codeio_assets.training.checkpoint import hash_files, publish
from codeio_assets.training.contract import Failure, Manifest, TrainingError, TrainingResult
from codeio_assets.training.inspection import (
    functions_on_both_sides,
    generation_problems,
    loss_problems,
    manifest_problems,
)

FILES = ("config.json", "generation_config.json", "tokenizer.json", "README.md", "training_log.jsonl")


def make(folder: Path, name: str = "demo/stage1") -> tuple[Path, str]:
    """A folder that looks like a finished checkpoint."""
    path = folder / name
    path.mkdir(parents=True)
    for file in (*FILES, "model.safetensors"):
        (path / file).write_text(f"{file} of {name}")
    sha = content_id(of=name)
    result = TrainingResult(
        status="trained", output_dir=str(path), checkpoint_sha256=sha, recipe="demo", stage=1, steps=4, train_rows=8,
        validation_rows=2, loss_before=2.0, loss_after=1.5, train_losses=((1, 2.0), (4, 1.5)), tokens_seen=100,
        tokens_per_s=1.0, wall_time_s=100.0, peak_memory_bytes=1, mfu=None, resumed_from_step=0, audit={},
    )  # fmt: skip
    known = {
        "manifest_version": 1,
        "checkpoint_sha256": sha,
        "result": result.as_json(),
        "base_model": {"name": "b"},
        "parent": {"checkpoint_sha256": None},
        "generated": {"tokens": 8},
        "files": hash_files(path),
        "finished_at": "2026-01-01T00:00:00+00:00",
    }
    (path / "manifest.json").write_text(json.dumps({**dict.fromkeys(Manifest.__required_keys__, "x"), **known}))
    return path, sha


def test_checkpoints_are_listed_by_name_with_their_facts(tmp_path: Path) -> None:
    make(tmp_path, "demo/stage2")
    path, sha = make(tmp_path)
    (tmp_path / "demo" / "stage3.work").mkdir()
    first, second = shelf.shelved(tmp_path)
    assert (first.name, second.name) == ("demo/stage1", "demo/stage2")
    assert (first.path, first.checkpoint_sha256, first.loss_after, first.pin) == (path, sha, 1.5, None)
    assert shelf.find(tmp_path, sha[:8]).name == "demo/stage1"
    with pytest.raises(KeyError, match="0 checkpoints are called 'other'; there are: demo/stage1, demo/stage2"):
        shelf.find(tmp_path, "other")


def test_what_no_table_names_goes_and_what_is_pinned_or_young_stays(tmp_path: Path) -> None:
    made = {name: make(tmp_path, f"demo/{name}") for name in ("live", "pinned", "gone")}
    shelf.pin(tmp_path, "demo/pinned", "the paper's table 3")
    leftovers = ["gone.tensorboard", "lost.work", "lost.failure.json", "live.tensorboard"]
    for name in leftovers:
        (tmp_path / "demo" / name).mkdir()
    live = {made["live"][1]}
    young = shelf.sweep(tmp_path, live, grace_s=3_600)
    assert young.removed == ()
    for path in tmp_path.rglob("*"):
        os.utime(path, (0, 0))
    told = shelf.sweep(tmp_path, live, grace_s=3_600, dry_run=True)
    assert told.removed == ("demo/gone", "demo/lost.failure.json", "demo/lost.work")
    assert told.kept_pinned == 1
    assert shelf.sweep(tmp_path, live, grace_s=3_600).removed == told.removed
    assert sorted(path.name for path in (tmp_path / "demo").iterdir()) == [
        "gone.tensorboard", "live", "live.tensorboard", "pinned",
    ]  # fmt: skip
    assert shelf.sweep(tmp_path, live, grace_s=0).removed == ("demo/gone.tensorboard",)
    shelf.unpin(tmp_path, "demo/pinned")
    assert "demo/pinned" in shelf.sweep(tmp_path, live, grace_s=0).removed


def test_a_pinned_checkpoint_steps_aside_when_it_is_trained_again(tmp_path: Path) -> None:
    path, sha = make(tmp_path)
    shelf.pin(tmp_path, "demo/stage1", "kept")
    again, _ = make(tmp_path, "demo/again")
    publish(again, path)
    assert {one.name for one in shelf.shelved(tmp_path)} == {"demo/stage1", f"demo/stage1@{sha[:12]}"}
    assert shelf.find(tmp_path, f"demo/stage1@{sha[:12]}").pin == "kept"


def test_a_whole_checkpoint_has_no_problems_and_each_loss_is_named(tmp_path: Path) -> None:
    path, sha = make(tmp_path)
    assert manifest_problems(path, sha) == []
    assert generation_problems(path) == []
    assert "holds another checkpoint" in manifest_problems(path, "f" * 64)[0]
    (path / "model.safetensors").write_text("cut")
    (path / "tokenizer.json").unlink()
    changed = ("model.safetensors", "tokenizer.json")
    assert manifest_problems(path, sha) == [f"{name} is missing or changed" for name in changed]
    manifest = json.loads((path / "manifest.json").read_text())
    del manifest["versions"], manifest["files"]["config.json"], manifest["files"]["model.safetensors"]
    (path / "manifest.json").write_text(json.dumps({**manifest, "generated": {"tokens": 0}}))
    assert manifest_problems(path, sha)[:3] == [
        "the manifest lacks versions", "config.json is not listed", "there are no weights as safetensors",
    ]  # fmt: skip
    assert "no token" in generation_problems(path)[0]
    (path / "manifest.json").unlink()
    assert "not a finished checkpoint" in manifest_problems(path, sha)[0]


NAN = float("nan")


@pytest.mark.parametrize(
    ("losses", "before", "after", "wrong", "doubtful"),
    [
        ([2.0, 1.0], 2.0, 1.0, [], []),
        ([1.0, 2.0], 2.0, 1.0, [], []),
        ([2.0, 1.0], 1.0, 1.5, [], ["held-out loss 1.0000 before, 1.5000 after"]),
        ([2.0, 1.5, 1.5, 1.0], None, None, [], []),
        ([1.0, 1.5, 1.5, 2.0], None, None, [], ["training loss 1.0000 in the first quarter, 2.0000 in the last"]),
        ([1.0], None, None, [], []),
        ([2.0, NAN], 2.0, NAN, ["loss nan", "loss nan"], []),
        ([], None, None, ["no loss was logged"], []),
    ],
)
def test_losses_must_be_numbers_and_should_fall(losses, before, after, wrong, doubtful) -> None:
    assert loss_problems(losses, before, after) == (wrong, doubtful)


def test_a_function_on_both_sides_is_found(tmp_path: Path) -> None:
    rows = [("a", "train"), ("a", "train"), ("b", "validation"), ("c", "train"), ("c", "test"), (None, "train")]
    file = tmp_path / "rows.parquet"
    pl.DataFrame(rows, schema={"function_id": pl.String, "split": pl.String}, orient="row").write_parquet(file)
    assert functions_on_both_sides([str(file)]) == ["c"]
    with pytest.raises(TrainingError, match="gone"):
        functions_on_both_sides([str(tmp_path / "lost.parquet")])


def test_the_first_failure_of_several_processes_counts(tmp_path: Path) -> None:
    output = str(tmp_path / "demo" / "stage1")
    assert Failure.read(output) is None
    Failure("out of memory", final=True).write(output)
    Failure("a consequence", final=False).write(output)
    assert Failure.read(output) == Failure("out of memory", final=True)
    Failure.clear(output)
    assert Failure.read(output) is None
