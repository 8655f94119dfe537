"""What a step took: a client that passes requests on and sums up their progress.

What does not live here: prices and budgets (`money`), tables and metadata (`running.asking`).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields

from codeio_assets.core.values.canonical import Json
from codeio_assets.llm.contract import ChatClient, ChatRequest, ChatResponse, Progress


@dataclass(frozen=True, slots=True)
class Usage:
    """Requests, tokens and money of one or more batches; tokens and money of what was really sent.

    `replayed` requests were answered from the journal; `tries` counts what was sent, retries included; tokens of
    `estimated` answers were counted here, since the server reported none.
    """

    requests: int = 0
    replayed: int = 0
    failed: int = 0
    tries: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    wall_time_s: float = 0.0
    estimated: int = 0

    def plus(self, last: Progress) -> "Usage":
        """Return this and one more batch, of which the last progress is known."""
        own = Usage(
            requests=last.done,
            replayed=last.replayed,
            failed=last.failed,
            tries=last.tries,
            prompt_tokens=last.prompt_tokens,
            cached_tokens=last.cached_tokens,
            completion_tokens=last.completion_tokens,
            cost=last.cost,
            wall_time_s=last.elapsed_s if last.sent else 0.0,
            estimated=last.estimated,
        )
        return Usage(**{field.name: getattr(self, field.name) + getattr(own, field.name) for field in fields(Usage)})

    @property
    def sent(self) -> int:
        """Requests that were not in the journal."""
        return self.requests - self.replayed

    def as_row(self) -> dict[str, Json]:
        """Return the numbers that `model_usage` holds."""
        return {name: value for name, value in asdict(self).items() if name != "estimated"}

    def as_info(self) -> dict[str, Json]:
        """Return the numbers of a step for metadata, with rates."""
        estimated: dict[str, Json] = {"answers_with_estimated_tokens": self.estimated} if self.estimated else {}
        return estimated | {
            "requests": self.requests,
            "replayed": self.replayed,
            "failed": self.failed,
            "tries": self.tries,
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "completion_tokens": self.completion_tokens,
            "cost": round(self.cost, 6),
            "wall_time_s": round(self.wall_time_s, 3),
            "journal_hit_ratio": _ratio(self.replayed, self.requests),
            "prefix_cache_hit_ratio": _ratio(self.cached_tokens, self.prompt_tokens),
            "requests_per_s": _ratio(self.sent, self.wall_time_s),
            "completion_tokens_per_s": _ratio(self.completion_tokens, self.wall_time_s),
        }


class MeteredClient:
    """A chat client that adds up what its batches took, also of one that was ended by an error."""

    def __init__(self, client: ChatClient, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Wrap a client; `on_progress` hears of every batch, besides whoever asks."""
        self.usage = Usage()
        self._client = client
        self._on_progress = on_progress

    @property
    def model(self) -> str:
        """Name of the model that requests must carry."""
        return self._client.model

    def complete(
        self, requests: Sequence[ChatRequest], on_progress: Callable[[Progress], None] | None = None
    ) -> list[ChatResponse]:
        """Answer all requests as the wrapped client does."""
        last: Progress | None = None

        def note(progress: Progress) -> None:
            nonlocal last
            last = progress
            for listener in (self._on_progress, on_progress):
                if listener:
                    listener(progress)

        try:
            return self._client.complete(requests, note)
        finally:
            if last:
                self.usage = self.usage.plus(last)


def _ratio(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0
