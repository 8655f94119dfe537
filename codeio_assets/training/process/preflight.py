"""Before the first step: whether the devices are there that the launch wants, and the memory that the stage needs.

What does not live here: the arithmetic (`training.memory`), and the token audit (`training.tokenised.audit`).
"""
# transformers is typed in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from transformers import AutoModelForCausalLM

from codeio_assets.core.settings.recipes import Lora, StageRecipe
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.launching import gpus_per_machine
from codeio_assets.training.memory import (
    MemoryEstimate,
    ModelShape,
    Placement,
    estimate,
    largest_micro_batch,
    too_large,
)
from codeio_assets.training.process.loading import load_config
from codeio_assets.training.tokenised.chat import told

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


def placement(processes: int) -> Placement:
    """Return how a stage runs here, by its launch."""
    return Placement(
        shards=shard_count(processes),
        on_gpu=not on_cpu(),
        resharded=os.environ.get("FSDP_RESHARD_AFTER_FORWARD", "true").lower() == "true",
    )


def model_shape(source: str, options: dict[str, Any], lora: Lora | None) -> ModelShape:
    """Return a model's shape from its configuration alone; no weights are read."""
    config = load_config(source, options)
    models: Any = AutoModelForCausalLM
    with told(source), torch.device("meta"):
        model = models.from_config(config)
    return shape_of(model, lora)


def shape_of(model: Any, lora: Lora | None) -> ModelShape:
    """Return a model's shape; it may be on no device at all."""
    text = model.config.get_text_config()
    parameters = sum(weight.numel() for weight in model.parameters())
    heads = text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // heads
    return ModelShape(
        parameters=parameters,
        trained=parameters if lora is None else _adapter_weights(model, lora),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=_intermediate(text),
        vocabulary=text.vocab_size,
        key_value=size * (getattr(text, "num_key_value_heads", None) or heads),
    )


def _intermediate(text: Any) -> int:
    experts = getattr(text, "moe_intermediate_size", None)
    if experts:
        return experts * (text.num_experts_per_tok + (getattr(text, "n_shared_experts", None) or 0))
    return getattr(text, "intermediate_size", None) or 4 * text.hidden_size


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


def check_memory(
    shape: ModelShape, stage: StageRecipe, processes: int, tokens: int
) -> tuple[MemoryEstimate, str | None]:
    """Return what a stage needs here, and what is wrong if that is more than there is.

    Args:
        shape: of the model.
        stage: that shall train it.
        processes: of the launch.
        tokens: of the largest forward pass of a process.

    Raises:
        TrainingError: LoRA together with sharding, whose adapters cannot be merged.
    """
    place = placement(processes)
    if stage.lora and place.shards > 1:
        raise TrainingError("lora cannot be merged from a sharded model. Use a launch without FSDP, or remove lora.")
    needed = estimate(shape, stage, tokens, place)
    free, where = free_memory()
    return needed, too_large(needed, free, where, stage, place.shards)


def room_for_more(
    shape: ModelShape, stage: StageRecipe, processes: int, larger: Sequence[tuple[int, int]]
) -> str | None:
    """Return which larger `per_device_batch_size` would fit too, for people; None when the stage uses what there is.

    Args:
        shape: of the model.
        stage: that shall train it.
        processes: of the launch.
        larger: sizes, and the tokens of their largest forward pass.
    """
    if on_cpu():
        return None
    found = largest_micro_batch(shape, stage, placement(processes), free_memory()[0], larger)
    if found is None:
        return None
    return f"there is memory for per_device_batch_size: {found} (it is {stage.per_device_batch_size}), which is faster."
