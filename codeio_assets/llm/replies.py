"""Reading what a server sent: bodies of chat completions and of error responses.

What lives here: bytes to `Reply`, status code and error body to what must happen next.
What does not: HTTP (`endpoint`).
"""

import json
from typing import Any, cast

from codeio_assets.llm.contract import ResponseStatus
from codeio_assets.llm.tries import Reply, TryFailed

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
        choice = completion["choices"][0]
        message = choice["message"]
        usage: dict[str, Any] = completion.get("usage") or {}
        text, refusal = message.get("content") or "", message.get("refusal") or ""
        reasoning = message.get("reasoning_content") or message.get("reasoning") or None
        finish_reason: str | None = choice.get("finish_reason")
        reply = Reply(
            status="refused" if refusal else _STATUS_OF_FINISH.get(finish_reason or "", "failed"),
            model=str(completion.get("model") or ""),
            text=_text(text or refusal),
            reasoning=None if reasoning is None else _text(reasoning),
            finish_reason=finish_reason,
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
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
