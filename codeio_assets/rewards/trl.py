"""The reward function of TRL's `GRPOTrainer` (and of its relatives that take `reward_funcs`).

    GRPOTrainer(model, reward_funcs=codeio_reward, train_dataset=load_dataset(folder, split="train"), ...)

TRL hands over the columns of the data set by name, one entry per completion; None is its word for a completion that
cannot be scored. What does not live here: the judging (`judging`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from codeio_assets.core.method.verdicts import Direction
from codeio_assets.core.values.canonical import Json
from codeio_assets.core.values.decoding import object_of
from codeio_assets.rewards.judging import Question, RewardJudge, shared_judge

Completion = str | Sequence[Mapping[str, Json]]
"""A text, or the messages of a conversation, of which the last one answers."""
RewardFunction = Callable[..., list[float | None]]


def codeio_reward(
    completions: Sequence[Completion],
    direction: Sequence[Direction],
    target: Sequence[str],
    reference_code: Sequence[str],
    **rest: Any,
) -> list[float | None]:
    """Return 1, 0 or None for each completion, judged by the judge that this process shares.

    Args:
        completions: what the model wrote.
        direction: column of the export, what is predicted.
        target: column of the export, the output of the pair as JSON.
        reference_code: column of the export, the code that a predicted input is executed with.
        rest: what else TRL hands over; its `log_metric`, if there, is told the share of each status.

    Raises:
        SandboxUnavailable: the isolation cannot be had on this machine; the message says what to do.
    """
    return _reward(shared_judge(), completions, direction, target, reference_code, rest=rest)


def trl_reward(judge: RewardJudge, name: str = "codeio_reward") -> RewardFunction:
    """Return a reward function that asks a judge of your own, with its shaping, limits and workers."""

    def reward(
        completions: Sequence[Completion],
        direction: Sequence[Direction],
        target: Sequence[str],
        reference_code: Sequence[str],
        **rest: Any,
    ) -> list[float | None]:
        return _reward(judge, completions, direction, target, reference_code, rest=rest)

    reward.__name__ = name  # TRL names its metrics by it
    return reward


def _reward(
    judge: RewardJudge,
    completions: Sequence[Completion],
    direction: Sequence[Direction],
    target: Sequence[str],
    reference_code: Sequence[str],
    *,
    rest: dict[str, Any],
) -> list[float | None]:
    questions = [Question(*parts) for parts in zip(direction, target, reference_code, strict=True)]
    rewards = judge.judge(questions, [text_of(completion) for completion in completions])
    log = rest.get("log_metric")
    if log is not None and rewards:
        for status in ("correct", "no_answer", "infrastructure"):
            log(f"codeio/{status}_ratio", sum(reward.status == status for reward in rewards) / len(rewards))
    return [reward.value for reward in rewards]


def text_of(completion: Completion) -> str:
    """Return the text of a completion; of messages, that of the last one."""
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion else ""
    if isinstance(content, list):  # parts, as multimodal chats have them
        return "".join(str(object_of(part).get("text", "")) for part in content)
    return cast("str", content or "")
