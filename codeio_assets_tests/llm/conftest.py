from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codeio_assets.llm import Backoff, ChatRequest, ChatResponse, Journal, Message, OpenAIChatClient, Sampling
from codeio_assets_tests.llm.stub_server import StubServer

MODEL = "stub-model"
SOON = Backoff(base_s=0.01, cap_s=0.05)


def request(text: str, **sampling: object) -> ChatRequest:
    return ChatRequest(MODEL, (Message("user", text),), Sampling(**sampling))  # type: ignore[arg-type]


def answered(asked: ChatRequest, text: str = "yes") -> ChatResponse:
    return ChatResponse(key=asked.key, status="answered", model="m", text=text, finish_reason="stop")


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODEIO_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


@pytest.fixture
def stub() -> Iterator[StubServer]:
    with StubServer() as server:
        yield server


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal")
    yield journal
    journal.close()


@pytest.fixture
def client_of(journal: Journal) -> Callable[..., OpenAIChatClient]:
    """Make a client of a stand-in server; settings by name."""

    def make(stub: StubServer, **settings: object) -> OpenAIChatClient:
        settings = {"timeout_s": 10.0, "backoff": SOON, "concurrency": 4, **settings}
        return OpenAIChatClient(stub.base_url, MODEL, journal, **settings)  # type: ignore[arg-type]

    return make
