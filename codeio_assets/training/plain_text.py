"""Control tokens in texts: code, prompts and answers may spell `<|im_end|>` or `</s>`, and must not act as one.

What lives here: finding a tokenizer's control tokens in a text, and writing them so that they are read as plain text.
What does not: rendering conversations, whose own control tokens come from the chat template.

A blank is put after the first character: `< |im_end|>`. The model then sees characters in place of an end of turn, in
training and in evaluation alike; the stored rows stay as they are.
"""

import re
from typing import Any


def control_tokens(tokenizer: Any) -> re.Pattern[str] | None:
    """Return a pattern for the texts that a tokenizer takes for control tokens; None when it has none."""
    added: dict[int, Any] = getattr(tokenizer, "added_tokens_decoder", {})
    texts = {str(token.content) for token in added.values() if token.special}
    texts |= set(map(str, getattr(tokenizer, "all_special_tokens", ())))
    spelled = sorted((text for text in texts if len(text) > 1), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, spelled))) if spelled else None


def spelled(text: str, control: re.Pattern[str] | None) -> int:
    """Return how many control tokens a text spells."""
    return 0 if control is None else sum(1 for _ in control.finditer(text))


def made_plain(text: str, control: re.Pattern[str] | None) -> str:
    """Return a text in which no control token is spelled any more; the same object where none was."""
    if control is None:
        return text
    while control.search(text):  # taking one apart may leave another, inside it
        text = control.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
    return text


def plain_messages(messages: list[dict[str, str]], control: re.Pattern[str] | None) -> list[dict[str, str]]:
    """Return chat messages whose contents spell no control token."""
    return [{**message, "content": made_plain(message["content"], control)} for message in messages]
