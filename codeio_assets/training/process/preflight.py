"""Before the first step: whether the devices are there that the launch wants, and the memory that the stage needs.

What does not live here: the arithmetic (`memory`), and the token audit (`audit`).
"""
# transformers is typed in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import os
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import AutoModelForCausalLM

from codeio_assets.core.settings.recipes import Lora, StageRecipe
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.launching import gpus_per_machine
from codeio_assets.training.memory import MemoryEstimate, ModelShape, estimate, too_large
from codeio_assets.training.process.loading import load_config, told

CGROUP = Path("/sys/fs/cgroup")


def on_cpu() -> bool:
    """Tell whether training runs on a CPU: by its launch, or because there is no GPU."""
    by_launch = os.environ.get("ACCELERATE_USE_CPU", "").lower() in {"1", "true", "yes"}
    return by_launch or not torch.cuda.is_available()


def require_devices(launch: str) -> None:
    """Refuse to train on a CPU what was launched for GPUs; a run by hand takes what there is.

    Raises:
        TrainingError: the launch wants GPUs and there are none.
    """
    launched = "ACCELERATE_MIXED_PRECISION" in os.environ  # set by `accelerate launch`, whatever its value
    if launched and gpus_per_machine(launch) and not torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        seen = f" (CUDA_VISIBLE_DEVICES is {visible!r})" if visible is not None else ""
        raise TrainingError(
            f"launch {launch} wants GPUs, and torch sees none here{seen}. Set launch: cpu, or add them."
        )


def shard_count(processes: int) -> int:
    """Return over how many processes the model is divided."""
    return processes if os.environ.get("ACCELERATE_USE_FSDP", "").lower() == "true" else 1


def model_shape(source: str, options: dict[str, Any], lora: Lora | None) -> ModelShape:
    """Return a model's shape from its configuration alone; no weights are read."""
    config = load_config(source, options)
    models: Any = AutoModelForCausalLM
    with told(source), torch.device("meta"):
        model = models.from_config(config)
    text = config.get_text_config()
    parameters = sum(weight.numel() for weight in model.parameters())
    return ModelShape(
        parameters=parameters,
        trained=parameters if lora is None else _adapter_weights(model, lora),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=getattr(text, "intermediate_size", None) or 4 * text.hidden_size,
        vocabulary=text.vocab_size,
    )


def _adapter_weights(model: Any, lora: Lora) -> int:
    head = model.get_output_embeddings()
    linear = [part for part in model.modules() if isinstance(part, torch.nn.Linear) and part is not head]
    return sum(lora.rank * (part.in_features + part.out_features) for part in linear)


def free_memory() -> tuple[int, str]:
    """Return the bytes that this process may take, and of what."""
    if not on_cpu():
        return int(torch.cuda.mem_get_info()[0]), torch.cuda.get_device_name()
    beside = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    free = min([psutil.virtual_memory().available, *_cgroup_free()])
    return free // beside, "this machine" if beside == 1 else f"each of {beside} processes on this machine"


def _cgroup_free() -> list[int]:
    try:
        limit, used = ((CGROUP / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return []
    return [] if limit == "max" else [max(0, int(limit) - int(used))]


def check_memory(shape: ModelShape, stage: StageRecipe, processes: int) -> tuple[MemoryEstimate, str | None]:
    """Return what a stage needs here, and what is wrong if that is more than there is.

    Raises:
        TrainingError: LoRA together with sharding, whose adapters cannot be merged.
    """
    shards = shard_count(processes)
    if stage.lora and shards > 1:
        raise TrainingError("lora cannot be merged from a sharded model. Use a launch without FSDP, or remove lora.")
    needed = estimate(shape, stage, shards=shards, bf16=not on_cpu())
    free, where = free_memory()
    return needed, too_large(needed, free, where, stage, shards)
