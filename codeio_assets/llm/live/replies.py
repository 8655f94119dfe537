"""Reading what a server sent: bodies of chat completions and of error responses.

What lives here: bytes to `Reply`, or to the failure of a try. A server that has answered wants to be paid, so what it
will say again (no text, an unknown end) is asked twice at most.
What does not: HTTP (`endpoint`), refusals by status code (`refusals`).
"""

from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.decoding import Undecodable, decode_json, list_of, object_of
from codeio_assets.core.values.reasoning import split_reasoning as split_text
from codeio_assets.llm.contract import ResponseStatus
from codeio_assets.llm.live.tries import Reply, TryFailed

_FINISHES: dict[ResponseStatus, tuple[str, ...]] = {
    "answered": ("", "stop", "eos", "eos_token", "end_turn", "stop_sequence", "complete", "finish_reason_stop"),
    "truncated": ("length", "max_tokens", "max_output_tokens", "max_new_tokens", "model_length"),
    "refused": (
        "content_filter", "refusal", "safety", "recitation", "prohibited_content", "blocklist", "spii", "sensitive",
    ),
}  # fmt: skip
"""Whatever the case of the letters; servers that send null say nothing of the end, which `max_tokens` then tells."""
_STATUS_OF_FINISH: dict[str, ResponseStatus] = {word: status for status, words in _FINISHES.items() for word in words}
_CUT_OFF = ("abort", "aborted", "cancelled", "error", "network_error", "insufficient_system_resource")
"""The server gave up, for a reason that passes."""
_MOST_TOKENS = 10**9
_DETAIL_CHARACTERS = 300


def parse_completion(body: bytes, max_tokens: int | None = None) -> Reply:
    """Return the reply that a 200 body holds; `max_tokens` of the request tells an end that the server does not.

    Raises:
        TryFailed: the body is not a chat completion, ends for an unknown reason, or holds no text.
    """
    completion = _object(body)
    try:
        reply = _reply(completion, max_tokens)
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        paid = 2 if completion.get("choices") else None
        reason = f"malformed_body: {error_text(body) or 'no choices[0].message'}"
        raise TryFailed(reason, max_tries=paid) from None
    if reply.status == "failed":
        passes = str(reply.finish_reason).lower() in _CUT_OFF
        raise TryFailed(f"unknown_finish_reason: {reply.finish_reason}", max_tries=None if passes else 2)
    if reply.status == "answered" and not reply.text.strip():
        raise TryFailed("empty_response", max_tries=2)  # a fixed seed rarely says more when asked a third time
    return reply


def _reply(completion: dict[str, Json], max_tokens: int | None) -> Reply:
    choice, *others = map(object_of, list_of(completion["choices"]))
    message = object_of(choice["message"])
    usage = _mapping(completion.get("usage"))
    refusal = message.get("refusal") or ""
    text, reasoning = split_reasoning(message, is_finished=str(choice.get("finish_reason")).lower() == "stop")
    finish_reason = choice.get("finish_reason")
    completion_tokens = _count(usage.get("completion_tokens"))
    status: ResponseStatus = "refused" if refusal else _STATUS_OF_FINISH.get(str(finish_reason or "").lower(), "failed")
    if finish_reason is None and max_tokens is not None and completion_tokens >= max_tokens:
        status = "truncated"
    return Reply(
        status=status,
        model=str(completion.get("model") or ""),
        text=text or _text(refusal),
        reasoning=reasoning,
        finish_reason=None if finish_reason is None else str(finish_reason),
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=completion_tokens,
        cached_tokens=_cached_tokens(usage),
        alternatives=tuple(split_reasoning(object_of(other["message"]))[0] for other in others),
        logprobs=_logprobs(choice),
    )


def _count(value: object) -> int:
    """Return a number of tokens; 0 for what is none (null, NaN, text, negative or absurd numbers)."""
    if isinstance(value, int | float) and 0 <= value <= _MOST_TOKENS:  # false for NaN
        return int(value)
    return 0


def error_text(body: bytes) -> str:
    """Return a bounded, one-line text of an error body: code and message if it is JSON, else its start."""
    try:
        value = decode_json(body, storable=True)
    except Undecodable:
        return _one_line(body[: 4 * _DETAIL_CHARACTERS].decode(errors="replace"))
    error = value.get("error", value) if isinstance(value, dict) else value
    if not isinstance(error, dict):
        return _one_line(str(error))
    parts = (error.get("code"), error.get("type"), error.get("message") or error.get("detail"))
    return _one_line(" ".join(str(part) for part in parts if part) or str(error))


def split_reasoning(message: dict[str, Json], *, is_finished: bool = False) -> tuple[str, str | None]:
    """Return answer and reasoning of a message, wherever the server put the latter.

    Servers with a reasoning parser send a field of its own; others leave it in the text (`core.values.reasoning`).
    Reasoning that was cut off leaves no answer; `is_finished` tells that nothing was.

    Raises:
        TypeError: a text is no text.
    """
    text, thought_parts = _parts(message.get("content") or "")
    field = message.get("reasoning_content") or message.get("reasoning") or thought_parts or None
    if field is not None:
        return text, _text(field)
    return split_text(text, is_finished=is_finished)


def _logprobs(choice: dict[str, Json]) -> Json:
    return _mapping(choice.get("logprobs")).get("content")


def _cached_tokens(usage: dict[str, Json]) -> int:
    details = _mapping(usage.get("prompt_tokens_details"))
    return _count(details.get("cached_tokens")) or _count(usage.get("prompt_cache_hit_tokens"))


def _mapping(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _parts(content: Json) -> tuple[str, str]:
    """Return text and reasoning of a content that is one text, or a list of typed parts."""
    if not isinstance(content, list):
        return _text(content), ""
    text = reasoning = ""
    for part in content:
        if isinstance(part, str):
            text += part
        elif (typed := object_of(part)).get("type") in ("thinking", "reasoning"):
            reasoning += _parts(typed.get("thinking") or typed.get("text") or "")[0]
        else:
            text += _text(typed.get("text") or "")
    return text, reasoning


def _object(body: bytes) -> dict[str, Json]:
    try:
        value = decode_json(body, storable=True)
    except Undecodable as error:
        value, found = None, str(error)
    else:
        found = type(value).__name__
    if not isinstance(value, dict):
        start = _one_line(body[:80].decode(errors="replace"))
        raise TryFailed(f"malformed_body: not a JSON object: {start} ({found})")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _one_line(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _DETAIL_CHARACTERS else flat[: _DETAIL_CHARACTERS - 3] + "..."
