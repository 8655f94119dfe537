"""Partial credit for wrong answers; all of it is off unless asked for.

What does not live here: what is right (`core.method.verdicts`), which always gives the whole reward of 1.
"""

import json
from dataclasses import dataclass
from typing import Final, Literal

from codeio_assets.core.method.answers import extract_answer
from codeio_assets.core.method.verdicts import Judgement
from codeio_assets.core.values.closeness import closeness
from codeio_assets.core.values.comparison import Rule


@dataclass(frozen=True, slots=True)
class Shaping:
    """What a wrong answer may earn; the parts add up, and must stay below the 1 of a right answer.

    `found`: the completion holds an answer object. `strict`: and it is JSON as it stands, without lenient reading.
    `close`: times how near the value is to the target (`core.values.closeness`), that is the predicted output, or what
    the predicted input gives.
    """

    found: float = 0.0
    strict: float = 0.0
    close: float = 0.0

    def __post_init__(self) -> None:
        parts = (self.found, self.strict, self.close)
        if min(parts) < 0 or sum(parts) >= 1:
            raise ValueError(f"the parts {parts} must be 0 or more and add up to less than 1, the right answer's worth")


UNSHAPED: Final = Shaping()


def partial_credit(
    shaping: Shaping,
    judgement: Judgement,
    completion: str,
    direction: Literal["input", "output"],
    *,
    target_json: str,
    rule: Rule,
) -> float:
    """Return what an answer that is not right earns."""
    if shaping == UNSHAPED or judgement.predicted_json is None:
        return 0.0
    credit = shaping.found
    if shaping.strict and extract_answer(completion, direction).how == "json":
        credit += shaping.strict
    value_json = judgement.predicted_json if direction == "output" else judgement.executed_output_json
    if shaping.close and value_json is not None:
        credit += shaping.close * closeness(json.loads(target_json), json.loads(value_json), rule)
    return credit
