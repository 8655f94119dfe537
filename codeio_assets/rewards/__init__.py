"""Rewards for reinforcement learning: what a completion is worth, by execution and by the rule of our own verdicts.

    from codeio_assets.rewards import Question, RewardJudge

    with RewardJudge() as judge:
        [reward] = judge.judge([Question("output", "3")], ['It is {"output": 3}'])
        reward.value    # 1.0; 0.0 for any other answer, None where the machine was at fault

What lives here: judging completions from a warm sandbox in this process (`judging`), partial credit (`shaping`), and
the functions that TRL (`trl`) and verl (`verl`) call. What does not: what is correct (`core.method.verdicts`), and the
tables with the tasks (`products.export_rl`).
"""

from codeio_assets.rewards.judging import Question, Reward, RewardJudge, shared_judge
from codeio_assets.rewards.shaping import UNSHAPED, Shaping
from codeio_assets.rewards.trl import codeio_reward, trl_reward
from codeio_assets.rewards.verl import compute_score

__all__ = [
    "UNSHAPED",
    "Question",
    "Reward",
    "RewardJudge",
    "Shaping",
    "codeio_reward",
    "compute_score",
    "shared_judge",
    "trl_reward",
]
