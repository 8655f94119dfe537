"""Attention that keeps samples of one sequence apart: torch's variable-length kernel, and which kernel a stage gets.

What lives here: an attention function registered with transformers, and the choice. What does not: whether samples see
each other on a given model, which is tried (`packing`).

torch carries a flash kernel for sequences that lie end to end (torch.nn.attention.varlen), so packed and padding-free
batches need no package beside it. On a CPU the same function goes from sample to sample.
"""
# torch and transformers are typed in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportCallIssue=false, reportArgumentType=false

import inspect
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, flash_attention_mask
from transformers.utils.import_utils import is_flash_attn_2_available

from codeio_assets.core.settings.recipes import Attention, StageRecipe
from codeio_assets.training.contract import TrainingError

VARLEN = "torch_varlen"
NAMES: dict[str, str] = {
    "sdpa": "sdpa",
    "eager": "eager",
    "varlen": VARLEN,
    "flex": "flex_attention",
    "flash": "flash_attention_2",
}
"""A recipe's `attention` -> transformers' name."""
HONOUR_SOFT_CAP = ("eager", "flex", "flash")
"""Kernels that squash attention scores as Gemma 2 wants it; the others leave it out without a word."""


def register() -> None:
    """Make the kernel known to transformers; calling it again changes nothing."""
    AttentionInterface.register(VARLEN, varlen_attention)
    AttentionMaskInterface.register(VARLEN, flash_attention_mask)


def choose(stage: StageRecipe, *, soft_capped: bool, on_gpu: bool) -> Attention:
    """Return the kernel of a stage: its own, or for `auto` the fastest that is here and right for it.

    Raises:
        TrainingError: the stage names one that is not installed, or that leaves out the model's soft cap.
    """
    together = stage.packing or stage.padding_free
    wanted = stage.attention
    if wanted == "auto":
        if together and on_gpu and is_flash_attn_2_available():
            return "flash"
        if soft_capped:
            return "flex" if on_gpu else "eager"
        return "varlen" if together else "sdpa"
    if soft_capped and wanted not in HONOUR_SOFT_CAP:
        raise TrainingError(
            f"attention: {wanted} leaves out the soft cap of this model's attention scores. Use one of "
            f"{', '.join(HONOUR_SOFT_CAP)}, or auto."
        )
    if wanted == "flash" and not is_flash_attn_2_available():
        raise TrainingError("attention: flash needs the package flash-attn and a GPU. Install it, or set auto.")
    return wanted


def varlen_attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attend causally within each sample, as transformers calls it.

    Args:
        module: the attention layer; not used.
        query: (batch, heads, seq, dim).
        key: (batch, key heads, seq, dim).
        value: as `key`.
        attention_mask: None: samples are told apart by their bounds, not by a mask.
        scaling: of the scores; None divides by the root of `dim`.
        sliding_window: tokens that a token sees, itself included; None for all before it.
        options: `cu_seq_lens_q` and `max_length_q` where the batch has them, else `position_ids`.

    Returns:
        (batch, seq, heads, dim), and no weights.
    """
    if attention_mask is not None:
        raise NotImplementedError("the variable-length kernel takes no padded batches: set padding_free or packing")
    if query.device.type != "meta" and torch.is_autocast_enabled(query.device.type):
        kind = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(kind), key.to(kind), value.to(kind)
    batch, _, length, _ = query.shape
    bounds, longest = _bounds(batch, length, query.device, options)
    flat = [part.transpose(1, 2).flatten(0, 1) for part in (query, key, value)]
    attend = _kernel if query.is_cuda else _sample_by_sample
    out = attend(*flat, bounds, longest, scaling=scaling, window=sliding_window)
    return out.unflatten(0, (batch, length)), None


def _bounds(batch: int, length: int, device: Any, options: dict[str, Any]) -> tuple[torch.Tensor, int]:
    """Return where samples begin and end in the flattened batch, int32 (samples + 1,), and the longest one's length."""
    if options.get("cu_seq_lens_q") is not None:
        return options["cu_seq_lens_q"], options["max_length_q"]
    positions = options.get("position_ids")
    if positions is None:
        return torch.arange(0, (batch + 1) * length, length, dtype=torch.int32, device=device), length
    starts = (positions.expand(batch, -1).flatten() == 0).nonzero().flatten()
    end = torch.tensor([batch * length], device=device)
    return torch.cat([starts, end]).to(torch.int32), length


def _kernel(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    longest: int,
    *,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    from torch.nn.attention.varlen import varlen_attn

    options: dict[str, Any] = {"scale": scaling, "window_size": (-1 if window is None else window - 1, 0)}
    if NAMES_GROUPS:
        options["enable_gqa"] = query.shape[1] != key.shape[1]
    spare = query.shape[-1] - value.shape[-1]  # latent attention, as DeepSeek's; the kernel knows one size only
    padded = torch.nn.functional.pad(value, [0, spare]) if spare else value
    out: Any = varlen_attn(query, key, padded, bounds, bounds, longest, longest, **options)
    return out[..., : value.shape[-1]]


def _names_groups() -> bool:
    """Tell whether torch wants to be told of grouped heads; up to 2.11 it takes them unsaid."""
    from torch.nn.attention.varlen import varlen_attn

    return "enable_gqa" in inspect.signature(varlen_attn).parameters


NAMES_GROUPS = _names_groups()


def _sample_by_sample(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    bounds: torch.Tensor,
    longest: int,
    *,
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    edges: list[int] = bounds.tolist()
    parts = [
        _one_sample(query[start:end], key[start:end], value[start:end], scaling, window)
        for start, end in pairwise(edges)
    ]
    return torch.cat(parts)


def _one_sample(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float | None, window: int | None
) -> torch.Tensor:
    options: dict[str, Any] = {"scale": scaling, "enable_gqa": query.shape[1] != key.shape[1]}
    if window is None or window >= len(query):
        options["is_causal"] = True
    else:
        ones = torch.ones(len(query), len(query), dtype=torch.bool, device=query.device)
        options["attn_mask"] = ones.tril().triu(1 - window)
    heads_first = [part.transpose(0, 1)[None] for part in (query, key, value)]
    return scaled_dot_product_attention(*heads_first, **options)[0].transpose(0, 1)
