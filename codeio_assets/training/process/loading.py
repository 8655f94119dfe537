"""Loading a model: whatever is wrong with the files is one line that is final.

What lives here: what transformers and safetensors raise, and what they let pass (an encoder-decoder, weights that are
missing, tokens without embedding). What does not: where a model comes from (`training.base_models`), its tokenizer
(`tokenised.chat`), training it (`trainer`).
"""
# transformers is typed in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from codeio_assets.training.contract import TrainingError
from codeio_assets.training.tokenised.chat import ADVICE, told


def load_config(source: str, options: dict[str, Any]) -> Any:
    """Return the configuration of a causal language model.

    Raises:
        TrainingError: there is none that transformers knows, or it is an encoder-decoder.
    """
    configs: Any = AutoConfig
    with told(source):
        config = configs.from_pretrained(source, **options)
    if getattr(config, "is_encoder_decoder", False):
        raise TrainingError(
            f"cannot load {source}: {config.model_type} is an encoder-decoder, and training wants a decoder (a causal "
            "language model). Choose another base_model."
        )
    return config


def load_model(source: str, dtype: torch.dtype, options: dict[str, Any]) -> Any:
    """Return a model with all of its weights.

    Raises:
        TrainingError: a file is damaged or missing, or the files lack weights that the configuration wants.
    """
    load_config(source, {name: value for name, value in options.items() if name == "revision"})
    models: Any = AutoModelForCausalLM
    with told(source):
        model, info = models.from_pretrained(source, dtype=dtype, output_loading_info=True, **options)
    if missing := sorted(info["missing_keys"]):
        raise TrainingError(
            f"cannot load {source}: its files lack {len(missing)} weights of the model, the first is {missing[0]}; "
            f"they would be random. {ADVICE}"
        )
    return model


def require_embeddings(model: Any, tokenizer: Any, highest: tuple[int, str], source: str) -> None:
    """Refuse rows with a token that the model has no embedding for: the device would fail in the middle of training.

    Args:
        model: that is trained.
        tokenizer: of it.
        highest: the greatest token id of all rows, and the id of a row that has it.
        source: where the model comes from.

    Raises:
        TrainingError: names the row and the token.
    """
    size = int(model.get_input_embeddings().weight.shape[0])
    pad = tokenizer.pad_token_id or 0
    if max(highest[0], pad) < size:
        return
    token, where = (highest[0], f"row {highest[1]}") if highest[0] >= size else (pad, "the padding")
    text = tokenizer.convert_ids_to_tokens(token)
    raise TrainingError(
        f"{source} has {size} embeddings, and token {token} ({text!r}) of {where} has none: model and tokenizer do not "
        "belong together. Resize the embeddings, or use the model's own tokenizer."
    )
