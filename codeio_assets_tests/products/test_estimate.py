"""What a backfill will ask: exact for rows at hand, by averages for what follows."""

from dataclasses import replace

import polars as pl
import pytest

from codeio_assets.core.prompts import load_prompt
from codeio_assets.core.settings.models import Chat
from codeio_assets.core.tables.data import frame
from codeio_assets.llm.contract import ChatRequest, Message
from codeio_assets.llm.money import Price
from codeio_assets.products.estimate import Estimator, Experience, ShardRows, shared_ratio
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


@pytest.mark.parametrize("experience", [NOTHING, SEEN])
def test_no_more_is_told_than_the_settings_allow(experience: Experience) -> None:
    one = replace(estimator(experience), chat=CHAT.model_copy(update={"transform_attempts": 1}))
    transform, predict, _ = one.shard(ShardRows("s", files=8, pairs_per_function=2))
    assert transform.requests == 8
    assert predict.requests == round(8 * experience.functions_per_file * 4)


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


def told(experience: Experience, recorded: set[str] | None = None, **chat: object) -> Estimator:
    return replace(estimator(experience, recorded), chat=CHAT.model_copy(update=chat))


def test_the_teacher_without_a_model_asks_nothing() -> None:
    verdicts = pl.DataFrame({"status": ["wrong", "no_answer"]})
    tasks = tasks_of(["p"] * 2)
    for rows in (
        ShardRows("s", 100),
        ShardRows("s", 4, tasks=tasks),
        ShardRows("s", 4, tasks=tasks, verdicts=verdicts),
    ):
        _, predict, revise = told(SEEN, teacher="trace").shard(rows)
        assert [(one.requests, one.cost, one.basis) for one in (predict, revise)] == [(0, 0, "teacher: trace")] * 2


def test_further_answers_for_pass_rates_are_counted_once() -> None:
    _, predict, sample, _ = told(SEEN, samples_per_task=8).shard(ShardRows("s", files=100))
    assert (predict.requests, sample.requests, sample.completion_tokens) == (300, 7 * 300, 7 * 300 * 200)
    assert sample.cached_tokens / sample.prompt_tokens == pytest.approx(1 - 0.52 / 7, abs=0.001)
    _, predict, sample, _ = told(SEEN, samples_per_task=8, teacher="trace").shard(ShardRows("s", files=100))
    assert (predict.requests, sample.requests) == (0, 8 * 300), "sample 0 is then nobody's prediction"
    assert told(SEEN, samples_per_task=1).shard(ShardRows("s", files=100))[2].requests == 0


def test_further_answers_in_the_journal_cost_nothing() -> None:
    rows = ShardRows("s", 4, tasks=tasks_of(["one", "two"]))
    _, _, fresh, _ = told(SEEN, samples_per_task=4).shard(rows)
    _, _, known, _ = told(SEEN, {"one"}, samples_per_task=4).shard(rows)
    assert (fresh.requests, fresh.recorded, fresh.basis) == (6, 0, "rows at hand")
    assert (known.requests, known.recorded) == (6, 3)
    assert told(SEEN, samples_per_task=4).shard(replace(rows, samples=4))[2].requests == 0
    assert told(SEEN, samples_per_task=4).shard(replace(rows, samples=2))[2].requests == 6


def tasks_of(prompts: list[str]) -> pl.DataFrame:
    count = len(prompts)
    return pl.DataFrame(
        {"prompt": prompts, "function_id": ["f"] * count, "direction": ["input"] * count}
        | {"task_id": [f"{number:03}" for number in range(count)]}
    )


def test_cached_tokens_are_predicted_from_the_rows_at_hand_and_cheaper() -> None:
    made = functions(("def main_solution(a): return a", ""))
    tasks = tasks_of(["x" * 5_600 + f"{number:0<560}" for number in range(4)])
    cheap = replace(estimator(SEEN), prices={"m": Price(1.0, 0.0, cached_input=0.1)})
    _, predict, _ = cheap.shard(ShardRows("s", 4, files("x = 1\n"), made, tasks))
    assert predict.cached_tokens / predict.prompt_tokens == pytest.approx(0.75 * 5_600 / 6_160, abs=0.02)
    fresh = predict.prompt_tokens - predict.cached_tokens
    assert predict.cost == pytest.approx((fresh + 0.1 * predict.cached_tokens) / 1e6)


def test_what_runs_saw_of_the_cache_counts_more() -> None:
    seen = replace(SEEN, cached_ratios={"predict": 0.0, "transform": 0.9})
    transform, predict, revise = estimator(seen).shard(ShardRows("s", files=100))
    assert (transform.cached_tokens, predict.cached_tokens) == (round(0.9 * 135_000), 0)
    assert 0 < revise.cached_tokens < revise.prompt_tokens


def test_only_what_begins_alike_is_shared() -> None:
    def asked(*texts: str) -> list[ChatRequest]:
        return [ChatRequest("m", (Message("user", text),)) for text in texts]

    assert shared_ratio([]) == 0
    assert shared_ratio(asked("a" * 560, "a" * 560)) == pytest.approx(0.5)
    assert shared_ratio(asked("b" + "a" * 559, "a" * 560)) == 0


def test_a_prompt_version_lets_both_directions_begin_alike() -> None:
    parts = {"query": "q" * 600, "io_description": "d" * 500, "reference_code": "c" * 1_000, "given": "{}"}

    def requests(version: str) -> list[ChatRequest]:
        texts = [load_prompt(name, version=version).fill(**parts)[0][1] for name in ("predict_input", "predict_output")]
        return [ChatRequest("m", (Message("user", text),)) for text in texts]

    default, code_first = shared_ratio(requests("default")), shared_ratio(requests("code_first"))
    assert default < 0.25
    assert code_first > 0.35
    assert load_prompt("transform", version="code_first") == load_prompt("transform"), "all others are the same"
