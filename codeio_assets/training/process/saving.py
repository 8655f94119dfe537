"""The final weights as a checkpoint that anything opens: whole safetensors files, config and tokenizer.

What lives here: what a trained model becomes on disk, sharded or not. What does not: the states during training
(accelerate writes those), what else a finished checkpoint consists of (`checkpoint`).
"""
# accelerate, transformers and torch's checkpoints are typed in part:
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportOptionalMemberAccess=false

import json
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import split_state_dict_into_shards_factory
from safetensors.torch import save_file
from torch.distributed.checkpoint.state_dict import get_model_state_dict
from torch.distributed.tensor import DTensor
from transformers import PreTrainedTokenizerBase
from trl.trainer.sft_trainer import SFTTrainer

from codeio_assets.training.process.master_weights import MasterAdamW

MAX_FILE_BYTES = 2 << 30
"""The most that one process gathers at a time of a sharded model."""


def save_final(trainer: SFTTrainer, tokenizer: PreTrainedTokenizerBase, final: Path, *, adapted: bool) -> None:
    """Write the weights and the tokenizer; adapters are merged, so that every checkpoint is a whole model.

    All processes call this, since each of them has a part of a sharded model.
    """
    optimiser: Any = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
    if isinstance(optimiser, MasterAdamW):
        optimiser.restore()
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    sharding: Any = trainer.accelerator.state.fsdp_plugin if trainer.is_fsdp_enabled else None
    if adapted:
        if trainer.accelerator.is_main_process:
            model.merge_and_unload().save_pretrained(str(final))
            tokenizer.save_pretrained(str(final))
    elif sharding is None:
        trainer.save_model(str(final))
    elif getattr(model, "_weight_conversions", None):  # experts that are stored one by one and trained as one tensor
        sharding.set_state_dict_type("FULL_STATE_DICT")
        trainer.save_model(str(final))
    else:
        _save_by_file(model, final, trainer.accelerator.device, writes=trainer.accelerator.is_main_process)
        if trainer.accelerator.is_main_process:
            tokenizer.save_pretrained(str(final))


def _save_by_file(model: Any, final: Path, device: torch.device, *, writes: bool) -> None:
    """Gather a sharded model file by file, so that no process ever holds the whole of a large one."""
    weights = {
        name: held for name, held in get_model_state_dict(model).items() if name not in model.all_tied_weights_keys
    }
    split = split_state_dict_into_shards_factory(
        weights,
        get_storage_size=_bytes_of,
        filename_pattern="model{suffix}.safetensors",
        max_shard_size=MAX_FILE_BYTES,
    )
    if writes:
        final.mkdir(parents=True, exist_ok=True)
    for file, names in split.filename_to_tensors.items():
        whole: dict[str, torch.Tensor] = {}
        for name in names:
            tensor: Any = weights.pop(name)
            if isinstance(tensor, DTensor):
                on_device: Any = tensor.to(device)
                tensor = on_device.full_tensor()
            if writes:
                whole[name] = tensor.cpu().contiguous()
        if writes:
            save_file(whole, final / file, metadata={"format": "pt"})
    if writes:
        if split.is_sharded:
            index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
            (final / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
        model.config.dtype = str(model.dtype).removeprefix("torch.")
        model.config.save_pretrained(str(final))
        if model.can_generate():
            model.generation_config.save_pretrained(str(final))


def _bytes_of(tensor: torch.Tensor) -> int:
    return tensor.numel() * tensor.element_size()
