"""One prompt is one row: what servers answer to a prompt that they do not want, and what ends a run."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from codeio_assets.llm import ChatServerError, Journal, OpenAIChatClient
from codeio_assets.llm.live.evidence import LONG_SERIES
from codeio_assets.llm.live.refusals import SERIES, cause_of
from codeio_assets_tests.llm.conftest import request
from codeio_assets_tests.llm.stub_server import Act, Script, StubServer, echo, error

ClientOf = Callable[..., OpenAIChatClient]

FILTERS = {
    "OpenAI": (400, "Your request was rejected as a result of our safety system.", "content_policy_violation"),
    "OpenAI, reasoning": (
        400,
        "Invalid prompt: it was flagged as potentially violating our usage policy.",
        None,
    ),
    "Azure": (400, "The response was filtered due to the prompt triggering Azure's content management policy.", None),
    "DeepSeek": (400, "Content Exists Risk", "invalid_request_error"),
    "DashScope": (400, "Input data may contain inappropriate content.", "data_inspection_failed"),
    "DashScope, older": (400, "Output data may contain inappropriate content.", "DataInspectionFailed"),
    "Zhipu": (400, "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语。", "1301"),
    "OpenRouter": (403, 'deepseek/x requires moderation on Novita. Your input was flagged for "violence"', "403"),
    "xAI": (403, "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO", None),
    "by law": (451, "Unavailable", None),
}
TOO_LONG = {
    "vLLM": (400, "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."),
    "vLLM, engine": (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
    "SGLang": (400, "The input (9000 tokens) is longer than the model's context length (8192 tokens)."),
    "TGI": (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs`"),
    "TGI, inputs": (422, "Input validation error: `inputs` must have less than 1024 tokens. Given: 3000"),
    "Gemini": (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
    "xAI": (400, "This model's maximum prompt length is 131072 but the request contains 150000 tokens."),
    "DashScope": (400, "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]"),
    "Moonshot": (400, "Invalid request: Your request exceeded model token limit: 8192"),
    "Moonshot, input": (400, "Input token length too long"),
    "TensorRT-LLM": (400, "Prompt length (5000) exceeds maximum input length (4096)."),
    "TensorRT-LLM, sum": (422, "The sum of prompt length (8), query length (0) must not exceed max_num_tokens (4)"),
    "LiteLLM": (400, "litellm.ContextWindowExceededError: ContextWindowExceededError: OpenAIException"),
    "llama.cpp": (400, "the request exceeds the available context size, try increasing it"),
    "Anthropic": (400, "prompt is too long: 208310 tokens > 200000 maximum"),
    "Mistral": (400, "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum"),
    "Groq": (400, "Please reduce the length of the messages or completion."),
    "Zhipu": (400, "Prompt 超长"),
    "413": (413, "Payload"),
}  # fmt: skip
OTHERS = {
    "words unknown": (400, "fhqwhgads"),
    "template": (400, "Conversation roles must alternate user/assistant/user/assistant/..."),
    "denied": (403, "Forbidden"),
    "unprocessable": (422, "value error"),
}


def is_poison(asked: dict[str, Any]) -> bool:
    return "poison" in asked["messages"][-1]["content"]


def poisoned_by(act: Act) -> Script:
    return lambda asked, _before: act if is_poison(asked) else echo(asked)


def among_good_ones(poison_at: int) -> list[str]:
    texts = [str(number) for number in range(12)]
    texts[poison_at] = "poison"
    return texts


@pytest.mark.parametrize("poison_at", [0, 5, 11])
@pytest.mark.parametrize(("code", "words", "mark"), FILTERS.values(), ids=FILTERS.keys())
def test_a_filter_refuses_one_row(
    code: int, words: str, mark: str | None, poison_at: int, stub: StubServer, client_of: ClientOf
) -> None:
    stub.script = poisoned_by(error(code, words, code=mark))
    responses = client_of(stub).complete([request(text) for text in among_good_ones(poison_at)])
    assert [r.status for r in responses] == ["refused" if n == poison_at else "answered" for n in range(12)]


@pytest.mark.parametrize("poison_at", [0, 5])
@pytest.mark.parametrize(("code", "words"), TOO_LONG.values(), ids=TOO_LONG.keys())
def test_a_prompt_too_long_is_a_row(
    code: int, words: str, poison_at: int, stub: StubServer, client_of: ClientOf
) -> None:
    stub.script = poisoned_by(error(code, words))
    responses = client_of(stub).complete([request(text) for text in among_good_ones(poison_at)])
    assert [r.status for r in responses] == ["failed" if n == poison_at else "answered" for n in range(12)]
    assert responses[poison_at].failure == f"context_length_exceeded: stub_error {words}"
    assert responses[poison_at].attempts == 1


@pytest.mark.parametrize("poison_at", [0, 5])
@pytest.mark.parametrize(("code", "words"), OTHERS.values(), ids=OTHERS.keys())
def test_anything_else_is_a_row_with_the_servers_words(
    code: int, words: str, poison_at: int, stub: StubServer, client_of: ClientOf
) -> None:
    stub.script = poisoned_by(error(code, words))
    responses = client_of(stub).complete([request(text) for text in among_good_ones(poison_at)])
    assert [r.status for r in responses] == ["failed" if n == poison_at else "answered" for n in range(12)]
    assert responses[poison_at].failure == f"http_{code}: stub_error {words}"


def test_a_rerun_with_only_the_bad_prompt_left_ends_too(stub: StubServer, client_of: ClientOf) -> None:
    stub.script = poisoned_by(error(400, "fhqwhgads"))
    requests = [request(text) for text in among_good_ones(3)]
    first = client_of(stub).complete(requests)
    sent = len(stub.asked)
    assert [r.status for r in client_of(stub).complete(requests)] == [r.status for r in first]
    assert len(stub.asked) == sent + 1
    (alone,) = client_of(stub).complete([request("poison, alone")])
    assert (alone.status, alone.failure) == ("failed", "http_400: stub_error fhqwhgads")


def test_a_whole_function_that_a_filter_refuses_is_rows(stub: StubServer, client_of: ClientOf) -> None:
    stub.script = poisoned_by(error(400, "Content Exists Risk"))
    texts = [f"poison {number}" for number in range(24)] + [str(number) for number in range(24)]
    responses = client_of(stub, concurrency=16).complete([request(text) for text in texts])
    assert [r.status for r in responses] == ["refused"] * 24 + ["answered"] * 24


@pytest.mark.parametrize(
    ("code", "words"),
    [*OTHERS.values(), (400, "Content Exists Risk"), TOO_LONG["vLLM"], (400, "seed is not supported")],
)
def test_a_server_that_refuses_everything_ends_the_run(
    code: int, words: str, stub: StubServer, client_of: ClientOf
) -> None:
    stub.script = lambda _asked, _before: error(code, words)
    with pytest.raises(ChatServerError, match=rf"answered {code}: ") as caught:
        client_of(stub).complete([request(str(number)) for number in range(500)])
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(stub.asked) <= 4 * SERIES


def test_prompts_that_are_all_refused_end_the_run_though_the_server_works(
    stub: StubServer, client_of: ClientOf
) -> None:
    stub.script = poisoned_by(error(400, "This model's maximum context length is 512 tokens."))
    with pytest.raises(ChatServerError, match="maximum context length"):
        client_of(stub).complete([request(f"poison {number}") for number in range(2_000)])
    assert len(stub.asked) <= 3 * LONG_SERIES, "a few more leave while the proof is awaited"


def test_a_server_that_comes_to_refuse_everything_ends_the_run(stub: StubServer, client_of: ClientOf) -> None:
    def revoked(asked: dict[str, Any], _before: int) -> Act:
        return echo(asked) if len(stub.asked) <= 20 else error(403, "the key lost its rights")

    stub.script = revoked
    with pytest.raises(ChatServerError, match=r"answered 403: it denies access.*lost its rights"):
        client_of(stub).complete([request(str(number)) for number in range(2_000)])
    assert len(stub.asked) <= 20 + 3 * LONG_SERIES


def test_a_server_that_is_up_but_dead_ends_the_run_early(journal: Journal) -> None:
    with StubServer(lambda _asked, _before: error(500, "CUDA error: device-side assert")) as stub:
        client = OpenAIChatClient(stub.base_url, "stub-model", journal, concurrency=16)
        began = time.monotonic()
        with pytest.raises(ChatServerError, match=r"answers with nothing but errors .*device-side assert.*log"):
            client.complete([request(str(number)) for number in range(14_000)])
        assert time.monotonic() - began < 15, "with the back-off that users have"
        assert len(stub.asked) < 60


def test_a_server_that_dies_in_the_middle_ends_the_run(
    stub: StubServer, client_of: ClientOf, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeio_assets.llm.live.lanes.SILENT_S", 0.5)
    stub.script = lambda asked, _before: echo(asked) if len(stub.asked) <= 40 else error(500, "dead")
    with pytest.raises(ChatServerError, match="nothing but errors"):
        client_of(stub, max_attempts=3).complete([request(str(number)) for number in range(5_000)])
    assert len(journal) == 40
    assert len(stub.asked) < 600


def test_requests_that_break_a_server_that_works_are_rows(
    stub: StubServer, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeio_assets.llm.live.lanes.SILENT_S", 0.1)
    stub.script = poisoned_by(error(500, "always"))
    responses = client_of(stub, max_attempts=3).complete([request(f"poison {number}") for number in range(40)])
    assert {r.status for r in responses} == {"failed"}
    assert {r.failure for r in responses} == {"http_500: stub_error always"}


def test_a_server_that_is_crowded_for_ever_ends_the_run(
    stub: StubServer, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("codeio_assets.llm.live.running.QUIET_S", 0.1)
    stub.script = lambda _asked, _before: error(429, "too many")
    with pytest.raises(ChatServerError, match=r"nothing but errors .*too many"):
        client_of(stub, max_attempts=2).complete([request(str(number)) for number in range(5_000)])
    assert len(stub.asked) < 500


@pytest.mark.parametrize(
    "words",
    ["Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", "unknown field `seed`", "bad role"],
)
def test_words_of_a_wrong_form_are_no_long_prompt(words: str) -> None:
    assert cause_of(400, words) == "other"
