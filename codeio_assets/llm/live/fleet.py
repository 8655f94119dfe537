"""The endpoints of a batch: which one serves the next request, and how many requests each bears at a time.

What lives here: weights, health, adaptive concurrency. An endpoint's limit grows by one per round of answers and is
halved when the server is crowded (429, 503, time-outs). An endpoint that nothing listens on, or that fails many times
in a row, is taken out and probed until it answers again.
What does not: one try over HTTP (`endpoint`), back-off of one request (`tries`), scheduling (`running`).
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from codeio_assets.llm.contract import ChatServerError
from codeio_assets.llm.live.tries import Backoff, TryFailed

if TYPE_CHECKING:
    from codeio_assets.llm.live.endpoint import Endpoint

FAILURES_IN_A_ROW = 8
"""After so many failed tries without an answer between them an endpoint is taken out, when others are left."""
PROBES_AT_START = 2
"""Probes of endpoints that never answered, before a batch gives up: most likely the base URL is wrong."""


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
    """The state of one endpoint during a batch; `limit` is how many requests it bears now."""

    config: EndpointConfig
    endpoint: "Endpoint"
    limit: float
    in_flight: int = 0
    is_up: bool = True
    has_answered: bool = False
    probes: int = 0
    down_since: float = 0.0
    failures_in_a_row: int = 0
    reason: str = ""
    shrunk_at: float = field(default=float("-inf"))

    @property
    def has_room(self) -> bool:
        """Whether it may be sent one more request."""
        return self.is_up and self.in_flight < max(1, int(self.limit))

    @property
    def load(self) -> float:
        """Requests in flight per weight, one more counted, so that an idle heavy one comes first."""
        return (self.in_flight + 1) / self.config.weight

    def grow(self) -> None:
        """Additive increase: one more per round of answers."""
        self.limit = min(float(self.config.concurrency), self.limit + 1 / max(1.0, self.limit))

    def shrink(self, sent_at: float) -> None:
        """Multiplicative decrease, once per crowd: tries sent before the last decrease say nothing new."""
        if sent_at > self.shrunk_at:
            self.limit = max(1.0, min(self.limit, float(self.in_flight)) / 2)
            self.shrunk_at = time.monotonic()


class Fleet:
    """Hands out lanes and learns from what came of them; use as an async context manager, on one loop.

    Args:
        lanes: at least one.
        backoff: waits between probes of an endpoint that is down.
        probes: failed probes of every endpoint after which the batch gives up, once the server has answered.
        patience_s: seconds to go on probing in any case (a server that restarts).
    """

    def __init__(self, lanes: list[Lane], backoff: Backoff, probes: int, patience_s: float = 0.0) -> None:
        self.lanes = lanes
        self._backoff = backoff
        self._probes = probes
        self._patience_s = patience_s
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._rng = random.Random()
        self._dead: ChatServerError | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in self.lanes:
            await lane.endpoint.close()

    async def acquire(self, avoid: Lane | None = None) -> Lane:
        """Wait for room and return a lane, another one than `avoid` as long as another is up.

        Raises:
            ChatServerError: nothing answers any more.
        """
        while True:
            if self._dead:
                raise ChatServerError(str(self._dead))
            if lane := self._best(avoid):
                lane.in_flight += 1
                return lane
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn

    def release(self, lane: Lane) -> None:
        """Give a lane back."""
        lane.in_flight -= 1
        self._wake(1)

    def answered(self, lane: Lane) -> None:
        """Note that a try was answered."""
        lane.has_answered, lane.failures_in_a_row, lane.probes = True, 0, 0
        lane.grow()
        self._wake(1)

    def failed(self, lane: Lane, problem: TryFailed, sent_at: float) -> None:
        """Note a failed try: bear less when crowded; take the endpoint out when it is of no use."""
        lane.failures_in_a_row += 1
        if problem.crowded:
            lane.shrink(sent_at)
        if problem.connected:
            lane.has_answered = True
        others = any(other.is_up for other in self.lanes if other is not lane)
        useless = lane.failures_in_a_row >= FAILURES_IN_A_ROW and not problem.crowded and others
        if lane.is_up and (useless or not problem.connected):
            lane.is_up, lane.down_since, lane.reason = False, time.monotonic(), problem.reason
            task = asyncio.get_running_loop().create_task(self._bring_back(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _best(self, avoid: Lane | None) -> Lane | None:
        others = [lane for lane in self.lanes if lane.is_up and lane is not avoid]
        free = (lane for lane in others or self.lanes if lane.has_room)
        return min(free, key=lambda lane: lane.load, default=None)

    def _wake(self, count: int) -> None:
        while self._waiting and count:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                count -= 1

    async def _bring_back(self, lane: Lane) -> None:
        """Probe an endpoint until it answers, which it is then sent one request at a time at first."""
        while not self._give_up():
            lane.probes += 1
            await asyncio.sleep(self._backoff.wait_s(lane.probes, None, self._rng))
            try:
                await lane.endpoint.models()
            except TryFailed as problem:
                lane.reason = problem.reason
                continue
            except ChatServerError:
                pass  # it answers; what it refuses is told by the next request
            lane.is_up, lane.has_answered, lane.probes = True, True, 0
            lane.limit, lane.failures_in_a_row = 1.0, FAILURES_IN_A_ROW - 1  # on trial
            self._wake(1)
            return

    def _give_up(self) -> bool:
        """Tell whether nothing answers any more; whoever waits for a lane is then told so."""
        if self._dead:
            return True
        now = time.monotonic()
        for lane in self.lanes:
            enough = self._probes if lane.has_answered else min(PROBES_AT_START, self._probes)
            if lane.is_up or lane.probes < enough or now - lane.down_since < self._patience_s:
                return False
        urls = ", ".join(lane.config.base_url for lane in self.lanes)
        self._dead = nothing_answers(urls, self.lanes[0].reason)
        self._wake(len(self._waiting))
        return True


def nothing_answers(base_url: str, reason: str) -> ChatServerError:
    """Return the error of a server that is not there."""
    advice = "start the server, or correct the base URL; a re-run asks only for what is missing"
    return ChatServerError(f"nothing answers at {base_url} ({reason}): {advice}")
