"""Running a batch: many requests at a time, retries, every answer durable before it counts, budget and progress.

What lives here: the schedule of the requests of one `complete` that the journal did not hold.
What does not: which endpoint serves (`fleet`), one try (`endpoint`), files (`journal`), threads (`driver`).
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from codeio_assets.llm.contract import BudgetExhausted, ChatRequest, ChatResponse, Progress
from codeio_assets.llm.counting import CountTokens, by_characters, with_tokens
from codeio_assets.llm.journal.journal import Journal
from codeio_assets.llm.live.fleet import Fleet, only_errors
from codeio_assets.llm.live.lanes import Lane
from codeio_assets.llm.live.refusals import RequestRefused
from codeio_assets.llm.live.tries import Backoff, Reply, TryFailed
from codeio_assets.llm.money import Meter

REPORT_EVERY_S = 0.02
"""A report wakes the caller's thread, which costs as much as a tenth of a request."""
GIVEN_UP_IN_A_ROW = 25
QUIET_S = 300.0
"""So many requests that failed after all their tries, and no answer for so long, put the server to the proof."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard to try.

    Args:
        timeout_s: from sending a try to its last byte.
        deadline_s: for all tries of a request and the waits between them.
        max_attempts: tries per request.
        backoff: waits between tries.
        patience_s: how long to wait for endpoints that are all gone, at least.
    """

    timeout_s: float
    deadline_s: float
    max_attempts: int
    backoff: Backoff
    patience_s: float = 0.0


class Batch:
    """The requests of one `complete` that the journal did not hold."""

    def __init__(
        self,
        journal: Journal,
        limits: Limits,
        requests: list[ChatRequest],
        replayed: int,
        meter: Meter,
        *,
        count_tokens: CountTokens = by_characters,
    ) -> None:
        self.answers: dict[str, ChatResponse] = {}
        self._writer = _Writer(journal)
        self._limits = limits
        self._requests = requests
        self._replayed = replayed
        self._meter = meter
        self._count_tokens = count_tokens
        self._failed = 0
        self._prompt_tokens = self._cached_tokens = self._completion_tokens = self._tries = self._estimated = 0
        self._cost = 0.0
        self._given_up = 0
        self._started = self._answered_at = time.monotonic()
        self._reported = 0.0
        self._rng = random.Random()

    def progress(self) -> Progress:
        """Return the state now."""
        return Progress(
            total=len(self._requests) + self._replayed,
            done=len(self.answers) + self._replayed,
            replayed=self._replayed,
            failed=self._failed,
            completion_tokens=self._completion_tokens,
            elapsed_s=time.monotonic() - self._started,
            prompt_tokens=self._prompt_tokens,
            cached_tokens=self._cached_tokens,
            tries=self._tries,
            cost=self._cost,
            estimated=self._estimated,
        )

    async def run(self, make_fleet: Callable[[], Fleet], report: Callable[[Progress], None]) -> None:
        """Answer all requests; an error that ends the run cancels the rest.

        Raises:
            ChatServerError: nothing answers, or the server cannot serve this run.
            BudgetExhausted: the budget is spent; requests in flight were waited for and recorded.
            OSError: the journal cannot be written.
        """
        waiting = iter(self._requests)
        async with make_fleet() as fleet:
            workers = min(fleet.slots, len(self._requests))
            try:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(workers):
                        tasks.create_task(self._work(fleet, waiting, report))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
            finally:
                await self._writer.drain()
        report(self.progress())
        if spent := self._meter.spent_on(self._requests, self.answers):
            raise BudgetExhausted(spent)

    async def _work(self, fleet: Fleet, waiting: Iterator[ChatRequest], report: Callable[[Progress], None]) -> None:
        while not self._meter.is_spent and (request := next(waiting, None)) is not None:
            response = await self._answer(fleet, request)
            if response is None:
                return
            if response.status == "failed":
                self._failed += 1
            else:
                response = with_tokens(request, response, self._count_tokens)
                response = await self._writer.append(request, response)
            self._count(response)
            self.answers[request.key] = response
            now = time.monotonic()
            if now - self._reported >= REPORT_EVERY_S:
                self._reported = now
                report(self.progress())

    def _count(self, response: ChatResponse) -> None:
        self._tries += response.attempts
        self._prompt_tokens += response.prompt_tokens
        self._cached_tokens += response.cached_tokens
        self._completion_tokens += response.completion_tokens
        self._estimated += response.tokens_estimated
        self._cost += self._meter.add(response)

    async def _answer(self, fleet: Fleet, request: ChatRequest) -> ChatResponse | None:
        """Try until an answer comes, the tries are used up, or the deadline is near; None when the budget is spent."""
        attempts, allowed = 0, self._limits.max_attempts
        avoid: Lane | None = None
        deadline = float("inf")
        while True:
            lane = await fleet.acquire(request.affinity, avoid)
            if attempts == 0 and self._meter.is_spent:
                fleet.release(lane)
                return None
            attempts += 1
            sent = time.monotonic()
            deadline = min(deadline, sent + self._limits.deadline_s)
            try:
                async with asyncio.timeout(max(0.0, deadline - sent)):
                    reply = await lane.endpoint.ask(request)
                fleet.answered(lane, request)
                self._given_up, self._answered_at = 0, time.monotonic()
                return _success(request, reply, attempts, time.monotonic() - sent)
            except RequestRefused as refusal:
                await fleet.refused(lane, request, refusal)
                if reply := refusal.reply():
                    return _success(request, reply, attempts, time.monotonic() - sent)
                return _failure(request, attempts, refusal.reason)
            except TimeoutError:
                lane.shrink(sent)
                failed = TryFailed(f"deadline: no answer within {self._limits.deadline_s:g} s", max_tries=1)
            except TryFailed as problem:
                fleet.failed(lane, request, problem, sent)
                failed = problem
            finally:
                fleet.release(lane)
            avoid = lane
            allowed = min(allowed, failed.max_tries or allowed)
            wait_s = self._limits.backoff.wait_s(attempts, failed.wait_s, self._rng)
            if attempts >= allowed:
                return await self._give_up(fleet, request, attempts, failed.reason)
            if time.monotonic() + wait_s >= deadline:
                return await self._give_up(fleet, request, attempts, f"deadline: {failed.reason}")
            await asyncio.sleep(wait_s)

    async def _give_up(self, fleet: Fleet, request: ChatRequest, attempts: int, reason: str) -> ChatResponse:
        """Return a failed request; many in a row and no answer for long end the run, unless the server proves itself.

        Raises:
            ChatServerError: it does not.
        """
        self._given_up += 1
        is_long = time.monotonic() - self._answered_at >= QUIET_S
        if self._given_up % GIVEN_UP_IN_A_ROW == 0 and is_long and not await fleet.serves(request):
            raise only_errors(fleet.urls, reason)
        return _failure(request, attempts, reason)


class _Writer:
    """Puts answers on disk for many requests at a time: those that come during one fsync share the next."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._queue: list[tuple[ChatRequest, ChatResponse, asyncio.Future[ChatResponse]]] = []
        self._flushing: asyncio.Task[None] | None = None

    async def append(self, request: ChatRequest, response: ChatResponse) -> ChatResponse:
        """Return when the response is on disk; the response that counts.

        Raises:
            OSError: the journal cannot be written.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[ChatResponse] = loop.create_future()
        self._queue.append((request, response, done))
        if self._flushing is None:
            self._flushing = loop.create_task(self._flush())
        return await done

    async def drain(self) -> None:
        """Wait until everything that came is on disk, also when nobody waits for it any more."""
        while self._queue or self._flushing is not None:
            self._flushing = self._flushing or asyncio.get_running_loop().create_task(self._flush())
            await asyncio.shield(self._flushing)

    async def _flush(self) -> None:
        try:
            while self._queue:
                some, self._queue = self._queue, []
                await self._write(some)
                if pause_s := self._journal.segments.pause_s:
                    await asyncio.sleep(pause_s)
        finally:
            self._flushing = None

    async def _write(self, some: list[tuple[ChatRequest, ChatResponse, asyncio.Future[ChatResponse]]]) -> None:
        try:
            written = await asyncio.to_thread(
                self._journal.append_all, [(request, response) for request, response, _ in some]
            )
        except Exception as error:
            for *_, done in some:
                if not done.done():
                    done.set_exception(error)
            return
        for (*_, done), response in zip(some, written, strict=True):
            if not done.done():
                done.set_result(response)


def _success(request: ChatRequest, reply: Reply, attempts: int, latency_s: float) -> ChatResponse:
    return ChatResponse(
        key=request.key,
        status=reply.status,
        model=reply.model or request.model,
        text=reply.text,
        reasoning=reply.reasoning,
        finish_reason=reply.finish_reason,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        attempts=attempts,
        latency_s=round(latency_s, 4),
        created_at=_now(),
        cached_tokens=reply.cached_tokens,
        alternatives=reply.alternatives,
        logprobs=reply.logprobs,
    )


def _failure(request: ChatRequest, attempts: int, reason: str) -> ChatResponse:
    failed = ChatResponse(key=request.key, status="failed", model=request.model, attempts=attempts)
    return replace(failed, failure=reason, created_at=_now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
