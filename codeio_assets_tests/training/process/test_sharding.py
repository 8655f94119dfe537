"""FSDP2 as the launches for GPUs have it, on processes of CPUs: same losses, sharded state, another number of them."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml

from codeio_assets.training.checkpoint import COMPLETE_FILE
from codeio_assets.training.contract import TrainingResult
from codeio_assets.training.launching import FOLDER

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(job, folder: Path, processes: int) -> subprocess.Popen:
    """Start a job under gpu_8_fsdp2, but for what needs GPUs, and as many processes as are asked for."""
    config = yaml.safe_load((FOLDER / "gpu_8_fsdp2.yaml").read_text())
    config |= {"use_cpu": True, "num_processes": processes, "mixed_precision": "no"}
    config["fsdp_config"]["fsdp_cpu_ram_efficient_loading"] = False
    file = folder / f"launch_{processes}.yaml"
    file.write_text(yaml.safe_dump(config))
    script = ["--module", "codeio_assets_tests.training.process.sharded", "--job", str(job.write(folder / "job.json"))]
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(file)]
    command = [*launch, "--main_process_port", "0", *script]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)


@pytest.mark.slow
@pytest.mark.timeout(1800)  # six processes, each of which imports torch
def test_a_sharded_run_that_is_killed_goes_on_with_another_number_of_processes(make_job, tmp_path: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from codeio_assets.training.process.trainer import run_job

    options = {"global_batch_size": 6, "max_steps": 4, "checkpoint_every_steps": 2, "padding_free": True}
    alone = run_job(make_job(out="alone", **options), lambda _: None)
    job = make_job(out="sharded", **options)
    process = start(job, tmp_path, 2)
    saved = tmp_path / "sharded.work" / "checkpoint-2"
    while not (saved / COMPLETE_FILE).is_file() and process.poll() is None:
        time.sleep(0.02)
    for worker in psutil.Process(process.pid).children(recursive=True):  # torchrun starts them in sessions of their own
        worker.kill()
    process.wait()
    shards = sorted(path.name for path in (saved / "pytorch_model_fsdp_0").glob("*.distcp"))
    assert shards == ["__0_0.distcp", "__1_0.distcp"]
    shutil.rmtree(tmp_path / "sharded.work" / "checkpoint-4", ignore_errors=True)
    assert start(job, tmp_path, 3).wait() == 0
    result = TrainingResult.read(Path(job.output_dir))
    assert (result.resumed_from_step, result.steps) == (2, 4)
    expected = [loss for _, loss in alone.train_losses]
    assert [loss for _, loss in result.train_losses] == pytest.approx(expected, rel=1e-3)
    assert result.loss_after == pytest.approx(alone.loss_after, rel=1e-3)

    files = sorted(path.name for path in Path(job.output_dir).glob("*.safetensors"))
    assert len(files) > 1, "it is gathered file by file"
    written, report = AutoModelForCausalLM.from_pretrained(job.output_dir, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    whole = AutoModelForCausalLM.from_pretrained(alone.output_dir)
    assert written.config.to_dict() | {"_name_or_path": ""} == whole.config.to_dict() | {"_name_or_path": ""}
    base = AutoModelForCausalLM.from_pretrained(job.recipe["base_model"])
    for name, weight in whole.state_dict().items():
        apart, learnt = (torch.linalg.norm(weight - other.state_dict()[name]) for other in (written, base))
        print(name, apart, learnt)
        assert apart < learnt / 2, name
