"""Budgets where a server reports no usage."""

import json
import resource
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codeio_assets.llm import Budget, BudgetExhausted, ChatServerError, Journal, Meter, OpenAIChatClient, Progress
from codeio_assets.llm.counting import by_characters, by_tokenizer
from codeio_assets.llm.metering import MeteredClient
from codeio_assets_tests.llm.conftest import SOON, request
from codeio_assets_tests.llm.stub_server import Act, StubServer, answer

ClientOf = Callable[..., OpenAIChatClient]


def without_usage(asked: dict[str, Any], _before: int) -> Act:
    choices = [{"message": {"content": "x" * 35}, "finish_reason": "stop"}]
    return Act(body=json.dumps({"choices": choices}).encode())


def test_tokens_are_estimated_and_marked(stub: StubServer, client_of: ClientOf, journal: Journal) -> None:
    stub.script = without_usage
    client = MeteredClient(client_of(stub))
    (response,) = client.complete([request("y" * 70)])
    assert (response.prompt_tokens, response.completion_tokens, response.tokens_estimated) == (20, 10, True)
    assert Journal(journal.folder).get(response.key) == response
    assert client.usage.as_info()["answers_with_estimated_tokens"] == 1
    assert "estimated" not in client.usage.as_row()


def test_reported_tokens_are_not_touched(stub: StubServer, client_of: ClientOf) -> None:
    (response,) = client_of(stub).complete([request("one")])
    assert (response.prompt_tokens, response.completion_tokens, response.tokens_estimated) == (7, 3, False)
    assert "tokens_estimated" not in response.as_json()


def test_a_token_budget_ends_a_run_without_usage(stub: StubServer, client_of: ClientOf, journal: Journal) -> None:
    stub.script = without_usage
    client = client_of(stub, concurrency=1, meter=Meter(budget=Budget(run_tokens=100)))
    with pytest.raises(BudgetExhausted, match="the budget of the run is spent: 100 tokens"):
        client.complete([request(f"{number:070}") for number in range(50)])
    assert len(journal) == 4, "of 30 tokens each"


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_a_tokenizer_counts_where_there_is_one(tokenizer: Path, stub: StubServer, client_of: ClientOf) -> None:
    stub.script = lambda _asked, _before: Act(
        body=json.dumps({"choices": [{"message": {"content": "a b a"}, "finish_reason": "stop"}]}).encode()
    )
    (response,) = client_of(stub, count_tokens=by_tokenizer(tokenizer)).complete([request("a " * 9)])
    assert (response.prompt_tokens, response.completion_tokens, response.tokens_estimated) == (9, 3, True)
    assert by_tokenizer(tokenizer / "tokenizer.json")("a a") == 2


def test_a_tokenizer_that_is_none_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ChatServerError, match=r"`chat.tokenizer`: .*tokenizer.json cannot be read") as caught:
        by_tokenizer(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("a", 1), ("a" * 35, 10)])
def test_characters_tell_about_how_many_tokens(text: str, tokens: int) -> None:
    assert by_characters(text) == tokens


@pytest.fixture
def few_files() -> Iterator[Callable[[int, int], None]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda soft, hard: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_of_open_files_is_raised(
    few_files: Callable[[int, int], None], stub: StubServer, client_of: ClientOf
) -> None:
    few_files(150, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    stub.script = lambda _asked, _before: answer("yes", delay_s=0.5)
    responses = client_of(stub, concurrency=200).complete([request(str(number)) for number in range(200)])
    assert {response.status for response in responses} == {"answered"}
    assert stub.most_in_flight > 150


TOO_FEW = """
import resource, sys
from pathlib import Path
from codeio_assets.llm import ChatServerError, Journal, OpenAIChatClient
from codeio_assets_tests.llm.conftest import request
resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
client = OpenAIChatClient(sys.argv[1], "stub-model", Journal(Path(sys.argv[2])), concurrency=200)
try:
    client.complete([request(str(number)) for number in range(200)])
except ChatServerError as error:
    print(error)
"""


def test_too_few_open_files_say_so(stub: StubServer, tmp_path: Path) -> None:
    import subprocess
    import sys

    stub.script = lambda _asked, _before: answer("yes", delay_s=0.5)
    command = [sys.executable, "-c", TOO_FEW, stub.base_url, str(tmp_path / "journal")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert "too few files for so many connections: lower `chat.concurrency`" in ended.stdout, ended.stderr
    assert ended.stdout.count("\n") == 1


def test_progress_counts_estimated_answers(stub: StubServer, client_of: ClientOf) -> None:
    stub.script = without_usage
    seen: list[Progress] = []
    client_of(stub, backoff=SOON).complete([request("one"), request("two")], seen.append)
    assert seen[-1].estimated == 2
