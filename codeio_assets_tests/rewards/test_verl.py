import asyncio
import inspect

import pytest

from codeio_assets.rewards import RewardJudge, judging, verl
from codeio_assets.rewards.verl import RewardUnavailable, compute_score, compute_score_async
from codeio_assets.sandbox import Outcome
from codeio_assets_tests.rewards.conftest import CODE

TARGET = '{"double":6,"words":["a"]}'
CASES = [
    ("output", f'It is {{"output": {TARGET}}}', 1.0, 1.0, "correct"),
    ("output", 'It is {"output": 6}', 0.0, 1.0, "wrong"),
    ("output", "It is 6", 0.0, 0.0, "no_answer"),
    ("input", '{"input": {"n": 3, "words": ["a"]}}', 1.0, 1.0, "correct"),
    ("input", '{"input": {"n": 3}}', 0.0, 1.0, "wrong"),
    ("input", '{"input": {"n": -3}}', 0.0, 1.0, "exception"),
    ("input", '{"input": {"n": 5000}}', 0.0, 1.0, "timeout"),
    ("input", "none", 0.0, 0.0, "no_answer"),
]


@pytest.fixture(autouse=True)
def shared(judge: RewardJudge, monkeypatch: pytest.MonkeyPatch) -> RewardJudge:
    monkeypatch.setattr(verl, "shared_judge", lambda: judge)
    monkeypatch.setattr(verl, "PAUSE_S", 0.0)
    return judge


@pytest.mark.parametrize(("direction", "completion", "score", "found", "status"), CASES)
def test_a_completion_has_its_score(direction: str, completion: str, score: float, found: float, status: str) -> None:
    given = {
        "data_source": "codeio/s",
        "solution_str": completion,
        "ground_truth": TARGET,
        "extra_info": {"direction": direction, "reference_code": CODE, "num_turns": None, "split": "train"},
        "reward_router_address": None,
    }
    expected = {"score": score, "acc": score, "found": found, "status": status}
    assert compute_score(**given) == expected
    assert asyncio.run(compute_score_async(**given)) == expected


def test_verl_awaits_one_and_calls_the_other() -> None:
    assert inspect.iscoroutinefunction(compute_score_async)
    assert not inspect.iscoroutinefunction(compute_score)


def test_a_fault_of_the_machine_is_tried_again_and_never_a_zero(
    judge: RewardJudge, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = ["infrastructure", "infrastructure", "ok"]
    monkeypatch.setattr(judge._sandbox, "run", lambda job: [Outcome(ends.pop(0), value_json=TARGET)])
    extra = {"direction": "input", "reference_code": CODE}
    assert compute_score("s", '{"input": {"n": 3}}', TARGET, extra)["score"] == 1.0
    ends = ["infrastructure"] * 6
    with pytest.raises(RewardUnavailable, match="of s could not be executed, 3 times"):
        compute_score("s", '{"input": {"n": 3}}', TARGET, extra)
    with pytest.raises(RewardUnavailable):
        asyncio.run(compute_score_async("s", '{"input": {"n": 3}}', TARGET, extra))


def test_a_row_without_its_columns_is_an_error() -> None:
    with pytest.raises(KeyError, match="direction"):
        compute_score("s", "x", "1", {})


def test_a_process_shares_one_judge_and_a_child_has_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    opened: list[int] = []

    class Counted:
        def __init__(self, workers: int | None) -> None:
            opened.append(workers or 0)

        def close(self) -> None: ...

    monkeypatch.setattr(judging, "RewardJudge", Counted)
    monkeypatch.setattr(judging, "_shared", {})
    monkeypatch.setenv("CODEIO_REWARD_WORKERS", "3")
    assert judging.shared_judge() is judging.shared_judge()
    mine = judging.shared_judge()
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert judging.shared_judge() is not mine
    assert opened == [3, 3]
