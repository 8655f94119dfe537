import asyncio
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from codeio_assets.rewards import Question, Reward, RewardJudge, Shaping
from codeio_assets.sandbox import Outcome
from codeio_assets_tests.rewards.conftest import CODE

OUTPUT = Question("output", '{"double":6,"words":["a"]}')
INPUT = Question("input", '{"double":6,"words":["a","b"]}', CODE)
RIGHT_INPUT = 'So {"input": {"n": 3, "words": ["b", "a"]}}'
LOOP = 'So {"input": {"n": 5000}}'


@pytest.mark.parametrize(
    ("question", "completion", "value", "status"),
    [
        (OUTPUT, 'It is {"output": {"double": 6.0, "words": ["a"]}}', 1.0, "correct"),
        (OUTPUT, 'It is {"output": {"double": 7, "words": ["a"]}}', 0.0, "wrong"),
        (OUTPUT, "It is six.", 0.0, "no_answer"),
        (OUTPUT, "", 0.0, "no_answer"),
        (INPUT, RIGHT_INPUT, 1.0, "correct"),
        (INPUT, 'So {"input": {"n": 3, "words": ["a", "b"]}}', 1.0, "correct"),
        (INPUT, 'So {"input": {"n": 4}}', 0.0, "wrong"),
        (INPUT, 'So {"input": {"n": -1}}', 0.0, "exception"),
        (INPUT, 'So {"input": {"m": 1}}', 0.0, "exception"),
        (INPUT, LOOP, 0.0, "timeout"),
        (INPUT, 'So {"input": 3}', 0.0, "no_answer"),
        # the recorded input is one right answer of many, and giving the output instead is none
        (INPUT, 'So {"output": {"double": 6, "words": ["a", "b"]}}', 0.0, "no_answer"),
    ],
)
def test_a_completion_is_worth_its_verdict(
    judge: RewardJudge, question: Question, completion: str, value: float, status: str
) -> None:
    [reward] = judge.judge([question], [completion])
    assert (reward.value, reward.status) == (value, status)


def test_a_batch_keeps_its_order(judge: RewardJudge) -> None:
    completions = [f'{{"input": {{"n": {n}, "words": ["a", "b"]}}}}' for n in range(30)]
    rewards = judge.judge([INPUT] * 30, completions)
    assert [reward.value for reward in rewards] == [float(n == 3) for n in range(30)]
    assert [json.loads(reward.executed_output_json or "null")["double"] for reward in rewards] == [
        2 * n for n in range(30)
    ]


def test_a_count_that_differs_is_an_error(judge: RewardJudge) -> None:
    with pytest.raises(ValueError, match="zip"):
        judge.judge([INPUT, INPUT], [RIGHT_INPUT])


def test_a_fault_of_the_machine_is_no_reward(judge: RewardJudge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge._sandbox, "run", lambda job: [Outcome("infrastructure", message="worker gone")])
    right, wrong = judge.judge([INPUT, OUTPUT], [RIGHT_INPUT, '{"output": 1}'])
    assert right == Reward(None, "infrastructure", right.predicted_json, None, right.feedback)
    assert wrong.value == 0.0


def test_workers_that_are_killed_cost_no_reward(judge: RewardJudge) -> None:
    for _, worker in list(judge._sandbox._idle):
        os.kill(worker.pid, 9)
    assert [reward.value for reward in judge.judge([INPUT] * 4, [RIGHT_INPUT] * 4)] == [1.0] * 4


def test_a_hostile_completion_hurts_no_other(judge: RewardJudge) -> None:
    hostile = """
import os
def main_solution(how):
    if how == "exit":
        os._exit(0)
    if how == "memory":
        return len([bytearray(1 << 20) for _ in range(10_000)])
    if how == "flood":
        return "x" * (1 << 24)
    if how == "write":
        for descriptor in range(64):
            try:
                os.write(descriptor, b"{}" * 1_000)
            except OSError:
                pass
        return 1
    if how == "loop":
        while True:
            pass
    globals()["main_solution"] = None
    return how
"""
    trap = Question("input", '"fine"', hostile)
    ways = ["exit", "memory", "flood", "write", "loop", "patch"]
    mixed = [question for way in ways for question in (trap, INPUT)]
    completions = [text for way in ways for text in (f'{{"input": {{"how": "{way}"}}}}', RIGHT_INPUT)]
    rewards = judge.judge([*mixed, trap], [*completions, '{"input": {"how": "fine"}}'])
    assert [reward.value for reward in rewards] == [0.0, 1.0] * len(ways) + [1.0]
    assert "infrastructure" not in {reward.status for reward in rewards}


def test_callers_wait_for_a_place_and_all_are_served(judge: RewardJudge) -> None:
    """More threads and executions than the queue of 8 has places."""

    def call(n: int) -> list[float | None]:
        batch = [f'{{"input": {{"n": {k}, "words": ["a", "b"]}}}}' for k in (n, 3, n)]
        return [reward.value for reward in judge.judge([INPUT] * 3, batch)]

    with ThreadPoolExecutor(32) as threads:
        assert list(threads.map(call, range(100, 132))) == [[0.0, 1.0, 0.0]] * 32
    assert judge._places._free == 8


def test_coroutines_are_served_while_the_loop_goes_on(judge: RewardJudge) -> None:
    async def main() -> tuple[list[list[Reward]], int]:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.01)
                beats += 1

        beating = asyncio.create_task(beat())
        calls = [judge.judge_async([INPUT, OUTPUT], [LOOP if n < 2 else RIGHT_INPUT, "no"]) for n in range(20)]
        rewards = await asyncio.gather(*calls)
        beating.cancel()
        return rewards, beats

    rewards, beats = asyncio.run(main())
    assert [[reward.value for reward in pair] for pair in rewards] == [[0.0, 0.0]] * 2 + [[1.0, 0.0]] * 18
    assert beats > 20  # two loops of a second of CPU time each


def test_a_cancelled_caller_takes_no_place_along(judge: RewardJudge) -> None:
    async def main() -> None:
        calls = [asyncio.create_task(judge.judge_async([INPUT] * 4, [LOOP] * 4)) for _ in range(4)]
        await asyncio.sleep(0.2)
        for call in calls:
            call.cancel()
        assert all(
            isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*calls, return_exceptions=True)
        )

    asyncio.run(main())
    assert judge.judge([INPUT], [RIGHT_INPUT])[0].value == 1.0
    deadline = time.monotonic() + 60
    while judge._places._free < 8 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert judge._places._free == 8


def test_partial_credit_is_off_unless_asked_for(judge: RewardJudge) -> None:
    near = '{"output": {"double": 6, "words": ["b"]}}'
    assert judge.judge([OUTPUT], [near])[0].value == 0.0
    shaped = RewardJudge.__new__(RewardJudge)
    shaped.__dict__.update(judge.__dict__, _shaping=Shaping(found=0.1, strict=0.1, close=0.4))
    values = [
        shaped.judge([OUTPUT], [text])[0].value
        for text in (near, "{'output': {'double': 6, 'words': ['b']}}", "six", '{"output": null}')
    ]
    assert values == pytest.approx([0.4, 0.3, 0.0, 0.2])
    rewards = shaped.judge([INPUT] * 3, ['{"input": {"n": 3}}', '{"input": {"n": -1}}', RIGHT_INPUT])
    assert [reward.value for reward in rewards] == pytest.approx([0.4, 0.2, 1.0])


@pytest.mark.parametrize("parts", [{"found": 1.0}, {"found": 0.5, "close": 0.5}, {"strict": -0.1}])
def test_partial_credit_stays_below_a_right_answer(parts: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="less than 1"):
        Shaping(**parts)


def test_a_closed_judge_says_so() -> None:
    opened = RewardJudge(workers=1)
    opened.close()
    with pytest.raises(RuntimeError, match="the judge is closed"):
        opened.judge([INPUT], [RIGHT_INPUT])
