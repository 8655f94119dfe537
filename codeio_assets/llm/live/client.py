"""Asking servers: journal first, then one or several OpenAI-compatible endpoints; one response per request.

What lives here: `OpenAIChatClient`, its settings, and the check of what servers serve.
What does not: the schedule of a batch (`running`), one try over HTTP (`endpoint`), durability (`journal`).
Source: design.md, sec. 8.
"""

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import SecretStr

from codeio_assets.core.settings.models import RequestForm
from codeio_assets.llm.contract import ChatRequest, ChatResponse, ChatServerError, Progress
from codeio_assets.llm.counting import CountTokens, by_characters
from codeio_assets.llm.journal.journal import Journal
from codeio_assets.llm.live.driver import run_to_end
from codeio_assets.llm.live.fleet import Fleet, nothing_answers
from codeio_assets.llm.live.lanes import EndpointConfig, Lane, shares
from codeio_assets.llm.live.open_files import allow_connections
from codeio_assets.llm.live.running import Batch, Limits
from codeio_assets.llm.live.tries import Backoff, TryFailed
from codeio_assets.llm.live.wire import PLAIN
from codeio_assets.llm.money import Meter

if TYPE_CHECKING:
    from codeio_assets.llm.live.endpoint import Endpoint


def api_key_from_environment() -> SecretStr:
    """Return `CODEIO_API_KEY`, else `OPENAI_API_KEY`, else an empty key (local servers ask for none)."""
    return SecretStr(os.environ.get("CODEIO_API_KEY") or os.environ.get("OPENAI_API_KEY") or "")


class OpenAIChatClient:
    """Answers requests from the journal, and what is missing from OpenAI-compatible servers of one model.

    Answers (also truncated and refused ones) are on disk before they count as done; failures are rows of
    the result only, so that the next run asks again. Requests are sent in the order given, which keeps
    shared prefixes together. Several endpoints share the requests by weight; one that is gone is left out and
    probed until it is back.
    """

    def __init__(
        self,
        endpoints: str | Sequence[EndpointConfig],
        model: str,
        journal: Journal,
        *,
        api_key: str | None = None,
        concurrency: int = 8,
        timeout_s: float = 600.0,
        deadline_s: float | None = None,
        max_attempts: int = 5,
        backoff: Backoff | None = None,
        patience_s: float = 0.0,
        meter: Meter | None = None,
        form: RequestForm = PLAIN,
        count_tokens: CountTokens = by_characters,
    ) -> None:
        """Prepare a client; nothing is sent yet.

        Args:
            endpoints: a base URL up to and with `/v1`, as the `openai` package takes it, or several endpoints.
            model: the name that the servers know the model by; requests must carry it.
            journal: where answers are looked up and recorded.
            api_key: for tests; leave None to take it from the environment.
            concurrency: requests in flight at a time, of an endpoint that is given as a URL.
            timeout_s: of one try, from sending to the last byte.
            deadline_s: of one request with all its tries; default three times `timeout_s`.
            max_attempts: tries per request.
            backoff: waits between tries.
            patience_s: how long to wait, at least, for servers that are all gone (one that is being restarted).
            meter: prices and budget; default free and without bounds.
            form: how the servers want their requests written.
            count_tokens: counts tokens of answers for which a server reports none.
        """
        if concurrency < 1 or max_attempts < 1 or timeout_s <= 0:
            raise ValueError("concurrency, max_attempts and timeout_s must be positive")
        if isinstance(endpoints, str):
            endpoints = [EndpointConfig(endpoints, concurrency=concurrency)]
        if not endpoints:
            raise ValueError("at least one endpoint is needed")
        self._endpoints = tuple(endpoints)
        self._model = model
        self._journal = journal
        self._api_key = api_key_from_environment() if api_key is None else SecretStr(api_key)
        deadline_s = 3 * timeout_s if deadline_s is None else deadline_s
        self._limits = Limits(timeout_s, deadline_s, max_attempts, backoff or Backoff(), patience_s)
        self._meter = meter or Meter()
        self._form = form
        self._count_tokens = count_tokens
        self._homes: dict[str, str] = {}

    def __repr__(self) -> str:
        urls = [endpoint.base_url for endpoint in self._endpoints]
        return f"OpenAIChatClient({', '.join(map(repr, urls))}, model={self._model!r}, {self._journal!r})"

    @property
    def model(self) -> str:
        """Name of the model that requests must carry."""
        return self._model

    def check_server(self) -> list[str]:
        """Ask the servers for their models and return the names; empty when none lists them.

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
            BudgetExhausted: the budget of the run or the day is spent.
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
        batch = Batch(self._journal, self._limits, missing, len(replayed), self._meter, count_tokens=self._count_tokens)
        if on_progress:
            on_progress(batch.progress())
        if missing:
            self._meter.start()
            allow_connections(sum(config.concurrency for config in self._endpoints))
            known = next((request for key, request in by_key.items() if key in replayed), None)
            run_to_end(lambda report: batch.run(lambda: self._fleet(known), report), on_progress)
        answers = replayed | batch.answers
        return [answers[request.key] for request in requests]

    def _fleet(self, known: ChatRequest | None) -> Fleet:
        lanes = [Lane(config, self._endpoint(config), float(config.concurrency)) for config in shares(self._endpoints)]
        limits = self._limits
        return Fleet(lanes, limits.backoff, limits.max_attempts, limits.patience_s, known=known, homes=self._homes)

    def _endpoint(self, config: EndpointConfig) -> "Endpoint":
        from codeio_assets.llm.live.endpoint import Endpoint  # `openai` takes 1 s to import; a replay needs none

        own = os.environ.get(config.api_key_env, "") if config.api_key_env else None
        key = self._api_key if own is None else SecretStr(own)
        return Endpoint(config.base_url, key, self._limits.timeout_s, self._form)

    async def _check_server(self) -> list[str]:
        served = [await self._models_of(config) for config in self._endpoints]
        return sorted({name for names in served for name in names})

    async def _models_of(self, config: EndpointConfig) -> list[str]:
        endpoint = self._endpoint(config)
        try:
            names = await endpoint.models()
        except TryFailed as problem:
            raise nothing_answers(config.base_url, problem.reason) from None
        finally:
            await endpoint.close()
        if names and self._model not in names:
            shown = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
            raise ChatServerError(f"{config.base_url} does not serve the model {self._model!r}; it serves: {shown}")
        return names or []
