"""How a training job is started: `accelerate launch` with a configuration file per kind of machine.

What lives here: the command line, its environment, and finding the file (`launch/<name>.yaml`, named by a recipe).
What does not: starting it, which Dagster Pipes or a person does.
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from codeio_assets.training.contract import TrainingError

FOLDER = Path(__file__).with_name("launch")


def build_command(launch: str, job_path: Path, overrides: tuple[str, ...] = ()) -> list[str]:
    """Return the command that runs a job.

    Args:
        launch: Name of a launch configuration, as in a recipe's `launch`.
        job_path: A written `TrainingJob`.
        overrides: Options of `accelerate launch` that win over the file, such as `--machine_rank 1`.

    Raises:
        TrainingError: there is no such configuration.
    """
    config = str(_file(launch))
    accelerate = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", config, *overrides]
    return [*accelerate, "--module", "codeio_assets.training.process.sft", "--job", str(job_path)]


def tokenising_command(job_paths: Iterable[Path], target: Path) -> list[str]:
    """Return the command that tokenises the rows of jobs into a folder of sets; it takes no GPU."""
    jobs = [argument for path in job_paths for argument in ("--job", str(path))]
    return [sys.executable, "-m", "codeio_assets.training.tokenised.command", *jobs, "--to", str(target)]


def tokenising_result(job_path: Path) -> Path:
    """Return where `tokenising_command` leaves the result of a job."""
    return job_path.with_suffix(".result.json")


def gpus_per_machine(launch: str) -> int:
    """Return how many GPUs a launch configuration takes on each machine; 0 for those that run on CPUs.

    Raises:
        TrainingError: there is no such configuration.
    """
    config: dict[str, int] = yaml.safe_load(_file(launch).read_text(encoding="utf-8"))
    return 0 if config["use_cpu"] else config["num_processes"] // config["num_machines"]


def processes_of(launch: str) -> int:
    """Return how many processes a launch configuration starts, over all machines.

    Raises:
        TrainingError: there is no such configuration.
    """
    config: dict[str, Any] = yaml.safe_load(_file(launch).read_text(encoding="utf-8"))
    return config["num_processes"]


def _file(launch: str) -> Path:
    config = FOLDER / f"{launch}.yaml"
    if not config.is_file():
        known = ", ".join(sorted(path.stem for path in FOLDER.glob("*.yaml")))
        raise TrainingError(f"there is no launch configuration {launch!r}. Set the recipe's launch to: {known}.")
    return config


def training_environment(devices: str | None = None) -> dict[str, str]:
    """Return the variables that training runs with, besides those it inherits: nothing is sent, no bars in logs.

    `devices` names the GPUs that it may see, as CUDA_VISIBLE_DEVICES does; None leaves that to what is inherited.
    """
    visible = {} if devices is None else {"CUDA_VISIBLE_DEVICES": devices}
    return visible | {
        "ACCELERATE_LOG_LEVEL": "ERROR",
        "TQDM_DISABLE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
    }
