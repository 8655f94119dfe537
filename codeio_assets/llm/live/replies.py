"""Reading what a server sent: bodies of chat completions and of error responses.

What lives here: bytes to `Reply`, status code and error body to what must happen next.
What does not: HTTP (`endpoint`).
"""

import json
from typing import Any, cast

from codeio_assets.core.values.canonical import Json
from codeio_assets.llm.contract import ResponseStatus
from codeio_assets.llm.live.tries import Reply, TryFailed

_STATUS_OF_FINISH: dict[str, ResponseStatus] = {
    "stop": "answered",
    "eos": "answered",
    "end_turn": "answered",
    "stop_sequence": "answered",
    "length": "truncated",
    "max_tokens": "truncated",
    "content_filter": "refused",
    "refusal": "refused",
}
_TOO_LONG = (
    "context_length",
    "context length",
    "context size",
    "context window",
    "maximum context",
    "too long",
)
_FILTERED = ("content_filter", "content_policy", "content management policy")
_DETAIL_CHARACTERS = 300


def parse_completion(body: bytes) -> Reply:
    """Return the reply that a 200 body holds.

    Raises:
        TryFailed: the body is not a chat completion, ends for an unknown reason, or holds no text.
    """
    completion = _object(body)
    try:
        choice, *others = completion["choices"]
        message = choice["message"]
        usage: dict[str, Any] = completion.get("usage") or {}
        refusal = message.get("refusal") or ""
        text, reasoning = split_reasoning(message)
        finish_reason: str | None = choice.get("finish_reason")
        reply = Reply(
            status="refused" if refusal else _STATUS_OF_FINISH.get(finish_reason or "", "failed"),
            model=str(completion.get("model") or ""),
            text=text or _text(refusal),
            reasoning=reasoning,
            finish_reason=finish_reason,
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
            cached_tokens=_cached_tokens(usage),
            alternatives=tuple(split_reasoning(other["message"])[0] for other in others),
            logprobs=_logprobs(choice),
        )
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        raise TryFailed(f"malformed_body: {error_text(body) or 'no choices[0].message'}") from None
    if reply.status == "failed":
        raise TryFailed(f"unknown_finish_reason: {finish_reason}")
    if reply.status == "answered" and not reply.text.strip():
        raise TryFailed("empty_response", max_tries=2)  # a fixed seed rarely says more when asked a third time
    return reply


def request_fault(status_code: int, detail: str) -> TryFailed | Reply | None:
    """Return how a request ends whose own content is at fault; None when the server refuses the run.

    Some servers name the too long prompt with 400, some with 413, and some providers' filters answer 400.
    """
    lowered = detail.lower()
    if status_code not in (400, 413, 422):
        return None
    if any(mark in lowered for mark in _FILTERED):
        return Reply("refused", "", "", None, "content_filter", 0, 0)
    if status_code == 413 or any(mark in lowered for mark in _TOO_LONG):
        return TryFailed(f"context_length_exceeded: {detail}", max_tries=1)
    return None


def error_text(body: bytes) -> str:
    """Return a bounded, one-line text of an error body: code and message if it is JSON, else its start."""
    try:
        value: Any = json.loads(body)
    except ValueError:
        return _one_line(body[: 4 * _DETAIL_CHARACTERS].decode(errors="replace"))
    error: Any = cast("dict[str, Any]", value).get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return _one_line(str(error))
    fields = cast("dict[str, Any]", error)
    parts = (fields.get("code"), fields.get("type"), fields.get("message") or fields.get("detail"))
    return _one_line(" ".join(str(part) for part in parts if part) or str(fields))


def split_reasoning(message: dict[str, Any]) -> tuple[str, str | None]:
    """Return answer and reasoning of a message, wherever the server put the latter.

    Servers with a reasoning parser send a field of its own; others leave `<think>` at the start of the answer (or
    only its end, when the chat template opened it). Reasoning that was cut off leaves no answer.

    Raises:
        TypeError: a text is no text.
    """
    text = _text(message.get("content") or "")
    field = message.get("reasoning_content") or message.get("reasoning") or None
    if field is not None:
        return text, _text(field)
    opened = text.lstrip().startswith("<think>")
    thought, closed, answer = text.partition("</think>")
    if not opened and (not closed or "<think>" in thought):
        return text, None
    return answer.lstrip("\n"), thought.lstrip().removeprefix("<think>").strip("\n")


def _logprobs(choice: dict[str, Any]) -> Json:
    sent: dict[str, Any] = choice.get("logprobs") or {}
    return sent.get("content")


def _cached_tokens(usage: dict[str, Any]) -> int:
    details: dict[str, Any] = usage.get("prompt_tokens_details") or {}
    return int(details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0)


def _object(body: bytes) -> dict[str, Any]:
    try:
        value: Any = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise TryFailed(f"malformed_body: not a JSON object: {_one_line(body[:80].decode(errors='replace'))}")
    return cast("dict[str, Any]", value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _DETAIL_CHARACTERS else flat[: _DETAIL_CHARACTERS - 3] + "..."
