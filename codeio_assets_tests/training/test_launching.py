import sys
from pathlib import Path

import pytest

from codeio_assets.core.settings.recipes import load_recipes
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.launching import FOLDER, build_command, gpus_per_machine, training_environment

LAUNCHES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
PROCESSES = {"cpu": 1, "cpu_2": 2, "gpu_1": 1, "gpu_8_fsdp2": 8, "gpu_16_fsdp2_2_machines": 16}
RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.mark.parametrize("launch", LAUNCHES)
def test_accelerate_reads_each_configuration(launch: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(FOLDER / f"{launch}.yaml"))
    assert config.num_processes == PROCESSES[launch]
    assert gpus_per_machine(launch) == {"gpu_1": 1, "gpu_8_fsdp2": 8, "gpu_16_fsdp2_2_machines": 8}.get(launch, 0)


def test_the_command_runs_the_script_under_accelerate() -> None:
    command = build_command("cpu", Path("job.json"), ("--machine_rank", "1"))
    assert command[:3] == [sys.executable, "-m", "accelerate.commands.launch"]
    assert command[-4:] == ["--module", "codeio_assets.training.process.sft", "--job", "job.json"]
    assert command.index("--machine_rank") < command.index("--module")


def test_an_unknown_launch_names_the_known_ones() -> None:
    with pytest.raises(TrainingError, match=r"'tpu'.*cpu, cpu_2, gpu_1"):
        build_command("tpu", Path("job.json"))


def test_each_shipped_recipe_can_be_launched() -> None:
    assert {recipe.launch for recipe in load_recipes(RECIPES).values()} <= set(LAUNCHES)


def test_training_sees_the_devices_that_it_is_given() -> None:
    assert "CUDA_VISIBLE_DEVICES" not in training_environment()
    assert training_environment("2,3")["CUDA_VISIBLE_DEVICES"] == "2,3"
