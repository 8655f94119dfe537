"""What a backfill will ask: exact for rows at hand, by averages for what follows."""

import polars as pl
import pytest

from codeio_assets.core.prompts import load_prompt
from codeio_assets.core.settings.models import Chat
from codeio_assets.core.tables.data import frame
from codeio_assets.llm.contract import ChatRequest
from codeio_assets.llm.money import Price
from codeio_assets.products.estimate import Estimator, Experience, ShardRows
from codeio_assets_tests.steps.scripted import files, functions

CHAT = Chat.model_validate({"model": "m", "transform": {"max_tokens": 1_000}, "predict": {"max_tokens": 600}})
NOTHING = Experience(
    frame("transform_attempts", []), frame("predictions", []), frame("revised_predictions", []), 0, 0, 0, None
)
SEEN = Experience(
    attempts=pl.DataFrame({"file_id": ["a", "b", "b"], "prompt_tokens": [900] * 3, "completion_tokens": [300] * 3}),
    predictions=pl.DataFrame({"prompt_tokens": [500], "completion_tokens": [200]}),
    revisions=pl.DataFrame({"prompt_tokens": [800], "completion_tokens": [100]}),
    functions=1,
    files=2,
    tasks=6,
    wrong_ratio=0.25,
)


def estimator(experience: Experience, recorded: set[str] | None = None) -> Estimator:
    known = recorded or set()

    def is_recorded(request: ChatRequest) -> bool:
        return any(text in str(request.messages) for text in known)

    return Estimator(CHAT, load_prompt("transform"), experience, is_recorded, {"m": Price(1.0, 2.0)})


def test_without_any_rows_the_yields_of_the_method_count() -> None:
    transform, predict, revise = estimator(NOTHING).shard(ShardRows("s", files=100))
    assert (transform.requests, transform.completion_tokens) == (130, 130 * 500)
    assert predict.requests == round(56 * 11.5)
    assert revise.requests == round(56 * 11.5 * 0.49)
    assert "half of max_tokens" in transform.basis


def test_what_was_seen_counts_more() -> None:
    transform, predict, revise = estimator(SEEN).shard(ShardRows("s", files=100))
    assert (transform.requests, transform.prompt_tokens, transform.completion_tokens) == (150, 135_000, 45_000)
    assert transform.cost == pytest.approx(0.135 + 2 * 0.045)
    assert (predict.requests, predict.completion_tokens) == (300, 60_000)
    assert (revise.requests, revise.prompt_tokens) == (75, 60_000)
    assert transform.basis == "files of the shard"


def test_requests_in_the_journal_cost_nothing() -> None:
    rows = ShardRows("s", files=4, eligible=files("one = 1\n", "two = 2\n", "three = 3\n"))
    fresh, *_ = estimator(SEEN).shard(rows)
    known, *_ = estimator(SEEN, {"one = 1", "two = 2"}).shard(rows)
    done, *_ = estimator(SEEN, {"= "}).shard(rows)
    assert (fresh.requests, fresh.recorded, fresh.basis) == (5, 0, "rows at hand")
    assert (known.requests, known.recorded) == (5, 4)
    assert 0 < known.prompt_tokens < fresh.prompt_tokens
    assert (done.requests - done.recorded, done.completion_tokens, done.cost) == (0, 0, 0)


def test_what_is_made_asks_nothing() -> None:
    made = functions(("def main_solution(a): return a", ""))
    verdicts = pl.DataFrame({"status": ["wrong", "correct", "no_answer"]})
    tasks = pl.DataFrame({"prompt": ["p"] * 3})
    rows = ShardRows("s", 4, files("x = 1\n"), made, tasks, verdicts)
    transform, predict, revise = estimator(SEEN).shard(rows)
    assert (transform.requests, predict.requests, revise.requests) == (0, 0, 2)
    assert estimator(SEEN).shard(ShardRows("s", 4, None, made, tasks, verdicts, revised=True))[2].requests == 0
