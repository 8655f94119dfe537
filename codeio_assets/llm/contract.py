"""Requests to language models and what comes of them.

What does not live here: transport (`client`), durability (`journal`), replay (`recorded`), prompts
(`core.prompts`).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from codeio_assets.core.canonical import Json, content_id

ResponseStatus = Literal["answered", "truncated", "refused", "failed"]


class ChatServerError(Exception):
    """The server cannot serve this run at all (wrong key, unknown model, no server): stop the run."""


class MissingRecording(ChatServerError):  # noqa: N818
    """A replay met a request that was never recorded; names its key and the nearest recorded one."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters; part of the request's key."""

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 4096
    seed: int | None = 0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Make `0` and `0.0`, a list and a tuple of stops, the same request (YAML gives either)."""
        object.__setattr__(self, "temperature", float(self.temperature))
        object.__setattr__(self, "top_p", float(self.top_p))
        object.__setattr__(self, "stop", tuple(self.stop))


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion; its key is the content id of model, messages and sampling.

    A field added later must be left out of `as_json` at its default, or every recorded key changes.
    """

    model: str
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()

    @property
    def key(self) -> str:
        """Content id (sha256 hex) over everything that decides the answer."""
        return content_id(**self.as_json())

    def as_json(self) -> dict[str, Json]:
        """Return the request as plain JSON: `model`, `messages`, `sampling`."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Json) -> "ChatRequest":
        """Return the request that `as_json` described.

        Raises:
            KeyError, TypeError: the value is not such a description.
        """
        messages = tuple(Message(**message) for message in value["messages"])
        return cls(model=value["model"], messages=messages, sampling=Sampling(**value["sampling"]))


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """How one request ended. `answered` and `truncated` carry text; `failed` carries a reason.

    `finish_reason` is the server's word; latency in seconds from sending to the last byte of the
    successful try; `attempts` counts the requests sent, retries included; `created_at` is UTC, ISO 8601.
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


@dataclass(frozen=True, slots=True)
class Progress:
    """State of a batch of requests while it runs; `rate` in completion tokens per second."""

    total: int
    done: int
    replayed: int
    failed: int
    completion_tokens: int
    elapsed_s: float

    @property
    def rate(self) -> float:
        """Completion tokens per second of the requests that were really sent."""
        return self.completion_tokens / self.elapsed_s if self.elapsed_s > 0 else 0.0


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
