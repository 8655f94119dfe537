"""Language model calls: any OpenAI-compatible server, every response durable, nothing asked twice."""

from codeio_assets.llm.contract import (
    BudgetExhausted,
    ChatClient,
    ChatRequest,
    ChatResponse,
    ChatServerError,
    Message,
    MissingRecording,
    Progress,
    ResponseStatus,
    Sampling,
    answered_in_windows,
)
from codeio_assets.llm.journal.journal import Journal, JournalReport
from codeio_assets.llm.journal.lines import Recorded
from codeio_assets.llm.live.client import OpenAIChatClient, api_key_from_environment
from codeio_assets.llm.live.lanes import EndpointConfig
from codeio_assets.llm.live.tries import Backoff
from codeio_assets.llm.money import Budget, Ledger, Meter, Price, ledger_meter
from codeio_assets.llm.recorded import RecordedChatClient

__all__ = [
    "Backoff",
    "Budget",
    "BudgetExhausted",
    "ChatClient",
    "ChatRequest",
    "ChatResponse",
    "ChatServerError",
    "EndpointConfig",
    "Journal",
    "JournalReport",
    "Ledger",
    "Message",
    "Meter",
    "MissingRecording",
    "OpenAIChatClient",
    "Price",
    "Progress",
    "Recorded",
    "RecordedChatClient",
    "ResponseStatus",
    "Sampling",
    "answered_in_windows",
    "api_key_from_environment",
    "ledger_meter",
]
