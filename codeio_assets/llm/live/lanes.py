"""An endpoint as a batch sees it: its share, how many requests it bears now, and whether it is of use.

What does not live here: which lane serves a request, and what becomes of one that fails (`fleet`).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codeio_assets.llm.live.endpoint import Endpoint

SILENT_S = 60.0
"""An endpoint whose last answer is so long ago, and that only fails since, is up but of no use."""
QUEUE_PER_SLOT = 4
"""So many requests per slot may wait for the endpoint that knows their beginning; more spill over to another."""


@dataclass(frozen=True, slots=True)
class EndpointConfig:
    """One endpoint: base URL up to and with `/v1`, its share of the requests, and the most it is sent at a time."""

    base_url: str
    weight: float = 1.0
    concurrency: int = 8
    api_key_env: str | None = None

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.concurrency < 1 or self.weight <= 0:
            raise ValueError("concurrency and weight must be positive")


def shares(configs: Sequence[EndpointConfig]) -> list[EndpointConfig]:
    """Return endpoints that bear their share also when all are busy: the heaviest its whole concurrency."""
    heaviest = max(config.weight for config in configs)
    return [
        replace(config, concurrency=max(1, round(config.concurrency * config.weight / heaviest))) for config in configs
    ]


@dataclass(eq=False, slots=True)
class Lane:
    """The state of one endpoint during a batch; `limit` is how many requests it bears now.

    `answered_at` is the moment of its last answer, `is_proven` that it answers requests of this form, `connects` that
    something listens there.
    """

    config: EndpointConfig
    endpoint: "Endpoint"
    limit: float
    in_flight: int = 0
    is_up: bool = True
    queued: int = 0
    sent: int = 0
    connects: bool = False
    answered_at: float | None = None
    probes: int = 0
    down_since: float = 0.0
    failures_in_a_row: int = 0
    refusals_in_a_row: int = 0
    is_proven: bool = False
    reason: str = ""
    shrunk_at: float = field(default=float("-inf"))

    @property
    def has_room(self) -> bool:
        """Whether it may be sent one more request."""
        return self.is_up and self.in_flight < max(1, int(self.limit))

    @property
    def load(self) -> tuple[float, float]:
        """Requests in flight and waiting per weight, one more counted, so that an idle heavy one comes first.

        Among equals the one that was sent less so far.
        """
        return (self.in_flight + self.queued + 1) / self.config.weight, self.sent / self.config.weight

    @property
    def is_crowded(self) -> bool:
        """Whether so many wait for it that others had better go elsewhere."""
        return self.queued >= QUEUE_PER_SLOT * self.config.concurrency

    @property
    def is_silent(self) -> bool:
        """Whether it has not answered yet, or not for long."""
        return self.answered_at is None or time.monotonic() - self.answered_at >= SILENT_S

    def grow(self) -> None:
        """Additive increase: one more per round of answers."""
        self.limit = min(float(self.config.concurrency), self.limit + 1 / max(1.0, self.limit))

    def shrink(self, sent_at: float) -> None:
        """Multiplicative decrease, once per crowd: tries sent before the last decrease say nothing new."""
        if sent_at > self.shrunk_at:
            self.limit = max(1.0, min(self.limit, float(self.in_flight)) / 2)
            self.shrunk_at = time.monotonic()
