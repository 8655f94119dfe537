"""Opening the language model that codeio.yaml and the environment ask for, for the time of a step.

What does not live here: how the engines work (`llm`), what a step reports (`running.asking`).
"""

import os
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from codeio_assets.core.settings.models import Chat
from codeio_assets.core.values.canonical import Json
from codeio_assets.llm import (
    Budget,
    ChatClient,
    EndpointConfig,
    Journal,
    Meter,
    OpenAIChatClient,
    Price,
    RecordedChatClient,
    ledger_meter,
)
from codeio_assets.llm.counting import CountTokens, by_characters, by_tokenizer
from codeio_assets.llm.journal.journal import segments_in
from codeio_assets.llm.journal.segments import Segments
from codeio_assets.llm.live.wire import formed_client
from codeio_assets.llm.provider_batches.client import BatchChatClient
from codeio_assets.llm.vllm.server import VllmConfig, VllmServer, vllm_servers
from codeio_assets.store.interface import Blobs

RECORDED, VLLM = "recorded", "vllm"
PATIENCE_S = 900.0
"""How long a run waits for vLLM servers of its own that are being restarted."""


@dataclass(frozen=True)
class ChatFolders:
    """Where a session keeps things: the live journal, logs of servers; `base` is what paths in codeio.yaml start at.

    The live journal is in `objects` if there are any, and what was recorded before in its folder.
    """

    base: Path
    journal: Path
    logs: Path
    objects: Blobs | None = None

    def open_journal(self, chat: Chat, label: str = "", part: str | None = None) -> Journal:
        """Open the journal of some settings; as `Journal`."""
        folder = self.journal_in_use(chat)
        return Journal(folder, label, part, self.objects if folder == self.journal else None)

    def live_segments(self) -> Segments:
        """Return where the live journal's segments are."""
        return segments_in(self.journal, self.objects)

    def journal_in_use(self, chat: Chat) -> Path:
        """Return the journal of some settings: the recorded one that is replayed, or the project's own."""
        replayed = chat.base_url == RECORDED and not chat.endpoints and chat.recorded
        return self.base / chat.recorded if replayed and chat.recorded else self.journal


@dataclass(frozen=True)
class ChatSession:
    """An open client, and the servers that were started for it, if any."""

    client: ChatClient
    servers: list[VllmServer] = field(default_factory=list[VllmServer])

    def server_metrics(self) -> dict[str, Json]:
        """Return what the started servers say of themselves, by replica; empty when none was started."""
        return {f"replica {number}": server.metrics() for number, server in enumerate(self.servers)}


@contextmanager
def open_session(
    chat: Chat,
    folders: ChatFolders,
    label: str = "",
    say: Callable[[str], None] = lambda _line: None,
    part: str | None = None,
) -> Generator[ChatSession]:
    """Open the client; `label` (the run's) names its journal segments, by which the budget of a run is kept.

    `part` is the part of the journal, `<asset>/<shard>`, that it looks into and adds to; None is for all. Batches of a
    provider may be fetched by another step than the one that sent them, so they take the whole journal.

    Raises:
        ChatServerError: a vLLM server could not be started.
    """
    journal = folders.open_journal(chat, label, None if chat.requests == "batches" else part)
    with ExitStack() as stack:
        stack.callback(journal.close)
        if chat.base_url == RECORDED and not chat.endpoints:
            yield ChatSession(formed_client(RecordedChatClient(journal, chat.model), chat.form))
            return
        servers: list[VllmServer] = []
        if chat.base_url == VLLM:
            servers = stack.enter_context(vllm_servers(vllm_config(chat), folders.logs, say))
        count = by_tokenizer(folders.base / chat.tokenizer) if chat.tokenizer else by_characters
        client = live_client(chat, journal, label, servers, count)
        yield ChatSession(formed_client(client, chat.form), servers)


def live_client(
    chat: Chat, journal: Journal, label: str, servers: list[VllmServer], count_tokens: CountTokens = by_characters
) -> ChatClient:
    """Return the client of running servers."""
    meter = meter_of(chat, journal.segments, label)
    endpoints = endpoints_of(chat, servers)
    if chat.requests == "batches":
        return BatchChatClient(
            endpoints[0].base_url,
            chat.model,
            journal,
            size=chat.batches.size,
            window=chat.batches.window,
            poll_s=chat.batches.poll_s,
            timeout_s=chat.batches.timeout_h * 3_600,
            max_attempts=chat.max_attempts,
            meter=meter,
            form=chat.form,
            count_tokens=count_tokens,
        )
    return OpenAIChatClient(
        endpoints,
        chat.model,
        journal,
        timeout_s=chat.timeout_s,
        deadline_s=chat.deadline_s,
        max_attempts=chat.max_attempts,
        patience_s=PATIENCE_S if servers else 0.0,
        meter=meter,
        form=chat.form,
        count_tokens=count_tokens,
    )


def endpoints_of(chat: Chat, servers: list[VllmServer]) -> list[EndpointConfig]:
    """Return the endpoints of the settings, or those of the servers that were started."""
    if servers:
        return [EndpointConfig(server.base_url, concurrency=chat.concurrency) for server in servers]
    if not chat.endpoints:
        return [EndpointConfig(chat.base_url, concurrency=chat.concurrency)]
    return [
        EndpointConfig(one.url, one.weight, one.concurrency or chat.concurrency, one.api_key_env)
        for one in chat.endpoints
    ]


def vllm_config(chat: Chat) -> VllmConfig:
    """Return how vLLM servers are started; the environment may name the interpreter and the weights."""
    vllm = chat.vllm
    return VllmConfig(
        model=chat.model,
        model_path=vllm.model_path or os.environ.get("CODEIO_VLLM_MODEL") or None,
        python=vllm.python or os.environ.get("CODEIO_VLLM_PYTHON") or None,
        replicas=vllm.replicas,
        gpus_per_replica=vllm.gpus_per_replica,
        concurrency=chat.concurrency,
        arguments=vllm.arguments,
        start_timeout_s=vllm.start_timeout_s,
        restarts=vllm.restarts,
    )


def prices_of(chat: Chat) -> dict[str, Price]:
    """Return the price table."""
    return {model: Price(price.input, price.output, price.cached_input) for model, price in chat.prices.items()}


def meter_of(chat: Chat, journal: Segments, label: str) -> Meter:
    """Return the meter of the model's price and the budget."""
    budget = Budget(**chat.budget.model_dump())
    return ledger_meter(journal, chat.model, prices_of(chat), budget, label or None)
