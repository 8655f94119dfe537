"""From codeio.yaml to a client."""

from pathlib import Path

import pytest

from codeio_assets.core.settings.models import Chat
from codeio_assets.core.settings.project import SettingsError, load_settings
from codeio_assets.llm import EndpointConfig, Journal, OpenAIChatClient, Price, RecordedChatClient
from codeio_assets.llm.provider_batches.client import BatchChatClient
from codeio_assets.llm.session import endpoints_of, live_client, open_session, prices_of, vllm_config
from codeio_assets.project import Project

TWO = [{"url": "http://a/v1", "weight": 2.0}, {"url": "http://b/v1", "concurrency": 3, "api_key_env": "KEY_OF_B"}]


def chat(**fields: object) -> Chat:
    return Chat.model_validate({"model": "m", **fields})


def test_one_url_or_several_endpoints() -> None:
    assert endpoints_of(chat(base_url="http://a/v1", concurrency=5), []) == [EndpointConfig("http://a/v1", 1.0, 5)]
    assert endpoints_of(chat(endpoints=TWO), []) == [
        EndpointConfig("http://a/v1", 2.0, 16),
        EndpointConfig("http://b/v1", 1.0, 3, "KEY_OF_B"),
    ]


def test_which_client(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert isinstance(live_client(chat(base_url="http://a/v1"), journal, "", []), OpenAIChatClient)
    assert isinstance(live_client(chat(base_url="http://a/v1", requests="batches"), journal, "", []), BatchChatClient)


def test_prices() -> None:
    assert prices_of(chat(prices={"m": {"input": 1.5, "cached_input": 0.5}})) == {"m": Price(1.5, 0.0, 0.5)}


def test_the_environment_names_the_interpreter_of_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEIO_VLLM_PYTHON", "/venv/bin/python")
    config = vllm_config(chat(vllm={"replicas": 2, "arguments": ["--x", "1"]}))
    assert (config.python, config.replicas, config.arguments, config.model_path) == (
        "/venv/bin/python", 2, ("--x", "1"), None,
    )  # fmt: skip
    assert vllm_config(chat(vllm={"python": "/own"})).python == "/own"


def test_the_shipped_project_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CODEIO_BASE_URL", "CODEIO_MODEL", "CODEIO_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    project = Project.find()
    with open_session(project.settings.chat, project.chat_folders) as session:
        assert isinstance(session.client, RecordedChatClient)
        assert session.server_metrics() == {}


def test_a_url_in_the_environment_replaces_endpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "codeio.yaml").write_text("chat:\n  model: m\n  endpoints: [{url: http://a/v1}]\n")
    assert Project(tmp_path, tmp_path).settings.chat.endpoints
    monkeypatch.setenv("CODEIO_BASE_URL", "http://other/v1")
    settings = Project(tmp_path, tmp_path).settings.chat
    assert (settings.base_url, settings.endpoints) == ("http://other/v1", ())


def test_two_answers_to_the_same_question_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "codeio.yaml"
    path.write_text("chat:\n  model: m\n  base_url: http://a/v1\n  endpoints: [{url: http://b/v1}]\n")
    with pytest.raises(SettingsError, match="has both `base_url` and `endpoints`"):
        load_settings(path)


def test_later_fields_leave_what_is_made_as_it_is() -> None:
    """The settings of a stage are part of its fingerprint."""
    assert set(chat().transform.model_dump()) == {"temperature", "top_p", "max_tokens", "seed"}
    used = chat(transform={"stop": ["END"], "system_messages": "fold"}).transform.model_dump(mode="json")
    assert (used["stop"], used["system_messages"]) == (["END"], "fold")
