"""The scoring function of verl (`reward.custom_reward_function`).

    path: pkg://codeio_assets.rewards.verl
    name: compute_score         # compute_score_async for a reward loop that awaits

verl has no word for "not scored": a completion whose execution the machine failed is tried again, and after that an
error ends the step, to be gone on with from the last checkpoint. A 0 would be learnt from.
What does not live here: the judging (`judging`).
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Final, cast

from codeio_assets.core.method.verdicts import Direction
from codeio_assets.rewards.judging import Question, Reward, shared_judge

TRIES: Final = 3
PAUSE_S: Final = 1.0


class RewardUnavailable(Exception):  # noqa: N818  (a condition of the machine)
    """The machine was at fault each time that a completion was executed, so that nothing can be said of it."""


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, str] | None = None,
    **_: object,
) -> dict[str, float | str]:
    """Return `score` (1 or 0), and for verl's metrics `acc`, whether an answer was found, and the verdict's status.

    Args:
        data_source: column of the export; says nothing about the score.
        solution_str: what the model wrote.
        ground_truth: the output of the pair as JSON, in both directions.
        extra_info: column of the export: `direction` and `reference_code`.

    Raises:
        KeyError: `extra_info` lacks `direction` or `reference_code`.
        RewardUnavailable: the machine was at fault, three times.
        SandboxUnavailable: the isolation cannot be had on this machine; the message says what to do.
    """
    question = _question(ground_truth, extra_info)
    for attempt in range(TRIES):
        [reward] = shared_judge().judge([question], [solution_str])
        if reward.value is not None:
            return _scored(reward, reward.value)
        time.sleep(PAUSE_S * attempt)
    raise RewardUnavailable(_told(data_source))


async def compute_score_async(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, str] | None = None,
    **_: object,
) -> dict[str, float | str]:
    """Return what `compute_score` returns, without holding a thread.

    Raises:
        KeyError: `extra_info` lacks `direction` or `reference_code`.
        RewardUnavailable: the machine was at fault, three times.
        SandboxUnavailable: the isolation cannot be had on this machine; the message says what to do.
    """
    question = _question(ground_truth, extra_info)
    for attempt in range(TRIES):
        [reward] = await shared_judge().judge_async([question], [solution_str])
        if reward.value is not None:
            return _scored(reward, reward.value)
        await asyncio.sleep(PAUSE_S * attempt)
    raise RewardUnavailable(_told(data_source))


def _question(ground_truth: str, extra_info: Mapping[str, str] | None) -> Question:
    given = extra_info or {}
    return Question(cast("Direction", given["direction"]), ground_truth, given["reference_code"])


def _scored(reward: Reward, value: float) -> dict[str, float | str]:
    found = reward.predicted_json is not None
    return {"score": value, "acc": float(reward.status == "correct"), "found": float(found), "status": reward.status}


def _told(data_source: str) -> str:
    return f"a completion of {data_source} could not be executed, {TRIES} times: the machine is at fault, not the model"
