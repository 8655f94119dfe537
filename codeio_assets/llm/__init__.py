"""Language model calls: any OpenAI-compatible server, every response durable, nothing asked twice."""

from codeio_assets.llm.client import OpenAIChatClient, api_key_from_environment
from codeio_assets.llm.contract import (
    ChatClient,
    ChatRequest,
    ChatResponse,
    ChatServerError,
    Message,
    MissingRecording,
    Progress,
    ResponseStatus,
    Sampling,
)
from codeio_assets.llm.journal import Journal, JournalReport
from codeio_assets.llm.journal_lines import Recorded
from codeio_assets.llm.recorded import RecordedChatClient
from codeio_assets.llm.tries import Backoff

__all__ = [
    "Backoff",
    "ChatClient",
    "ChatRequest",
    "ChatResponse",
    "ChatServerError",
    "Journal",
    "JournalReport",
    "Message",
    "MissingRecording",
    "OpenAIChatClient",
    "Progress",
    "Recorded",
    "RecordedChatClient",
    "ResponseStatus",
    "Sampling",
    "api_key_from_environment",
]
