"""Replaying recorded responses without any server.

What lives here: `RecordedChatClient` and the message for a request that was never recorded.
What does not: the journal's files (`journal`).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from codeio_assets.core.values.canonical import canonical_json
from codeio_assets.llm.contract import ChatRequest, ChatResponse, MissingRecording, Progress
from codeio_assets.llm.journal.journal import Journal

_MOST_COMPARED = 20_000
_EXCERPT_CHARACTERS = 60


class RecordedChatClient:
    """Answers requests from a journal only; an unknown request is an error, never a guess."""

    def __init__(self, journal: Journal, model: str) -> None:
        self._journal = journal
        self._model = model

    def __repr__(self) -> str:
        return f"RecordedChatClient({self._journal!r}, model={self._model!r})"

    @property
    def model(self) -> str:
        """Name of the model that requests must carry."""
        return self._model

    def complete(
        self, requests: Sequence[ChatRequest], on_progress: Callable[[Progress], None] | None = None
    ) -> list[ChatResponse]:
        """Return the recorded responses, in order.

        Raises:
            MissingRecording: a request was never recorded; names its key and the nearest recorded one.
        """
        started = time.monotonic()
        by_key = {request.key: request for request in requests}
        found = {key: answer for key in by_key if (answer := self._journal.get(key)) is not None}
        missing = [request for key, request in by_key.items() if key not in found]
        if missing:
            raise MissingRecording(self._explain(missing, len(by_key)))
        if on_progress:
            count = len(found)
            on_progress(Progress(count, count, count, 0, 0, time.monotonic() - started))
        return [found[request.key] for request in requests]

    def _explain(self, missing: list[ChatRequest], total: int) -> str:
        """Return the message for requests that are not recorded, the first of them in detail."""
        request = missing[0]
        candidates = (recorded.request for recorded in islice(self._journal.records(), _MOST_COMPARED))
        nearest = nearest_request(request, candidates)
        near = (
            "the journal is empty"
            if nearest is None
            else f"nearest recorded: {nearest.key} ({difference(request, nearest)})"
        )
        return (
            f"{len(missing)} of {total} requests are not recorded in {self._journal.segments.where()}; first missing: "
            f"{request.key} (model {request.model!r}); {near}. Record them with "
            f"`make record BASE_URL=... MODEL=...`, or run live with BASE_URL and MODEL set."
        )


def nearest_request(request: ChatRequest, candidates: Iterable[ChatRequest]) -> ChatRequest | None:
    """Return the candidate most like a request: same model first, then the most text shared at both ends."""
    return max(candidates, key=lambda candidate: _likeness(request, candidate), default=None)


def difference(request: ChatRequest, recorded: ChatRequest) -> str:
    """Return in one line where two requests first differ."""
    parts: list[str] = []
    if request.model != recorded.model:
        parts.append(f"model {recorded.model!r} recorded, {request.model!r} asked")
    asked, had = request.sampling.as_json(), recorded.sampling.as_json()
    parts += [
        f"{name} {had.get(name)!r} recorded, {asked.get(name)!r} asked"
        for name in asked | had
        if asked.get(name) != had.get(name)
    ]
    if request.messages != recorded.messages:
        parts.append(_message_difference(request, recorded))
    return "; ".join(parts)


def _message_difference(request: ChatRequest, recorded: ChatRequest) -> str:
    if len(request.messages) != len(recorded.messages):
        return f"{len(recorded.messages)} messages recorded, {len(request.messages)} asked"
    pairs = zip(request.messages, recorded.messages, strict=True)
    number, (asked, had) = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    if asked.role != had.role:
        return f"message {number}: role {had.role!r} recorded, {asked.role!r} asked"
    at = _shared(asked.content, had.content)
    return (
        f"message {number} ({asked.role}) differs at character {at}: "
        f"{had.content[at : at + _EXCERPT_CHARACTERS]!r} recorded, "
        f"{asked.content[at : at + _EXCERPT_CHARACTERS]!r} asked"
    )


def _likeness(request: ChatRequest, candidate: ChatRequest) -> tuple[bool, int, bool]:
    """Order candidates; prompts share a template, so text is compared from both ends."""
    text, other = _conversation(request), _conversation(candidate)
    prefix = _shared(text, other)
    suffix = _shared(text[prefix:][::-1], other[prefix:][::-1])
    return request.model == candidate.model, prefix + suffix, request.sampling == candidate.sampling


def _conversation(request: ChatRequest) -> str:
    return canonical_json([[message.role, message.content] for message in request.messages])


def _shared(text: str, other: str) -> int:
    """Return the length of the common beginning of two texts; bisects, as comparing slices is fast."""
    low, high = 0, min(len(text), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if text[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
