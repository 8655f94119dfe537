"""Requests to language models and what comes of them.

What does not live here: transport (`live.client`), durability (`journal`), replay (`recorded`), prompts
(`core.prompts`).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal, Protocol

from codeio_assets.core.method.conversations import fold_system
from codeio_assets.core.values.canonical import Json, JsonLike, canonical_json, content_id

ResponseStatus = Literal["answered", "truncated", "refused", "failed"]


class ChatServerError(Exception):
    """The server cannot serve this run at all (wrong key, unknown model, no server): stop the run."""


class BudgetExhausted(ChatServerError):  # noqa: N818
    """The budget of the run or the day is spent; what came is in the journal, a re-run goes on from there."""


class MissingRecording(ChatServerError):  # noqa: N818
    """A replay met a request that was never recorded; names its key and the nearest recorded one."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters; part of the request's key.

    `n` asks for several answers to one request, `logprobs` for the log-probabilities of each token and that many
    alternatives to it; both where the server supports them.
    """

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 4096
    seed: int | None = 0
    stop: tuple[str, ...] = ()
    n: int = 1
    logprobs: int | None = None

    def __post_init__(self) -> None:
        """Make `0` and `0.0`, a list and a tuple of stops, the same request (YAML gives either)."""
        object.__setattr__(self, "temperature", float(self.temperature))
        object.__setattr__(self, "top_p", float(self.top_p))
        object.__setattr__(self, "stop", tuple(self.stop))

    def as_json(self) -> dict[str, Json]:
        """Return the parameters as plain JSON; those that were added later only when they are used."""
        value: dict[str, Json] = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "stop": list(self.stop),
        }
        if self.n != 1:
            value["n"] = self.n
        if self.logprobs is not None:
            value["logprobs"] = self.logprobs
        return value


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


def folded(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return a conversation without system messages: their text opens the first user message.

    For models whose chat template knows no system prompt (Gemma, Mistral 7B) and answers 400 to one.
    """
    turns = fold_system([(message.role, message.content) for message in messages])
    return tuple(Message(role, text) for role, text in turns)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion; its key is the content id of model, messages and sampling.

    Requests of one `affinity` (those about one function) begin alike, so one server should get them; it is no part
    of the key. `extra_body` is canonical JSON of what else the body of the request holds.

    A field added later must be left out of `as_json` at its default, or every recorded key changes.
    """

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    affinity: str = field(default="", compare=False)
    extra_body: str = ""
    _key: str = field(default="", init=False, repr=False, compare=False)

    @property
    def key(self) -> str:
        """Content id (sha256 hex) over everything that decides the answer; computed once."""
        if not self._key:
            object.__setattr__(self, "_key", content_id(**self.as_json()))
        return self._key

    def as_json(self) -> dict[str, JsonLike]:
        """Return the request as plain JSON: `model`, `messages`, `sampling`."""
        messages = [{"role": message.role, "content": message.content} for message in self.messages]
        value: dict[str, JsonLike] = {"model": self.model, "messages": messages, "sampling": self.sampling.as_json()}
        return value | ({"extra_body": json.loads(self.extra_body)} if self.extra_body else {})

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ChatRequest":
        """Return the request that `as_json` described.

        Raises:
            KeyError, TypeError: the value is not such a description.
        """
        messages = tuple(Message(**message) for message in value["messages"])
        extra = canonical_json(value["extra_body"]) if value.get("extra_body") else ""
        return cls(value["model"], messages, Sampling(**value["sampling"]), extra_body=extra)


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """How one request ended. `answered` and `truncated` carry text; `failed` carries a reason.

    `finish_reason` is the server's word; latency in seconds from sending to the last byte of the
    successful try; `attempts` counts the requests sent, retries included; `created_at` is UTC, ISO 8601.
    `cached_tokens` of the prompt were served from the server's prefix cache, where it tells. With `n` > 1
    `alternatives` holds the texts of the further answers; `logprobs` is what the server sent, as it came.
    `tokens_estimated` says that the server reported no usage and the tokens were counted here.
    """

    key: str
    status: ResponseStatus
    model: str
    text: str = ""
    reasoning: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    attempts: int = 1
    latency_s: float = 0.0
    failure: str | None = None
    created_at: str = ""
    cached_tokens: int = 0
    alternatives: tuple[str, ...] = ()
    logprobs: Json = None
    tokens_estimated: bool = False

    def as_json(self) -> dict[str, Json]:
        """Return the response without its key as plain JSON; fields that were added later only when they are used."""
        value: dict[str, Json] = {name: getattr(self, name) for name in _RECORDED_ALWAYS}
        added: dict[str, Json] = {
            "cached_tokens": self.cached_tokens,
            "alternatives": list(self.alternatives),
            "logprobs": self.logprobs,
            "tokens_estimated": self.tokens_estimated,
        }
        return value | {name: content for name, content in added.items() if content}


_RECORDED_ALWAYS = (
    "status", "model", "text", "reasoning", "finish_reason", "prompt_tokens", "completion_tokens", "attempts",
    "latency_s", "failure", "created_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a batch of requests while it runs.

    `replayed` of those `done` came from the journal; tokens and cost are of the requests that were really sent;
    those of `estimated` answers were counted here, since the server reported none.
    """

    total: int
    done: int
    replayed: int
    failed: int
    completion_tokens: int
    elapsed_s: float
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tries: int = 0
    cost: float = 0.0
    estimated: int = 0

    @property
    def left(self) -> int:
        """Requests that have not ended yet."""
        return self.total - self.done

    @property
    def sent(self) -> int:
        """Requests that ended and were not in the journal."""
        return self.done - self.replayed

    @property
    def rate(self) -> float:
        """Completion tokens per second of the requests that were really sent."""
        return self.completion_tokens / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds until the end at the pace so far; None before the first request has ended."""
        return self.left * self.elapsed_s / self.sent if self.sent else None


class ChatClient(Protocol):
    """Answers requests: one response per request, in order; duplicates in a batch are asked once."""

    @property
    def model(self) -> str:
        """Name of the model that requests must carry."""
        ...

    def complete(
        self, requests: Sequence[ChatRequest], on_progress: Callable[[Progress], None] | None = None
    ) -> list[ChatResponse]:
        """Answer all requests; those in the journal cost nothing.

        Raises:
            ChatServerError: the server is unreachable, refuses the key, or does not know the model.
            MissingRecording: (replay only) a request was never recorded.
        """
        ...


def answered_in_windows(
    client: ChatClient, requests: Iterable[ChatRequest], window: int = 2_000
) -> Iterator[tuple[ChatRequest, ChatResponse]]:
    """Yield (request, response) in order for requests that need not fit in memory, `window` at a time.

    Raises:
        ChatServerError: as `ChatClient.complete`; what came before was yielded and is in the journal.
    """
    waiting = iter(requests)
    while some := list(islice(waiting, window)):
        yield from zip(some, client.complete(some), strict=True)
