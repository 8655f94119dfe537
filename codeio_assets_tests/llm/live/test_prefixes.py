"""Requests about one function meet in one server's prefix cache, whatever the number of servers."""

import json
import random
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

from codeio_assets.core.prompts import load_prompt
from codeio_assets.llm import ChatRequest, EndpointConfig, Journal, Message, OpenAIChatClient
from codeio_assets.project import INSTALLED_ROOT
from codeio_assets_tests.llm.conftest import MODEL, SOON
from codeio_assets_tests.llm.stub_server import Act, StubServer, answer, error

REAL = INSTALLED_ROOT.parent / "shared" / "data" / "codeio" / "parsed_functions.jsonl"
BLOCK = 16 * 4
"""Characters of a block of 16 tokens."""
FUNCTIONS = 96


class PrefixCache:
    """What a server with prefix caching holds: every block of every prompt, by all that stands before it."""

    def __init__(self) -> None:
        self.blocks = self.hits = 0
        self._held: set[int] = set()

    def __call__(self, asked: dict[str, Any], _before: int) -> Act:
        text = asked["messages"][-1]["content"]
        chains = [hash(text[:end]) for end in range(BLOCK, len(text) + 1, BLOCK)]
        self.blocks += len(chains)
        self.hits += sum(chain in self._held for chain in chains)
        self._held.update(chains)
        return answer("yes", delay_s=random.uniform(0.002, 0.02))


def prompts_of(number: int, prompts: dict[str, Any]) -> list[str]:
    """Return the twelve prompts of a function of the usual lengths: six pairs in two directions."""
    rng = random.Random(number)
    words = lambda count: " ".join(f"{rng.choice('abcdefgh')}{rng.randrange(999)}" for _ in range(count))  # noqa: E731
    parts = {"query": words(130), "io_description": words(110), "reference_code": words(190)}
    texts: list[str] = []
    for prompt in prompts.values():
        for _ in range(6):
            texts += [text for _, text in prompt.fill(**parts, given=words(30))]
    return texts


def requests_of(functions: int, prompts: dict[str, Any]) -> list[ChatRequest]:
    return [
        ChatRequest(MODEL, (Message("user", text),), affinity=str(number))
        for number in range(functions)
        for text in prompts_of(number, prompts)
    ]


def requests_of_real_functions(prompts: dict[str, Any]) -> list[ChatRequest]:
    """Return the requests about 312 published functions with up to six pairs each, in both directions."""
    if not REAL.is_file():
        pytest.skip("../shared/data is absent: no real functions to ask about")
    requests: list[ChatRequest] = []
    for number, line in enumerate(REAL.read_text("utf-8").splitlines()):
        row = json.loads(line)
        parts = {
            "query": row["problem_description"],
            "io_description": row["io_requirements"],
            "reference_code": row["refcode"],
        }
        for name, prompt in prompts.items():
            shown = (json.dumps(pair["input" if name == "predict_output" else "output"]) for pair in row["ios"])
            for given in [*dict.fromkeys(shown)][:6]:  # the same request is asked once
                texts = [text for _, text in prompt.fill(**parts, given=given)]
                requests += [ChatRequest(MODEL, (Message("user", text),), affinity=str(number)) for text in texts]
    return requests


def ideal_rate(requests: list[ChatRequest]) -> float:
    """Return the hit rate of a single server."""
    cache = PrefixCache()
    for one in requests:
        cache({"messages": [{"content": one.messages[0].content}]}, 0)
    return cache.hits / cache.blocks


DEFAULT = {name: load_prompt(name) for name in ("predict_input", "predict_output")}


@pytest.fixture
def ask(journal: Journal) -> Callable[..., tuple[list[float], float]]:
    """Ask some servers everything; return each one's share of the mean load, and the hit rate of all."""

    def asked(replicas: int, requests: list[ChatRequest], concurrency: int = 8) -> tuple[list[float], float]:
        with ExitStack() as stack:
            caches = [PrefixCache() for _ in range(replicas)]
            stubs = [stack.enter_context(StubServer(cache)) for cache in caches]
            endpoints = [EndpointConfig(stub.base_url, concurrency=concurrency) for stub in stubs]
            client = OpenAIChatClient(endpoints, MODEL, journal, backoff=SOON)
            responses = client.complete(requests)
        assert {response.status for response in responses} == {"answered"}
        loads = [len(stub.asked) * replicas / len(requests) for stub in stubs]
        return loads, sum(cache.hits for cache in caches) / sum(cache.blocks for cache in caches)

    return asked


@pytest.mark.parametrize("replicas", [2, 4, 8])
def test_a_functions_requests_meet_in_one_cache(replicas: int, ask: Callable[..., tuple[list[float], float]]) -> None:
    requests = requests_of(FUNCTIONS, DEFAULT)
    ideal = ideal_rate(requests)
    loads, rate = ask(replicas, requests)
    assert 0.70 < ideal < 0.85
    assert rate >= 0.985 * ideal, f"ideal {ideal:.3f}, {replicas} replicas {rate:.3f}"
    assert max(loads) <= 1.2, loads


@pytest.mark.parametrize("replicas", [2, 4, 8])
@pytest.mark.parametrize("version", ["default", "code_first"])
def test_real_functions_meet_in_one_cache(version: str, replicas: int, ask: Callable[..., tuple[list[float], float]]):
    prompts = {name: load_prompt(name, version=version) for name in DEFAULT}
    requests = requests_of_real_functions(prompts)
    one = ideal_rate(requests)
    loads, rate = ask(replicas, requests)
    print(f"{version}, {replicas} replicas: {rate:.1%} of blocks cached (one: {one:.1%}), most loaded {max(loads):.2f}")
    assert rate >= 0.985 * one
    assert rate >= {"default": 0.72, "code_first": 0.74}[version]
    assert max(loads) <= 1.2, loads


def test_one_beginning_for_all_spreads_over_the_servers(ask: Callable[..., tuple[list[float], float]]) -> None:
    requests = [
        ChatRequest(MODEL, (Message("user", f"{number} {text}"),), affinity="the same")
        for number, text in enumerate(prompts_of(1, DEFAULT) * 40)
    ]
    loads, _ = ask(4, requests, concurrency=4)
    assert min(loads) > 0.1, loads


def test_requests_of_a_server_that_dies_go_to_others(journal: Journal) -> None:
    with StubServer() as first, StubServer(lambda _a, _b: answer("yes")) as second:
        first.script = lambda _asked, _before: answer("yes") if len(first.asked) <= 20 else error(500, "dead")
        endpoints = [EndpointConfig(stub.base_url, concurrency=2) for stub in (first, second)]
        client = OpenAIChatClient(endpoints, MODEL, journal, backoff=SOON)
        responses = client.complete(requests_of(12, DEFAULT))
    assert {response.status for response in responses} == {"answered"}


def test_a_later_batch_finds_the_cache_of_an_earlier_one(journal: Journal) -> None:
    with StubServer(PrefixCache()) as first, StubServer(PrefixCache()) as second:
        client = OpenAIChatClient(
            [EndpointConfig(stub.base_url, concurrency=4) for stub in (first, second)], MODEL, journal
        )
        requests = requests_of(16, DEFAULT)
        client.complete([one for number, one in enumerate(requests) if number % 2])
        client.complete([one for number, one in enumerate(requests) if not number % 2])
        of_first, of_second = ({prompt[:200] for prompt in stub.prompts} for stub in (first, second))
    assert len(of_first & of_second) <= 4  # of 16, where a busy machine makes one endpoint seem crowded
