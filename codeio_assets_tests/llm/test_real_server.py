"""Against a real OpenAI-compatible server, such as llama.cpp's.

Set CODEIO_LLAMA_URL (for example http://127.0.0.1:8080/v1) and, when it serves several, CODEIO_LLAMA_MODEL.
"""

import json
import os
import urllib.request

import pytest

from codeio_assets.llm import ChatRequest, ChatServerError, Journal, Message, OpenAIChatClient, Sampling

URL = os.environ.get("CODEIO_LLAMA_URL", "")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not URL, reason="no real chat server: CODEIO_LLAMA_URL is not set"),
]


@pytest.fixture
def model() -> str:
    if name := os.environ.get("CODEIO_LLAMA_MODEL"):
        return name
    with urllib.request.urlopen(f"{URL}/models", timeout=60) as response:
        return json.load(response)["data"][0]["id"]


def test_asks_records_and_marks_the_truncated(model: str, journal: Journal) -> None:
    client = OpenAIChatClient(URL, model, journal, concurrency=2)
    assert model in client.check_server()
    question = (Message("system", "Be brief."), Message("user", "Count from one to fifty in words."))
    requests = [
        ChatRequest(model, question, Sampling(temperature=0, max_tokens=4)),
        ChatRequest(model, (Message("user", "Say yes."),), Sampling(temperature=0, max_tokens=16)),
    ]
    cut, whole = client.complete(requests)
    assert (cut.status, cut.finish_reason) == ("truncated", "length")
    assert whole.status == "answered"
    assert cut.completion_tokens <= 5
    assert whole.prompt_tokens > 0
    assert Journal(journal.folder).get(requests[1].key) == whole


def test_a_prompt_beyond_the_context_fails_alone(model: str, journal: Journal) -> None:
    client = OpenAIChatClient(URL, model, journal, max_attempts=1)
    long = ChatRequest(model, (Message("user", "word " * 200_000),), Sampling(max_tokens=4))
    (response,) = client.complete([long])
    assert response.status == "failed"
    assert (response.failure or "").startswith("context_length_exceeded")


def test_an_unknown_model_is_named(journal: Journal) -> None:
    with pytest.raises(ChatServerError, match="does not serve the model 'no-such-model'; it serves: "):
        OpenAIChatClient(URL, "no-such-model", journal).check_server()
