"""What a server sends cannot hurt: bodies of any size and depth, packed bodies, redirects."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.core.values import decoding
from codeio_assets.llm.contract import ChatRequest, ChatServerError, Message, Sampling
from codeio_assets.llm.journal.journal import Journal
from codeio_assets.llm.live.client import OpenAIChatClient
from codeio_assets.llm.live.replies import error_text, parse_completion
from codeio_assets.llm.live.tries import TryFailed
from codeio_assets_tests.llm.stub_server import Act, StubServer, answer, echo

HOSTILE_BODIES = {
    "brackets": b"[" * 200_000,
    "deep": b'{"choices": ' + b"[" * 900 + b"]" * 900 + b"}",
    "digits": b'{"choices": ' + b"9" * 10_000 + b"}",
    "no UTF-8": b'{"choices": "\xff"}',
    "UTF-16": json.dumps({"choices": []}).encode("utf-16"),
    "nothing": b"",
    "a list": b"[1]",
    "choices are text": b'{"choices": "ab"}',
    "message is null": b'{"choices": [{"message": null}]}',
}


@pytest.mark.parametrize("body", HOSTILE_BODIES.values(), ids=HOSTILE_BODIES)
def test_a_hostile_body_is_a_failed_try(body: bytes) -> None:
    with pytest.raises(TryFailed, match="malformed_body"):
        parse_completion(body)
    assert len(error_text(body)) <= 300


def test_texts_of_a_server_can_be_stored() -> None:
    body = answer("half \ud83d and \0 nothing").body
    assert parse_completion(body).text == "half \ufffd and \ufffd nothing"


def test_reasoning_marks_of_other_models_are_set_apart() -> None:
    reply = parse_completion(answer('[THINK]maybe {"output": 3}[/THINK]\n{"output": 4}').body)
    assert (reply.text, reply.reasoning) == ('{"output": 4}', 'maybe {"output": 3}')
    cut = parse_completion(answer('<think>maybe {"output": 3}', "length").body)
    assert (cut.text, cut.reasoning, cut.status) == ("", 'maybe {"output": 3}', "truncated")
    open_ended = parse_completion(answer('<think>It is 4.\n{"output": 4}', "stop").body)
    assert (open_ended.text, open_ended.reasoning) == ('It is 4.\n{"output": 4}', None)


def ask(server: StubServer, folder: Path, *prompts: str, **options: Any) -> list[Any]:
    client = OpenAIChatClient(server.base_url, "stub-model", Journal(folder), api_key="", max_attempts=1, **options)
    asked = [ChatRequest("stub-model", (Message("user", prompt),), Sampling()) for prompt in prompts]
    return client.complete(asked)


def for_prompt(name: str, act: Act) -> Any:
    return lambda asked, _before: act if asked["messages"][-1]["content"] == name else echo(asked)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (Act(body=b"x" * 3_000_000), "bytes, more than"),
        (Act(body=gzip.compress(b"0" * 3_000_000), headers={"content-encoding": "gzip"}), "packed"),
        (Act(body=b"[" * 200_000), "malformed_body"),
    ],
)
def test_a_hostile_response_leaves_the_others_alone(
    act: Act, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeio_assets.llm.live.http.BOUNDS", decoding.Bounds(max_bytes=1_000_000))
    with StubServer(for_prompt("bad", act)) as server:
        good, bad, fine = ask(server, tmp_path, "good", "bad", "fine")
        assert [good.status, bad.status, fine.status] == ["answered", "failed", "answered"]
        assert said in bad.failure
        assert server.asked_headers[0]["accept-encoding"] == "identity"


def test_prompts_are_not_redirected(tmp_path: Path) -> None:
    with StubServer() as elsewhere:
        moved = Act(status=307, headers={"location": f"{elsewhere.base_url}/chat/completions"})
        with StubServer(lambda _asked, _before: moved) as server, pytest.raises(ChatServerError, match="redirects"):
            ask(server, tmp_path, "secret")
        assert elsewhere.asked == []
