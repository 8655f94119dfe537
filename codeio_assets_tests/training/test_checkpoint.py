from dataclasses import replace
from pathlib import Path

import pytest

from codeio_assets.core.settings.recipes import Recipe
from codeio_assets.training.checkpoint import (
    COMPLETE_FILE,
    check_parent,
    checkpoint_sha256,
    damaged_files,
    hash_files,
    job_key,
    prepare_work,
    publish,
)
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.tokenised.samples import data_sha256
from codeio_assets_tests.training.conftest import training_row, write_rows


def saved(work: Path, step: int, complete: bool = True) -> Path:
    folder = work / f"checkpoint-{step}"
    folder.mkdir()
    if complete:
        (folder / COMPLETE_FILE).touch()
    return folder


def test_only_the_last_complete_checkpoint_is_resumed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    assert prepare_work(work, "key") is None
    saved(work, 2)
    tenth, half_written = saved(work, 10), saved(work, 12, complete=False)
    assert prepare_work(work, "key") == tenth
    assert not half_written.exists()


def test_the_work_of_another_job_is_not_resumed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    prepare_work(work, "one job")
    saved(work, 2)
    assert prepare_work(work, "another") is None
    assert not (work / "checkpoint-2").exists()


def test_publishing_replaces_a_checkpoint_whole(tmp_path: Path) -> None:
    output = tmp_path / "stage1"
    for content in ("old", "new"):
        final = tmp_path / "final"
        final.mkdir()
        (final / content).write_text(content)
        publish(final, output)
    assert [path.name for path in output.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["stage1"]


def test_identity_is_what_decides_the_weights(make_job) -> None:
    def key(job, data: str = "d", parent: str | None = None) -> str:
        return job_key(job, Recipe.model_validate(job.recipe), data, parent)

    job = make_job()
    same = replace(job, run_info={"run_id": "r2"}, output_dir="elsewhere", data_versions={})
    assert key(same) == key(job)
    others = [key(make_job(seed=1)), key(make_job(2)), key(job, data="e"), key(job, parent="p")]
    assert len({key(job), *others}) == 5


def test_card_log_and_manifest_do_not_change_a_checkpoints_identity() -> None:
    weights = {"model.safetensors": "1"}
    assert checkpoint_sha256({**weights, "README.md": "2", "training_log.jsonl": "3"}) == checkpoint_sha256(weights)
    assert checkpoint_sha256({"model.safetensors": "2"}) != checkpoint_sha256(weights)


def test_data_is_identified_by_its_texts_and_not_by_its_files(make_job, tmp_path: Path) -> None:
    first, second = training_row(1, "train", "a", "b"), training_row(1, "train", "c", "d")
    other_stage = training_row(2, "train", "e", "f")
    one = make_job(data=write_rows(tmp_path / "one.parquet", [first, second]))
    reordered = make_job(data=write_rows(tmp_path / "two.parquet", [other_stage, second, first]))
    changed = make_job(data=write_rows(tmp_path / "three.parquet", [first, {**second, "completion": "D"}]))
    assert data_sha256(one) == data_sha256(reordered) != data_sha256(changed)


def test_missing_data_is_refused(make_job, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"gone\.parquet"):
        data_sha256(make_job(data=tmp_path / "gone.parquet"))


def test_stage_2_needs_its_parent_and_stage_1_has_none(make_job, tmp_path: Path) -> None:
    for job, problem in (
        (make_job(2), "give the checkpoint as parent"),
        (make_job(2, parent=str(tmp_path)), "not a finished checkpoint"),
        (make_job(1, parent=str(tmp_path)), "starts from the base model"),
    ):
        with pytest.raises(TrainingError, match=problem):
            check_parent(job, Recipe.model_validate(job.recipe))


def test_scores_that_are_added_to_the_card_damage_nothing(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# A model")
    (tmp_path / "config.json").write_text("{}")
    files = hash_files(tmp_path)
    (tmp_path / "README.md").write_text("# A model\n\n## Benchmarks")
    assert damaged_files(tmp_path, files) == []
    (tmp_path / "config.json").write_text("{ }")
    (tmp_path / "README.md").unlink()
    assert damaged_files(tmp_path, files) == ["README.md", "config.json"]
