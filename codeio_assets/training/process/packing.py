"""Whether packed samples can see each other on this model and attention back end: tried, not assumed.

What lives here: the probe. What does not: packing itself, which TRL does.

TRL packs with padding-free batches and position ids that start again at each sample. Flash attention cuts there by
design; with other back ends it is up to the model's code to build a block-diagonal mask from the position ids.
"""

from typing import Any

import torch

TOLERANCE = 1e-3
FIRST, SECOND = 7, 9


def samples_are_isolated(model: Any) -> bool:
    """Tell whether the logits of a sample are the same alone and behind another sample in one sequence."""
    if "flash" in str(model.config._attn_implementation):
        return True
    vocabulary = model.config.get_text_config().vocab_size
    tokens = torch.arange(FIRST + SECOND, device=model.device)[None] * 31 % vocabulary
    positions = torch.cat([torch.arange(FIRST), torch.arange(SECOND)])[None].to(model.device)
    training = model.training
    model.eval()
    with torch.no_grad():
        packed = model(input_ids=tokens, position_ids=positions, use_cache=False).logits[:, FIRST:]
        alone = model(input_ids=tokens[:, FIRST:], use_cache=False).logits
    model.train(training)
    scale = alone.abs().max().clamp(min=1.0)
    return bool(((packed - alone).abs().max() / scale) < TOLERANCE)
