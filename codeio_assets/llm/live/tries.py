"""One try of one request: what can come of it.

What lives here: the reply of a server, the ways a try fails, and the back-off between tries. Pure but
for the passed random generator.
What does not: sending (`endpoint`), deciding when a run must stop (`client`).
"""

import math
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from codeio_assets.core.values.canonical import Json
from codeio_assets.llm.contract import ResponseStatus


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's complete answer to one request."""

    status: ResponseStatus
    model: str
    text: str
    reasoning: str | None
    finish_reason: str | None
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    alternatives: tuple[str, ...] = ()
    logprobs: Json = None


class TryFailed(Exception):  # noqa: N818
    """This try gave no answer.

    `reason` is a short code with an optional detail after a colon; `max_tries` bounds the tries of this
    request from now on (1 = do not ask again); `wait_s` is the wait that the server asked for;
    `connected` is False when nothing listened at all; `crowded` is True when the server had too much to do.
    """

    def __init__(
        self,
        reason: str,
        *,
        max_tries: int | None = None,
        wait_s: float | None = None,
        connected: bool = True,
        crowded: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.max_tries = max_tries
        self.wait_s = wait_s
        self.connected = connected
        self.crowded = crowded


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between tries in seconds: doubling from `base_s` up to `cap_s`, each times a random 0.5 to 1."""

    base_s: float = 1.0
    cap_s: float = 60.0

    def wait_s(self, tries: int, asked_s: float | None, rng: random.Random) -> float:
        """Return the wait after `tries` failed tries; never shorter than the server asked for."""
        wait_s = min(self.cap_s, self.base_s * 2 ** min(tries - 1, 30)) * rng.uniform(0.5, 1.0)
        return max(wait_s, asked_s or 0.0)


def retry_after_s(header: str | None, now: datetime | None = None) -> float | None:
    """Return the wait of a `Retry-After` header, which holds seconds or a date (RFC 9110, sec. 10.2.3)."""
    if not header:
        return None
    try:
        seconds = float(header)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        until = parsedate_to_datetime(header)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())
