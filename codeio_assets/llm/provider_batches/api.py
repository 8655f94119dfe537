"""The batch API of OpenAI-compatible providers: files up, a batch, files down.

What lives here: the calls, and what a line of the output means. What does not: which requests to submit when
(`provider_batches`).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import SecretStr

from codeio_assets.core.settings.models import RequestForm
from codeio_assets.core.values.decoding import decode_json, object_of
from codeio_assets.llm.contract import ChatRequest, ChatResponse, ChatServerError
from codeio_assets.llm.live.refusals import ROW_CODES, SERIES, RequestRefused
from codeio_assets.llm.live.replies import error_text, parse_completion
from codeio_assets.llm.live.tries import Reply, TryFailed
from codeio_assets.llm.live.wire import PLAIN, request_body

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import Batch

T = TypeVar("T")

ENDED = {"completed", "expired", "cancelled"}
"""Their output files hold what came, which may be all."""
_RETRIED = {408, 409, 425, 429}


@dataclass(frozen=True, slots=True)
class LineOutcome:
    """What came of one line: a reply, or why there is none and whether another try may help."""

    reply: Reply | None = None
    failure: str | None = None
    try_again: bool = False
    refusal: RequestRefused | None = None

    def response(self, request: ChatRequest, attempts: int) -> ChatResponse:
        """Return the outcome as a response."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        if self.reply is None:
            return ChatResponse(
                request.key, "failed", request.model, attempts=attempts, failure=self.failure, created_at=now
            )
        reply = self.reply
        return ChatResponse(
            request.key,
            reply.status,
            reply.model or request.model,
            reply.text,
            reply.reasoning,
            reply.finish_reason,
            reply.prompt_tokens,
            reply.completion_tokens,
            attempts,
            created_at=now,
            cached_tokens=reply.cached_tokens,
            alternatives=reply.alternatives,
            logprobs=reply.logprobs,
        )


class BatchApi:
    """The calls that `BatchChatClient` makes; retries of single calls are those of the `openai` package."""

    def __init__(self, base_url: str, api_key: SecretStr, window: str, form: RequestForm = PLAIN) -> None:
        self._form = form
        self._base_url = base_url
        self._key = api_key
        self._window = window
        self._client: OpenAI | None = None

    def submit(self, submission_id: str, requests: list[ChatRequest]) -> str:
        """Upload requests, create their batch, and return its id.

        Raises:
            ChatServerError: the provider refuses.
            ConnectionError: it cannot be reached for now.
        """
        lines = (
            {
                "custom_id": request.key,
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": request_body(request, self._form),
            }
            for request in requests
        )
        content = "".join(json.dumps(line) + "\n" for line in lines).encode()
        name = f"codeio-{submission_id}.jsonl"
        uploaded = self._call(lambda client: client.files.create(file=(name, content), purpose="batch"))
        window: Any = self._window
        batch = self._call(
            lambda client: client.batches.create(
                input_file_id=uploaded.id,
                endpoint="/v1/chat/completions",
                completion_window=window,
                metadata={"codeio_submission": submission_id},
            )
        )
        return batch.id

    def find(self, submission_id: str) -> str | None:
        """Return the id of the batch of a submission; None when it was never created."""
        page = self._call(lambda client: list(client.batches.list(limit=100)))
        return next((one.id for one in page if (one.metadata or {}).get("codeio_submission") == submission_id), None)

    def outcomes(self, batch_id: str) -> dict[str, LineOutcome] | None:
        """Return request key -> outcome of a batch that has ended, None while it has not.

        Raises:
            ChatServerError: the provider refused the whole batch, or its lines for a reason that no retry mends.
            ConnectionError: it cannot be reached for now.
        """
        batch = self._call(lambda client: client.batches.retrieve(batch_id))
        if batch.status == "failed":
            raise ChatServerError(f"{self._base_url} refused the batch {batch_id}: {_errors_of(batch)}")
        if batch.status not in ENDED:
            return None
        found: dict[str, LineOutcome] = {}
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:
                content = self._call(lambda client, wanted=file_id: client.files.content(wanted).content)
                found |= dict(self._read(line) for line in content.splitlines() if line.strip())
        _raise_if_all_refused(list(found.values()))
        return found

    def _read(self, line: bytes) -> tuple[str, LineOutcome]:
        try:
            value = object_of(decode_json(line))
            key = str(value["custom_id"])
        except (ValueError, KeyError, TypeError):
            return "", LineOutcome(failure="malformed_line", try_again=True)
        response = object_of(value.get("response") or {})
        code, body = cast("int | None", response.get("status_code")), json.dumps(response.get("body")).encode()
        if code == 200:
            return key, _reply(body)
        detail = error_text(body) if code else error_text(json.dumps(value.get("error")).encode())
        return key, self._failure(code, detail)

    def _failure(self, code: int | None, detail: str) -> LineOutcome:
        if code is None or code >= 500 or code in _RETRIED:
            return LineOutcome(failure=f"http_{code}: {detail}" if code else f"batch: {detail}", try_again=True)
        end_of_run = ChatServerError(f"{self._base_url} answered {code} to a line of a batch: {detail}")
        if code not in ROW_CODES:
            raise end_of_run
        refusal = RequestRefused(code, detail, end_of_run)
        return LineOutcome(reply=refusal.reply(), failure=refusal.reason, refusal=refusal)

    def _call(self, call: "Callable[[OpenAI], T]") -> T:
        from openai import APIConnectionError, APIStatusError, OpenAI

        if self._client is None:
            key = self._key.get_secret_value() or "none"
            self._client = OpenAI(base_url=self._base_url, api_key=key, max_retries=5)
        try:
            return call(self._client)
        except APIStatusError as error:
            said = f"{self._base_url} answered {error.status_code}: {self._hidden(error_text(error.response.content))}"
            if error.status_code >= 500 or error.status_code in _RETRIED:
                raise ConnectionError(said) from None
            raise ChatServerError(f"{said}. Check the key in CODEIO_API_KEY, and that it has a batch API") from None
        except APIConnectionError as error:
            raise ConnectionError(f"{self._base_url} cannot be reached: {self._hidden(str(error))}") from None

    def _hidden(self, text: str) -> str:
        secret = self._key.get_secret_value()
        return text.replace(secret, "***") if secret else text


def _reply(body: bytes) -> LineOutcome:
    try:
        return LineOutcome(reply=parse_completion(body))
    except TryFailed as problem:
        return LineOutcome(failure=problem.reason, try_again=problem.max_tries != 1)


def _raise_if_all_refused(outcomes: list[LineOutcome]) -> None:
    """End the run when no line of a batch was answered and the provider does not say what is wrong with each."""
    refusals = [outcome.refusal for outcome in outcomes if outcome.refusal]
    if len(refusals) < len(outcomes) or not refusals:
        return
    if len(refusals) >= SERIES or any(refusal.cause == "other" for refusal in refusals):
        raise refusals[0].end_of_run


def _errors_of(batch: "Batch") -> str:
    errors = batch.errors.data if batch.errors and batch.errors.data else []
    return "; ".join(str(error.message) for error in errors[:3]) or "no reason given"
