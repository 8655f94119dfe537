"""Tokens of answers whose server reports no usage: counted by a tokenizer where there is one, else by characters.

What does not live here: budgets and prices (`money`), reading what servers report (`live.replies`).
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

from codeio_assets.llm.contract import ChatRequest, ChatResponse, ChatServerError

CHARS_PER_TOKEN = 3.5
"""Of code and English prose; low, so that a budget ends a run rather too early than too late."""

CountTokens = Callable[[str], int]


def by_characters(text: str) -> int:
    """Return about how many tokens a text has, at least one if it is not empty."""
    return round(len(text) / CHARS_PER_TOKEN + 0.49)


@cache
def by_tokenizer(path: Path) -> CountTokens:
    """Return the counter of a tokenizer: of a `tokenizer.json`, or of a folder that holds one.

    Raises:
        ChatServerError: there is none, or the package `tokenizers` is missing.
    """
    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(file))
    except ImportError:
        raise ChatServerError("`chat.tokenizer` needs a package: pip install tokenizers") from None
    except Exception as error:  # the package raises plain `Exception`
        raise ChatServerError(f"`chat.tokenizer`: {file} cannot be read as a tokenizer: {error}") from None
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def with_tokens(request: ChatRequest, response: ChatResponse, count: CountTokens = by_characters) -> ChatResponse:
    """Return a response whose tokens are known: as reported, or counted here and marked so."""
    if response.prompt_tokens or response.completion_tokens or response.status not in ("answered", "truncated"):
        return response
    written = (response.text, response.reasoning or "", *response.alternatives)
    return replace(
        response,
        prompt_tokens=sum(count(message.content) for message in request.messages),
        completion_tokens=sum(map(count, written)),
        tokens_estimated=True,
    )
