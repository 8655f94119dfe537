"""Language model calls: any OpenAI-compatible server, every response durable, nothing asked twice."""

from codeio_assets.llm.client import OpenAIChatClient, api_key_from_environment
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
from codeio_assets.llm.journal import Journal, JournalReport
from codeio_assets.llm.journal_lines import Recorded
from codeio_assets.llm.lanes import EndpointConfig
from codeio_assets.llm.money import Budget, Ledger, Meter, Price, ledger_meter
from codeio_assets.llm.recorded import RecordedChatClient
from codeio_assets.llm.tries import Backoff

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
