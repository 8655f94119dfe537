"""Loading a model and its tokenizer: whatever is wrong with the files is one line that is final.

What lives here: one boundary around what transformers, safetensors and tokenizers raise, and what they let pass (an
encoder-decoder, weights that are missing, tokens without embedding).
What does not: where a model comes from (`training.base_models`), training it (`trainer`).
"""
# transformers is typed in part:
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from codeio_assets.training.contract import TrainingError
from codeio_assets.training.process.audit import RowTokens

ADVICE = "Check base_model and revision, or fetch the model again."


@contextmanager
def told(what: str) -> Generator[None]:
    """Turn whatever a broken model or tokenizer raises into one line; what the machine lacks passes.

    Raises:
        TrainingError: in place of anything else.
    """
    try:
        yield
    except (TrainingError, MemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        if isinstance(error, RuntimeError) and ("out of memory" in lines[0] or "can't allocate memory" in lines[0]):
            raise
        raise TrainingError(f"cannot load {what}: {lines[0].rstrip('.')}. {ADVICE}") from error


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


def load_tokenizer(source: str, options: dict[str, Any]) -> Any:
    """Return a tokenizer that turns text into tokens.

    Raises:
        TrainingError: there is none, or it is damaged.
    """
    tokenizers: Any = AutoTokenizer
    with told(f"the tokenizer of {source}"):
        tokenizer = tokenizers.from_pretrained(source, **options)
        tokens = tokenizer("def f(a): return a")["input_ids"]
    if not tokens or set(tokens) <= {tokenizer.unk_token_id}:
        raise TrainingError(f"cannot load the tokenizer of {source}: it knows no token of plain code. {ADVICE}")
    return tokenizer


def require_embeddings(model: Any, tokenizer: Any, rows: Iterable[RowTokens], source: str) -> None:
    """Refuse rows with a token that the model has no embedding for: the device would fail in the middle of training.

    Raises:
        TrainingError: names the row and the token.
    """
    size = int(model.get_input_embeddings().weight.shape[0])
    row = max(rows, key=lambda row: row.highest_token, default=None)
    pad = tokenizer.pad_token_id or 0
    if row is None or max(row.highest_token, pad) < size:
        return
    token, where = (row.highest_token, f"row {row.sample_id}") if row.highest_token >= size else (pad, "the padding")
    text = tokenizer.convert_ids_to_tokens(token)
    raise TrainingError(
        f"{source} has {size} embeddings, and token {token} ({text!r}) of {where} has none: model and tokenizer do not "
        "belong together. Resize the embeddings, or use the model's own tokenizer."
    )
