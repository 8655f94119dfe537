"""A model made ready for a stage: its attention, its layers, and what an average token costs it.

What lives here: what is done to a model before TRL sees it. What does not: loading it (`loading`), its memory
(`preflight`), training it.
"""
# torch and transformers are typed in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import Any

import torch
from transformers.modeling_layers import GradientCheckpointingLayer

from codeio_assets.core.settings.recipes import StageRecipe
from codeio_assets.training.contract import TrainingError
from codeio_assets.training.process import attention
from codeio_assets.training.process.packing import samples_are_isolated


def kernel_of(config: Any, stage: StageRecipe, *, on_gpu: bool) -> str:
    """Return transformers' name of the attention kernel that a stage gets with a model."""
    attention.register()
    capped = bool(getattr(config.get_text_config(), "attn_logit_softcapping", None))
    return attention.NAMES[attention.choose(stage, soft_capped=capped, on_gpu=on_gpu)]


def make_ready(model: Any, stage: StageRecipe) -> Any:
    """Check and compile a model for a stage, and return it.

    Raises:
        TrainingError: samples in one sequence would see each other.
    """
    if (stage.packing or stage.padding_free) and not samples_are_isolated(model):
        raise TrainingError(
            f"packing and padding_free would let samples see each other with the attention back end "
            f"{model.config._attn_implementation!r}. Set both to false, or choose another attention."
        )
    if stage.compile:
        for layer in layers(model):
            layer.forward = torch.compile(layer.forward, dynamic=True)
    return model


def layers(model: Any) -> list[Any]:
    """Return a model's decoder layers."""
    return [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]


def matrix_weights(model: Any) -> tuple[int, int, int]:
    """Return weights in matrices that a token passes, those of the output matrix, and layers x heads x their size.

    Of a mixture of experts, only as many experts count as a token is sent to.
    """
    config = model.config.get_text_config()
    head = model.get_output_embeddings().weight
    table = model.get_input_embeddings().weight
    inner = sum(
        part.numel() for part in model.parameters() if part.dim() >= 2 and part is not head and part is not table
    )
    inner -= _idle_experts(model, config)
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    return inner, head.numel(), config.num_hidden_layers * heads * size


def _idle_experts(model: Any, config: Any) -> int:
    routed = getattr(config, "n_routed_experts", None) or getattr(config, "num_experts", None) or 0
    used = getattr(config, "num_experts_per_tok", None) or 0
    if not routed or not used:
        return 0
    named = (part for name, part in model.named_parameters() if ".experts." in name and part.dim() >= 2)
    return int(sum(part.numel() for part in named) * (1 - used / routed))
