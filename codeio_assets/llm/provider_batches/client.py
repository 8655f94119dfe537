"""Asking through a provider's batch API (/v1/files and /v1/batches): cheaper, and hours of patience.

What lives here: `BatchChatClient`: submit, poll, collect, ask again for the lines that failed, go on after a crash.
What does not: the API itself (`api`), one request at a time (`live.client`), durability of answers (`journal`).

Each submission is a small file in `<journal>/batches/` from before it is sent until its answers are in the journal. A
run that is killed in between finds it, and the batch by the submission's id in its metadata, and goes on.
"""

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from codeio_assets.core.settings.models import RequestForm
from codeio_assets.core.values.canonical import JsonLike
from codeio_assets.llm.contract import BudgetExhausted, ChatRequest, ChatResponse, ChatServerError, Progress
from codeio_assets.llm.counting import CountTokens, by_characters, with_tokens
from codeio_assets.llm.journal.journal import Journal
from codeio_assets.llm.live.client import api_key_from_environment
from codeio_assets.llm.live.wire import PLAIN
from codeio_assets.llm.money import Meter
from codeio_assets.llm.provider_batches.api import BatchApi, LineOutcome

NOTES = "batches"


@dataclass(frozen=True, slots=True)
class Submission:
    """One batch on its way; `attempt` counts from 1."""

    submission_id: str
    attempt: int
    requests: tuple[ChatRequest, ...]
    batch_id: str | None = None

    @property
    def keys(self) -> set[str]:
        """Keys of the requests."""
        return {request.key for request in self.requests}

    def as_json(self) -> dict[str, JsonLike]:
        """Return it as plain JSON."""
        requests = [request.as_json() for request in self.requests]
        return {
            "submission_id": self.submission_id,
            "attempt": self.attempt,
            "batch_id": self.batch_id,
            "requests": requests,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Submission":
        """Return the submission that `as_json` described."""
        requests = tuple(ChatRequest.from_json(request) for request in value["requests"])
        return cls(value["submission_id"], value["attempt"], requests, value["batch_id"])


@dataclass(slots=True)
class _Account:
    """The state of one `complete`."""

    requests: dict[str, ChatRequest]
    replayed: int
    answers: dict[str, ChatResponse] = field(default_factory=dict[str, ChatResponse])
    tries: int = 0
    cost: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def progress(self) -> Progress:
        answers = self.answers.values()
        return Progress(
            total=len(self.requests) + self.replayed,
            done=len(self.answers) + self.replayed,
            replayed=self.replayed,
            failed=sum(answer.status == "failed" for answer in answers),
            completion_tokens=sum(answer.completion_tokens for answer in answers),
            elapsed_s=time.monotonic() - self.started,
            prompt_tokens=sum(answer.prompt_tokens for answer in answers),
            cached_tokens=sum(answer.cached_tokens for answer in answers),
            tries=self.tries,
            cost=self.cost,
            estimated=sum(answer.tokens_estimated for answer in answers),
        )


class BatchChatClient:
    """Answers requests from the journal, and what is missing through batches of a provider."""

    def __init__(
        self,
        base_url: str,
        model: str,
        journal: Journal,
        *,
        size: int = 10_000,
        window: str = "24h",
        poll_s: float = 30.0,
        timeout_s: float = 48 * 3_600.0,
        max_attempts: int = 5,
        meter: Meter | None = None,
        form: RequestForm = PLAIN,
        count_tokens: CountTokens = by_characters,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            base_url: up to and with `/v1`.
            model: the name that the provider knows the model by; requests must carry it.
            journal: where answers are looked up and recorded.
            size: requests per batch at most.
            window: completion window that the provider is asked for.
            poll_s: between two looks at a batch.
            timeout_s: for all batches of one `complete`; a re-run goes on waiting.
            max_attempts: submissions per request.
            form: how the provider wants its requests written.
            count_tokens: counts tokens of answers for which the provider reports none.
            meter: prices and budget; a spent budget keeps further batches from being submitted.
        """
        self._base_url = base_url
        self._model = model
        self._journal = journal
        self._size = size
        self._window = window
        self._poll_s = poll_s
        self._timeout_s = timeout_s
        self._max_attempts = max_attempts
        self._meter = meter or Meter()
        self._form = form
        self._count_tokens = count_tokens
        self._notes = journal.segments.notes

    def __repr__(self) -> str:
        return f"BatchChatClient({self._base_url!r}, model={self._model!r}, {self._journal!r})"

    @property
    def model(self) -> str:
        """Name of the model that requests must carry."""
        return self._model

    def complete(
        self, requests: Sequence[ChatRequest], on_progress: Callable[[Progress], None] | None = None
    ) -> list[ChatResponse]:
        """Answer all requests, in order; those in the journal cost nothing, those on their way are waited for.

        Raises:
            ChatServerError: the provider refuses the key, the model or the batch, or takes too long.
            BudgetExhausted: the budget is spent; what was submitted before was waited for.
            ConnectionError: the provider cannot be reached for now; a re-run goes on.
        """
        by_key = {request.key: request for request in requests}
        self._journal.refresh()
        replayed = {key: answer for key in by_key if (answer := self._journal.get(key)) is not None}
        missing = {key: request for key, request in by_key.items() if key not in replayed}
        account = _Account(missing, len(replayed))
        if on_progress:
            on_progress(account.progress())
        if missing:
            self._meter.start()
            self._run(account, on_progress)
        answers = replayed | account.answers
        return [answers[request.key] for request in requests]

    def _run(self, account: _Account, on_progress: Callable[[Progress], None] | None) -> None:
        api = BatchApi(self._base_url, api_key_from_environment(), self._window, self._form)
        underway = self._left_behind(api, set(account.requests))
        covered = {key for submission in underway for key in submission.keys}
        waiting = [(1, request) for key, request in account.requests.items() if key not in covered]
        give_up = time.monotonic() + self._timeout_s
        while waiting or underway:
            underway += self._submit_all(api, waiting)
            ended = [one for one in underway if self._collect(api, one, account, waiting)]
            underway = [one for one in underway if one not in ended]
            if on_progress and ended:
                on_progress(account.progress())
            if not underway and waiting and self._meter.is_spent:
                raise BudgetExhausted(self._meter.spent_on(list(account.requests.values()), account.answers))
            if underway and not ended:
                if time.monotonic() > give_up:
                    raise ChatServerError(f"batches at {self._base_url} are not done in time; a re-run goes on waiting")
                time.sleep(self._poll_s)

    def _submit_all(self, api: BatchApi, waiting: list[tuple[int, ChatRequest]]) -> Iterator[Submission]:
        """Submit what waits, requests of one attempt together; nothing when the budget is spent."""
        while waiting and not self._meter.is_spent:
            attempt = waiting[0][0]
            requests = tuple(request for tries, request in waiting if tries == attempt)[: self._size]
            submission = Submission(secrets.token_hex(8), attempt, requests)
            waiting[:] = [item for item in waiting if item[1].key not in submission.keys]
            self._save(submission)
            submission = replace(submission, batch_id=api.submit(submission.submission_id, list(requests)))
            self._save(submission)
            yield submission

    def _left_behind(self, api: BatchApi, wanted: set[str]) -> list[Submission]:
        """Return the submissions of earlier runs that hold wanted requests, with their batches."""
        found: list[Submission] = []
        for name in self._notes.names(NOTES):
            stored = self._notes.get(f"{NOTES}/{name}") if name.endswith(".json") else None
            if stored is None:
                continue
            submission = Submission.from_json(json.loads(stored.data or b""))
            if not submission.keys & wanted:
                continue
            batch_id = submission.batch_id or api.find(submission.submission_id)
            if batch_id is None:  # killed before it was sent
                self._notes.remove(f"{NOTES}/{name}")
                continue
            found.append(replace(submission, batch_id=batch_id))
        return found

    def _collect(
        self, api: BatchApi, submission: Submission, account: _Account, waiting: list[tuple[int, ChatRequest]]
    ) -> bool:
        """Record the answers of a batch and tell whether it has ended; lines without one wait for another attempt."""
        outcomes = api.outcomes(submission.batch_id or "")
        if outcomes is None:
            return False
        exchanges: list[tuple[ChatRequest, ChatResponse]] = []
        for request in submission.requests:
            outcome = outcomes.get(request.key) or LineOutcome(failure="missing_line", try_again=True)
            response = with_tokens(request, outcome.response(request, submission.attempt), self._count_tokens)
            if response.status != "failed":
                exchanges.append((request, response))
            if request.key not in account.requests:
                continue  # of another step: its answer is in the journal from now on
            account.tries += 1
            if response.status == "failed" and outcome.try_again and submission.attempt < self._max_attempts:
                waiting.append((submission.attempt + 1, request))
            else:
                account.cost += self._meter.add(response)
                account.answers[request.key] = response
        if exchanges:
            self._journal.append_all(exchanges)
        self._notes.remove(_note(submission))
        return True

    def _save(self, submission: Submission) -> None:
        self._notes.put(_note(submission), json.dumps(submission.as_json()).encode())


def _note(submission: Submission) -> str:
    return f"{NOTES}/{submission.submission_id}.json"
