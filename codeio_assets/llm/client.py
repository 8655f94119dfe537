"""Asking a server: many requests at a time, journal first, retries, one response per request.

What lives here: `OpenAIChatClient`, the scheduling of a batch, and when a run must stop.
What does not: one try over HTTP (`endpoint`), back-off (`tries`), durability (`journal`), threads (`driver`).
Source: design.md, sec. 8.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import SecretStr

from codeio_assets.llm.contract import ChatRequest, ChatResponse, ChatServerError, Progress
from codeio_assets.llm.driver import run_to_end
from codeio_assets.llm.journal import Journal
from codeio_assets.llm.tries import Backoff, Reply, TryFailed

if TYPE_CHECKING:
    from codeio_assets.llm.endpoint import Endpoint


def api_key_from_environment() -> SecretStr:
    """Return `CODEIO_API_KEY`, else `OPENAI_API_KEY`, else an empty key (local servers ask for none)."""
    return SecretStr(os.environ.get("CODEIO_API_KEY") or os.environ.get("OPENAI_API_KEY") or "")


@dataclass(frozen=True, slots=True)
class Limits:
    """How hard to try.

    Args:
        concurrency: requests in flight at a time.
        timeout_s: from sending a try to its last byte.
        deadline_s: for all tries of a request and the waits between them.
        max_attempts: tries per request.
        backoff: waits between tries.
    """

    concurrency: int
    timeout_s: float
    deadline_s: float
    max_attempts: int
    backoff: Backoff


class OpenAIChatClient:
    """Answers requests from the journal, and what is missing from one OpenAI-compatible server.

    Answers (also truncated and refused ones) are on disk before they count as done; failures are rows of
    the result only, so that the next run asks again. Requests are sent in the order given, which keeps
    shared prefixes together.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        journal: Journal,
        *,
        api_key: str | None = None,
        concurrency: int = 8,
        timeout_s: float = 600.0,
        deadline_s: float | None = None,
        max_attempts: int = 5,
        backoff: Backoff | None = None,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            base_url: up to and with `/v1`, as the `openai` package takes it.
            model: the name that the server knows the model by; requests must carry it.
            journal: where answers are looked up and recorded.
            api_key: for tests; leave None to take it from the environment.
            concurrency: requests in flight at a time.
            timeout_s: of one try, from sending to the last byte.
            deadline_s: of one request with all its tries; default three times `timeout_s`.
            max_attempts: tries per request.
            backoff: waits between tries.
        """
        if concurrency < 1 or max_attempts < 1 or timeout_s <= 0:
            raise ValueError("concurrency, max_attempts and timeout_s must be positive")
        self._base_url = base_url
        self._model = model
        self._journal = journal
        self._api_key = api_key_from_environment() if api_key is None else SecretStr(api_key)
        deadline_s = 3 * timeout_s if deadline_s is None else deadline_s
        self._limits = Limits(concurrency, timeout_s, deadline_s, max_attempts, backoff or Backoff())

    def __repr__(self) -> str:
        return f"OpenAIChatClient({self._base_url!r}, model={self._model!r}, {self._journal!r})"

    @property
    def model(self) -> str:
        """Name of the model that requests must carry."""
        return self._model

    def check_server(self) -> list[str]:
        """Ask the server for its models and return their names; empty when it does not list them.

        Raises:
            ChatServerError: nothing answers, the key is refused, or the model is not among those served.
        """
        return run_to_end(lambda _report: self._check_server())

    def complete(
        self, requests: Sequence[ChatRequest], on_progress: Callable[[Progress], None] | None = None
    ) -> list[ChatResponse]:
        """Answer all requests, in order; those in the journal cost nothing, equal ones are asked once.

        Callable from any thread, inside a running event loop too (which then waits). `on_progress` is
        called in the caller's thread; when it raises, the batch stops. Whatever ends the batch early,
        Ctrl-C included, all answers that came are in the journal.

        Raises:
            ChatServerError: the server is unreachable, refuses the key, or does not know the model.
            ValueError: a request names another model.
            OSError: the journal cannot be written.
        """
        for request in requests:
            if request.model != self._model:
                raise ValueError(f"the request names model {request.model!r}, the client {self._model!r}")
        by_key = {request.key: request for request in requests}
        self._journal.refresh()
        replayed = {key: answer for key in by_key if (answer := self._journal.get(key)) is not None}
        missing = [request for key, request in by_key.items() if key not in replayed]
        batch = _Batch(self._base_url, self._journal, self._limits, missing, len(replayed))
        if on_progress:
            on_progress(batch.progress())
        if missing:
            run_to_end(lambda report: batch.run(self._endpoint, report), on_progress)
        answers = replayed | batch.answers
        return [answers[request.key] for request in requests]

    def _endpoint(self) -> "Endpoint":
        from codeio_assets.llm.endpoint import Endpoint  # `openai` takes 1 s to import; a replay needs none

        return Endpoint(self._base_url, self._api_key, self._limits.timeout_s)

    async def _check_server(self) -> list[str]:
        try:
            async with self._endpoint() as endpoint:
                names = await endpoint.models()
        except TryFailed as problem:
            raise _nothing_answers(self._base_url, problem) from None
        if names and self._model not in names:
            shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
            raise ChatServerError(f"{self._base_url} does not serve the model {self._model!r}; it serves: {shown}")
        return names or []


class _Batch:
    """The requests of one `complete` that the journal did not hold."""

    def __init__(
        self, base_url: str, journal: Journal, limits: Limits, requests: list[ChatRequest], replayed: int
    ) -> None:
        self.answers: dict[str, ChatResponse] = {}
        self._base_url = base_url
        self._journal = journal
        self._limits = limits
        self._requests = requests
        self._replayed = replayed
        self._failed = 0
        self._completion_tokens = 0
        self._started = time.monotonic()
        self._rng = random.Random()
        self._server_answered = False
        self._unconnected_tries = 0

    def progress(self) -> Progress:
        return Progress(
            total=len(self._requests) + self._replayed,
            done=len(self.answers) + self._replayed,
            replayed=self._replayed,
            failed=self._failed,
            completion_tokens=self._completion_tokens,
            elapsed_s=time.monotonic() - self._started,
        )

    async def run(self, endpoint_factory: "Callable[[], Endpoint]", report: Callable[[Progress], None]) -> None:
        """Answer all requests, `concurrency` at a time; an error that ends the run cancels the rest."""
        waiting = iter(self._requests)
        async with endpoint_factory() as endpoint:
            try:
                async with asyncio.TaskGroup() as workers:
                    for _ in range(min(self._limits.concurrency, len(self._requests))):
                        workers.create_task(self._work(endpoint, waiting, report))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None

    async def _work(
        self, endpoint: "Endpoint", waiting: Iterator[ChatRequest], report: Callable[[Progress], None]
    ) -> None:
        for request in waiting:
            response = await self._answer(endpoint, request)
            if response.status == "failed":
                self._failed += 1
            else:
                response = await asyncio.to_thread(self._journal.append, request, response)
            self._completion_tokens += response.completion_tokens
            self.answers[request.key] = response
            report(self.progress())

    async def _answer(self, endpoint: "Endpoint", request: ChatRequest) -> ChatResponse:
        """Try until an answer comes, the tries are used up, or the deadline is near."""
        deadline = time.monotonic() + self._limits.deadline_s
        attempts, allowed = 0, self._limits.max_attempts
        while True:
            attempts += 1
            sent = time.monotonic()
            try:
                async with asyncio.timeout(max(0.0, deadline - sent)):
                    reply = await endpoint.ask(request)
            except TimeoutError:
                return _failure(request, attempts, f"deadline: no answer within {self._limits.deadline_s:g} s")
            except TryFailed as problem:
                self._note(problem)
                allowed = min(allowed, problem.max_tries or allowed)
                wait_s = self._limits.backoff.wait_s(attempts, problem.wait_s, self._rng)
                if attempts >= allowed:
                    return _failure(request, attempts, problem.reason)
                if time.monotonic() + wait_s >= deadline:
                    return _failure(request, attempts, f"deadline: {problem.reason}")
                await asyncio.sleep(wait_s)
                continue
            self._server_answered, self._unconnected_tries = True, 0
            return _success(request, reply, attempts, time.monotonic() - sent)

    def _note(self, problem: TryFailed) -> None:
        """Stop the run when nothing listens: soon at its start, with more patience (a restart) later.

        Raises:
            ChatServerError: nothing listens.
        """
        if problem.connected:
            self._server_answered, self._unconnected_tries = True, 0
            return
        self._unconnected_tries += 1
        workers = min(self._limits.concurrency, len(self._requests))
        patience = self._limits.max_attempts if self._server_answered else min(2, self._limits.max_attempts)
        if self._unconnected_tries >= workers * patience:
            raise _nothing_answers(self._base_url, problem)


def _nothing_answers(base_url: str, problem: TryFailed) -> ChatServerError:
    advice = "start the server, or correct the base URL; a re-run asks only for what is missing"
    return ChatServerError(f"nothing answers at {base_url} ({problem.reason}): {advice}")


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
    )


def _failure(request: ChatRequest, attempts: int, reason: str) -> ChatResponse:
    failed = ChatResponse(key=request.key, status="failed", model=request.model, attempts=attempts)
    return replace(failed, failure=reason, created_at=_now())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
