"""Requests as servers want them, against a stand-in that refuses the others as the vendors' servers do."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from codeio_assets.core.settings.model_families import FAMILIES, family_of
from codeio_assets.core.settings.models import Chat, RequestForm
from codeio_assets.llm import ChatRequest, ChatServerError, Journal, Message, Sampling
from codeio_assets.llm.live.wire import formed, request_body
from codeio_assets.llm.session import ChatFolders, open_session
from codeio_assets_tests.llm.conftest import request
from codeio_assets_tests.llm.stub_server import Act, Script, StubServer, echo, error


def refusing(*names: str, wants: str | None = None, roles: tuple[str, ...] = ()) -> Script:
    def script(asked: dict[str, Any], _before: int) -> Act:
        for name in names:
            if name in asked:
                return error(400, f"Unsupported parameter: '{name}' is not supported with this model.")
        if wants and wants not in asked:
            return error(400, f"missing {wants}")
        if bad := {message["role"] for message in asked["messages"]} & set(roles):
            return error(400, f"{bad} role not supported")
        return echo(asked)

    return script


SERVERS: dict[str, tuple[str, Script]] = {
    "OpenAI reasoning": ("o3-mini", refusing("max_tokens", "temperature", "top_p", wants="max_completion_tokens")),
    "OpenAI gpt-5": ("gpt-5.1-mini", refusing("max_tokens", "temperature", "top_p", "stop")),
    "Anthropic": ("claude-sonnet-4-5", refusing("top_p")),
    "Mistral": ("mistral-small-latest", refusing("seed", wants="random_seed")),
    "xAI": ("grok-4-fast", refusing("stop")),
}
SAMPLING = Sampling(stop=("END",))
TALK = (Message("system", "short"), Message("user", "one"))


def asked_of(tmp_path: Path, stub: StubServer, model: str, **settings: Any) -> Any:
    chat = Chat.model_validate({"base_url": stub.base_url, "model": model, "max_attempts": 1, **settings})
    folders = ChatFolders(tmp_path, tmp_path / "journal", tmp_path / "logs")
    with open_session(chat, folders) as session:
        return session.client.complete([ChatRequest(model, TALK, SAMPLING)])[0]


@pytest.mark.parametrize(("model", "script"), SERVERS.values(), ids=SERVERS.keys())
def test_the_usual_families_are_asked_as_they_want_it(
    model: str, script: Script, stub: StubServer, tmp_path: Path
) -> None:
    stub.script = script
    assert asked_of(tmp_path, stub, model).text == "answer to: one"
    with pytest.raises(ChatServerError, match=r"answered 400: .*`chat.models`"):
        asked_of(tmp_path / "other", stub, "plain")


def test_a_preset_by_name_and_fields_that_are_written(stub: StubServer, tmp_path: Path) -> None:
    stub.script = refusing("max_tokens", "seed", roles=("system", "developer"))
    models = {"mine": {"preset": "openai_reasoning", "omit": ["seed"], "system_role": "fold"}}
    assert asked_of(tmp_path, stub, "mine", models=models).text == "answer to: short\n\none"
    (asked,) = stub.asked
    assert asked == {
        "model": "mine", "messages": [{"role": "user", "content": "short\n\none"}], "temperature": 0.7, "top_p": 1.0,
        "stop": ["END"], "max_completion_tokens": 4096,
    }  # fmt: skip


def test_extra_body_is_sent_and_is_another_question(stub: StubServer, tmp_path: Path) -> None:
    extra = {"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": False}}
    high = asked_of(tmp_path, stub, "mine", models={"mine": {"extra_body": extra}})
    low = asked_of(tmp_path, stub, "mine", models={"mine": {"extra_body": {"reasoning_effort": "low"}}})
    plain = asked_of(tmp_path, stub, "mine")
    assert [asked.get("reasoning_effort") for asked in stub.asked] == ["high", "low", None]
    assert stub.asked[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert len({high.key, low.key, plain.key}) == 3
    assert plain.key == ChatRequest("mine", TALK, SAMPLING).key
    assert Journal(tmp_path / "journal").verify().is_sound
    assert asked_of(tmp_path, stub, "mine", models={"mine": {"extra_body": extra}}) == high
    assert len(stub.asked) == 3, "recorded"


def test_what_is_renamed_or_omitted_is_the_same_question() -> None:
    form = RequestForm.model_validate(FAMILIES["openai_reasoning"].form)
    assert formed(request("one"), form).key == request("one").key
    assert "max_completion_tokens" in request_body(request("one"), form)


def test_the_developer_role(stub: StubServer, tmp_path: Path) -> None:
    stub.script = refusing(roles=("system",))
    assert asked_of(tmp_path, stub, "mine", models={"mine": {"system_role": "developer"}}).text == "answer to: one"


@pytest.mark.parametrize("family", FAMILIES)
def test_every_preset_is_a_form_and_one_by_name_changes_no_question(family: str) -> None:
    form = RequestForm(preset=family).completed("x")
    if FAMILIES[family].names:
        asked = ChatRequest("x", TALK)
        assert formed(asked, form).key == asked.key


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("o3", "openai_reasoning"), ("o4-mini-2025-04-16", "openai_reasoning"), ("GPT-5-nano", "openai_reasoning"),
        ("gpt-4o", None), ("o3x", None), ("olmo-2", None), ("deepseek-chat", None), ("Qwen/Qwen3-8B", None),
        ("deepseek-reasoner", "deepseek_reasoner"), ("mistralai/Mistral-7B-Instruct-v0.3", None),
    ],
)  # fmt: skip
def test_the_family_of_a_name(model: str, family: str | None) -> None:
    assert family_of(model) == family


def test_an_unknown_preset_names_those_that_are_known() -> None:
    with pytest.raises(ValidationError, match=r"'gemini' is no preset. Known: openai_reasoning, claude"):
        RequestForm.model_validate({"preset": "gemini"})


def test_an_extra_body_survives_the_journal() -> None:
    asked = formed(request("one"), RequestForm.model_validate({"extra_body": {"b": 1, "a": {"c": [2]}}}))
    assert ChatRequest.from_json(json.loads(json.dumps(asked.as_json()))) == asked
