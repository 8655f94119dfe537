"""What a server means that answers a request with 400, 403, 413, 422 or 451: this prompt, or every request.

What lives here: which codes can concern one prompt, and the words that tell a filter from a prompt that is too long.
What does not: whether the server serves other requests, which is what decides between a row and the end of the run
(`fleet` for live servers, `provider_batches.api` for the lines of a batch).
"""

import re
from typing import Literal

from codeio_assets.llm.contract import ChatServerError
from codeio_assets.llm.live.tries import Reply, TryFailed

ROW_CODES = (400, 403, 413, 422, 451)
"""With these a server can mean one prompt; 401, 402 and 404 concern every request."""
SERIES = 8
"""So many refusals in a row, when the server has answered nothing, concern every request."""

CONTEXT_EXCEEDED = "context_length_exceeded"
"""How the failure of a request begins whose prompt is too long for the model."""

Cause = Literal["filtered", "too_long", "other"]

_FILTERED = re.compile(
    r"content[ _-]?(filter|policy|policies|exists risk|management policy|moderation|safety)"
    r"|data_?inspection_?failed|inappropriate content|responsible ?ai ?policy|moderation|flagged|safety[ _]check"
    r"|usage (guidelines|policy|policies)|(sensitive|unsafe|prohibited) (content|words?)"
    r"|violat\w+ .{0,40}(polic|guideline)"
    r"|敏感|不安全|违规",
    re.IGNORECASE,
)
"""OpenAI, Azure, DeepSeek, DashScope, Zhipu, OpenRouter, xAI."""
_TOO_LONG = re.compile(
    r"context[ _-]?(length|size|window)|context_?window_?exceeded|maximum (context|prompt|input|model) length"
    r"|(prompt|input|request|messages?|conversation)s?\b.{0,80}\b(too (long|large)|longer than|exceed\w*)"
    r"|inputs?\b.{0,20} must have less than"
    r"|tokens?\b.{0,80}(too (long|large|many)|longer than|exceed\w*|must be <=)|too many (input )?tokens"
    r"|exceed\w*.{0,60}(token|context|length)|range of input length|reduce the length|max_num_tokens|超长",
    re.IGNORECASE | re.DOTALL,
)
"""vLLM, SGLang, TGI, TensorRT-LLM, llama.cpp, LiteLLM, OpenAI, Gemini, xAI, DashScope, Moonshot, Mistral, Zhipu."""


class RequestRefused(TryFailed):
    """The server will not answer this request, now or later; `end_of_run` is the error if it refuses all of them."""

    def __init__(self, code: int, detail: str, end_of_run: ChatServerError) -> None:
        super().__init__(_reason(code, detail), max_tries=1)
        self.cause = cause_of(code, detail)
        self.end_of_run = end_of_run

    def reply(self) -> Reply | None:
        """Return the refusal as an answer where a filter spoke; None where the request has failed."""
        return Reply("refused", "", "", None, "content_filter", 0, 0) if self.cause == "filtered" else None


def cause_of(code: int, detail: str) -> Cause:
    """Return what a refusal most likely means; the words never decide alone that a run goes on."""
    if code == 451 or _FILTERED.search(detail):
        return "filtered"
    return "too_long" if code == 413 or _TOO_LONG.search(detail) else "other"


def _reason(code: int, detail: str) -> str:
    return f"{CONTEXT_EXCEEDED}: {detail}" if cause_of(code, detail) == "too_long" else f"http_{code}: {detail}"
