import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from codeio_assets.training.contract import TrainingError, TrainingJob, TrainingResult, read_manifest

RESULT = TrainingResult(
    status="trained",
    output_dir="out",
    checkpoint_sha256="a" * 64,
    recipe="demo",
    stage=1,
    steps=2,
    train_rows=3,
    validation_rows=0,
    loss_before=None,
    loss_after=None,
    train_losses=((1, 2.5), (2, 2.25)),
    tokens_seen=10,
    tokens_per_s=1.5,
    mfu=0.5,
    wall_time_s=7.0,
    peak_memory_bytes=100,
    resumed_from_step=0,
    audit={"rows": 3, "untrainable_ids": []},
)


def test_jobs_and_results_survive_json(make_job, tmp_path: Path) -> None:
    job = make_job()
    assert TrainingJob.read(job.write(tmp_path / "jobs" / "job.json")) == job
    assert TrainingResult.from_json(RESULT.as_json()) == RESULT


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"data_files": []}', '{"data_files": [], "unknown": 1}'])
def test_a_file_that_is_no_job_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.json"
    path.write_text(text)
    with pytest.raises(TrainingError, match=r"job\.json is not a training job"):
        TrainingJob.read(path)


def test_a_folder_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a finished checkpoint"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text('{"manifest_version": 99}')
    with pytest.raises(TrainingError, match="version 1"):
        read_manifest(tmp_path)


def test_what_dagster_loads_imports_no_torch() -> None:
    modules = "codeio_assets.training.contract, codeio_assets.training.launching, codeio_assets.core.settings.recipes"
    code = f"import sys, {modules}; sys.exit(bool({{'torch', 'trl', 'transformers'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_results_are_records() -> None:
    assert replace(RESULT, status="reused") != RESULT
