"""A marked key must appear nowhere but in the header that carries it to the server."""

import logging
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from codeio_assets.llm import ChatServerError, Journal, OpenAIChatClient, api_key_from_environment
from codeio_assets_tests.llm.conftest import MODEL, SOON, request
from codeio_assets_tests.llm.stub_server import Act, StubServer, error, in_turn

MARK = "sk-MARKED-0123456789"


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEIO_API_KEY", MARK)


@pytest.fixture
def all_logs(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    for name in ("openai", "httpx", "httpx2", "httpcore", "httpcore2", "asyncio"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.mark.usefixtures("marked")
def test_a_marked_key_reaches_the_server_and_nothing_else(
    stub: StubServer,
    client_of: Callable[..., OpenAIChatClient],
    tmp_path: Path,
    all_logs: pytest.LogCaptureFixture,
) -> None:
    quoting = error(500, f"bad key {MARK}")
    stub.script = lambda asked, before: {"fails": quoting, "resets": Act(reset=True)}.get(
        asked["messages"][0]["content"], in_turn(quoting)(asked, before)
    )
    client = client_of(stub, max_attempts=2)
    responses = client.complete([request("fine"), request("fails"), request("resets")])
    assert [response.status for response in responses] == ["answered", "failed", "failed"]
    assert all(headers["authorization"] == f"Bearer {MARK}" for headers in stub.asked_headers)
    assert all_logs.records, "the log is being watched"
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"answer to: fine" in files
    for text in (files.decode(), all_logs.text, repr(responses), repr(client), str(vars(client))):
        assert MARK not in text


@pytest.mark.usefixtures("marked")
@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refused_key_is_not_quoted(status: int, stub: StubServer, client_of: Callable[..., OpenAIChatClient]) -> None:
    stub.script = lambda asked, _before: error(status, f"Incorrect API key provided: {MARK}")
    with pytest.raises(ChatServerError, match=rf"{status}: .*provided: \*\*\*") as caught:
        client_of(stub).complete([request("one")])
    assert MARK not in "".join(traceback.format_exception(caught.value))


@pytest.mark.usefixtures("marked")
def test_nothing_listening_does_not_quote_the_key(journal: Journal) -> None:
    client = OpenAIChatClient("http://127.0.0.1:1/v1", MODEL, journal, backoff=SOON)
    with pytest.raises(ChatServerError) as caught:
        client.complete([request("one")])
    assert MARK not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({}, ""),
        ({"CODEIO_API_KEY": "", "OPENAI_API_KEY": ""}, ""),
        ({"OPENAI_API_KEY": "theirs"}, "theirs"),
        ({"CODEIO_API_KEY": "ours", "OPENAI_API_KEY": "theirs"}, "ours"),
    ],
)
def test_where_the_key_comes_from(environment: dict[str, str], key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert api_key_from_environment().get_secret_value() == key


def test_without_a_key_a_placeholder_is_sent(stub: StubServer, client_of: Callable[..., OpenAIChatClient]) -> None:
    client_of(stub).complete([request("one")])
    assert stub.asked_headers[0]["authorization"] == "Bearer none"
