"""The endpoints of a batch: which one serves the next request, and how many requests each bears at a time.

What lives here: who serves next, weights, health, adaptive concurrency. An endpoint's limit grows by one per round of
answers and is halved when the server is crowded (429, 503, time-outs). An endpoint that nothing listens on, or that
fails many times in a row, is taken out and probed until it answers again (the last one only after a long silence).
Requests that begin alike go where the first of them went, so that the server finds their beginning in its prefix cache.
What does not: one try over HTTP (`endpoint`), back-off of one request (`tries`), scheduling (`running`), what a
refusal means (`refusals`).
"""

import asyncio
import random
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from codeio_assets.llm.contract import ChatRequest, ChatServerError
from codeio_assets.llm.live.evidence import LONG_SERIES, harmless, problem_of, prove
from codeio_assets.llm.live.lanes import QUEUE_PER_SLOT, Lane
from codeio_assets.llm.live.refusals import SERIES, RequestRefused
from codeio_assets.llm.live.tries import Backoff, TryFailed

FAILURES_IN_A_ROW = 8
"""After so many failed tries without an answer between them an endpoint is taken out, when others are left."""
PROBES_AT_START = 2
"""Probes of endpoints that never answered, before a batch gives up: most likely the base URL is wrong."""


@dataclass(eq=False, slots=True)
class _Waiter:
    """A request that waits for a lane; `home` is the lane that knows its beginning."""

    affinity: str
    avoid: Lane | None
    turn: asyncio.Future[Lane]
    home: Lane | None = None


class Fleet:
    """Hands out lanes and learns from what came of them; use as an async context manager, on one loop.

    Args:
        lanes: at least one.
        backoff: waits between probes of an endpoint that is down.
        probes: failed probes of every endpoint after which the batch gives up, once the server has answered.
        patience_s: seconds to go on probing in any case (a server that restarts).
        known: a request that was answered before, in this run or an earlier one.
        homes: base URL by affinity, of earlier batches; is updated.
    """

    def __init__(
        self,
        lanes: list[Lane],
        backoff: Backoff,
        probes: int,
        patience_s: float = 0.0,
        *,
        known: ChatRequest | None = None,
        homes: dict[str, str] | None = None,
    ) -> None:
        self.lanes = lanes
        self._backoff = backoff
        self._probes = probes
        self._patience_s = patience_s
        self._known = known
        self._homes = {} if homes is None else homes
        self._by_url = {lane.config.base_url: lane for lane in lanes}
        self._waiting: deque[_Waiter] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._rng = random.Random()
        self._dead: ChatServerError | None = None
        self._proving = asyncio.Lock()
        if known is not None:  # they served it: what they refuse now is, most likely, the request's fault
            for lane in lanes:
                lane.answered_at, lane.is_proven = time.monotonic(), True

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

    @property
    def slots(self) -> int:
        """How many requests can be in flight and, with several lanes, wait for the lane that knows their beginning."""
        concurrency = sum(lane.config.concurrency for lane in self.lanes)
        return concurrency if len(self.lanes) == 1 else (1 + QUEUE_PER_SLOT) * concurrency

    @property
    def urls(self) -> str:
        """Base URLs of all endpoints, for messages."""
        return ", ".join(lane.config.base_url for lane in self.lanes)

    async def acquire(self, affinity: str = "", avoid: Lane | None = None) -> Lane:
        """Wait for room and return a lane, another one than `avoid` as long as another is up.

        Requests of one affinity get one lane, until it is down or too many wait for it.

        Raises:
            ChatServerError: nothing answers any more.
        """
        if self._dead:
            raise ChatServerError(str(self._dead))
        waiter = _Waiter(affinity, avoid, asyncio.get_running_loop().create_future())
        if lane := self._place(waiter):
            return lane
        self._waiting.append(waiter)
        return await waiter.turn

    def release(self, lane: Lane) -> None:
        """Give a lane back."""
        lane.in_flight -= 1
        self._dispatch()

    def answered(self, lane: Lane, request: ChatRequest) -> None:
        """Note that a try was answered."""
        lane.connects, lane.answered_at = True, time.monotonic()
        lane.failures_in_a_row = lane.refusals_in_a_row = lane.probes = 0
        lane.is_proven = True
        self._known = request
        lane.grow()

    def failed(self, lane: Lane, request: ChatRequest, problem: TryFailed, sent_at: float) -> None:
        """Note a failed try: bear less when crowded; take the endpoint out when it is of no use."""
        lane.failures_in_a_row += 1
        if problem.crowded:
            lane.shrink(sent_at)
        lane.connects = problem.connected
        others = any(other.is_up for other in self.lanes if other is not lane)
        many = lane.failures_in_a_row >= FAILURES_IN_A_ROW and not problem.crowded
        if lane.is_up and ((many and (others or lane.is_silent)) or not problem.connected):
            lane.is_up, lane.down_since, lane.reason = False, time.monotonic(), problem.reason
            task = asyncio.get_running_loop().create_task(self._bring_back(lane, request, problem.connected))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._forget_home(lane)

    async def refused(self, lane: Lane, request: ChatRequest, refusal: RequestRefused) -> None:
        """Return when a refusal concerns this request alone: the server answers others.

        Raises:
            ChatServerError: it concerns every request.
        """
        lane.refusals_in_a_row += 1
        count = lane.refusals_in_a_row
        is_long = count % LONG_SERIES == 0
        if is_long or (not lane.is_proven and (refusal.cause == "other" or count >= SERIES)):
            async with self._proving:
                if is_long or not lane.is_proven:
                    await prove(lane, self._known or harmless(request), refusal)

    async def serves(self, request: ChatRequest) -> bool:
        """Return whether some endpoint answers what it should."""
        asked = self._known or harmless(request)
        up = [lane for lane in self.lanes if lane.is_up]  # of none, `_bring_back` decides
        return not up or any([await problem_of(lane, asked) is None for lane in up])

    def _place(self, waiter: _Waiter) -> Lane | None:
        lane = self._choose(waiter)
        if lane is not None:
            lane.in_flight += 1
            lane.sent += 1
        return lane

    def _choose(self, waiter: _Waiter) -> Lane | None:
        """Return a lane with room for a request, None when it must wait."""
        up = [lane for lane in self.lanes if lane.is_up]
        candidates = [lane for lane in up if lane is not waiter.avoid] or up
        home = waiter.home or self._by_url.get(self._homes.get(waiter.affinity, ""))
        if home is not None and home in candidates:
            if home.has_room:
                return home
            if waiter.home is not None or not home.is_crowded:
                self._wait_for(home, waiter)
                return None
        lane = min((one for one in candidates if one.has_room), key=lambda one: one.load, default=None)
        if lane is not None and waiter.affinity and waiter.avoid is None:
            self._homes[waiter.affinity] = lane.config.base_url
        return lane

    def _wait_for(self, home: Lane, waiter: _Waiter) -> None:
        if waiter.home is None:
            waiter.home = home
            home.queued += 1

    def _forget_home(self, lane: Lane) -> None:
        """Let those that wait for a lane go elsewhere."""
        for waiter in self._waiting:
            if waiter.home is lane:
                waiter.home = None
                lane.queued -= 1
        self._dispatch()

    def _dispatch(self) -> None:
        """Serve those that wait, oldest first."""
        still: deque[_Waiter] = deque()
        while self._waiting and any(lane.has_room for lane in self.lanes):
            waiter = self._waiting.popleft()
            if waiter.turn.done():
                continue
            if (lane := self._place(waiter)) is None:
                still.append(waiter)
                continue
            if waiter.home is not None:
                waiter.home.queued -= 1
            waiter.turn.set_result(lane)
        self._waiting.extendleft(reversed(still))

    async def _bring_back(self, lane: Lane, request: ChatRequest, connected: bool) -> None:
        """Probe an endpoint until it answers, which it is then sent one request at a time at first.

        One that nothing listened on is asked for its models; one that was up and failed, for an answer.
        """
        while not self._give_up():
            lane.probes += 1
            await asyncio.sleep(self._backoff.wait_s(lane.probes, None, self._rng))
            try:
                if connected:
                    await lane.endpoint.ask(self._known or harmless(request))
                    lane.answered_at = time.monotonic()
                else:
                    await lane.endpoint.models()
                    lane.connects = True
            except RequestRefused:
                pass  # it answers; what it refuses is told by the next request
            except TryFailed as problem:
                lane.reason, lane.connects = problem.reason, problem.connected
                continue
            except ChatServerError:
                pass
            lane.is_up, lane.probes = True, 0
            lane.limit, lane.failures_in_a_row = 1.0, 0 if connected else FAILURES_IN_A_ROW - 1  # on trial
            self._dispatch()
            return

    def _give_up(self) -> bool:
        """Tell whether nothing answers any more; whoever waits for a lane is then told so."""
        if self._dead:
            return True
        now = time.monotonic()
        for lane in self.lanes:
            enough = self._probes if lane.answered_at else min(PROBES_AT_START, self._probes)
            if lane.is_up or lane.probes < enough or now - lane.down_since < self._patience_s:
                return False
        lane = self.lanes[0]
        why = only_errors if lane.connects else nothing_answers
        self._dead = why(self.urls, lane.reason)
        while self._waiting:
            turn = self._waiting.popleft().turn
            if not turn.done():
                turn.set_exception(ChatServerError(str(self._dead)))
        return True


def nothing_answers(base_url: str, reason: str) -> ChatServerError:
    """Return the error of a server that is not there."""
    advice = "start the server, or correct the base URL; a re-run asks only for what is missing"
    return ChatServerError(f"nothing answers at {base_url} ({reason}): {advice}")


def only_errors(base_url: str, reason: str) -> ChatServerError:
    """Return the error of a server that is there and answers nothing."""
    advice = "look at the server's log and restart it; a re-run asks only for what is missing"
    return ChatServerError(f"{base_url} answers with nothing but errors ({reason}): {advice}")
