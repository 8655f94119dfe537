"""The chat template that both stages train with, and the token that ends a turn.

What lives here: giving base models without a template the one shipped here, and finding the end-of-turn token.
What does not: prompts (`core.prompts`).

Instruction-tuned models keep their own template; stage 2 inherits it from the stage-1 checkpoint.
"""

from pathlib import Path
from typing import Any, Literal

from codeio_assets.training.contract import TrainingError

SHIPPED_TEMPLATE = Path(__file__).with_name("chat_template.jinja")
PROBE = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]

TemplateOrigin = Literal["tokenizer", "shipped"]


def ensure_chat_template(tokenizer: Any) -> TemplateOrigin:
    """Give the tokenizer the shipped chat template if it has none; tell whose template it now has."""
    if tokenizer.chat_template:
        return "tokenizer"
    tokenizer.chat_template = SHIPPED_TEMPLATE.read_text(encoding="utf-8")
    return "shipped"


def end_of_turn(tokenizer: Any) -> str:
    """Return the token with which the template ends an assistant's turn.

    Base models often carry a chat template whose end of turn is not their end of text; a model trained with it
    must stop at the former.

    Raises:
        TrainingError: the template ends a turn with no special token, so a model could never learn to stop, or it
            is broken.
    """
    try:
        ids: list[int] = tokenizer.apply_chat_template(PROBE, return_dict=True)["input_ids"]
    except Exception as error:  # templates are programs: they raise whatever they like
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise TrainingError(
            f"the chat template is broken: {reason}. Mend chat_template in the base model's folder."
        ) from error
    special = set(tokenizer.all_special_ids)
    for token_id in ids[:-3:-1]:  # the last one, or the one before a newline
        if token_id in special:
            return tokenizer.convert_ids_to_tokens(token_id)
    tail = tokenizer.decode(ids[-4:])
    raise TrainingError(
        f"the chat template ends an assistant's turn with {tail!r}, which holds no special token. Use a template "
        f"that ends it with the tokenizer's end token."
    )
